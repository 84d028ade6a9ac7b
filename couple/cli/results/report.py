"""`couple report`: one HTML file of a run or an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import out


def report(
    results: Annotated[
        Path, typer.Argument(help="results.h5 or ensemble.h5, or the folder of one.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file (default: OUT/report.html).", show_default=False)
    ] = None,
) -> None:
    """Write one HTML file that shows everything: traces, spikes, shape and particles in space, books, provenance."""
    from couple.analysis.report import report as write
    from couple.ensemble.open_recording import open_recording

    with open_recording(results) as content:
        path = write(content, output)
    out.print(str(path), markup=False)
