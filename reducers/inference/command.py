"""`couple infer` and `couple posterior`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from couple.base.errors import InputError, Interrupted, quoted
from couple.base.regular_file import read_regular
from couple.cli.output.console import Jobs, Json, Overrides, Quiet, bar_of, err, out, table
from couple.cli.output.document import print_json, prints

if TYPE_CHECKING:
    from couple.base.arrays import Floats
    from reducers.inference.density.file import Found
    from reducers.inference.problem.prior import Prior


@prints("reducers.inference.documents:InferenceOutput")
def infer(
    file: Annotated[
        Path, typer.Argument(help="The inference: a TOML file with [infer], or a folder with one.", show_default=False)
    ],
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for posterior.h5 (default: results/NAME-infer).")
    ] = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
    as_json: Json = False,
    draw: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw pictures into OUT at the end.")] = True,
) -> None:
    """Find the parameters of a model that agree with an observation, as a posterior, from simulations.

    The model is an experiment with [features], or a function of yours. The same command goes on after a kill.
    """
    from couple.projects.find import find_file
    from couple.storage.atomic_file import replace
    from reducers.inference import report
    from reducers.inference.folder import SUMMARY
    from reducers.inference.inference import Inference

    with _progress(quiet or as_json) as progress:
        wanted = Inference.load(find_file(file, "infer"), folder, overrides, jobs, progress)
        try:
            found = wanted.run()
        except Interrupted as error:
            raise Interrupted(f"{error}; the same command goes on", error.signal) from None
    replace(wanted.out / SUMMARY, (json.dumps(report.facts(found), indent=1) + "\n").encode())
    if draw:
        report.draw(found, wanted.out)
    _show(found, as_json, quiet)
    if not (quiet or as_json):
        out.print(f"posterior in {wanted.out}", markup=False)


@prints("reducers.inference.documents:Posterior")
def posterior(
    path: Annotated[Path, typer.Argument(help="posterior.h5 of couple infer, or its folder.", show_default=False)],
    observation: Annotated[
        Path | None,
        typer.Option("--observation", help="A CSV file: another observation (of npe).", show_default=False),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", help="Draws.", min=1, max=100_000_000)] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the draws.", min=0, max=2**31 - 1)] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .csv for the draws, or a .png for their pairs.", show_default=False),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--condition", metavar="NAME=VALUE", help="Hold a parameter; as often as needed."),
    ] = None,
    score: Annotated[
        Path | None,
        typer.Option(
            "--score", help="A .csv with a column for each parameter: their log densities.", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw from a posterior, hold some of its parameters, score others, or take another observation."""
    from couple.storage.folder.given_file import put_given
    from reducers.inference import report
    from reducers.inference.density.file import read_posterior
    from reducers.inference.density.posterior import summary

    found = read_posterior(path)
    if observation is not None:
        found = _observed(found, observation)
    held = _values(given or ())
    if not (observation or held or score or output):
        _show(found, as_json, quiet=False)
        return
    if score is not None:
        _print_scores(found, score, as_json)
        return
    if held:
        if found.posterior is None:
            raise InputError(f"{found.file.infer.method} has no density", where="--condition")
        theta = found.posterior.conditioned(held, samples, seed)
    else:
        theta = report.draws_of(found, samples, seed)
    if output is not None and output.suffix == ".csv":
        put_given(output, to_csv(theta, found.prior).encode())
    elif output is not None:
        from couple.analysis.plot.style import save, styled
        from reducers.inference.diagnostics.pictures import pairs

        with styled():
            save(pairs(theta, found.prior, found.file.truth), output, 150)
    said = summary(theta, found.prior.names)
    if as_json:
        print_json(said)
    else:
        table([(k, f"{v['median']:.4g} ({v['low']:.4g} .. {v['high']:.4g})") for k, v in said.items()])


def to_csv(theta: Floats, prior: Prior) -> str:
    """A header with units, then a line for each of (n, d) parameters."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([f"{n} [{u}]" if u not in ("", "1") else n for n, u in zip(prior.names, prior.units, strict=True)])
    lines.writerows([[repr(x) for x in row] for row in theta.tolist()])
    return text.getvalue()


def _show(found: Found, as_json: bool, quiet: bool) -> None:
    from reducers.inference import report

    if as_json:
        print_json(report.facts(found))
    elif not quiet:
        table(report.lines(found))


def _observed(found: Found, path: Path) -> Found:
    """At another observation, with a warning if it is unlike what was simulated."""
    from dataclasses import replace

    from reducers.inference.diagnostics.misspecification import misfit
    from reducers.inference.problem.observation import read_observation

    if found.posterior is None or found.file.infer.method in ("tsnpe", "apt"):
        raise InputError(
            f"{found.file.infer.method} holds for one observation: infer anew, or take npe", where="--observation"
        )
    seen, made = read_observation(path, found.features), found.simulations
    scaling = found.posterior.scaling
    text = misfit(scaling(made.features[made.valid]), scaling(seen), [*found.features]).text
    if text:
        err.print(f"warning: {text}", markup=False, soft_wrap=True)
    return replace(found, observation=seen, posterior=found.posterior.at(seen))


def _values(given: Any) -> dict[str, float]:
    """Parameter → value, of --condition NAME=VALUE. Raises InputError."""
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise InputError(f"{quoted(text)} is not of the form NAME=VALUE", where="--condition") from None
    return found


def _print_scores(found: Found, path: Path, as_json: bool) -> None:
    if found.posterior is None:
        raise InputError(f"{found.file.infer.method} has no density", where="--score")
    scores = found.posterior.log_density(_table(path, found.prior)).tolist()
    if as_json:
        print_json([None if not math.isfinite(x) else x for x in scores])
    else:
        for value in scores:
            out.print(f"{value:.6g}", markup=False)


def _table(path: Path, prior: Prior) -> Floats:
    """(n, d) of a CSV file as `to_csv` writes it. Raises InputError."""
    import numpy as np

    try:
        text = read_regular(path).decode("utf-8-sig")
        head, *rows = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
        names = [cell.partition("[")[0].strip() for cell in head]
        missing = [name for name in prior.names if name not in names]
        if missing:
            raise InputError(f"has no column {missing[0]}", where=str(path))
        columns = [names.index(name) for name in prior.names]
        return np.array([[float(row[k]) for k in columns] for row in rows])
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, IndexError, csv.Error) as error:
        raise InputError(f"is no table of numbers with a first line of names: {error}", where=str(path)) from None


@contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[str, int, int, str], None]]:
    """A bar with what is being done; without a terminal, nothing."""
    with bar_of(hidden) as bar:
        task = bar.add_task("infer", at="starting", speed="", total=None)

        def update(what: str, done: int, n: int, more: str) -> None:
            bar.update(task, completed=done, total=n, at=f"{what}: {done} of {n}", speed=more)

        yield update
