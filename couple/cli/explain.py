"""`couple explain`: what a key of an experiment file means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from couple.base.errors import InputError, nearest
from couple.cli.console import table

NAMED = ("site", "spine", "link", "drive", "population", "connection", "stimulus", "current", "protocol", "reactions")
"""Lists of tables, whose entries a key may name or number."""


def explain(
    key: Annotated[
        str, typer.Argument(help='As in site.head.lattice.spacing; "" for the tables.', show_default=False)
    ] = "",
) -> None:
    """Say what a key of an experiment file is: its unit, what it may be, its default, and which keys stand below it."""
    from couple.cli.schema import experiment_schema

    whole = experiment_schema()
    path: list[str] = []
    place = whole
    for word in [w for w in key.split(".") if w]:
        step = _below(whole, place, word)
        if step is None:
            known = [k for k, _ in _keys(whole, place)]
            raise InputError(f'{".".join(path) or "an experiment"} has no key "{word}"; {nearest(word, known)}')
        place, path = step, [*path, word]
    table([*_lines(whole, place), *((name, _about(whole, one)) for name, one in _keys(whole, place))])


def _resolved(whole: Mapping[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    """A place with what it refers to; of alternatives the table, else the first that is not null."""
    found = dict(place)
    if "$ref" in found:
        name = str(found.pop("$ref")).removeprefix("#/$defs/")
        found = {**_resolved(whole, whole["$defs"][name]), **found}
    if "anyOf" in found:
        choices = [_resolved(whole, c) for c in found.pop("anyOf")]
        best = next((c for c in choices if c.get("properties")), None) or next(
            c for c in choices if c.get("type") != "null"
        )
        found = {**best, **{k: v for k, v in found.items() if k != "description" or v}}
    return found


def _below(whole: Mapping[str, Any], place: Mapping[str, Any], word: str) -> dict[str, Any] | None:
    """The place of a key, of a named entry, or of an item."""
    here = _resolved(whole, place)
    if word in here.get("properties", {}):
        return dict(here["properties"][word])
    if here.get("type") == "array" and isinstance(here.get("items"), Mapping):
        inside = dict(here["items"])
        known = {k for k, _ in _keys(whole, inside)}
        return _below(whole, inside, word) if word in known else inside
    if isinstance(here.get("additionalProperties"), Mapping):
        return dict(here["additionalProperties"])
    return None


def _keys(whole: Mapping[str, Any], place: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Keys below a place; of a list those of its entries."""
    here = _resolved(whole, place)
    if here.get("type") == "array" and isinstance(here.get("items"), Mapping):
        here = _resolved(whole, here["items"])
    yield from here.get("properties", {}).items()


def _lines(whole: Mapping[str, Any], place: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of the key itself."""
    here = _resolved(whole, place)
    lines = [("is", here["description"])] if here.get("description") else []
    lines.append(("kind", _kind(whole, place)))
    if "examples" in here:
        lines.append(("like", ", ".join(map(json.dumps, here["examples"]))))
    if "enum" in here:
        lines.append(("one of", ", ".join(map(json.dumps, here["enum"]))))
    if place.get("default") is not None:
        lines.append(("default", json.dumps(place["default"])))
    return lines


def _kind(whole: Mapping[str, Any], place: Mapping[str, Any]) -> str:
    here = _resolved(whole, place)
    if here.get("properties"):
        return "a table"
    if here.get("type") == "array":
        return "a list"
    words = {
        "string": "text",
        "number": "a number",
        "integer": "a whole number",
        "boolean": "true or false",
        "object": "a table",
    }
    return "text with a unit" if "examples" in here else words.get(str(here.get("type")), "one of several kinds")


def _about(whole: Mapping[str, Any], place: Mapping[str, Any]) -> str:
    """One line of a key in a list of keys."""
    return str(place.get("description") or _resolved(whole, place).get("description") or _kind(whole, place))
