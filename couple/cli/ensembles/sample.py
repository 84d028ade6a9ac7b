"""`couple sample` and `couple branch`: many runs of one experiment, on all cores, into one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from couple.base.errors import InputError, quoted
from couple.base.toml import key_of
from couple.cli.ensembles.summary import ensemble_lines, summary
from couple.cli.output.console import File, Jobs, Json, Overrides, Quiet, Until, bar_of, table
from couple.cli.output.document import print_json, prints

if TYPE_CHECKING:
    from couple.ensemble import Ensemble

Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="KEY=RANGE", help='As in site.head.pde.step="1 .. 5 ms in 9", or "uniform 1 .. 5 ms".'
    ),
]
Points = Annotated[int | None, typer.Option("--points", help="Draws from what is distributed.")]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Of the ensemble (default: experiment.seed).", show_default=False)
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="Folder for the ensemble (default: results/NAME-ensemble-NNN).", show_default=False
    ),
]
Limit = Annotated[
    str | None,
    typer.Option(
        "--limit", metavar="TIME", help='Stop a run after this wall-clock time ("60 s"), keep that, go on with others.'
    ),
]
Placed = Annotated[str | None, typer.Option("--design", help="How they are placed: sobol, lhs or random.")]


@prints("couple.cli.output.run_documents:EnsembleOutput")
def sample(
    file: File,
    runs: Annotated[
        int | None, typer.Option("--runs", "-n", help="How many; of each point, if something varies.")
    ] = None,
    seed: Seed = None,
    folder: Folder = None,
    overrides: Overrides = None,
    vary: Vary = None,
    points: Points = None,
    design: Placed = None,
    jobs: Jobs = None,
    until: Until = None,
    limit: Limit = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a process for every run.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run an experiment many times with independent seeds, on all cores or ranks, into OUT/ensemble.h5.

    The same command (or `couple resume OUT`) goes on after a kill; with more --runs it adds to what is there.
    """
    from couple.chemistry.lattice_units import GivenTime
    from couple.ensemble import sample as make
    from couple.ensemble.ranks import first_rank_leads
    from couple.experiment import Experiment

    if seed is not None and any(key_of(text) == "experiment.seed" for text in overrides or ()):
        raise InputError("experiment.seed has no effect beside --seed: give one of them", where="--set")
    experiment = Experiment.load(file, overrides or ())
    end = None if until is None else GivenTime.read(until, "--until").on(experiment.time_unit)
    ranges = _ranges(vary or ())
    if runs is None:
        if not ranges and experiment.vary is None:
            raise InputError("give how many runs, or what varies (--vary KEY=RANGE)", where="--runs")
        runs = 1
    with first_rank_leads() as leads, _running(quiet or as_json or not leads) as progress:
        if not leads:
            return
        begun = perf_counter()
        asked: dict[str, Any] = {"vary": ranges, "points": points, "design": design, "limit": _seconds(limit)}
        made = make(experiment, runs, seed, folder, **asked, jobs=jobs, until=end, fresh=fresh, progress=progress)
    _show(made, perf_counter() - begun, quiet, as_json)


@prints("couple.cli.output.run_documents:EnsembleOutput")
def branch(
    checkpoint: Annotated[
        Path, typer.Argument(help="OUT/checkpoint.h5 of a run, or the folder of a run.", show_default=False)
    ],
    runs: Annotated[int, typer.Option("--runs", "-n", help="How many; of each point, if something varies.")] = 1,
    seed: Seed = None,
    folder: Folder = None,
    overrides: Overrides = None,
    vary: Vary = None,
    points: Points = None,
    design: Placed = None,
    jobs: Jobs = None,
    until: Until = None,
    limit: Limit = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Go on many times from one saved moment, with other seeds, rates or drives, into OUT/ensemble.h5.

    What would make the saved state another one (geometry, species, the model) cannot change. The same command (or
    `couple resume OUT`) goes on after a kill.
    """
    from couple.chemistry.lattice_units import GivenTime
    from couple.ensemble import branch as make
    from couple.ensemble.ranks import first_rank_leads
    from couple.simulation.resume import Origin

    if any(key_of(text) == "experiment.seed" for text in overrides or ()):
        raise InputError("experiment.seed has no effect: give --seed", where="--set")
    given = None if until is None else GivenTime.read(until, "--until")
    asked: dict[str, Any] = {"vary": _ranges(vary or ()), "points": points, "design": design, "limit": _seconds(limit)}
    with first_rank_leads() as leads, _running(quiet or as_json or not leads) as progress:
        if not leads:
            return
        begun = perf_counter()
        end = None if given is None else given.on(Origin.of(checkpoint).read()[0].time_unit)
        asked |= {"changes": overrides or (), "until": end, "jobs": jobs}
        made = make(checkpoint, runs, seed, folder, **asked, progress=progress)
    _show(made, perf_counter() - begun, quiet, as_json)


def _seconds(limit: str | None) -> float | None:
    """Of --limit. Raises InputError."""
    from couple.base.units import quantity

    if limit is None:
        return None
    try:
        return 1e-3 * quantity(limit, "time")
    except InputError as error:
        raise error.at("--limit") from None


def _ranges(vary: Sequence[str]) -> dict[str, object]:
    """Key → range, of --vary KEY=RANGE. Raises InputError."""
    found: dict[str, object] = {}
    for text in vary:
        key, equals, wanted = text.partition("=")
        if not equals or not key.strip():
            raise InputError(f"{quoted(text)} is not of the form KEY=RANGE", where="--vary")
        if key.strip() in found:
            raise InputError(f"{key.strip()} varies twice: give one range", where="--vary")
        found[key.strip()] = wanted.strip().strip('"')
    return found


def resume_ensemble(folder: Path, until: str | None, quiet: bool, as_json: bool) -> bool:
    """Finish the ensemble in a folder; False if there is none."""
    from couple.ensemble.ensemble import ENSEMBLE
    from couple.ensemble.folder import SPECIFICATION

    folder = folder.parent if folder.name == ENSEMBLE else folder
    if not (folder / SPECIFICATION).is_file():
        return False
    if until is not None:
        raise InputError("an ensemble is finished as it was begun; sample again for another duration", where="--until")
    from couple.ensemble import resume_sampling
    from couple.ensemble.ranks import first_rank_leads

    with first_rank_leads() as leads, _running(quiet or as_json or not leads) as progress:
        if not leads:
            return True
        begun = perf_counter()
        made = resume_sampling(folder, progress=progress)
    _show(made, perf_counter() - begun, quiet, as_json)
    return True


def _show(ensemble: Ensemble, seconds: float, quiet: bool, as_json: bool) -> None:
    with ensemble:
        found, lines = summary(ensemble, seconds), ensemble_lines(ensemble)
    if as_json:
        print_json(found)
    elif not quiet:
        table([*lines[2:], ("ensemble in", found["file"])])


@contextmanager
def _running(hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with runs per second and time left; without a terminal, nothing."""
    with bar_of(hidden) as bar:
        task = bar.add_task("sample", at="starting", speed="", total=None)

        def update(done: int, runs: int) -> None:
            speed = bar.tasks[0].speed
            shown = "" if not speed else f"{speed:.1f} runs/s" if speed > 1 else f"{60 * speed:.1f} runs/min"
            bar.update(task, completed=done, total=runs, at=f"{done} of {runs} runs", speed=shown)

        yield update
