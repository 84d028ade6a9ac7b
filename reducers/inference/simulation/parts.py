"""The simulations of a round on the disk: what was drawn first, then parts of what was made of it.

    rounds/001.h5               theta that were drawn, with features once all are made
    rounds/001/000000500.h5     features of simulations 500, 501, ...

A kill loses the batches that were running and nothing else.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from couple.base.arrays import Bools, Floats
from couple.base.errors import InputError, Interrupted
from couple.base.signals import Stop
from couple.ensemble.seeds import run_seed
from couple.storage.folder.contents import FolderKind, files_of, has_format
from reducers.inference.simulation.function import Batch, FunctionJob, FunctionSimulator, Made, Progress
from reducers.inference.simulation.simulations import FORMAT, Simulations

log = logging.getLogger(__name__)

PARTS_KIND = FolderKind("inference", {r"[0-9]{9}\.h5": has_format(FORMAT)})


def simulate_function(
    what: FunctionSimulator,
    drawn: Simulations,
    missing: Bools,
    seed: int,
    folder: Path,
    jobs: int,
    progress: Progress,
) -> Simulations:
    """What was drawn, with the features of all. missing: (n,) of which there are none yet.

    seed: with the number of a simulation it decides the seed of that. folder: of the parts, in which
    earlier ones are found. Raises Interrupted on a signal, and as `FunctionJob`.
    """
    folder.mkdir(exist_ok=True)
    features, done, reasons = drawn.features.copy(), ~missing, list[str](drawn.reasons)

    def note(at: int, found: Floats, why: tuple[str, ...]) -> None:
        features[at : at + len(found)] = found
        done[at : at + len(found)] = True
        reasons.extend(why[: 10 - len(reasons)])
        progress(int(done.sum()), len(drawn))

    def keep(made: Made) -> None:
        n, why = len(made.features), (made.reason,) if made.reason else ()
        at = slice(made.first, made.first + n)
        Simulations(drawn.theta[at], made.features, drawn.rounds[at], why).write(folder / f"{made.first:09d}.h5")
        note(made.first, made.features, why)

    for path in files_of(folder, PARTS_KIND):
        found = _read(path, drawn)
        if found is not None:
            note(int(path.stem), found.features, found.reasons)
    batches = [_batch(drawn, gap, seed) for gap in _gaps(done)]
    stop = Stop()
    with stop.listening():
        FunctionJob(what, batches, jobs, keep, stop).run()
    if stop.signal is not None and not done.all():
        raise Interrupted(f"stopped by {stop.signal} with {done.sum()} of {len(drawn)} simulations", stop.signal)
    return Simulations(drawn.theta, features, drawn.rounds, tuple(reasons))


def _read(path: Path, drawn: Simulations) -> Simulations | None:
    """A part, if it is whole and of these parameters; the others are made again."""
    at = int(path.stem)
    try:
        found = Simulations.read(path)
    except InputError as error:
        log.warning("%s; its simulations are made again", error)
        return None
    same = np.array_equal(found.theta, drawn.theta[at : at + len(found)])
    return found if same and found.features.shape[1] == drawn.features.shape[1] else None


def _gaps(done: Bools) -> list[slice]:
    """Runs of what is missing."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], done, [True]]).astype(int)))
    return [slice(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _batch(drawn: Simulations, at: slice, seed: int) -> Batch:
    seeds = np.array([run_seed(seed, k) for k in range(at.start, at.stop)], dtype=np.int64)
    return Batch(at.start, drawn.theta[at], seeds)
