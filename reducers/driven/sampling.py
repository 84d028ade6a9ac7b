"""Runs of molecules under prescribed courses of the drive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from couple import registry
from couple.component import Floats
from couple.engine import EngineSetup, Site
from couple.geometry import Geometry
from couple.initial import apportion
from couple.network import ReactionNetwork
from couple.units import IONS_PER_MM_UM3
from reducers.driven.chemistry import own_reactions
from reducers.driven.settings import DrivenFile, Sample
from reducers.gccd.stimuli import Stimulus, courses

SIDE = 40.0
"""um, of the box: so large that whole ions make any concentration."""


@dataclass(frozen=True)
class Runs:
    """drive: (n_runs, n_windows) uM, constant over each. shares: (n_runs, n_windows + 1, n_states) of all molecules."""

    stimuli: tuple[Stimulus, ...]
    drive: Floats
    shares: Floats
    every: float
    molecules: int

    def digest(self) -> str:
        """SHA-256 of the numbers."""
        found = hashlib.sha256()
        for array in (self.drive, self.shares):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def select(self, *, test: bool) -> Runs:
        """Only what is tested on, or only what is learned from."""
        rows = [k for k, s in enumerate(self.stimuli) if s.test == test]
        stimuli = tuple(self.stimuli[k] for k in rows)
        return Runs(stimuli, self.drive[rows], self.shares[rows], self.every, self.molecules)


def sample(file: DrivenFile, network: ReactionNetwork, species: tuple[str, ...]) -> Runs:
    """All stimuli at once, a site each."""
    given, drive = file.sample, file.driven.drive
    part = ReactionNetwork(
        [s for s in network.species if s.name in (*species, drive)],
        own_reactions(network, species, drive),
        network.reservoirs,
    )
    stimuli = _stimuli(given, file.train.seed)
    course = np.array([s.calcium for s in stimuli])
    engine = registry.load("couple.engines", given.engine)(_setup(file, part, species, stimuli))
    per_um = 1e-3 * IONS_PER_MM_UM3 * SIDE**3
    ions = np.rint(course * per_um)
    shares = np.empty((len(stimuli), course.shape[1] + 1, len(species)))
    columns = [part.index(name) for name in species]
    shares[:, 0] = engine.read("counts")[:, columns]
    for k in range(course.shape[1]):
        engine.write("clamp", ions[:, k : k + 1])
        engine.advance(1)
        shares[:, k + 1] = engine.read("counts")[:, columns]
    return Runs(stimuli, ions / per_um, shares / given.molecules, given.every, given.molecules)


def _stimuli(given: Sample, seed: int) -> tuple[Stimulus, ...]:
    time: Floats = given.every * (np.arange(round(given.duration / given.every), dtype=np.float64) + 0.5)
    return tuple(s for block in given.stimuli for s in courses(block, time, seed, "driven"))


def _setup(
    file: DrivenFile, part: ReactionNetwork, species: tuple[str, ...], stimuli: tuple[Stimulus, ...]
) -> EngineSetup:
    """Of all stimuli; those that are tested on start at the steady state of the first concentration."""
    sites = []
    for k, stimulus in enumerate(stimuli):
        first = float(stimulus.calcium[0])
        if file.sample.start == "each" and not stimulus.test:
            counts = {species[k % len(species)]: file.sample.molecules}
        else:
            share = part.steady_fractions(species[0], {file.driven.drive: 1e-3 * first})
            counts = apportion(file.sample.molecules, share)
        counts[file.driven.drive] = round(first * 1e-3 * IONS_PER_MM_UM3 * SIDE**3)
        sites.append(Site(f"{k}", Geometry.box(SIDE, SIDE, SIDE), tuple(counts.get(n, 0) for n in part.names)))
    factory = registry.load("couple.engines", file.sample.engine)
    drive = (file.driven.drive,)
    return EngineSetup(
        "train", part, tuple(sites), file.sample.every, clamped=drive, seed=file.train.seed, options=factory.Options()
    )
