"""`couple sample`: many runs of one experiment, on all cores, into one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from couple.base.errors import InputError
from couple.base.toml import key_of
from couple.cli.console import File, Jobs, Json, Overrides, Quiet, Until, bar_of, out, table

if TYPE_CHECKING:
    from couple.ensemble import Ensemble


def sample(
    file: File,
    runs: Annotated[int, typer.Option("--runs", "-n", help="How many runs.", show_default=False)],
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the ensemble (default: experiment.seed).", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the ensemble (default: results/NAME-ensemble-NNN).", show_default=False),
    ] = None,
    overrides: Overrides = None,
    jobs: Jobs = None,
    until: Until = None,
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
    with first_rank_leads() as leads, _running(quiet or as_json or not leads) as progress:
        if not leads:
            return
        begun = perf_counter()
        made = make(experiment, runs, seed, folder, jobs=jobs, until=end, fresh=fresh, progress=progress)
    _show(made, perf_counter() - begun, quiet, as_json)


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


def summary(ensemble: Ensemble, seconds: float) -> dict[str, Any]:
    """Plain values for JSON. seconds: of wall-clock time for what was made now."""
    return {
        "name": ensemble.name,
        "status": ensemble.status,
        "runs": len(ensemble.runs),
        "seed": ensemble.seed,
        "file": str(ensemble.path),
        "simulated_ms": float(ensemble.time[-1]),
        "rows": len(ensemble.time),
        "seconds": round(seconds, 3),
        "cpu_seconds_per_run": round(float(ensemble.cpu_seconds.mean()), 6),
        "max_imbalance_ions": float(ensemble.imbalance.max()),
        "versions": {k: str(v) for k, v in ensemble.file["versions"].attrs.items()},
    }


def ensemble_lines(ensemble: Ensemble) -> list[tuple[str, str]]:
    """Lines that `couple show` prints of an ensemble."""
    found = summary(ensemble, 0.0)
    return [
        ("experiment", found["name"]),
        ("status", found["status"]),
        ("runs", f"{found['runs']} of {found['simulated_ms']:g} ms in {found['rows']} rows"),
        ("seed", str(found["seed"])),
        ("CPU time", f"{found['cpu_seconds_per_run']:.4g} s per run"),
        ("largest imbalance", f"{found['max_imbalance_ions']:g} ions"),
    ]


def _show(ensemble: Ensemble, seconds: float, quiet: bool, as_json: bool) -> None:
    with ensemble:
        found, lines = summary(ensemble, seconds), ensemble_lines(ensemble)
    if as_json:
        out.print_json(json.dumps(found))
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
