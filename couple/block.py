"""Tables of the input: frozen, and an unknown key is an error that names the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from couple.errors import InputError, nearest


class Block(BaseModel):
    """Base of every table of an input file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _given: dict[str, Any] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _remember(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Keep what was given: quantities with their units, for files and for building larger tables."""
        made = handler(data)
        if isinstance(data, Mapping):
            made._given = dict(data)
        return made

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {f.alias or key for key, f in cls.model_fields.items()}
            for key in data:
                if key not in known:
                    raise ValueError(f'unknown key "{key}"; {nearest(key, known)}')
        return data


def plain(value: Any) -> Any:
    """For JSON: a table as it was given, numbers of NumPy as those of Python, anything else as text."""
    if isinstance(value, Block):
        return value._given
    return value.item() if hasattr(value, "item") else str(value)


def explain(error: ValidationError, content: Any) -> InputError:
    """The first problem that pydantic found in `content`, as one line with the key."""
    problems = error.errors()
    first = next((e for e in problems if e["type"] == "value_error"), problems[0])
    keys, place = "", content
    for part in first["loc"]:
        inside = isinstance(place, Mapping) and part in place
        if isinstance(part, int):
            keys += f"[{part}]"
            place = place[part] if isinstance(place, list) and part < len(place) else None
        elif inside or (first["type"] == "missing" and part == first["loc"][-1]):
            keys += f".{part}" if keys else part
            place = place[part] if inside else None
        # anything else is pydantic's name of an alternative, not a key
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        message = "is missing"
    elif first["type"] != "value_error":
        message = f"{message[:1].lower()}{message[1:]}, not {first.get('input')!r}"
    others = len({e["loc"][: len(first["loc"])] for e in problems}) - 1
    return InputError(message + (f" (and {others} more)" if others else ""), where=keys)
