"""Many runs of one experiment, on all cores, into one file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from couple.base.budget import check_memory
from couple.base.errors import InputError, Interrupted
from couple.base.signals import Stop
from couple.ensemble.design import Design, Range
from couple.ensemble.ensemble import Ensemble
from couple.ensemble.folder import SPECIFICATION, EnsembleFolder, Specification
from couple.ensemble.job import Progress
from couple.ensemble.ranks import sample_on_all_ranks
from couple.ensemble.workers import end_while_importing
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.experiment.understood.input_files import refuse_edited
from couple.experiment.vary import Vary
from couple.parallel.communicator import world
from couple.parallel.cores import usable_cores
from couple.simulation.resume import Origin
from couple.wiring.system.input_files import named_input_files

BYTES = 100
"""Of memory for each run of an ensemble, at the least: its number, and the file that it is in."""


def sample(
    experiment: Experiment,
    runs: int,
    seed: int | None = None,
    folder: str | Path | None = None,
    *,
    vary: Mapping[str, object] | None = None,
    points: int | None = None,
    design: str | None = None,
    jobs: int | None = None,
    until: float | None = None,
    fresh: bool = False,
    limit: float | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Make an ensemble and open it.

    runs:   how many; of each point, if something varies. Run i has the experiment seed `run_seed(seed, i)` and is, to
            the bit, `couple run` with it.
    seed:   of the ensemble; that of the experiment if not given.
    folder: for ensemble.h5 (default results/NAME-ensemble-001, or the next number); one that holds this ensemble,
            unfinished or with fewer runs, is continued.
    vary:   key → values ("1 2 5 /ms", "1 .. 5 /ms in 9") or a distribution ("uniform 1 .. 5 /ms"), see
            couple.experiment.vary; besides what [vary] of the experiment has.
    points: draws from the distributions. design: how they are placed: "random", "lhs" or "sobol" (the default).
    jobs:   processes at a time (default: cores; 1 for each rank, if there are several). The result does not depend on
            it.
    until:  ms, instead of the experiment's duration.
    fresh:  start a process for every run: for models that keep something in Python from one run to the next.
    limit:  seconds of wall-clock time after which a run is stopped, its process ended if it hangs; it is kept as one
            that failed (NaN, `Ensemble.failures`), and so are runs that fail by themselves: the others go on.
    Raises InputError for what does not fit, RunError if a run fails or the disk refuses, and Interrupted on SIGINT,
    SIGTERM or SIGHUP; finished runs are kept in each case.

    >>> with sample(experiment, runs=4, seed=1, folder="MANY", jobs=1) as ensemble:
    ...     ensemble["head.Ca"].shape  # (n_runs, n_rows)
    (4, 11)
    """
    return _make(
        experiment, runs, seed, folder, (vary or {}, points, design), jobs, until, fresh, limit, progress, None
    )


