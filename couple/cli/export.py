"""`couple export`: records for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.console import out


def export(
    results: Annotated[
        Path, typer.Argument(help="results.h5 or ensemble.h5, or the folder of one.", show_default=False)
    ],
    form: Annotated[str, typer.Option("--to", metavar="FORM", help="csv, parquet or nwb.")] = "csv",
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file (default: beside the results).", show_default=False)
    ] = None,
) -> None:
    """Write all records over time as a table (csv, parquet), or a run as NWB."""
    from couple.analysis.export import export as write
    from couple.ensemble.open_recording import open_recording

    with open_recording(results) as content:
        path = write(content, form, output)
    out.print(str(path), markup=False)
