"""`couple report`: one HTML file of a run, an ensemble or a training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import Json
from couple.cli.output.document import prints, written


@prints("couple.cli.output.documents:WrittenFileOutput")
def report(
    results: Annotated[
        Path, typer.Argument(help="results.h5, ensemble.h5 or model.h5, or the folder of one.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file (default: OUT/report.html).", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one HTML file that shows everything: traces, spikes, shape and particles in space, books, provenance.

    Of a training what was learned, how good it is, and how it came about.
    """
    from couple.analysis.report.report import write_report

    written(write_report(results, output), as_json)
