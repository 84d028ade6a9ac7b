"""`couple export`: records, chemistry and surfaces for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import Json, Overrides
from couple.cli.output.document import prints, written


@prints("couple.cli.output.documents:WrittenFileOutput")
def export(
    source: Annotated[
        Path,
        typer.Argument(
            help="results.h5 or ensemble.h5, or the folder of one; or an experiment (TOML).", show_default=False
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORM",
            help="Of records: csv, parquet, nwb, sonata, vtkhdf, cellblender. Of an experiment: sbml, net, bngl, "
            "antimony, vtkhdf.",
        ),
    ] = "csv",
    output: Annotated[
        Path | None, typer.Option("--out", help="The file (default: beside the results).", show_default=False)
    ] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="Of an experiment: the site (default: the first).", show_default=False)
    ] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Write all records over time as a table (csv, parquet), a run as NWB, SONATA report or particles (vtkhdf for
    ParaView, cellblender); or the chemistry of an experiment (sbml, net, bngl, antimony) and its mesh (vtkhdf).
    """
    from couple.base.errors import InputError
    from couple.base.formats import recognise

    found = recognise(source) if source.is_file() else None
    if found is not None and found.name in ("experiment", "toml"):
        from couple.analysis.export.experiment import export_experiment
        from couple.experiment import Experiment

        path = export_experiment(Experiment.load(source, overrides or ()), form, output, site)
    else:
        from couple.analysis.export import export as write
        from couple.ensemble.open_recording import open_recording

        for given, option in ((site, "--site"), (overrides, "--set")):
            if given:
                raise InputError("goes with an experiment (TOML): records hold what ran", where=option)
        with open_recording(source) as content:
            path = write(content, form, output)
    written(path, as_json)
