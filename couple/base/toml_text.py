"""Nested tables as TOML: a heading for each, a line for each key, what is in them between braces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(tables: Mapping[str, Any]) -> str:
    """The text of tables, which `tomllib` reads as they are; entries that are None are left out.

    tables: of tables and lists of tables, in which anything may stand that TOML has.

    >>> print(to_toml({"site": [{"name": "head", "geometry": {"sphere": {"diameter": "0.5 um"}}}]}), end="")
    [[site]]
    name = "head"
    geometry.sphere = { diameter = "0.5 um" }
    """
    parts = []
    for key, value in tables.items():
        if isinstance(value, Mapping):
            parts.append("\n".join([f"[{_key(key)}]", *_lines(value)]) + "\n")
        else:
            parts += ["\n".join([f"[[{_key(key)}]]", *_lines(entry)]) + "\n" for entry in value]
    return "\n".join(parts)


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from (f"{_key(key)}.{_key(k)} = {_inline(v)}" for k, v in value.items() if v is not None)
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            yield f"{_key(key)} = ["
            yield from (f"  {_inline(entry)}," for entry in value)
            yield "]"
        elif value is not None:
            yield f"{_key(key)} = {_inline(value)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items() if v is not None)
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_inline(entry) for entry in value if entry is not None)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _string(value) if isinstance(value, str) else repr(value)  # of a float also inf and nan
