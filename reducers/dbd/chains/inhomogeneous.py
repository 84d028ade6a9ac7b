"""Open rows of sites whose fields and couplings differ from place to place: exact moments in O(sites).

p(s) = exp(Σ_i h_i(s_i) + Σ_i J_i(s_i, s_{i+1})) / Z; h(x) and J(x) are sums of hat functions on an interval mesh, one
for each species and pair, and with a node at every site they are free. X belongs to a parameter: the sum over sites, or
over bonds, weighted by its hat function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from reducers.dbd.chains.interval import checked_nodes, evenly, hats
from reducers.dbd.chains.transfer import pair_covariances, pair_probabilities

LARGEST = 150.0
"""Logarithm of a weight: exp(±150) leaves room for products of four."""


class InhomogeneousChain:
    """Parameters: h_A@x of all nodes x for each species A, then J_AA@x, J_AB@x, … (plus convention).

    nodes: of h(x), places in sites, or how many, evenly. Those of J(x) are as many, stretched to the bonds: bond b lies
    at b + 1/2; one less where every site has one. Raises InputError for fewer than two sites, or nodes so close that
    hat functions have too few sites or bonds to differ.
    """

    sign = 1

    def __init__(self, species: Sequence[str], size: int, nodes: int | Sequence[float]) -> None:
        self.species, self.size = tuple(species), int(size)
        if not self.species or len(set(self.species)) < len(self.species):
            raise InputError(f"needs one or more species, each once, not {list(species)}")
        if self.size < 2:
            raise InputError(f"a row of {size} sites has no neighbours: give 2 or more")
        count, bonds = len(self.species), self.size - 1
        self.pairs = tuple((a, b) for a in range(1, count + 1) for b in range(a, count + 1))
        self.site_nodes = checked_nodes(nodes, self.size)
        self.bond_nodes = _bond_nodes(self.site_nodes, self.size)
        self.site_hats = hats(evenly(self.size, self.size), self.site_nodes)
        self.bond_hats = hats(np.asarray(np.arange(bonds) + 0.5, dtype=float), self.bond_nodes)
        self.free = self.site_hats.shape == (self.size, self.size)
        for basis in () if self.free else (self.site_hats, self.bond_hats):
            if np.linalg.matrix_rank(basis) < basis.shape[1]:
                what = f"{basis.shape[1]} nodes are too close on {len(basis)} sites or bonds"
                raise InputError(what, where="model.nodes")
        self.parameters = tuple(f"h_{s}@{x:g}" for s in self.species for x in self.site_nodes) + tuple(
            f"J_{self.species[a - 1]}{self.species[b - 1]}@{x:g}" for a, b in self.pairs for x in self.bond_nodes
        )
        self.logs = self._logs()

    def _logs(self) -> csr_array:
        """(B S S, n) what each parameter adds to the weights of neighbours; a site's field is shared by its bonds."""
        size, bonds = len(self.species) + 1, self.size - 1
        rows: list[Ints] = []
        columns: list[Ints] = []
        values: list[Floats] = []

        def add(at: Ints, s: int, t: int, basis: Floats, first: int) -> None:
            """basis: (len(at), K) values at the bonds `at`; first: parameter of its first column."""
            i, k = np.nonzero(basis)
            rows.append((at[i] * size + s) * size + t)
            columns.append(first + k)
            values.append(basis[i, k])

        share = np.full(self.size, 0.5)
        share[[0, -1]] = 1.0
        all_bonds, shared = np.arange(bonds), share[:, None] * self.site_hats
        for a in range(1, size):
            first = (a - 1) * len(self.site_nodes)
            for other in range(size):
                add(all_bonds, a, other, shared[:-1], first)
                add(all_bonds, other, a, shared[1:], first)
        for k, (a, b) in enumerate(self.pairs):
            first = len(self.species) * len(self.site_nodes) + k * len(self.bond_nodes)
            for s, t in {(a, b), (b, a)}:
                add(all_bonds, s, t, self.bond_hats, first)
        made = coo_array(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
            shape=(bonds * size * size, len(self.parameters)),
        )
        return csr_array(made)

    def weights(self, theta: Floats) -> Floats:
        """(B, S, S) logarithms of the weights of neighbours at θ. Raises RunError for those that no float can show."""
        found = self.along(theta)
        if not (np.abs(found) <= LARGEST).all():
            raise RunError(f"the parameters of the chain are not finite, or beyond {LARGEST:g}: {theta}")
        return found

    def along(self, vector: Floats) -> Floats:
        """(B, S, S) Σ_k vector_k × what parameter k adds: Σ vector · X as a sum over bonds."""
        return np.asarray(self.logs @ vector).reshape(self.size - 1, len(self.species) + 1, -1)

    def contracted(self, pairs: Floats) -> Floats:
        """(…, n) Σ_b of (…, B, S, S) with what each parameter adds: ⟨X⟩ of probabilities of neighbours."""
        return np.asarray((self.logs.T @ pairs.reshape(-1, self.logs.shape[0]).T).T.reshape(*pairs.shape[:-3], -1))

    def neighbours(self, theta: Floats) -> Floats:
        """(B, S, S) probabilities of the states of neighbouring sites."""
        weights = self.weights(theta)
        return np.asarray(pair_probabilities(weights, np.zeros_like(weights), np.zeros_like(weights))[1][0])

    def densities(self, theta: Floats) -> Floats:
        """(N, n_species) probability of each species at each site."""
        p = self.neighbours(theta)
        return np.concatenate([p.sum(axis=2), p[-1:].sum(axis=1)])[:, 1:]

    def log_z(self, theta: Floats) -> float:
        """ln Z of the whole row."""
        weights = self.weights(theta)
        return float(pair_probabilities(weights, np.zeros_like(weights), np.zeros_like(weights))[0])

    def moments(self, theta: Floats) -> Floats:
        """(n,) ⟨X⟩: numbers of molecules, and of pairs of neighbours, weighted by hat functions."""
        return self.contracted(self.neighbours(theta))

    def covariance(self, theta: Floats) -> Floats:
        """(n, n) Cov(X_k, X_l)."""
        found = self.contracted(pair_covariances(self.weights(theta), self._directions))
        return np.asarray((found + found.T) / 2)

    @cached_property
    def _directions(self) -> Floats:
        return np.ascontiguousarray(self.logs.toarray().T.reshape(len(self.parameters), self.size - 1, -1)).reshape(
            len(self.parameters), self.size - 1, len(self.species) + 1, -1
        )

    def covariance_product(self, theta: Floats, vector: Floats) -> Floats:
        """(n,) Cov(X, X) · vector in O(N): how ⟨X⟩ changes along it, and the gradient of vector · ⟨X⟩."""
        weights, along = self.weights(theta), self.along(vector)
        return self.contracted(pair_probabilities(weights, along, np.zeros_like(along))[1][1])

    def slope(self, theta: Floats, data: Floats) -> Floats:
        """(n,) ∂D/∂θ for data moments."""
        return np.asarray(self.moments(theta) - data)

    def features_of(self, states: npt.NDArray[np.integer]) -> Floats:
        """(…, n) X of configurations (…, N) with states 0 (empty), 1, …"""
        columns = [(states == s).astype(float) @ self.site_hats for s in range(1, len(self.species) + 1)]
        left, right = states[..., :-1], states[..., 1:]
        for a, b in self.pairs:
            both = ((left == a) & (right == b)) | ((left == b) & (right == a))
            columns.append(both.astype(float) @ self.bond_hats)
        return np.concatenate(columns, axis=-1)

    def independent_moments(self, moments: Floats, least: float) -> Floats:
        """(n,) X of sites without correlations that have the densities of `moments`, of each species `least` or more
        and leaving as much room."""
        count, nodes = len(self.species), len(self.site_nodes)
        at_nodes = moments[: count * nodes].reshape(count, nodes) / self.site_hats.sum(axis=0)
        density = np.maximum(self.site_hats @ at_nodes.T, least)
        density *= np.minimum(1.0, (1.0 - least) / density.sum(axis=1, keepdims=True))
        columns = [self.site_hats.T @ density[:, s] for s in range(count)]
        for a, b in self.pairs:
            both = density[:-1, a - 1] * density[1:, b - 1]
            both = both if a == b else both + density[:-1, b - 1] * density[1:, a - 1]
            columns.append(self.bond_hats.T @ both)
        return np.concatenate(columns)


def _bond_nodes(site_nodes: Floats, size: int) -> Floats:
    """Nodes of J(x) between the first and the last bond; one less where each site has a node."""
    if len(site_nodes) == size:
        return 0.5 + evenly(size - 1, size - 1)
    if len(site_nodes) == 1 or size == 2:
        return np.array([(size - 1) / 2])
    return 0.5 + site_nodes * (size - 2) / (size - 1)
