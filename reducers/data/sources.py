"""Where training data come from: ensemble files, or an experiment that is sampled now."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from couple.base.errors import InputError, Interrupted, MissingDependencyError
from couple.experiment import Experiment
from reducers.data.trajectories import Trajectories
from reducers.dbd.model.settings import Data

Tell = Callable[[str], None]


def load_data(block: Data, beside: Path, folder: Path, seed: int, tell: Tell = lambda text: None) -> Trajectories:
    """The runs that a training file names; several files or conditions are initial conditions of their own.

    beside: folder of the training file, to which its paths are relative. folder: of the training; what is sampled is
    kept in it and used again. Raises InputError for what is missing or does not fit.
    """
    found = ensembles(block, beside, folder, seed, tell)
    joined = Trajectories.join(found) if len(found) > 1 else found[0]
    last = len(joined.time) - 1 if block.until is None else block.until
    if last >= len(joined.time):
        raise InputError(f"the runs have {len(joined.time)} times, there is no row {last}", where="data.until")
    return joined.thinned(np.arange(0, last + 1, block.every))


def ensembles(block: Data, beside: Path, folder: Path, seed: int, tell: Tell = lambda text: None) -> list[Trajectories]:
    """The runs of each file or condition, all of their times."""
    if block.files:
        paths = [beside / name for name in block.files]
    else:
        paths = [_sampled(block, k, beside, folder, seed, tell) for k in range(len(block.conditions))]
    return [Trajectories.load(path, block.site) for path in paths]


def _sampled(block: Data, k: int, beside: Path, folder: Path, seed: int, tell: Tell) -> Path:
    """The ensemble file of one initial condition; made if it is not there."""
    try:
        sample = importlib.import_module("couple.ensemble").sample
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"experiments cannot be sampled here ({error}): give files instead") from None
    experiment = Experiment.load(beside / str(block.experiment), overrides=list(block.conditions[k]))
    place = folder / "data" / f"{k:03d}"
    tell(f"sampling {block.runs} runs of {experiment.experiment.name} ({k + 1} of {len(block.conditions)})")
    try:
        with sample(experiment, block.runs, seed + k, place):
            return place / "ensemble.h5"
    except Interrupted as error:
        made = str(error).partition(";")[0]
        raise Interrupted(f"{made}; they are kept: give the same couple train again to go on") from None
