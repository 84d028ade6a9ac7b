"""Molecules of given sites and rules under a drive: their generator, and how many are in each state at given times."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import expm_multiply

from couple.base.arrays import Counts, Floats
from couple.base.errors import InputError
from couple.rng.streams import generator
from reducers.data.stimuli import make_stimuli
from reducers.gccd.structure.interactions import MoleculeStates
from reducers.gccd.structure.settings import MoleculeBlock, StructureFile


def generators(block: MoleculeBlock, molecule: MoleculeStates) -> tuple[csr_array, csr_array]:
    """(n_states, n_states) base per ms and slope per ms and uM, [to, from]. Raises InputError for a rule that does
    nothing."""
    states, row = molecule.states, {tuple(s): k for k, s in enumerate(molecule.states.tolist())}
    entries: list[list[tuple[int, int, float]]] = [[], []]
    for i, rule in enumerate(block.rules):
        at = molecule.sites.index(rule.site)
        fits = states[:, at] == rule.begin
        for name, level in rule.when.items():
            fits &= states[:, molecule.sites.index(name)] == level
        sources = [k for k in np.flatnonzero(fits).tolist() if _after(states[k].tolist(), at, rule.end) in row]
        if not sources:
            raise InputError("applies in no state that can be", where=f"molecule.rules[{i}]")
        for k in sources:
            target = row[_after(states[k].tolist(), at, rule.end)]
            for kind, rate in enumerate(rule.rates):
                if rate:
                    entries[kind].extend([(target, k, rate), (k, k, -rate)])
    base, slope = (_matrix(listed, len(states)) for listed in entries)
    return base, slope


def _matrix(entries: list[tuple[int, int, float]], n: int) -> csr_array:
    table = np.array(entries, dtype=float).reshape(-1, 3)
    places = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return csr_array((table[:, 2], places), shape=(n, n))


def _after(state: list[int], site: int, level: int) -> tuple[int, ...]:
    return (*state[:site], level, *state[site + 1 :])


def sample_states(
    file: StructureFile, molecule: MoleculeStates, purpose: str = "learn"
) -> tuple[Counts, Floats, list[str]]:
    """(n_slices, n_states) molecules, (n_slices,) ms, and the stimulus of each slice; slices are drawn apart.

    purpose: other molecules under the same stimuli for each.
    """
    base, slope = generators(file.molecule, molecule)
    given = file.sample
    windows = round(given.duration / given.every)
    time: Floats = given.every * (np.arange(windows, dtype=np.float64) + 0.5)
    rows = np.unique(np.rint(np.linspace(0, windows, given.slices + 1)).astype(int))[1:]
    stimuli = [s for block in given.stimuli for s in make_stimuli(block, time, file.train.seed, "structure")]
    start = np.zeros(len(molecule.states))
    start[(molecule.states == 0).all(axis=1)] = 1.0
    counts, at, names = [], [], []
    for stimulus in stimuli:
        rng, p = generator(file.train.seed, "structure", stimulus.name, purpose), start
        for k in range(windows):
            p = expm_multiply(given.every * (base + float(stimulus.calcium[k]) * slope), p)
            if k + 1 in rows:
                counts.append(rng.multinomial(given.molecules, np.maximum(p, 0.0) / np.maximum(p, 0.0).sum()))
                at.append(given.every * (k + 1))
                names.append(stimulus.name)
    return np.array(counts, dtype=np.int64), np.array(at), names
