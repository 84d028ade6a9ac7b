"""Geometry on the lattice: which cells are inside, and which of their faces are membrane.

A cell is inside if its centre is. The flat array has a halo of one cell, so that a hop needs no test of
bounds: whatever lies outside is WALL.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from couple.component import Floats
from couple.errors import InputError
from couple.geometry import Geometry

EMPTY = 0
WALL = 255
MAX_CELLS = 1 << 30

_DIRECTIONS = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], dtype=np.int64)
_EDGE = 1e-9  # of a spacing: a centre on the surface is inside, whatever the rounding


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
        """Directions (see Mask.offsets) in which its faces to the outside are membrane."""
        bare_ends = self.geometry.shape == "cylinder" and not self.geometry.caps
        return (0, 1, 2, 3) if bare_ends else (0, 1, 2, 3, 4, 5)


@dataclass(frozen=True, eq=False)
class Mask:
    """Inside and membrane of a geometry on a lattice; arrays are read-only and shared.

    spacing:   edge of a cell, µm.
    shape:     cells along x, y, z, the halo of one cell included; flat index = (ix ny + iy) nz + iz.
    origin:    (3,) centre of cell (0, 0, 0), µm.
    lattice:   (n_all,) uint8, EMPTY inside and WALL outside.
    cells:     (n_sites,) int32, flat indices of the cells inside.
    offsets:   (6,) int64, flat step in the directions -x, +x, -y, +y, -z, +z.
    wall_row:  (n_all,) int32, row of a wall cell in the table of membrane faces; 0 where it has none.
    slots:     (n_faces,) int32, membrane faces: 6 × row of the wall cell + direction from the inside.
    slot_cell: (6 n_rows,) int32, the cell inside of a face, by slot; -1 where there is no face.
    """

    spacing: float
    shape: tuple[int, int, int]
    origin: Floats
    lattice: npt.NDArray[np.uint8]
    cells: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    wall_row: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int32]
    slot_cell: npt.NDArray[np.int32]

    @property
    def volume(self) -> float:
        """Volume of all cells inside, µm³: near the analytic one, never equal to it."""
        return len(self.cells) * self.spacing**3

    @property
    def open_share(self) -> float:
        """Share of the directions from cells inside that lead inside: 1 but for the walls."""
        return float(np.mean([self.lattice[self.cells + step] == EMPTY for step in self.offsets]))

    def positions(self, cells: npt.ArrayLike) -> Floats:
        """(n, 3) centres of cells, µm."""
        index = np.stack(np.unravel_index(np.asarray(cells, dtype=np.int64), self.shape), axis=-1)
        return self.origin + self.spacing * index

    def face_positions(self, slots: npt.ArrayLike) -> Floats:
        """(n, 3) centres of membrane faces, µm."""
        slot = np.asarray(slots, dtype=np.int64)
        return self.positions(self.slot_cell[slot]) + 0.5 * self.spacing * _DIRECTIONS[slot % 6]


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
    inner = np.maximum(np.ceil((high - low) / spacing - _EDGE), 1).astype(np.int64)
    nx, ny, nz = (int(n) + 2 for n in inner)
    if nx * ny * nz > MAX_CELLS:
        raise InputError(
            f"a spacing of {spacing * 1e3:g} nm gives {nx * ny * nz:.3g} cells for {_names(parts)}; "
            f"at most {MAX_CELLS:.3g} are possible: take a larger one"
        )
    origin = (low + high) / 2 - spacing * (inner + 1) / 2
    x, y, z = np.ix_(*(origin[k] + spacing * np.arange(n) for k, n in enumerate((nx, ny, nz))))
    held = [p.inside(x, y, z, _EDGE * spacing).ravel() for p in parts]
    inside = functools.reduce(np.logical_or, held)
    # The halo lies half a cell outside of the bounding box at least: never inside.
    lattice = np.where(inside, EMPTY, WALL).astype(np.uint8)
    cells = np.flatnonzero(inside).astype(np.int32)
    if not len(cells):
        raise InputError(f"a spacing of {spacing * 1e3:g} nm leaves no lattice site in {_names(parts)}")
    offsets = _DIRECTIONS @ np.array([ny * nz, nz, 1])
    faces_cell, faces_direction = [], []
    for d in range(6):
        membrane = functools.reduce(
            np.logical_or,
            [h[cells] for h, p in zip(held, parts, strict=True) if d in p.membrane_directions],
            np.zeros(len(cells), dtype=np.bool_),
        )
        chosen = cells[membrane & (lattice[cells + offsets[d]] == WALL)]
        faces_cell.append(chosen)
        faces_direction.append(np.full(len(chosen), d))
    cell, direction = np.concatenate(faces_cell), np.concatenate(faces_direction)
    walls, row = np.unique(cell + offsets[direction], return_inverse=True)
    wall_row = np.zeros(lattice.size, dtype=np.int32)
    wall_row[walls] = np.arange(1, len(walls) + 1)
    slots = (6 * (row + 1) + direction).astype(np.int32)
    slot_cell = np.full(6 * (len(walls) + 1), -1, dtype=np.int32)
    slot_cell[slots] = cell
    for array in (lattice, cells, offsets, wall_row, slots, slot_cell):
        array.flags.writeable = False
    return Mask(spacing, (nx, ny, nz), origin, lattice, cells, offsets, wall_row, slots, slot_cell)


def _names(parts: Sequence[Placed]) -> str:
    return " + ".join(f"{p.geometry.shape} {' x '.join(f'{s:g}' for s in p.geometry.size)} um" for p in parts)
