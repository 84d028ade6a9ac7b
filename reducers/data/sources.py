"""Where training data come from: ensemble files, or an experiment that is sampled now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from couple.base.errors import InputError, Interrupted
from couple.ensemble.sampling import ensemble_key, runs_wanted, sample
from couple.experiment import Experiment
from couple.storage.folder.contents import refuse_link
from reducers.data.settings import DataBlock
from reducers.data.trajectories import Trajectories

Tell = Callable[[str], None]

DATA = "data"
"""Folder of ensembles, in that of a training."""


def load_data(block: DataBlock, beside: Path, folder: Path, seed: int, tell: Tell = lambda text: None) -> Trajectories:
    """The runs that a training file names; several files or conditions are initial conditions of their own.

    beside: folder of the training file, to which its paths are relative. folder: of the training; what is sampled is
    kept in it and used again. Raises InputError for what is missing or does not fit.
    """
    found = load_ensembles(block, beside, folder, seed, tell)
    joined = Trajectories.join(found) if len(found) > 1 else found[0]
    last = len(joined.time) - 1 if block.until is None else block.until
    if last >= len(joined.time):
        raise InputError(f"the runs have {len(joined.time)} times, there is no row {last}", where="data.until")
    return joined.thinned(np.arange(0, last + 1, block.every))


def load_ensembles(
    block: DataBlock, beside: Path, folder: Path, seed: int, tell: Tell = lambda text: None
) -> list[Trajectories]:
    """The runs of each file or condition, all of their times."""
    paths = [beside / name for name in block.files]
    if not paths:
        paths = [_sampled(block, k, beside, folder, seed, tell) for k in range(len(block.conditions))]
        return [Trajectories.load(path, block.site).first(block.runs) for path in paths]
    return [Trajectories.load(path, block.site) for path in paths]


def _sampled(block: DataBlock, k: int, beside: Path, folder: Path, seed: int, tell: Tell) -> Path:
    """The ensemble file of one initial condition; made if it is not there. What changes its runs is in its name."""
    experiment = Experiment.load(beside / str(block.experiment), overrides=list(block.conditions[k]))
    key = ensemble_key(experiment, seed + k)[:12]
    place = folder / DATA / f"{k:03d}-{key}"
    refuse_link(folder / DATA, place)
    if not place.exists() and any((folder / DATA).glob(f"{k:03d}*")):
        tell(f"{experiment.experiment.name} has changed since runs of it were made: they are made anew, in {place}")
    tell(f"sampling {block.runs} runs of {experiment.experiment.name} ({k + 1} of {len(block.conditions)})")
    try:
        with sample(experiment, max(block.runs, runs_wanted(place)), seed + k, place):
            return place / "ensemble.h5"
    except Interrupted as error:
        made = str(error).partition(";")[0]
        raise Interrupted(f"{made}; they are kept: give the same couple train again to go on", error.signal) from None
