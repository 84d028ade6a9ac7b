"""Runs of molecules on a grid under prescribed courses of the drive: who is in which state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from reducers.copy_numbers.sampling import geometry_of
from reducers.data.clamped_sites import clamped_sites
from reducers.data.stimuli import CalciumStimulus, make_stimuli
from reducers.machines.settings import MachineFile
from reducers.machines.units import Units

STREAM = "machine"
"""Keys the random numbers of the stimuli."""


@dataclass(frozen=True)
class UnitRuns:
    """drive: (C, T) uM, held over each window of `every` ms. numbers: (C, R, T + 1, S) molecules in each state but the
    first. states: (C, 1 + T // keep, n_units, R), at every `keep`-th time. start: (C, R, n_species) molecules.
    """

    stimuli: tuple[CalciumStimulus, ...]
    geometry: Geometry
    every: float
    keep: int
    drive: Floats
    numbers: Floats
    states: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int16]

    def select(self, *, test: bool) -> UnitRuns:
        """Those that are tested on, or those that are learned from."""
        rows = [k for k, s in enumerate(self.stimuli) if s.test == test]
        arrays = {key: getattr(self, key)[rows] for key in ("drive", "numbers", "states", "start")}
        return replace(self, stimuli=tuple(self.stimuli[k] for k in rows), **arrays)

    def digest(self) -> str:
        """SHA-256 of drives and numbers."""
        found = hashlib.sha256(np.ascontiguousarray(self.drive).tobytes())
        found.update(np.ascontiguousarray(self.numbers).tobytes())
        return found.hexdigest()


def sample_units(file: MachineFile, experiment: Experiment, units: Units) -> UnitRuns:
    """All runs under all stimuli, sites of one engine, in the geometry of the experiment's first site."""
    given, part, geometry = file.sample, units.part, geometry_of(experiment)
    time = given.every * (np.arange(round(given.duration / given.every), dtype=np.float64) + 0.5)
    stimuli = tuple(s for block in given.stimuli for s in make_stimuli(block, time, file.train.seed, STREAM))
    per_um = 1e-3 * IONS_PER_MM_UM3 * geometry.volume
    ions = np.rint(np.array([s.calcium for s in stimuli]) * per_um)
    engine = clamped_sites(
        given.engine, part, experiment, geometry, units.drive, ions[:, 0], given.runs, given.every, file.train.seed
    )
    columns = [engine.network.index(s) for s in units.species]
    keep, shape = round(given.keep / given.every), (len(stimuli), given.runs)
    units.configuration(engine.read("counts")[:, columns])
    for _ in range(round(given.settle / given.every)):
        engine.write("clamp", np.repeat(ions[:, 0], given.runs)[:, None])
        engine.advance(1)
    numbers = np.empty((ions.shape[1] + 1, *shape, units.states), dtype=np.float32)
    states = np.empty((ions.shape[1] // keep + 1, *shape, len(units.columns)), dtype=np.uint8)
    start = engine.read("counts")[:, columns].astype(np.int16)
    for k in range(ions.shape[1] + 1):
        if k:
            engine.write("clamp", np.repeat(ions[:, k - 1], given.runs)[:, None])
            engine.advance(1)
        found = engine.read("counts")[:, columns]
        numbers[k] = units.numbers(found).reshape(*shape, units.states)
        if k % keep == 0:
            states[k // keep] = units.configuration(found).reshape(*shape, -1)
    return UnitRuns(
        stimuli,
        geometry,
        given.every,
        keep,
        ions / per_um,
        numbers.transpose(1, 2, 0, 3).copy(),
        np.ascontiguousarray(states.transpose(1, 0, 3, 2)),
        start.reshape(*shape, -1),
    )
