"""Tables of the input: frozen, and an unknown key is an error that names the nearest known one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from couple.base.errors import InputError, brief, nearest
from couple.base.toml import refuse_nul
from couple.base.units import canonical_unit


class UnknownKey(ValueError):
    """A key that its table does not have; advice: what may be meant in that place."""

    def __init__(self, key: str, advice: str) -> None:
        super().__init__(f'unknown key "{key}"; {advice}')
        self.key = key


class Block(BaseModel):
    """Base of every table of an input file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    TEXT: ClassVar[bool] = False
    """Whether text may stand for the table."""

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
                    raise UnknownKey(key, nearest(key, known))
        return data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """With what the docstring says of each key, and with text as an alternative, where it is one."""
        found = super().__get_pydantic_json_schema__(core, handler)
        table = handler.resolve_ref_schema(found)
        about = key_descriptions(cls)
        table["description"] = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
        for key, field in table.get("properties", {}).items():
            if key in about:
                field["description"] = about[key]
        if cls.TEXT:
            content = dict(table)
            table.clear()
            table.update({"anyOf": [{"type": "string"}, content]})
        return found


def key_descriptions(table: type[Block]) -> dict[str, str]:
    """Key → what the docstring of a table, or of one that it extends, says of it: "key: text", up to the next key."""
    found: dict[str, str] = {}
    for cls in reversed([c for c in table.__mro__ if issubclass(c, Block) and c is not Block]):
        keys = [f.alias or name for name, f in table.model_fields.items()]
        text, _, _ = inspect.cleandoc(cls.__doc__ or "").partition("Raises ")
        names = "|".join(sorted(map(re.escape, keys), key=len, reverse=True))
        marks = (
            [*re.finditer(rf"(?:(?<=^)|(?<=[.;] )|(?<=\n))((?:{names})(?:, (?:{names}))*):\s", text, re.M)]
            if keys
            else []
        )
        for k, mark in enumerate(marks):
            end = marks[k + 1].start() if k + 1 < len(marks) else len(text)
            said = " ".join(text[mark.end() : end].partition("\n\n")[0].split()).rstrip(".; ")
            found |= dict.fromkeys(mark[1].split(", "), said)
    return found


