"""Deep Boltzmann machines on lattices: multinomial units, local connectivity, biases and weights shared by a layer.

E = -Σ_l Σ_α a_α^(l) Σ_i s_iα^(l) - Σ_l Σ_αβ W_αβ^(l,l+1) Σ_<ij> s_iα^(l) s_jβ^(l+1) (arXiv:1905.12122, eq. 4), with a
vacancy as the state without energy. Layer 0 is visible; one hidden layer makes a restricted Boltzmann machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, nearest
from reducers.dbd.energy.mrf import MarkovRandomField

TABLE = 1 << 20
"""Entries of a table of conditional probabilities at most."""


@dataclass(frozen=True)
class Layer:
    """Units on a lattice of `shape`; each is empty or one of `species`."""

    shape: tuple[int, ...]
    species: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of units."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Link:
    """Connections between a layer and the one above it.

    offsets: a unit at x of the lower layer is connected to x + offset of the upper one, for each offset.
    pairs: (species below, species above) that interact, each with a weight of its own.
    periodic: whether x + offset wraps around the upper lattice; otherwise connections that leave it are not there.
    """

    offsets: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[str, str], ...]
    periodic: bool = True

    def up(self, lower: Layer, upper: Layer) -> Ints:
        """(n_lower, n_offsets) upper units, `upper.size` where there is none."""
        places = np.stack(np.unravel_index(np.arange(lower.size), lower.shape), axis=1)
        out = np.empty((lower.size, len(self.offsets)), dtype=np.int64)
        for k, offset in enumerate(self.offsets):
            target = places + np.array(offset)
            if self.periodic:
                target %= np.array(upper.shape)
            inside = ((target >= 0) & (target < np.array(upper.shape))).all(axis=1)
            flat = np.ravel_multi_index(tuple(np.where(inside[:, None], target, 0).T), upper.shape)
            out[:, k] = np.where(inside, flat, upper.size)
        return out


def patch(dimension: int, width: int = 2) -> tuple[tuple[int, ...], ...]:
    """Offsets of a cube: each unit sees width^dimension units of the other layer."""
    return tuple(tuple(int(i) for i in place) for place in np.ndindex(*(width,) * dimension))


class DeepBoltzmann:
    """A deep Boltzmann machine. Parameters: biases such as a0_H of all layers, then weights such as W01_HP.

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
        self.parameters = tuple(f"a{level}_{layers[level].species[s - 1]}" for level, s in self.biases) + tuple(
            f"W{level}{level + 1}_{a}{b}" for level, link in enumerate(links) for a, b in link.pairs
        )
        self.up = [link.up(layers[level], layers[level + 1]) for level, link in enumerate(links)]
        self.down = [_inverse(up, layers[level].size, layers[level + 1].size) for level, up in enumerate(self.up)]

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
            reached = np.sort(link.up(lower, upper), axis=1)
            if ((reached[:, 1:] == reached[:, :-1]) & (reached[:, 1:] < upper.size)).any():
                raise InputError(f"layers {level} and {level + 1} are too small: an offset wraps onto another")

    @property
    def visible(self) -> Layer:
        """The layer that data are seen in, the first."""
        return self.layers[0]

    @cached_property
    def base(self) -> int:
        """A unit's state s ≥ 1 is written as base^(s-1), so that the sum over neighbours tells how many of each."""
        return 1 + max([near.shape[1] for near in (*self.up, *self.down)], default=1)

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
        degree = (self.up[level] if above else self.down[level - 1]).shape[1]
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

    def conditionals(self, theta: Floats, level: int) -> Floats:
        """(…, n_sums below × n_sums above, n_species) p(unit is s | neighbours) of layer level (eq. 6)."""
        first = next(k for k, (layer, _) in enumerate(self.biases) if layer == level)
        bias = theta[..., first : first + len(self.layers[level].species)]
        below, above = self.fields(theta, level, False), self.fields(theta, level, True)
        if below.shape[-2] * above.shape[-2] > TABLE:
            raise InputError(f"layer {level} has too many species and neighbours for a table of conditionals")
        energy = below[..., :, None, :] + above[..., None, :, :] + bias[..., None, None, :]
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
        for name, (level, a, b) in zip(self.parameters[len(self.biases) :], self.weights, strict=True):
            upper = self.layers[level + 1].size
            terms[name] = [
                {int(start[level]) + i: a, int(start[level + 1] + j): b}
                for i, row in enumerate(self.up[level])
                for j in row
                if j < upper
            ]
        levels = [len(layer.species) + 1 for layer in self.layers for _ in range(layer.size)]
        return MarkovRandomField(levels, terms)


def _inverse(up: Ints, n_lower: int, n_upper: int) -> Ints:
    """(n_upper, degree) lower units connected to each upper one, `n_lower` where there are fewer."""
    found: list[list[int]] = [[] for _ in range(n_upper)]
    for i, row in enumerate(up):
        for j in row:
            if j < n_upper:
                found[j].append(i)
    out = np.full((n_upper, max(map(len, found), default=0)), n_lower, dtype=np.int64)
    for j, members in enumerate(found):
        out[j, : len(members)] = members
    return out
