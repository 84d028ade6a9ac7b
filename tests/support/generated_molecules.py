"""Molecules with known interactions between their sites, made by a recipe fixed before anything was searched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Counts, Floats
from reducers.gccd.structure.interactions import Clique, MoleculeStates

MOLECULES = 10_000


@dataclass(frozen=True)
class GeneratedMolecule:
    """A molecule, its interactions, and the probabilities (n_states,) that follow."""

    molecule: MoleculeStates
    cliques: frozenset[Clique]
    p: Floats

    def sampled(self, seed: int) -> Counts:
        """(1, n_states) of 10,000 molecules."""
        return np.random.default_rng([seed, 17]).multinomial(MOLECULES, self.p)[None].astype(np.int64)

    def without_interactions(self, seed: int) -> Counts:
        """(1, n_states) of molecules whose sites are independent, at the same shares of each site's levels.

        Sites of states that cannot be are drawn again.
        """
        rng, states = np.random.default_rng([seed, 18]), self.molecule.states
        weights = np.ones(len(states))
        for k, n in enumerate(self.molecule.levels):
            share = np.array([self.p[states[:, k] == level].sum() for level in range(n)])
            weights *= share[states[:, k]]
        return rng.multinomial(MOLECULES, weights / weights.sum())[None].astype(np.int64)


def generated(
    sites: dict[str, int], pairs: int, seed: int, requires: dict[str, list[str]] | None = None
) -> GeneratedMolecule:
    """Interactions of 0.3 to 1 in size between `pairs` pairs; fields that keep all levels common."""
    rng = np.random.default_rng(seed)
    molecule = MoleculeStates.listed(sites, requires)
    open_ = [c for c in molecule.cliques(2) if molecule.features[c].shape[1]]
    chosen = [open_[k] for k in rng.permutation(len(open_))[:pairs]]
    energy = np.zeros(len(molecule.states))
    for clique in chosen:
        v = molecule.features[clique]
        size = rng.uniform(0.3, 1.0, v.shape[1]) * rng.choice([-1, 1], v.shape[1])
        energy += (v - v.mean(axis=0)) @ size
        for k in clique:  # fields against it, so that no level becomes rare
            mine = molecule.features[(k,)]
            energy -= 0.5 * mine @ (np.linalg.lstsq(mine, (v - v.mean(axis=0)) @ size, rcond=None)[0])
    for k in range(len(sites)):
        energy += molecule.features[(k,)] @ rng.uniform(-0.2, 0.2, sites[molecule.sites[k]] - 1)
    p = np.exp(energy - energy.max())
    return GeneratedMolecule(molecule, frozenset(chosen), p / p.sum())


def three() -> dict[str, GeneratedMolecule]:
    """Nine sites of two levels; eight of two or three; nine of which some need another."""
    nine = dict.fromkeys("ABCDEFGHI", 2)
    return {
        "nine": generated(nine, 12, seed=101),
        "mixed": generated({"A": 3, "B": 2, "C": 2, "D": 3, "E": 2, "F": 2, "G": 2, "H": 2}, 9, seed=102),
        "bound": generated(nine, 10, seed=103, requires={"B": ["A"], "C": ["A"]}),
    }
