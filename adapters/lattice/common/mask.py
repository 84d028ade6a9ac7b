"""Geometry on the lattice: which cells are inside, and which of their faces are membrane.

A cell of a shape is inside if its centre is.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.domain import EMPTY, MAX_CELLS, WALL, Boundary, Domain, build_domain
from adapters.lattice.common.membrane import Chosen, MembraneFaces, build_membrane
from couple.base.arrays import Floats
from couple.base.budget import cells_along, check_memory
from couple.base.errors import InputError, nearest
from couple.geometry.geometry import Geometry
from couple.geometry.surface.surface import Surface
from couple.geometry.surface.voxels import nearest_region

__all__ = ["EMPTY", "WALL", "Mask", "Placed", "build_mask", "cells_mask", "mask_of"]

_EDGE = 1e-9  # of a spacing: a centre on the surface is inside, whatever the rounding
_DENSE = 1 << 22

BYTES = 7
"""Of memory for each cell, at the least: what is there twice (as it is and as it runs), its row in the table of faces,
and whether it is inside.
"""


@dataclass(frozen=True)
class Placed:
    """A primitive with its centre at `centre` (µm); the axis of a cylinder is z."""

    geometry: Geometry
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def extent(self) -> tuple[float, float, float]:
        """Edges of the bounding box, µm."""
        size = self.geometry.size
        if self.geometry.shape == "cylinder":
            return (size[0], size[0], size[1])
        return (size[0],) * 3 if self.geometry.shape == "sphere" else (size[0], size[1], size[2])

    def inside(self, x: Floats, y: Floats, z: Floats, edge: float) -> npt.NDArray[np.bool_]:
        """Whether points (µm, broadcast against each other) lie inside; `edge` µm of tolerance."""
        u, v, w = x - self.centre[0], y - self.centre[1], z - self.centre[2]
        a, b, c = (e / 2 + edge for e in self.extent)
        if self.geometry.shape == "cylinder":
            return (u * u + v * v <= a * a) & (abs(w) <= c)
        if self.geometry.shape == "sphere":
            return u * u + v * v + w * w <= a * a
        return (abs(u) <= a) & (abs(v) <= b) & (abs(w) <= c)

    @property
    def membrane_directions(self) -> tuple[int, ...]:
        """Directions (see Domain.offsets) in which its faces to the outside are membrane."""
        bare_ends = self.geometry.shape == "cylinder" and not self.geometry.caps
        return (0, 1, 2, 3) if bare_ends else (0, 1, 2, 3, 4, 5)


@dataclass(frozen=True, eq=False)
class Mask:
    """A lattice with lengths and a membrane; arrays are read-only and shared.

    spacing: edge of a cell, µm. origin: (3,) centre of the first cell of the halo, µm. surface: that encloses it.
    """

    domain: Domain
    spacing: float
    origin: Floats
    chosen: Chosen | None = None
    surface: Surface | None = None

    @cached_property
    def membrane(self) -> MembraneFaces:
        """The faces of its walls (of those that `chosen` names); made when first asked for."""
        return build_membrane(self.domain, self.chosen)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells along x, y, z, the halo included."""
        return self.domain.full

    @property
    def lattice(self) -> npt.NDArray[np.uint8]:
        """(n_all,) codes, see Domain."""
        return self.domain.lattice

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """See Domain."""
        return self.domain.offsets

    @property
    def slots(self) -> npt.NDArray[np.int32]:
        """See Membrane."""
        return self.membrane.slots

    def slots_of(self, region: str) -> npt.NDArray[np.int32]:
        """Faces in a region of the surface, all of them for "". Raises InputError if there is none of that name."""
        if not region:
            return self.slots
        names = () if self.surface is None else self.surface.regions
        if region not in names:
            raise InputError(f'there is no region "{region}"; {nearest(region, names)}')
        found: npt.NDArray[np.int32] = self.slots[self._slot_region == names.index(region)]
        if not len(found):
            raise InputError(f'a spacing of {self.spacing * 1e3:g} nm leaves no membrane face in the region "{region}"')
        found.flags.writeable = False
        return found

    @cached_property
    def _slot_region(self) -> npt.NDArray[np.int64]:
        """(n_faces,) number of the region whose triangle lies nearest to each."""
        assert self.surface is not None
        return nearest_region(self.surface, self.face_positions(self.slots))

    @property
    def slot_cell(self) -> npt.NDArray[np.int32]:
        """See Membrane."""
        return self.membrane.slot_cell

    @cached_property
    def cells(self) -> npt.NDArray[np.int32]:
        """(n_sites,) flat indices of the cells inside."""
        return np.flatnonzero(self.lattice == EMPTY).astype(np.int32)

    @cached_property
    def n_cells(self) -> int:
        """Cells inside."""
        return self.domain.n_cells

    @property
    def volume(self) -> float:
        """Volume of all cells inside, µm³: near the analytic one, never equal to it."""
        return self.n_cells * self.spacing**3

    @property
    def face_area(self) -> float:
        """Area of all membrane faces, µm²: above the analytic one where a surface is a staircase."""
        return len(self.slots) * self.spacing**2

    @cached_property
    def open_share(self) -> float:
        """Share of the directions from cells inside that lead on: 1 but for the walls."""
        codes = self.lattice.reshape(self.shape)
        here = self.domain.core()
        inside, total = codes[here] == EMPTY, 0
        for d in range(len(self.offsets)):
            total += int(np.count_nonzero(inside & (codes[self.domain.core(d)] != WALL)))
        return total / (len(self.offsets) * self.n_cells)

    def draw(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
        """`n` different cells at random, in random order."""
        if self.lattice.size <= _DENSE or n > self.n_cells // 4:
            return rng.choice(self.cells, n, replace=False)
        found = np.empty(0, dtype=np.int64)
        while len(found) < n:  # most of the box is inside, and most of that free
            axes = [h + rng.integers(0, s, n) for h, s in zip(self.domain.halo, self.domain.shape, strict=True)]
            more = np.ravel_multi_index(axes, self.shape)
            both = np.concatenate([found, more[self.lattice[more] == EMPTY]])
            _, first = np.unique(both, return_index=True)
            found = both[np.sort(first)][:n]
        return found.astype(np.int32)

    def positions(self, cells: npt.ArrayLike) -> Floats:
        """(n, 3) centres of cells, µm."""
        index = np.stack(np.unravel_index(np.asarray(cells, dtype=np.int64), self.shape), axis=-1)
        return self.origin + self.spacing * index

    def face_positions(self, slots: npt.ArrayLike) -> Floats:
        """(n, 3) centres of membrane faces, µm."""
        slot = np.asarray(slots, dtype=np.int64)
        steps = self.domain.directions[slot % len(self.offsets)]
        return self.positions(self.slot_cell[slot]) + 0.5 * self.spacing * steps


@functools.lru_cache(maxsize=64)
def mask_of(geometry: Geometry, spacing: float) -> Mask:
    """The mask of one primitive, shared by all sites of this geometry."""
    return build_mask([Placed(geometry)], spacing)


def build_mask(parts: Sequence[Placed], spacing: float) -> Mask:
    """The mask of a union of primitives.

    A face between inside and outside is membrane if one of the primitives that hold its cell says so.
    Raises InputError if the spacing leaves no cell, or more cells than memory can be expected to hold.
    """
    if not (spacing > 0 and math.isfinite(spacing)):
        raise InputError(f"spacing = {spacing:g} um must be positive")
    low = np.min([np.subtract(p.centre, np.divide(p.extent, 2)) for p in parts], axis=0)
    high = np.max([np.add(p.centre, np.divide(p.extent, 2)) for p in parts], axis=0)
    extent: list[float] = (high - low).tolist()
    inner = np.array([cells_along(x, spacing, _EDGE) for x in extent])
    size = math.prod(int(n) + 2 for n in inner)
    what = f"a spacing of {spacing * 1e3:g} nm gives {size:.3g} cells for {_names(parts)}"
    check_memory(BYTES * size, what, "take a larger one")
    if size > MAX_CELLS:
        raise InputError(f"{what}; at most {MAX_CELLS:.3g} can be numbered: take a larger one")
    first = (low + high) / 2 - spacing * (inner - 1) / 2
    x, y, z = np.ix_(*(first[k] + spacing * np.arange(n) for k, n in enumerate(inner.tolist())))
    held = [p.inside(x, y, z, _EDGE * spacing) for p in parts]
    inside = functools.reduce(np.logical_or, held)
    if not inside.any():
        raise InputError(f"a spacing of {spacing * 1e3:g} nm leaves no lattice site in {_names(parts)}")
    domain = build_domain(inner.tolist(), [("reflecting", "reflecting")] * 3, inside)
    says = [(h, p.membrane_directions) for h, p in zip(held, parts, strict=True)]

    def chosen(direction: int) -> npt.NDArray[np.bool_]:
        which = [h for h, directions in says if direction in directions]
        return functools.reduce(np.logical_or, which, np.zeros(inside.shape, dtype=np.bool_))

    return Mask(domain, spacing, first - spacing * np.array(domain.halo), chosen)


def cells_mask(
    shape: Sequence[int],
    faces: Sequence[tuple[Boundary, Boundary]],
    spacing: float,
    inside: npt.NDArray[np.bool_] | None = None,
) -> Mask:
    """A lattice given by its cells; all of its walls are membrane. The first cell has a corner at the origin."""
    domain = build_domain(shape, faces, inside)
    origin = spacing * (0.5 - np.array(domain.halo, dtype=np.float64))
    return Mask(domain, spacing, origin)


def _names(parts: Sequence[Placed]) -> str:
    return " + ".join(f"{p.geometry.shape} {' x '.join(f'{s:g}' for s in p.geometry.size)} um" for p in parts)
