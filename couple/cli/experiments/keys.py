"""The keys of an experiment file, walked in its JSON schema: for `couple explain` and the reference of the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Place = Mapping[str, Any]
"""A part of the schema: what is said of one key."""

CHOICES = ("anyOf", "oneOf")
"""Where a schema names alternatives."""

WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a table",
}


def resolved(whole: Place, place: Place) -> dict[str, Any]:
    """A place with what it refers to; of alternatives the table, else the first that is not null."""
    found = dict(place)
    if "$ref" in found:
        found = {**resolved(whole, whole["$defs"][definition_of(found.pop("$ref"))]), **found}
    if choices := [resolved(whole, c) for word in CHOICES for c in found.pop(word, ())]:
        tables_of = [c for c in choices if c.get("properties")]
        best = _merged(tables_of) if tables_of else next(c for c in choices if c.get("type") != "null")
        found = {**best, **{k: v for k, v in found.items() if k != "description" or v}}
    return found


def _merged(several: list[dict[str, Any]]) -> dict[str, Any]:
    """One table with the keys of several that may stand in a place; words that tell them apart as a list."""
    properties: dict[str, Any] = {}
    for name, place in ((k, v) for one in several for k, v in one["properties"].items()):
        known = properties.setdefault(name, dict(place))
        words = [w for p in (known, place) for w in p.get("enum", [p["const"]] if "const" in p else [])]
        if words:
            known.pop("const", None)
            known["enum"] = list(dict.fromkeys(words))
    return {**several[0], "properties": properties}


def definition_of(reference: str) -> str:
    """The name of a definition, of a `$ref` to it."""
    return reference.removeprefix("#/$defs/")


def below(whole: Place, place: Place, word: str) -> dict[str, Any] | None:
    """The place of a key, of a named entry, or of an item; None if there is none."""
    here = resolved(whole, place)
    if word in here.get("properties", {}):
        return dict(here["properties"][word])
    if here.get("type") == "array" and isinstance(here.get("items"), Mapping):
        inside = dict(here["items"])
        known = {k for k, _ in keys(whole, inside)}
        return below(whole, inside, word) if word in known else inside
    alternatives = (one for word in CHOICES for one in place.get(word, ()))
    entry = next((e for one in (here, *alternatives) if (e := entry_of(resolved(whole, one)))), None)
    return None if entry is None else dict(entry)


def entry_of(here: Place) -> Place | None:
    """What stands under each name of a map of names, None if it is none."""
    found = [here.get("additionalProperties"), *here.get("patternProperties", {}).values()]
    return next((one for one in found if isinstance(one, Mapping)), None)


def keys(whole: Place, place: Place) -> Iterator[tuple[str, Place]]:
    """Keys below a place; of a list those of its entries."""
    here = resolved(whole, place)
    if here.get("type") == "array" and isinstance(here.get("items"), Mapping):
        here = resolved(whole, here["items"])
    yield from here.get("properties", {}).items()


def kind_of(whole: Place, place: Place) -> str:
    """What a key takes, in words: "text with a unit", "a list"."""
    here = resolved(whole, place)
    if here.get("properties"):
        return "a table"
    if here.get("type") == "array":
        return "a list"
    return "text with a unit" if "examples" in here else WORDS.get(str(here.get("type")), "one of several kinds")


def unit_of(whole: Place, place: Place) -> str:
    """The unit in which a quantity is understood, "" of what is none; any other unit of its kind may be given."""
    examples = resolved(whole, place).get("examples", ())
    return str(examples[0]).partition(" ")[2] if examples else ""


def about(whole: Place, place: Place) -> str:
    """What is said of a key, in one line."""
    return str(place.get("description") or resolved(whole, place).get("description") or kind_of(whole, place))


def default_of(place: Place) -> str:
    """The default as JSON has it, "" of what has none."""
    given = place.get("default")
    return "" if given is None or given in ([], {}) else json.dumps(given, ensure_ascii=False)


@dataclass(frozen=True)
class Table:
    """A table of the file. path: "chemistry.species.NAME". heading: how TOML begins it. keys: name → place."""

    path: str
    heading: str
    about: str
    keys: dict[str, Place] = field(default_factory=dict)


def tables(whole: Place) -> Iterator[Table]:
    """Every table, each before those in it; one that stands in several places comes once for each."""
    for name, place in keys(whole, whole):
        yield from _tables(whole, place, name, (), listed=False)


def _tables(whole: Place, place: Place, path: str, inside: tuple[str, ...], *, listed: bool) -> Iterator[Table]:
    here = resolved(whole, place)
    reference = _reference(place)
    if reference and reference in inside:
        return  # a table that may stand in itself
    inside = (*inside, reference) if reference else inside
    if here.get("type") == "array" and isinstance(here.get("items"), Mapping):
        yield from _tables(whole, here["items"], path, inside, listed=True)
        return
    if not here.get("properties"):
        if (entry := entry_of(here)) is not None:
            yield from _tables(whole, entry, f"{path}.NAME", inside, listed=False)
        return
    heading = f"[[{path}]]" if listed else f"[{path}]"
    yield Table(path, heading, str(here.get("description", "")), dict(here["properties"]))
    for name, inner in here["properties"].items():
        yield from _tables(whole, inner, f"{path}.{name}", inside, listed=False)


def _reference(place: Place) -> str:
    """The definition that a place is, "" if it is none."""
    if "$ref" in place:
        return definition_of(str(place["$ref"]))
    return next((found for word in CHOICES for c in place.get(word, ()) if (found := _reference(c))), "")