def sample_points(
    experiment: Experiment,
    ranges: Sequence[Range],
    seed: int,
    folder: str | Path,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """An ensemble with one run at each of given points: the k-th values of all ranges. All else as of `sample`."""
    plan = Design(tuple(ranges), joint=True)
    wanted = Specification(experiment, seed, len(plan), design=plan)
    first = wanted.experiment_of(0)
    Clock.of(first)
    first.network()
    return make_ensemble(wanted, folder, jobs or default_jobs(), progress)


def _make(
    experiment: Experiment,
    runs: int,
    seed: int | None,
    folder: str | Path | None,
    varied: tuple[Mapping[str, object], int | None, str | None],
    jobs: int | None,
    until: float | None,
    fresh: bool,
    limit: float | None,
    progress: Progress | None,
    origin: Origin | None,
) -> Ensemble:
    chosen = experiment.experiment.seed if seed is None else seed
    if runs < 1:
        raise InputError(f"{runs} runs: give 1 or more", where="--runs")
    if not 0 <= chosen < 2**63:
        raise InputError(f"{chosen}: give 0 to 2^63 - 1", where="--seed")
    if jobs is not None and not 0 < jobs <= 4096:
        raise InputError(f"{jobs} processes: give 1 to 4096", where="--jobs")
    if limit is not None and not (limit > 0 and math.isfinite(limit)):
        raise InputError(f"{limit:g} s: give a time above 0", where="--limit")
    try:
        plan = _design(experiment.vary if origin is None else None, *varied, chosen)
    except InputError as error:
        in_the_file = error.where.startswith("vary") and not varied[0]
        raise error.inside(experiment.where) if in_the_file else error from None
    all_runs = runs * (1 if plan is None else len(plan))
    check_memory(BYTES * float(all_runs), f"{all_runs:.3g} runs", "give fewer", "--runs")
    wanted = Specification(_shortened(experiment, until), chosen, all_runs, fresh, plan, origin, limit)
    first = wanted.experiment_of(0)  # what is wrong is said before anything is made
    Clock.of(first)
    first.network()
    if origin is not None:
        origin.check(first)
    return make_ensemble(wanted, folder, jobs or default_jobs(), progress)


def branch(
    path: str | Path,
    runs: int = 1,
    seed: int | None = None,
    folder: str | Path | None = None,
    *,
    changes: Sequence[str] = (),
    vary: Mapping[str, object] | None = None,
    points: int | None = None,
    design: str | None = None,
    jobs: int | None = None,
    until: float | None = None,
    limit: float | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Make an ensemble of continuations of one run and open it: `sample` from a saved moment instead of t = 0.

    path: a checkpoint, or the folder of its run. changes: as for `--set`: rates, drives, the end. Run i is, to the bit,
    `Simulation.branched(path, *changes, seed=run_seed(seed, i))`; rows are those after the checkpoint, and the ledger
    goes on. [vary] of the experiment is for runs from t = 0, and left out.
    All else, also what is raised, as of `sample`; InputError too for a change (also in `vary`) after which the state is
    none any more, for a checkpoint that is damaged or of other versions, and if nothing is left to run.

    >>> with branch("SAVED", runs=2, seed=1, folder="BRANCHES", changes=["drive.0.influx.rate=5 /ms"], jobs=1) as made:
    ...     made["head.Ca"].shape  # (n_runs, n_rows)
    (2, 5)
    """
    origin = Origin.of(path)
    experiment = origin.read()[0].changed(*changes)
    return _make(
        experiment, runs, seed, folder, (vary or {}, points, design), jobs, until, False, limit, progress, origin
    )


def ensemble_key(experiment: Experiment, seed: int) -> str:
    """Digest of what decides the runs of an ensemble: equal keys, equal runs, however many there are."""
    return Specification(experiment, seed, 1).key(named_input_files(experiment))


def runs_wanted(folder: Path) -> int:
    """Runs of the ensemble that was begun in `folder`; 0 if there is none. Raises InputError if it is damaged."""
    return Specification.read(folder).runs if (folder / SPECIFICATION).exists() else 0


def resume_sampling(folder: str | Path, *, jobs: int | None = None, progress: Progress | None = None) -> Ensemble:
    """The ensemble that was begun in `folder`, with its missing runs made. Arguments and errors as of `sample`.

    >>> resume_sampling("MANY").close()
    """
    wanted = Specification.read(Path(folder))
    refuse_edited(wanted.experiment, "undo the change, or sample the new one into another --out", str(folder))
    return make_ensemble(wanted, folder, jobs or default_jobs(), progress)


def default_jobs() -> int:
    """Cores, or one process for each rank."""
    return cores() if world().size == 1 else 1


def cores() -> int:
    """Cores that this process may use."""
    return len(usable_cores())


def make_ensemble(
    wanted: Specification, folder: str | Path | None, jobs: int, progress: Progress | None = None
) -> Ensemble:
    """The ensemble of a request, made and opened. Raises as `sample`."""
    end_while_importing()
    with Stop().listening():  # also while what is there is put together
        claimed, complete = EnsembleFolder(wanted, folder), False
        try:
            there = {run: path for run, path in claimed.there().items() if run < wanted.runs}
            job = sample_on_all_ranks(wanted, claimed.path, there, jobs, progress or (lambda _done, _all: None))
            job.assemble()
            complete = job.complete
        finally:
            claimed.close(complete=complete)
        if job.stopped is not None and not complete:
            raise Interrupted(
                f"stopped by {job.stopped} with {len(job.there)} of {wanted.runs} runs; "
                f"go on with: couple resume {claimed.path}",
                job.stopped,
            )
    return Ensemble(claimed.path)


def _design(
    own: Vary | None, vary: Mapping[str, object], points: int | None, method: str | None, seed: int
) -> Design | None:
    """Of what the experiment varies, and what is given besides; None if nothing varies."""
    keys = {**({} if own is None else own.keys), **vary}
    if not keys:
        for given, option in ((points, "--points"), (method, "--design")):
            if given is not None:
                raise InputError("nothing varies: give --vary KEY=RANGE too", where=option)
        return None
    draws = points if points is not None or own is None else own.points
    return Design.of(keys, draws, method or ("sobol" if own is None else own.design), seed)


def _shortened(experiment: Experiment, until: float | None) -> Experiment:
    return experiment if until is None else experiment.changed(f"experiment.duration={until!r} {experiment.time_unit}")
