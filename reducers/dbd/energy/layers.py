"""Layers of units on lattices: who is connected to whom, and sets of units of which no two are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Ints
from couple.base.errors import InputError, nearest


@dataclass(frozen=True)
class Bonds:
    """Connections of the units of one layer with each other.

    offsets: a unit at x is connected to x + offset, for each offset; one of two opposite ones is enough.
    pairs: species that interact, each with a coupling of its own whichever way round.
    periodic: whether x + offset wraps around the lattice; otherwise connections that leave it are not there.
    """

    offsets: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[str, str], ...]
    periodic: bool = True


def nearest_neighbours(dimension: int) -> tuple[tuple[int, ...], ...]:
    """Offsets of a square or cubic lattice: one step along each axis."""
    return tuple(tuple(int(i == axis) for i in range(dimension)) for axis in range(dimension))


@dataclass(frozen=True)
class Layer:
    """Units on a lattice of `shape`; each is empty or one of `species`; `bonds` connects them with each other."""

    shape: tuple[int, ...]
    species: tuple[str, ...]
    bonds: Bonds | None = None

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
        return _shifted(lower.shape, upper.shape, self.offsets, self.periodic)


def _shifted(
    lower: tuple[int, ...], upper: tuple[int, ...], offsets: Sequence[tuple[int, ...]], periodic: bool
) -> Ints:
    """(n_lower, n_offsets) the places x + offset on the lattice `upper`, its size where there is none."""
    size = int(np.prod(lower))
    places = np.stack(np.unravel_index(np.arange(size), lower), axis=1)
    out = np.empty((size, len(offsets)), dtype=np.int64)
    for k, offset in enumerate(offsets):
        target = places + np.array(offset)
        if periodic:
            target %= np.array(upper)
        inside = ((target >= 0) & (target < np.array(upper))).all(axis=1)
        flat = np.ravel_multi_index(tuple(np.where(inside[:, None], target, 0).T), upper)
        out[:, k] = np.where(inside, flat, int(np.prod(upper)))
    return out


def patch(dimension: int, width: int = 2) -> tuple[tuple[int, ...], ...]:
    """Offsets of a cube: each unit sees width^dimension units of the other layer."""
    return tuple(tuple(int(i) for i in place) for place in np.ndindex(*(width,) * dimension))


def forward_neighbours(layer: Layer) -> Ints:
    """(n, n_offsets) each connection within a layer from one of its ends, n where there is none."""
    if layer.bonds is None:
        return np.zeros((layer.size, 0), dtype=np.int64)
    return _shifted(layer.shape, layer.shape, layer.bonds.offsets, layer.bonds.periodic)


def meets_twice(reached: Ints, none: int) -> bool:
    """Whether a row (n, degree) holds a unit twice."""
    ordered = np.sort(reached, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < none)).any())


def check_bonds(level: int, layer: Layer) -> None:
    if layer.bonds is None:
        return
    bonds = layer.bonds
    if not bonds.offsets or any(len(o) != len(layer.shape) for o in bonds.offsets):
        raise InputError(f"layer {level} needs offsets of {len(layer.shape)} numbers, not {list(bonds.offsets)}")
    for name in (name for pair in bonds.pairs for name in pair):
        if name not in layer.species:
            raise InputError(f'no species "{name}" in layer {level}; {nearest(name, layer.species)}')
    if len({frozenset(pair) for pair in bonds.pairs}) < len(bonds.pairs):
        raise InputError(f"the bonds of layer {level} name a pair twice")
    near = forward_neighbours(layer)
    both = np.concatenate([near, inverse_neighbours(near, layer.size, layer.size)], axis=1)
    if meets_twice(both, layer.size) or (both == np.arange(layer.size)[:, None]).any():
        raise InputError(f"layer {level} is too small, or has an offset twice: a unit meets another, or itself, twice")


def colours_of(near: Ints, layer: Layer) -> list[Ints]:
    """Units in sets none of which holds two neighbours: one where there are none, a checkerboard where it fits."""
    size = layer.size
    if not near.shape[1]:
        return [np.arange(size)]
    parity = np.stack(np.unravel_index(np.arange(size), layer.shape)).sum(axis=0) % 2
    padded = np.append(parity, -1)
    if not (padded[near] == parity[:, None]).any():
        return [np.flatnonzero(parity == 0), np.flatnonzero(parity == 1)]
    colour = np.full(size + 1, -1, dtype=np.int64)
    for i in range(size):
        taken = set(colour[near[i]].tolist())
        colour[i] = next(c for c in range(near.shape[1] + 1) if c not in taken)
    return [np.flatnonzero(colour[:-1] == c) for c in range(colour.max() + 1)]


def inverse_neighbours(up: Ints, n_lower: int, n_upper: int) -> Ints:
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
