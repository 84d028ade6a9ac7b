"""Tables of the input: frozen, and an unknown key is an error that names the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from couple.errors import InputError, nearest


class Block(BaseModel):
    """Base of every table of an input file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {f.alias or key for key, f in cls.model_fields.items()}
            for key in data:
                if key not in known:
                    raise ValueError(f'unknown key "{key}"; {nearest(key, known)}')
        return data


def explain(error: ValidationError) -> InputError:
    """The first problem that pydantic found, as one line with the key."""
    first = error.errors()[0]
    keys = ""
    for part in first["loc"]:
        if isinstance(part, int):
            keys += f"[{part}]"
        elif part[:1].islower() and "[" not in part and "-" not in part:  # not the name of a type in a union
            keys += f".{part}" if keys else part
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        message = "is missing"
    elif first["type"] != "value_error":
        message = f"{message[:1].lower()}{message[1:]}, not {first.get('input')!r}"
    more = error.error_count() - 1
    return InputError(message + (f" (and {more} more)" if more else ""), where=keys)
