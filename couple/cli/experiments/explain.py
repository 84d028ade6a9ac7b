"""`couple explain`: what a key of an experiment file means."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from couple.base.errors import InputError, nearest
from couple.cli.experiments.keys import Place, about, below, keys, kind_of, resolved
from couple.cli.output.console import table


def explain(
    key: Annotated[
        str, typer.Argument(help='As in site.head.lattice.spacing; "" for the tables.', show_default=False)
    ] = "",
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
    table([*_lines(whole, place), *((name, about(whole, one)) for name, one in keys(whole, place))])


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
