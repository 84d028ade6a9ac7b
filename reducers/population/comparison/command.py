"""`couple population FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.base.errors import InputError
from couple.cli.output.console import Json, Overrides, Quiet, err, out
from couple.cli.output.document import print_json, prints


@prints("reducers.population.comparison.report:PopulationOutput")
def population(
    file: Annotated[
        Path,
        typer.Argument(
            help="The comparison: a TOML file with [population], or a folder with one; or patterns themselves: "
            "results, .npy, .npz, .csv or .nwb, with all that is usual.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="The figure (default: NAME.png, here).", show_default=False)
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="An .h5 file for the model of the largest likelihood.", show_default=False),
    ] = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    as_json: Json = False,
    figure: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw the figure.")] = True,
) -> None:
    """Fit models of which neurons are active together, and compare them on windows that they have not seen.

    Independent neurons, population tracking, maximum entropy models and others; patterns are of spikes or records of
    results, of arrays, tables and NWB files.
    """
    from couple.projects.find import find_file
    from reducers.population.comparison import report
    from reducers.population.comparison.comparison import compare_models
    from reducers.population.comparison.data import read_patterns
    from reducers.population.comparison.settings import PopulationFile, patterns_in
    from reducers.population.library.file import ModelFile, refuse_other, write_model

    path = file if patterns_in(file) is not None else find_file(file, "population")
    wanted = PopulationFile.load(path, overrides or ())
    if save is not None:
        refuse_other(save)
    with err.status("reading patterns") as status:
        if quiet or as_json:
            status.stop()
        try:
            patterns = read_patterns(wanted, path.parent)
            found = compare_models(wanted, patterns, lambda what: status.update(what))
        except InputError as error:
            placed = error.where.startswith(("/", str(path)))
            raise error if placed else error.inside(str(path)) from None
        picture = None
        if figure:
            from reducers.population.comparison.picture import draw

            picture = draw(found, output or Path(f"{found.name}.png"))
    if save is not None:
        best = found.best
        if best is None or best.model is None:
            raise InputError("no model has a likelihood, none is saved", where="--save")
        write_model(save, ModelFile(best.model, patterns.names, patterns.window))
    if patterns.clipped and not quiet:
        err.print(f"warning: {patterns.clipped} windows hold more than one spike and count as one", markup=False)
    if as_json:
        print_json(report.output(found, None if picture is None else str(picture), None if save is None else str(save)))
    elif not quiet:
        for line in report.lines(found):
            out.print(line, markup=False)
        if picture is not None:
            out.print(f"figure in {picture}", markup=False)
