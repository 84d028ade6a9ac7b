"""`couple reproduce`: published figures and tables, made again, with the published numbers beside ours."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from couple.base.registry import load, names
from couple.cli.output.console import Json, Quiet, err, out
from couple.cli.output.document import print_json, prints

if TYPE_CHECKING:
    from reducers.reproduce.figure import PublishedFigure, Row

GROUP = "couple.figures"


@prints("reducers.reproduce.documents:Reproduction")
def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="Which figure; all are listed if none is given.", show_default=False)
    ] = None,
    folder: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for NAME.png, NAME.json, and what is made on the way."),
    ] = Path("results/reproduced"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a published figure or table again: a picture, and its numbers beside ours. Exit code 1 if one is off."""
    if name is None:
        _list(as_json)
        return
    from reducers.reproduce.making import make

    figure: PublishedFigure = load(GROUP, name)

    def tell(text: str) -> None:
        if not (quiet or as_json):
            err.print(escape(text))

    tell(f"{figure.title} ({figure.source}); about {figure.minutes:g} min")
    begun = perf_counter()
    rows = make(name, figure, folder, tell)
    picture = str(folder / f"{name}.png")
    if as_json:
        print_json({"name": name, "source": figure.source, "rows": [row.json() for row in rows], "figure": picture})
    elif not quiet:
        out.print(_table(rows))
        out.print(escape(f"{perf_counter() - begun:.0f} s; figure in {picture}"), soft_wrap=True)
    off = [row for row in rows if row.agrees is False]
    if off:
        err.print(escape(f"{len(off)} of {len(rows)} are off: {', '.join(row.what for row in off)}"), soft_wrap=True)
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    figures = {name: load(GROUP, name) for name in names(GROUP)}
    if as_json:
        listed = [
            {"name": name, "title": f.title, "source": f.source, "minutes": f.minutes} for name, f in figures.items()
        ]
        print_json(listed)
        return
    width = max(map(len, figures))
    for name, f in figures.items():
        out.print(escape(f"{name.ljust(width)}  {f.title} ({f.source}; {f.minutes:g} min)"), soft_wrap=True)


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("", "ours", "+-", "published", ""):
        table.add_column(head, justify="left" if not head else "right")
    for row in rows:
        published = "" if row.published is None else f"{row.published:.6g}"
        error = f"{row.error:.2g}" if row.error else ""
        table.add_row(escape(row.what), f"{row.ours:.6g}", error, published, "OFF" if row.agrees is False else "")
    return table
