"""Many runs of one experiment, on all cores, into one file."""

from __future__ import annotations

import os
from pathlib import Path

from couple.base.budget import check_memory
from couple.base.errors import InputError, Interrupted
from couple.base.signals import Stop
from couple.ensemble.ensemble import Ensemble
from couple.ensemble.folder import EnsembleFolder, Specification
from couple.ensemble.job import Progress
from couple.ensemble.ranks import sample_on_all_ranks
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.experiment.input_files import refuse_edited
from couple.parallel.communicator import world

BYTES = 100
"""Of memory for each run of an ensemble, at the least: its number, and the file that it is in."""


def sample(
    experiment: Experiment,
    runs: int,
    seed: int | None = None,
    folder: str | Path | None = None,
    *,
    jobs: int | None = None,
    until: float | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Ensemble:
    """Make an ensemble and open it.

    runs:   how many. SampledRun i has the experiment seed `run_seed(seed, i)` and is, to the bit, `couple run` with it.
    seed:   of the ensemble; that of the experiment if not given.
    folder: for ensemble.h5 (default results/NAME-ensemble-001, or the next number); one that holds this ensemble,
            unfinished or with fewer runs, is continued.
    jobs:   processes at a time (default: cores; 1 for each rank, if there are several). The result does not depend on
            it.
    until:  ms, instead of the experiment's duration.
    fresh:  start a process for every run: for models that keep something in Python from one run to the next.
    Raises InputError for what does not fit, RunError if a run fails or the disk refuses, and Interrupted on SIGINT,
    SIGTERM or SIGHUP; finished runs are kept in each case.

    >>> with sample(experiment, runs=4, seed=1, folder="MANY", jobs=1) as ensemble:
    ...     ensemble["head.Ca"].shape  # (n_runs, n_rows)
    (4, 11)
    """
    chosen = experiment.experiment.seed if seed is None else seed
    if runs < 1:
        raise InputError(f"{runs} runs: give 1 or more", where="--runs")
    check_memory(BYTES * float(runs), f"{runs:.3g} runs", "give fewer", "--runs")
    if not 0 <= chosen < 2**63:
        raise InputError(f"{chosen}: give 0 to 2^63 - 1", where="--seed")
    if jobs is not None and not 0 < jobs <= 4096:
        raise InputError(f"{jobs} processes: give 1 to 4096", where="--jobs")
    wanted = Specification(_shortened(experiment, until), chosen, runs, fresh)
    Clock.of(wanted.experiment)  # before anything is made
    wanted.experiment.network()
    return make_ensemble(wanted, folder, jobs or default_jobs(), progress)


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
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_ensemble(
    wanted: Specification, folder: str | Path | None, jobs: int, progress: Progress | None = None
) -> Ensemble:
    """The ensemble of a request, made and opened. Raises as `sample`."""
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


def _shortened(experiment: Experiment, until: float | None) -> Experiment:
    return experiment if until is None else experiment.changed(f"experiment.duration={until!r} {experiment.time_unit}")
