"""`couple explain`: what a key of an experiment file means."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from couple.base.errors import InputError, nearest
from couple.cli.experiments.keys import Place, about, below, default_of, keys, kind_of, resolved, unit_of
from couple.cli.output.console import Json, table
from couple.cli.output.document import print_json, prints


@prints("couple.cli.output.documents:KeyOutput")
def explain(
    key: Annotated[
        str, typer.Argument(help='As in site.head.lattice.spacing; "" for the tables.', show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """Say what a key of an experiment file is: its unit, what it may be, its default, and which keys stand below it."""
    from couple.cli.experiments.schema import experiment_schema

    whole = experiment_schema()
    path: list[str] = []
    place: Place = whole
    for word in [w for w in key.split(".") if w]:
        step = below(whole, place, word)
        if step is None:
            known = [k for k, _ in keys(whole, place)]
            raise InputError(f'{".".join(path) or "an experiment"} has no key "{word}"; {nearest(word, known)}')
        place, path = step, [*path, word]
    below_it = {name: about(whole, one) for name, one in keys(whole, place)}
    if as_json:
        print_json(_shown(".".join(path), whole, place) | {"keys": below_it})
    else:
        table([*_lines(whole, place), *below_it.items()])


def _shown(key: str, whole: Place, place: Place) -> dict[str, Any]:
    """For --json."""
    return {
        "key": key,
        "about": about(whole, place),
        "kind": kind_of(whole, place),
        "unit": unit_of(whole, place),
        "default": default_of(place),
        "one_of": resolved(whole, place).get("enum", []),
    }


def _lines(whole: Place, place: Place) -> list[tuple[str, str]]:
    """Of the key itself."""
    here = resolved(whole, place)
    lines = [("is", here["description"])] if here.get("description") else []
    lines.append(("kind", kind_of(whole, place)))
    if "examples" in here:
        lines.append(("like", ", ".join(map(json.dumps, here["examples"]))))
    if "enum" in here:
        lines.append(("one of", ", ".join(map(json.dumps, here["enum"]))))
    if place.get("default") is not None:
        lines.append(("default", json.dumps(place["default"])))
    return lines
