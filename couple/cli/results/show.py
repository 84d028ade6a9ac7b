"""`couple show`: what a result file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import Json, table
from couple.cli.output.document import print_json, prints


@prints("couple.cli.output.run_documents:Shown")
def show(
    results: Annotated[Path, typer.Argument(help="results.h5 or ensemble.h5, or their folder.", show_default=False)],
    everything: Annotated[bool, typer.Option("--all", help="A line for every site, however many there are.")] = False,
    experiment: Annotated[
        bool, typer.Option("--experiment", help="The experiment alone, as it was understood, in TOML.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print what a result file holds: peaks, ledger, timings; of a run that goes on, how far it is."""
    from couple.cli.ensembles.summary import ensemble_lines
    from couple.cli.ensembles.summary import summary as ensemble_summary
    from couple.cli.output.summaries import show_lines, shown_values, unfinished_lines
    from couple.ensemble.open_recording import open_recording
    from couple.simulation.results.unfinished import unfinished
    from couple.storage.records.results import Results

    if (state := unfinished(results)) is not None:
        print_json(state) if as_json else table(unfinished_lines(state, results))
        return
    with open_recording(results) as content:
        if experiment:
            typer.echo(str(content.file.attrs["experiment"]), nl=False)
            return
        if as_json:
            found = shown_values(content) if isinstance(content, Results) else ensemble_summary(content, 0.0)
            print_json(found)
            return
        lines = show_lines(content, everything=everything) if isinstance(content, Results) else ensemble_lines(content)
    table(lines)
