"""The opening of a neck in the wall of a site: where molecules come in from it, and from where they go into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.compiled import Int32, Integer, compiled
from adapters.lattice.common.domain import EMPTY
from adapters.lattice.common.mask import Mask
from adapters.lattice.physical.encounters import FULL, OK, TOO_FEW
from adapters.lattice.physical.molecules import (
    NO_ROOM,
    TRIES,
    add_molecule,
    free_neighbour_cell,
    random_free_cell,
    remove_molecule,
)
from adapters.lattice.physical.tables import LatticeMolecules, LatticeTables
from couple.geometry.geometry import Geometry
from couple.rng.streams import below


@dataclass(frozen=True, eq=False)
class NeckOpening:
    """The opening of a neck into a site.

    cells: of the lowest layer in front of it. distance2: (n_all,) squared distance of each cell from it, µm².
    """

    cells: Int32
    distance2: npt.NDArray[np.float32]


def neck_opening_of(mask: Mask, geometry: Geometry, diameter: float) -> NeckOpening:
    """The opening of a neck in the middle of the lower end of a cylinder.

    A neck narrower than a cell opens in front of the cells nearest to the axis.
    """
    index = np.asarray(mask.cells, dtype=np.int64)
    x, y, z = mask.positions(index).T
    radius = np.hypot(x, y)
    lowest = z < z.min() + mask.spacing / 2
    wide = max(diameter / 2, float(radius[lowest].min()) + 1e-9 * mask.spacing)
    everywhere = np.zeros(mask.lattice.size, dtype=np.float32)
    across = np.maximum(radius - wide, 0.0)
    everywhere[index] = across**2 + (z + geometry.size[1] / 2) ** 2
    return NeckOpening(index[lowest & (radius <= wide)].astype(np.int32), everywhere)


@compiled
def nearest_entry(
    t: LatticeTables, m: LatticeMolecules, distance2: npt.NDArray[np.float32], species: Integer
) -> Integer:
    """The entry, in its list, of the molecule of a species that is nearest to the opening; one of them."""
    at = t.list_of[species]
    n: Integer = m.length[at]
    first = below(m.words, n)  # so that equal ones take turns
    best, found = np.float32(np.inf), np.int64(-1)
    for k in range(n):
        i = first + k
        if i >= n:
            i -= n
        cell = np.int64(m.lists[t.start[at] + i])
        if m.lattice[cell] == species + 1 and distance2[cell] < best:
            best, found = distance2[cell], np.int64(i)
    return found


@compiled
def cross_opening(
    t: LatticeTables,
    m: LatticeMolecules,
    cells: Int32,
    distance2: npt.NDArray[np.float32],
    species: Integer,
    n: Integer,
) -> Integer:
    """Let n molecules in, or -n out; returns OK, FULL or TOO_FEW. The hand of a clamp settles up afterwards."""
    if -n > m.population[species]:
        return TOO_FEW
    for _ in range(-n):
        remove_molecule(t, m, t.list_of[species], nearest_entry(t, m, distance2, species))
    for _ in range(n):
        place = np.int64(cells[below(m.words, cells.size)])
        for _ in range(TRIES):
            if m.lattice[place] == EMPTY:
                break
            place = np.int64(cells[below(m.words, cells.size)])
        if m.lattice[place] != EMPTY:
            place = np.int64(free_neighbour_cell(t, m, place))
        if place == NO_ROOM:
            place = np.int64(random_free_cell(t, m))  # a crowd at the opening
        if place == NO_ROOM:
            return FULL
        add_molecule(t, m, species, place)
    return OK
