"""Runs of whole molecules under prescribed courses of the drive, as the moments of what moves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from reducers.copy_numbers.chemistry import Kinetics
from reducers.copy_numbers.settings import CopyNumberFile, SampleBlock
from reducers.data.clamped_sites import clamped_sites
from reducers.data.stimuli import CalciumStimulus, make_stimuli

STREAM = "population"
"""Keys the random numbers of the stimuli, as in the trainings of earlier models: another word would be other data."""


@dataclass(frozen=True)
class CopyNumberRuns:
    """drive: (C, T) uM, held over each window of `every` ms. numbers: (C, R, T + 1, S) of what moves. start: (C, R,
    n_species) molecules of all species of the block.
    """

    stimuli: tuple[CalciumStimulus, ...]
    geometry: Geometry
    every: float
    drive: Floats
    numbers: Floats
    start: Floats

    def select(self, *, test: bool) -> CopyNumberRuns:
        """Those that are tested on, or those that are learned from."""
        rows = [k for k, s in enumerate(self.stimuli) if s.test == test]
        stimuli = tuple(self.stimuli[k] for k in rows)
        return CopyNumberRuns(
            stimuli, self.geometry, self.every, self.drive[rows], self.numbers[rows], self.start[rows]
        )

    def digest(self) -> str:
        """SHA-256 of drives and numbers."""
        found = hashlib.sha256(np.ascontiguousarray(self.drive).tobytes())
        found.update(np.ascontiguousarray(self.numbers).tobytes())
        return found.hexdigest()


def geometry_of(experiment: Experiment) -> Geometry:
    """That of the first site. Raises InputError if a cell gives it."""
    block = experiment.site[0].geometry if experiment.site else None
    if block is None:
        raise InputError("the first [[site]] needs a geometry: molecules are counted in it", where="site.geometry")
    return block.build()


def sample_copy_numbers(
    file: CopyNumberFile, experiment: Experiment, found: Kinetics, geometry: Geometry | None = None
) -> CopyNumberRuns:
    """All runs under all stimuli, sites of one engine. geometry: that of the first site if not given."""
    given, part = file.sample, found.part
    geometry = geometry_of(experiment) if geometry is None else geometry
    stimuli = stimuli_of(given, file.train.seed)
    per_um = 1e-3 * IONS_PER_MM_UM3 * geometry.volume
    ions = np.rint(np.array([s.calcium for s in stimuli]) * per_um)
    engine = clamped_sites(
        given.engine, part, experiment, geometry, found.drive, ions[:, 0], given.runs, given.every, file.train.seed
    )
    columns = [engine.network.index(s) for s in found.species]
    moving = [columns[k] for k in found.moving]
    numbers = np.empty((ions.shape[1] + 1, len(engine.sites), len(moving)), dtype=np.float32)
    numbers[0], start = engine.read("counts")[:, moving], engine.read("counts")[:, columns].copy()
    for k in range(ions.shape[1]):
        engine.write("clamp", np.repeat(ions[:, k], given.runs)[:, None])
        engine.advance(1)
        numbers[k + 1] = engine.read("counts")[:, moving]
    shaped = numbers.transpose(1, 0, 2).reshape(len(stimuli), given.runs, ions.shape[1] + 1, len(moving))
    first = start.reshape(len(stimuli), given.runs, len(columns))
    return CopyNumberRuns(stimuli, geometry, given.every, ions / per_um, shaped, first)


def stimuli_of(given: SampleBlock, seed: int) -> tuple[CalciumStimulus, ...]:
    """Courses at the middles of windows."""
    time: Floats = given.every * (np.arange(round(given.duration / given.every), dtype=np.float64) + 0.5)
    return tuple(s for block in given.stimuli for s in make_stimuli(block, time, seed, STREAM))
