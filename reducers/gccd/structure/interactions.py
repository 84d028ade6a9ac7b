"""Interactions between the sites of a molecule as groups of features, and fits of fields that hold some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np

from couple.base.arrays import Counts, Floats, Ints
from couple.base.errors import InputError

LARGEST = 200_000
"""States of a molecule that are listed at most."""
Clique = tuple[int, ...]


@dataclass(frozen=True)
class MoleculeStates:
    """sites: names. levels: (n_sites,) number of levels of each. states: (n_states, n_sites) those that can be."""

    sites: tuple[str, ...]
    levels: tuple[int, ...]
    states: Ints

    @classmethod
    def listed(cls, sites: Mapping[str, int], requires: Mapping[str, Sequence[str]] | None = None) -> MoleculeStates:
        """All states of sites with so many levels. requires: site → sites that must be above 0 where it is.

        Raises InputError for more than 200,000 states, and names that are no sites.
        """
        names, levels = tuple(sites), tuple(sites.values())
        size = int(np.prod([float(n) for n in levels]))
        if size > LARGEST:
            raise InputError(f"{len(names)} sites have {size:,} states; {LARGEST:,} can be listed: leave sites out")
        states = np.array(list(product(*(range(n) for n in levels))), dtype=np.int64).reshape(-1, len(names))
        keep = np.ones(len(states), dtype=bool)
        for site, others in (requires or {}).items():
            for other in others:
                if site not in names or other not in names:
                    raise InputError(f'no site "{site if site not in names else other}"; there are {", ".join(names)}')
                keep &= (states[:, names.index(site)] == 0) | (states[:, names.index(other)] > 0)
        return cls(names, levels, states[keep])

    def name(self, clique: Clique) -> str:
        """Sites of a clique, joined by "-"."""
        return "-".join(self.sites[k] for k in clique)

    def cliques(self, size: int) -> list[Clique]:
        """All sets of `size` sites."""
        return list(combinations(range(len(self.sites)), size))

    @cached_property
    def features(self) -> dict[Clique, Floats]:
        """Clique → (n_states, df) products of indicators [site = level > 0] that smaller ones do not make redundant.

        Of cliques of one, two and three sites; where states that cannot be leave nothing new there are no columns.
        """
        kept: dict[Clique, Floats] = {}
        for size in (1, 2, 3):
            for clique in self.cliques(size):
                below = [kept[c] for k in range(1, size) for c in combinations(clique, k)]
                basis = np.concatenate([np.ones((len(self.states), 1)), *below], axis=1)
                kept[clique] = _new_columns(basis, self._indicators(clique))
        return kept

    def _indicators(self, clique: Clique) -> Floats:
        columns = [
            (self.states[:, clique] == np.array(chosen)).all(axis=1)
            for chosen in product(*(range(1, self.levels[k]) for k in clique))
        ]
        return np.stack(columns, axis=1).astype(float)


def _new_columns(basis: Floats, columns: Floats) -> Floats:
    """Those of `columns` that are independent of the basis and of those before them."""
    q = np.linalg.qr(basis)[0]
    kept = []
    for k in range(columns.shape[1]):
        rest = columns[:, k] - q @ (q.T @ columns[:, k])
        rest -= q @ (q.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > 1e-8 * max(float(np.linalg.norm(columns[:, k])), 1e-300) and length > 1e-8:
            kept.append(k)
            q = np.concatenate([q, rest[:, None] / length], axis=1)
    return columns[:, kept]


class SiteField:
    """p(s; μ) ∝ exp(μ·V(s)), V the features of single sites and of chosen cliques with all that lies in them.

    μ is fitted to counts (n_slices, n_states), each slice by itself, by Newton steps.
    """

    def __init__(self, molecule: MoleculeStates, cliques: Sequence[Clique]) -> None:
        self.molecule, self.cliques = molecule, closure(molecule, cliques)
        self.v = np.concatenate([molecule.features[c] for c in self.cliques], axis=1)

    @property
    def parameters(self) -> int:
        """How many μ there are in a slice."""
        return int(self.v.shape[1])

    def fit(self, shares: Floats, start: Floats | None = None, floor: float = 0.0) -> tuple[Floats, Floats]:
        """(n_slices, n) μ and (n_slices, n_states) p of shares (n_slices, n_states).

        start: μ to begin with. floor: weight of an even share that is mixed in, so that nothing is impossible.
        """
        mixed = (1.0 - floor) * shares + floor / shares.shape[1]
        mu = np.zeros((len(shares), self.parameters)) if start is None else start.copy()
        p = np.empty_like(mixed)
        for t, row in enumerate(mixed):
            mu[t], p[t] = self._fit_one(row, mu[t])
        return mu, p

    def _fit_one(self, share: Floats, mu: Floats) -> tuple[Floats, Floats]:
        wanted, p = share @ self.v, self._probabilities(mu)
        value = self._value(mu, wanted)
        for _ in range(60):
            gap = wanted - p @ self.v
            if np.abs(gap).max() < 1e-9:
                break
            centred = self.v - p @ self.v
            hessian = (p[:, None] * centred).T @ centred
            step = np.linalg.solve(hessian + 1e-10 * np.eye(len(mu)), gap)
            size = 1.0
            while size > 1e-6:
                found = self._value(mu + size * step, wanted)
                if found >= value + 1e-4 * size * float(step @ gap) - 1e-14:
                    break
                size /= 2
            mu, value = mu + size * step, found
            p = self._probabilities(mu)
        return mu, p

    def _value(self, mu: Floats, wanted: Floats) -> float:
        energy = self.v @ mu
        top = float(energy.max())
        return float(mu @ wanted) - top - float(np.log(np.exp(energy - top).sum()))

    def _probabilities(self, mu: Floats) -> Floats:
        energy = self.v @ mu
        p = np.exp(energy - energy.max())
        return np.asarray(p / p.sum())


def closure(molecule: MoleculeStates, cliques: Sequence[Clique]) -> list[Clique]:
    """Single sites, cliques, and all subsets of these, small ones first."""
    found = {c for clique in cliques for k in range(1, len(clique) + 1) for c in combinations(clique, k)}
    return sorted(found | set(molecule.cliques(1)), key=lambda c: (len(c), c))


def log_likelihood(counts: Counts | Floats, p: Floats) -> float:
    """Σ n ln p over slices and states."""
    return float((counts * np.log(np.maximum(p, 1e-300))).sum())
