"""`couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from couple.base.errors import InputError
from couple.cli.output.console import Json, Overrides, Quiet, err, out
from couple.cli.output.document import print_json, prints


@prints("reducers.cli.documents:TrainingOutput")
def train(
    file: Annotated[
        Path | None, typer.Argument(help="The training: a TOML file, or a folder with one.", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the model (default: results/NAME-train).")
    ] = None,
    overrides: Overrides = None,
    resume: Annotated[Path | None, typer.Option("--resume", metavar="OUT", help="Go on in this folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier training in the folder.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    draw: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw OUT/model.png at the end.")] = True,
) -> None:
    """Learn a reduced model from runs of a fine one, which all cores or ranks make.

    At the end it is compared with a baseline on what was held out: exit code 1 if it is no good.
    """
    from couple.ensemble.ranks import first_rank_leads
    from couple.projects.find import find_file
    from reducers.training.files import read_training
    from reducers.training.folder import MODEL
    from reducers.training.kinds import kind_of_checkpoint, kind_of_file

    def tell(text: str) -> None:
        if not (quiet or as_json):
            err.print(text, markup=False)

    if (file is None) == (resume is None):
        raise InputError("give either a training file or --resume OUT")
    with first_rank_leads() as leads, _progress(quiet or as_json or not leads) as progress:
        if not leads:  # helps with sampling; the fit is the work of one process
            return
        if resume is not None:
            kind = kind_of_checkpoint(resume)
            training = kind.resumed(resume, tell=tell)
            tell(f"resuming at step {training.done}")
        else:
            assert file is not None
            file = find_file(file, "train")
            kind = kind_of_file(read_training(file, overrides or ()))
            training = kind.new(file, folder, overrides or (), force=force, tell=tell)
        summary = training.run(progress)
    place = training.folder / MODEL
    if draw:
        kind.report(place).draw(place.with_suffix(".png"))
    if as_json:
        print_json(summary)
    elif not quiet:
        for line in kind.lines(summary, place):
            out.print(line, markup=False, soft_wrap=True)
        out.print(f"model in {place}", markup=False)
    verdict = summary["verdict"]
    if not verdict["good"]:
        err.print(verdict["text"], markup=False, soft_wrap=True)
        raise typer.Exit(1)
    if not (quiet or as_json):
        out.print(verdict["text"], markup=False, soft_wrap=True)


@prints("reducers.cli.documents:ModelLines")
def model(
    path: Annotated[Path, typer.Argument(help="model.h5 of a training, or its folder.", show_default=False)],
    output: Annotated[Path | None, typer.Option("--out", "-o", help="Draw the report into this picture.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a reduced model is and how good. Draws parameters, moments, closure terms and layers."""
    from reducers.training.kinds import kind_of_model

    place = path / "model.h5" if path.is_dir() else path
    report = kind_of_model(place).report(place)
    pictures = report.draw(output or place.with_suffix(".png"))
    if as_json:
        print_json(dict(report.lines))
        return
    width = max(len(what) for what, _ in report.lines)
    for what, value in report.lines:
        out.print(f"{what:<{width}}  {value}", markup=False, soft_wrap=True)
    for picture in pictures:
        out.print(str(picture), markup=False)


@contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[int, int, float], None]]:
    """A bar with steps, the gap between model and data, and time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.fields[at]}"), BarColumn(), TextColumn("{task.fields[gap]}"), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=hidden or not err.is_terminal) as bar:
        task = bar.add_task("train", at="", gap="", total=None)

        def update(step: int, steps: int, gap: float) -> None:
            bar.update(task, completed=step, total=steps, at=f"step {step} of {steps}", gap=f"gap {gap:.3g}")

        yield update
