"""The membrane of a lattice: its faces, and which face lies beside which.

A face lies between a cell inside and a wall. Walking over an edge of it one comes to exactly one other face: around a
corner of the cell, straight on, or into the corner with the cell ahead. The same way leads back, so that molecules
which walk from face to face, each way alike, are spread evenly over all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.domain import EMPTY, WALL, Domain

Chosen = Callable[[int], npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class MembraneFaces:
    """Faces of a lattice; arrays are read-only.

    wall_row:  (n_all,) int32, row of a wall cell in the table of faces; 0 where it has none.
    slots:     (n_faces,) int32, faces: n_directions × row of the wall cell + direction from the inside.
    slot_cell: (n_directions n_rows,) int32, the cell inside of a face, by slot; -1 where there is no face.
    """

    domain: Domain
    wall_row: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int32]
    slot_cell: npt.NDArray[np.int32]

    @cached_property
    def edge_neighbours(self) -> npt.NDArray[np.int32]:
        """(4 × size of slot_cell,) the face over each of the four edges of a face; -1 at the end of the membrane."""
        sides = len(self.domain.offsets)
        found = np.full((len(self.slot_cell), 4), -1, dtype=np.int32)
        for d in range(sides):
            slots = self.slots[self.slots % sides == d].astype(np.int64)
            cells = self.slot_cell[slots].astype(np.int64)
            for k, e in enumerate(e for e in range(sides) if e // 2 != d // 2):
                found[slots, k] = self._over(cells, d, e)
        flat = found.ravel()
        flat.flags.writeable = False
        return flat

    def _over(self, cells: npt.NDArray[np.int64], d: int, e: int) -> npt.NDArray[np.int64]:
        """Faces over the edge towards `e` of the faces in direction `d` of `cells`."""
        ahead = self.domain.neighbours(cells, e)
        convex = self._slot(cells, e)
        beyond = self.domain.neighbours(np.where(ahead >= 0, ahead, cells), d)
        straight = self._slot(np.where(ahead >= 0, ahead, cells), d)
        concave = self._slot(np.where(beyond >= 0, beyond, cells), e ^ 1)
        return np.where(ahead < 0, convex, np.where(beyond < 0, straight, concave))

    def _slot(self, cells: npt.NDArray[np.int64], d: int) -> npt.NDArray[np.int64]:
        """The face in direction `d` of each cell, -1 where there is none."""
        sides = len(self.domain.offsets)
        row = self.wall_row[cells + self.domain.offsets[d]].astype(np.int64)
        slot = sides * row + d
        return np.where((row > 0) & (self.slot_cell[slot] == cells), slot, -1)

    @cached_property
    def open_share(self) -> float:
        """Share of the edges that lead to another face; of all that a face can have."""
        each = 2 * (self.domain.dimension - 1)
        if not each or not len(self.slots):
            return 1.0
        return float(np.count_nonzero(self.edge_neighbours.reshape(-1, 4)[self.slots] >= 0) / (each * len(self.slots)))


def build_membrane(domain: Domain, chosen: Chosen | None) -> MembraneFaces:
    """The faces between cells and walls for which `chosen` (direction → array over the cells) says so, or all."""
    sides, codes = len(domain.offsets), domain.lattice.reshape(domain.full)
    cells, directions = [], []
    for d in range(sides):
        face = (codes[domain.core()] == EMPTY) & (codes[domain.core(d)] == WALL)
        if chosen is not None:
            face &= chosen(d).reshape(face.shape)
        index = np.nonzero(face)
        flat = np.ravel_multi_index([i + h for i, h in zip(index, domain.halo, strict=True)], domain.full)
        cells.append(flat)
        directions.append(np.full(len(flat), d))
    cell, direction = np.concatenate(cells), np.concatenate(directions)
    walls, row = np.unique(cell + domain.offsets[direction], return_inverse=True)
    wall_row = np.zeros(domain.lattice.size, dtype=np.int32)
    wall_row[walls] = np.arange(1, len(walls) + 1)
    slots = (sides * (row + 1) + direction).astype(np.int32)
    slot_cell = np.full(sides * (len(walls) + 1), -1, dtype=np.int32)
    slot_cell[slots] = cell
    for array in (wall_row, slots, slot_cell):
        array.flags.writeable = False
    return MembraneFaces(domain, wall_row, slots, slot_cell)
