"""Runs of molecules under prescribed courses of the drive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.whole_counts import apportion
from couple.components.engine import EngineSetup, Site
from couple.ensemble.ranks import map_over_ranks
from couple.geometry.geometry import Geometry
from reducers.data.stimuli import CalciumStimulus, make_stimuli
from reducers.markov.chemistry import own_reactions
from reducers.markov.settings import DrivenFile, SampleBlock

SIDE = 40.0
"""um, of the box: so large that whole ions make any concentration."""


@dataclass(frozen=True)
class StimulusRuns:
    """drive: (n_runs, n_windows) uM, constant over each. shares: (n_runs, n_windows + 1, n_states) of all molecules."""

    stimuli: tuple[CalciumStimulus, ...]
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

    def select(self, *, test: bool) -> StimulusRuns:
        """Runs that are tested on, or those that are learned from."""
        rows = [k for k, s in enumerate(self.stimuli) if s.test == test]
        stimuli = tuple(self.stimuli[k] for k in rows)
        return StimulusRuns(stimuli, self.drive[rows], self.shares[rows], self.every, self.molecules)


def sample_runs(file: DrivenFile, network: ReactionNetwork, species: tuple[str, ...]) -> StimulusRuns:
    """All stimuli at once, a site each; over ranks, if there are any."""
    given, stimuli = file.sample, _stimuli(file.sample, file.train.seed)
    parts = map_over_ranks(partial(_share, file, network, species))
    shares = np.empty((len(stimuli), *parts[0].shape[1:]))
    for k, part in enumerate(parts):
        shares[k :: len(parts)] = part
    drive = _ions(np.array([s.calcium for s in stimuli])) / _PER_UM
    return StimulusRuns(stimuli, drive, shares / given.molecules, given.every, given.molecules)


def _share(file: DrivenFile, network: ReactionNetwork, species: tuple[str, ...], rank: int, size: int) -> Floats:
    """(n_runs, n_windows + 1, n_states) molecules under every `size`-th stimulus from `rank` on."""
    given, drive = file.sample, file.driven.drive
    part = ReactionNetwork(
        [s for s in network.species if s.name in (*species, drive)],
        own_reactions(network, species, drive),
        network.reservoirs,
    )
    stimuli = _stimuli(given, file.train.seed)
    ions = _ions(np.array([s.calcium for s in stimuli]))[rank::size]
    counts = np.empty((len(ions), ions.shape[1] + 1, len(species)))
    if not len(ions):
        return counts
    setup = _setup(file, part, species, stimuli)
    engine = registry.load("couple.engines", given.engine)(replace(setup, sites=setup.sites[rank::size]))
    columns = [part.index(name) for name in species]
    counts[:, 0] = engine.read("counts")[:, columns]
    for k in range(ions.shape[1]):
        engine.write("clamp", ions[:, k : k + 1])
        engine.advance(1)
        counts[:, k + 1] = engine.read("counts")[:, columns]
    return counts


_PER_UM = 1e-3 * IONS_PER_MM_UM3 * SIDE**3


def _ions(course: Floats) -> Floats:
    """Whole ions in the box for uM."""
    return np.rint(course * _PER_UM)


def _stimuli(given: SampleBlock, seed: int) -> tuple[CalciumStimulus, ...]:
    time: Floats = given.every * (np.arange(round(given.duration / given.every), dtype=np.float64) + 0.5)
    return tuple(s for block in given.stimuli for s in make_stimuli(block, time, seed, "driven"))


def _setup(
    file: DrivenFile, part: ReactionNetwork, species: tuple[str, ...], stimuli: tuple[CalciumStimulus, ...]
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
