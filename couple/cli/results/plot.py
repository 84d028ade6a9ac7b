"""`couple plot`: a picture of a run or an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from couple.base.errors import InputError, quoted
from couple.cli.output.console import Json
from couple.cli.output.document import prints, written


@prints("couple.cli.output.documents:WrittenFileOutput")
def plot(
    results: Annotated[
        Path, typer.Argument(help="results.h5 or ensemble.h5, or the folder of one.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="The picture; its suffix sets the format.", show_default=False)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="traces, parameters, sites, along, ledger or timing.", show_default=False),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", metavar="PATTERN", help="Of the traces those: V, Ca, 'SK*'.", show_default=False),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="site", help="A panel for each site.", show_default=False)
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="png, pdf or svg; of a movie gif or mp4.", show_default=False)
    ] = None,
    moving: Annotated[bool, typer.Option("--movie", help="A movie of a run: shape, particles, traces.")] = False,
    as_json: Json = False,
) -> None:
    """Draw voltage, free ions, open channels and ions in and out. Of an ensemble, means with bands.

    With --movie what a run does over time: its shape in space coloured by V, particles of lattices, traces.
    """
    from couple.analysis.plot import figure
    from couple.ensemble.open_recording import open_recording

    if moving:
        written(_movie(results, output, of, form, {"--kind": kind, "--by": by}), as_json)
        return
    if by not in (None, "site"):
        raise InputError(f"{quoted(by)}: give site", where="--by")
    with open_recording(results) as content:
        path = output or content.path.with_name(f"{kind or 'figure'}.{form or 'png'}")
        if form is not None:
            path = (path / "figure" if path.is_dir() else path).with_suffix(f".{form}")
        chosen: Any = kind
        picture = figure(content, path, chosen, of, by_site=by is not None)
    written(picture, as_json)


def _movie(results: Path, output: Path | None, of: str | None, form: str | None, others: dict[str, str | None]) -> Path:
    """Draw OUT/movie.gif: the file. others: options of still pictures."""
    from couple.analysis.plot.movie import movie
    from couple.ensemble.open_recording import open_recording

    for option, value in others.items():
        if value is not None:
            raise InputError("is of still pictures: leave it out, or --movie", where=option)
    with open_recording(results) as content:
        path = output or content.path.with_name(f"movie.{form or 'gif'}")
        if form is not None:
            path = (path / "movie" if path.is_dir() else path).with_suffix(f".{form}")
        path = path / "movie.gif" if path.is_dir() else path
        return movie(content, path, of)