def repeated(names: Iterable[str]) -> str | None:
    """The first name that comes a second time, None if each comes once."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def plain(value: Any) -> Any:
    """For JSON: a table as it was given, numbers of NumPy as those of Python, anything else as text."""
    if isinstance(value, Block):
        return value._given
    return value.item() if hasattr(value, "item") else str(value)


def explain(error: ValidationError, content: Any, model: type[BaseModel] | None = None) -> InputError:
    """The first problem that pydantic found in `content`, as one line with the key.

    model: of the whole content where it is a file, for what is said of headings: [site] or [[site]].
    """
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
    others = len({e["loc"][: len(first["loc"])] for e in problems}) - 1
    said = _about_heading(first, keys, model) or _about_place(first, model) or _said(first)
    return InputError(said + (f" (and {others} more)" if others else ""), where=keys)


def read_table[Table: BaseModel](model: type[Table], content: Mapping[str, Any], where: str) -> Table:
    """The checked table of a whole file; where: its path, for messages. Raises InputError that names the key."""
    try:
        refuse_nul(content)
        return model.model_validate(content)
    except ValidationError as error:
        raise explain(error, content, model).inside(where) from None
    except InputError as error:
        raise error.inside(where) from None


def _about_heading(problem: Mapping[str, Any], keys: str, model: type[BaseModel] | None) -> str:
    """What to write where one table was given for a list of them, or a list for one table; "" for other problems."""
    loc, given = problem["loc"], problem.get("input")
    if model is None or not keys or any(isinstance(part, int) for part in loc):
        return ""
    if problem["type"] == "tuple_type" and isinstance(given, Mapping) and _lists_tables(model, loc):
        return f"is one table where a list of them belongs: write [[{keys}]], in two pairs of brackets, above each"
    if problem["type"] == "model_type" and isinstance(given, list) and all(isinstance(g, Mapping) for g in given):
        return f"is a list of tables where one belongs: write [{keys}], in one pair of brackets"
    return ""


def _about_place(problem: Mapping[str, Any], model: type[BaseModel] | None) -> str:
    """Where a key belongs that its table does not have, but one or two others of the file do; "" for other problems."""
    error = problem.get("ctx", {}).get("error")
    if model is None or not isinstance(error, UnknownKey):
        return ""
    given = problem["input"][error.key]
    homes, own = [], ""
    for heading, field in _fields(model).items():
        written = f"[[{heading}]]" if get_origin(field) is tuple else f"[{heading}]"
        tables = _tables_in(field)
        if heading == error.key and tables:
            own = written
        if any(error.key in _fields(table) for table in tables):
            homes.append(written)
    if own and (isinstance(given, Mapping | list) or not homes):
        return f'"{error.key}" is a table of its own: write {own}'
    if not 1 <= len(homes) <= _HOMES:
        return ""
    return f'unknown key "{error.key}" here; it belongs to {" or ".join(homes)}'


_HOMES = 2
"""Tables that are named as the place of a key; a key that more of them have says nothing about what is meant."""


def _fields(table: type[BaseModel]) -> dict[str, Any]:
    """Keys of a table → annotations."""
    return {f.alias or name: f.annotation for name, f in table.model_fields.items()}


def _lists_tables(model: type[BaseModel], loc: tuple[Any, ...]) -> bool:
    """Whether a field, by the keys that lead to it, is a list of tables."""
    fields = _fields(model)
    inside = _tables_in(fields.get(str(loc[0])))
    if len(loc) == 1:
        return get_origin(fields.get(str(loc[0]))) is tuple and bool(inside)
    return any(_lists_tables(one, loc[1:]) for one in inside)


def _tables_in(annotation: Any) -> list[type[BaseModel]]:
    """The tables that an annotation names."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [table for part in get_args(annotation) for table in _tables_in(part)]


NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
SITE_NAME = r"^([A-Za-z_][A-Za-z0-9_]*(\*[A-Za-z0-9_]*)?|\*[A-Za-z0-9_]*)$"
END = r"^[^.\s]+\.[^.\s]+$"
TARGET = r"^[^.\s]+\.[^.\s]+(\.[^.\s]+)?$"

Integer = Annotated[int, Field(strict=True)]
Name = Annotated[str, Field(pattern=NAME)]

SHAPES = {
    NAME: "a name of letters, digits and _ that begins with no digit",
    RUN_NAME: "a name of letters, digits, _, . and -",
    SITE_NAME: 'a name of letters, digits and _, like "head", with at most one *, like "spine_*"',
    END: 'two names with a dot between, like "head.Ca" or "neuron.ica"',
    TARGET: 'names with dots between, like "head.Ca", "neuron.cai" or "neuron.AMPA.gmax"',
}
"""Patterns of text, in words."""

WANTED = {
    "model_type": "must be a table, like {{ key = value }}",
    "dict_type": "must be a table, like {{ key = value }}",
    "tuple_type": 'must be a list, like ["a", "b"]',
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number without quotes",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "needs at least {min_length} of them",
    "too_long": "takes at most {max_length} of them",
    "string_pattern_mismatch": "must be {pattern}",
}
"""What pydantic's types of problems mean to somebody who writes TOML."""


def _said(problem: Mapping[str, Any]) -> str:
    """One problem in words: what was given and what is allowed."""
    kind = problem["type"]
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(problem["msg"]).removeprefix("Value error, ")
    message = str(problem["msg"])
    wanted = WANTED.get(kind, f"{message[:1].lower()}{message[1:]}".replace("{", "{{").replace("}", "}}"))
    given, limits = problem.get("input"), dict(problem.get("ctx", {}))
    if "pattern" in limits:
        limits["pattern"] = SHAPES.get(limits["pattern"], f"like {limits['pattern']}")
    unit = canonical_unit(given) if kind.startswith(("greater", "less")) and isinstance(given, str) else ""
    return f"{wanted.format(**limits)}{unit and ' ' + unit}, not {brief(given)}"
