"""Deep Boltzmann machines on lattices: multinomial units, local connectivity, biases and weights shared by a layer.

E = -Σ_l Σ_α a_α^(l) Σ_i s_iα^(l) - Σ_l Σ_αβ W_αβ^(l,l+1) Σ_<ij> s_iα^(l) s_jβ^(l+1) (arXiv:1905.12122, eq. 4), with a
vacancy as the state without energy. Layer 0 is visible; one hidden layer makes a restricted Boltzmann machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, nearest
from reducers.dbd.energy.layers import (
    Layer,
    Link,
    check_bonds,
    colours_of,
    forward_neighbours,
    inverse_neighbours,
    meets_twice,
)
from reducers.dbd.energy.mrf import MarkovRandomField

TABLE = 1 << 20
"""Entries of a table of conditional probabilities at most."""


class DeepBoltzmann:
    """A deep Boltzmann machine. Parameters: biases such as a0_H of all layers, then weights such as W01_HP, then
    couplings within layers such as J0_HP. One layer with bonds is a Markov random field all of whose units are seen.

    Raises InputError for layers of other dimensions, unknown species, no connection, or a unit that is connected to
    another twice.
    """

    sign = 1

    def __init__(self, layers: Sequence[Layer], links: Sequence[Link]) -> None:
        self.layers, self.links = tuple(layers), tuple(links)
        self._check()
        self.biases = [(level, s) for level, layer in enumerate(layers) for s in range(1, len(layer.species) + 1)]
        self.weights = [
            (level, layers[level].species.index(a) + 1, layers[level + 1].species.index(b) + 1)
            for level, link in enumerate(links)
            for a, b in link.pairs
        ]
        bonds = [(level, layer.bonds) for level, layer in enumerate(layers) if layer.bonds is not None]
        self.couplings = [
            (level, layers[level].species.index(a) + 1, layers[level].species.index(b) + 1)
            for level, bond in bonds
            for a, b in bond.pairs
        ]
        self.parameters = (
            tuple(f"a{level}_{layers[level].species[s - 1]}" for level, s in self.biases)
            + tuple(f"W{level}{level + 1}_{a}{b}" for level, link in enumerate(links) for a, b in link.pairs)
            + tuple(f"J{level}_{a}{b}" for level, bond in bonds for a, b in bond.pairs)
        )
        self.forward = [forward_neighbours(layer) for layer in self.layers]
        self.beside = [np.concatenate([f, inverse_neighbours(f, len(f), len(f))], axis=1) for f in self.forward]
        self.colours = [colours_of(near, layer) for near, layer in zip(self.beside, self.layers, strict=True)]
        self.up = [link.up(layers[level], layers[level + 1]) for level, link in enumerate(links)]
        self.down = [
            inverse_neighbours(up, layers[level].size, layers[level + 1].size) for level, up in enumerate(self.up)
        ]

    def _check(self) -> None:
        if not self.layers or len(self.links) != len(self.layers) - 1:
            raise InputError(f"{len(self.layers)} layers need {len(self.layers) - 1} links, not {len(self.links)}")
        for level, link in enumerate(self.links):
            lower, upper = self.layers[level], self.layers[level + 1]
            if len(lower.shape) != len(upper.shape) or any(len(o) != len(lower.shape) for o in link.offsets):
                raise InputError(f"layers {level} and {level + 1} and the offsets between them must have one dimension")
            if not link.offsets or len(set(link.offsets)) < len(link.offsets):
                raise InputError(f"the link of layers {level} and {level + 1} needs offsets, each once")
            for side, there in ((0, lower.species), (1, upper.species)):
                for name in (pair[side] for pair in link.pairs):
                    if name not in there:
                        raise InputError(f'no species "{name}" in layer {level + side}; {nearest(name, there)}')
            if meets_twice(link.up(lower, upper), upper.size):
                raise InputError(f"layers {level} and {level + 1} are too small: an offset wraps onto another")
        for level, layer in enumerate(self.layers):
            check_bonds(level, layer)

    @property
    def visible(self) -> Layer:
        """The layer that data are seen in, the first."""
        return self.layers[0]

    @cached_property
    def base(self) -> int:
        """A unit's state s ≥ 1 is written as base^(s-1), so that the sum over neighbours tells how many of each."""
        return 1 + max([near.shape[1] for near in (*self.up, *self.down, *self.beside)], default=1)

    @cached_property
    def codes(self) -> npt.NDArray[np.uint16]:
        """(levels,) code of each state."""
        most = max(len(layer.species) for layer in self.layers)
        if self.base**most > TABLE:
            raise InputError(f"{most} species with {self.base - 1} neighbours make too large a table of conditionals")
        return np.array([0] + [self.base ** (s - 1) for s in range(1, most + 1)], dtype=np.uint16)

    def tally(self, level: int, above: bool) -> Ints:
        """(n_sums, n_species of the neighbour layer) how many of each a sum of neighbour codes stands for."""
        if not 0 <= level + (1 if above else -1) < len(self.layers):
            return np.zeros((1, 0), dtype=np.int64)
        species = len(self.layers[level + (1 if above else -1)].species)
        return self._tally((self.up[level] if above else self.down[level - 1]).shape[1], species)

    def tally_beside(self, level: int) -> Ints:
        """(n_sums, n_species of the layer) the same of neighbours within the layer."""
        return self._tally(self.beside[level].shape[1], len(self.layers[level].species))

    def _tally(self, degree: int, species: int) -> Ints:
        sums = np.arange(degree * self.base ** (species - 1) + 1)
        return np.asarray((sums[:, None] // self.base ** np.arange(species)) % self.base)

    def fields(self, theta: Floats, level: int, above: bool) -> Floats:
        """(…, n_sums, n_species of layer level) energy that neighbours in one direction give; theta (…, n)."""
        counts = self.tally(level, above)
        out = np.zeros((*theta.shape[:-1], len(counts), len(self.layers[level].species)))
        for k, (lower, a, b) in enumerate(self.weights, start=len(self.biases)):
            if above and lower == level:
                out[..., :, a - 1] += theta[..., k, None] * counts[:, b - 1]
            elif not above and lower == level - 1:
                out[..., :, b - 1] += theta[..., k, None] * counts[:, a - 1]
        return out

    def fields_beside(self, theta: Floats, level: int) -> Floats:
        """(…, n_sums, n_species) energy that neighbours within layer level give; theta (…, n)."""
        counts = self.tally_beside(level)
        out = np.zeros((*theta.shape[:-1], len(counts), len(self.layers[level].species)))
        for k, (where, a, b) in enumerate(self.couplings, start=len(self.biases) + len(self.weights)):
            if where == level:
                out[..., :, a - 1] += theta[..., k, None] * counts[:, b - 1]
                if a != b:
                    out[..., :, b - 1] += theta[..., k, None] * counts[:, a - 1]
        return out

    def conditionals(self, theta: Floats, level: int) -> Floats:
        """(…, n_sums below × within × above, n_species) p(unit is s | neighbours) of layer level (eq. 6)."""
        first = next(k for k, (layer, _) in enumerate(self.biases) if layer == level)
        bias = theta[..., first : first + len(self.layers[level].species)]
        below, above = self.fields(theta, level, False), self.fields(theta, level, True)
        beside = self.fields_beside(theta, level)
        if below.shape[-2] * beside.shape[-2] * above.shape[-2] > TABLE:
            raise InputError(f"layer {level} has too many species and neighbours for a table of conditionals")
        energy = below[..., :, None, None, :] + beside[..., None, :, None, :] + above[..., None, None, :, :]
        energy = energy + bias[..., None, None, None, :]
        energy = energy.reshape(*theta.shape[:-1], -1, energy.shape[-1])
        top = np.maximum(energy.max(axis=-1, keepdims=True), 0.0)
        weight = np.exp(energy - top)
        return np.asarray(weight / (np.exp(-top) + weight.sum(axis=-1, keepdims=True)))

    def independent(self, densities: Sequence[float]) -> Floats:
        """(n,) θ of uncorrelated visible units of the given densities, all else zero (max-ent initial state)."""
        free = 1.0 - sum(densities)
        if len(densities) != len(self.visible.species) or min(densities) <= 0 or free <= 0:
            raise InputError(
                f"needs {len(self.visible.species)} positive densities that leave room, not {list(densities)}"
            )
        theta = np.zeros(len(self.parameters))
        theta[: len(densities)] = np.log(np.asarray(densities) / free)
        return theta

    def field(self) -> MarkovRandomField:
        """The same distribution with all states listed; units are those of layer 0, then 1, … Small machines only."""
        start = np.concatenate([[0], np.cumsum([layer.size for layer in self.layers])])
        terms: dict[str, list[dict[int, int]]] = {}
        for name, (level, s) in zip(self.parameters, self.biases, strict=False):
            terms[name] = [{int(start[level]) + i: s} for i in range(self.layers[level].size)]
        for name, (level, a, b) in zip(self.parameters[len(self.biases) :], self.weights, strict=False):
            upper = self.layers[level + 1].size
            terms[name] = [
                {int(start[level]) + i: a, int(start[level + 1] + j): b}
                for i, row in enumerate(self.up[level])
                for j in row
                if j < upper
            ]
        for name, (level, a, b) in zip(self.parameters[len(terms) :], self.couplings, strict=True):
            first, size = int(start[level]), self.layers[level].size
            edges = [(first + i, first + int(j)) for i, row in enumerate(self.forward[level]) for j in row if j < size]
            terms[name] = [{i: a, j: b} for i, j in edges]
            terms[name] += [] if a == b else [{i: b, j: a} for i, j in edges]
        levels = [len(layer.species) + 1 for layer in self.layers for _ in range(layer.size)]
        return MarkovRandomField(levels, terms)
