"""A lattice without lengths: which cells there are, and what happens at its edges.

Cells lie in a flat uint8 array with a halo of two, so that neither a hop nor a look at a second neighbour needs a
test of bounds: what lies outside is a code. Lattices of one and two dimensions use the last axes only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from couple.base.budget import check_memory
from couple.base.errors import InputError

EMPTY = 0
ABSORBING = 253
PERIODIC = 254
WALL = 255
OUTSIDE = ABSORBING
"""Codes from here on are no cells; those between EMPTY and it are species (index + 1)."""

HALO = 2
MAX_CELLS = 1 << 30

Boundary = Literal["reflecting", "periodic", "absorbing"]
BOUNDARIES: tuple[Boundary, ...] = ("reflecting", "periodic", "absorbing")
_CODES = {"reflecting": WALL, "periodic": PERIODIC, "absorbing": ABSORBING}


@dataclass(frozen=True, eq=False)
class Domain:
    """Cells of a lattice; arrays are read-only and shared.

    dimension: 1, 2 or 3. shape: cells along the three axes without the halo, 1 along an axis that is not in use.
    full:      the same with the halo; flat index = (ix full[1] + iy) full[2] + iz.
    periodic:  (3,) whether an axis is closed on itself.
    lattice:   (n_all,) uint8, EMPTY inside; WALL, PERIODIC or ABSORBING outside.
    offsets:   (2 dimension,) int64, flat step in the directions -, + of each axis in use.
    shift:     (2 dimension,) int64, from a PERIODIC cell reached in a direction to the cell that it stands for.
    """

    dimension: int
    shape: tuple[int, int, int]
    full: tuple[int, int, int]
    periodic: tuple[bool, bool, bool]
    lattice: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]

    @property
    def n_cells(self) -> int:
        """Cells inside."""
        return self.lattice.size - int(np.count_nonzero(self.lattice))

    @property
    def halo(self) -> tuple[int, int, int]:
        """Width of the halo along each axis: 0 along one that is not in use."""
        return tuple((f - s) // 2 for f, s in zip(self.full, self.shape, strict=True))  # type: ignore[return-value]

    @property
    def directions(self) -> npt.NDArray[np.int64]:
        """(2 dimension, 3) unit steps of the directions."""
        return np.array([s * np.eye(3, dtype=np.int64)[k] for k in range(3 - self.dimension, 3) for s in (-1, 1)])

    def core(self, direction: int | None = None) -> tuple[slice, slice, slice]:
        """Slices of an array with the halo that leave the cells without it, or their neighbours in a direction."""
        step = self.directions[direction] if direction is not None else (0, 0, 0)
        cut = zip(self.halo, self.shape, step, strict=True)
        return tuple(slice(h + int(d), h + s + int(d)) for h, s, d in cut)  # type: ignore[return-value]

    def neighbours(self, cells: npt.NDArray[np.int64], direction: int) -> npt.NDArray[np.int64]:
        """The cell in a direction from each of `cells`, through periodic faces too; -1 where there is none."""
        there = cells + self.offsets[direction]
        there = np.where(self.lattice[there] == PERIODIC, there + self.shift[direction], there)
        return np.where(self.lattice[there] == EMPTY, there, -1)

    def inner(self, flat: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Values of the cells without the halo, as an array of the lattice's own dimension (a view)."""
        cut = tuple(slice(h, h + s) for h, s in zip(self.halo, self.shape, strict=True))
        return flat.reshape(self.full)[cut].reshape(self.shape[3 - self.dimension :])


def build_domain(
    shape: Sequence[int],
    faces: Sequence[tuple[Boundary, Boundary]],
    inside: npt.NDArray[np.bool_] | None = None,
) -> Domain:
    """A lattice of `shape` cells, of one to three dimensions.

    faces: (low, high) boundary of each axis. inside: array of that shape, where there are cells; all by default.
    Raises InputError for a shape that is none, or an axis that is periodic at one end only.
    """
    dimension = len(shape)
    _check(shape, faces, inside)
    axes = range(3 - dimension, 3)
    sizes = (1,) * (3 - dimension) + tuple(int(n) for n in shape)
    full = tuple(n + 2 * HALO * (k in axes) for k, n in enumerate(sizes))
    codes = np.full(full, WALL, dtype=np.uint8)
    here = tuple(slice(HALO, HALO + n) if k in axes else slice(None) for k, n in enumerate(sizes))
    for k, (low, high) in zip(axes, faces, strict=True):
        for name, edge in ((low, slice(0, HALO)), (high, slice(HALO + sizes[k], None))):
            codes[(*here[:k], edge, *here[k + 1 :])] = _CODES[name]
    codes[here] = EMPTY if inside is None else np.where(np.reshape(inside, sizes), np.uint8(EMPTY), np.uint8(WALL))
    strides = (full[1] * full[2], full[2], 1)
    offsets = np.array([s * strides[k] for k in axes for s in (-1, 1)], dtype=np.int64)
    shift = np.array([-s * sizes[k] * strides[k] for k in axes for s in (-1, 1)], dtype=np.int64)
    periodic = (False,) * (3 - dimension) + tuple(low == "periodic" for low, _ in faces)
    lattice = codes.ravel()
    for array in (lattice, offsets, shift):
        array.flags.writeable = False
    return Domain(dimension, sizes, full, periodic, lattice, offsets, shift)  # type: ignore[arg-type]


def _check(
    shape: Sequence[int], faces: Sequence[tuple[Boundary, Boundary]], inside: npt.NDArray[np.bool_] | None
) -> None:
    if not 1 <= len(shape) <= 3 or any(n < 1 for n in shape):
        raise InputError(f"shape = {list(shape)}: give one to three numbers of cells, each 1 or more")
    cells = math.prod(n + 2 * HALO for n in shape)
    what = f"shape = {list(shape)} has {cells:.3g} cells"
    check_memory(2.0 * cells, what, "take a larger spacing, or fewer")  # as they are, and as they run
    if cells > MAX_CELLS:
        raise InputError(f"{what}; at most {MAX_CELLS:.3g} can be numbered: take a larger spacing, or fewer")
    for k, (low, high) in enumerate(faces):
        if (low == "periodic") != (high == "periodic"):
            raise InputError(f"axis {k} is {low} at one end and {high} at the other: an axis is periodic at both")
        if low == "periodic" and shape[k] < 3:
            raise InputError(f"axis {k} is periodic with {shape[k]} cells, where neighbours coincide: give 3 or more")
    if inside is not None:
        if inside.shape != tuple(shape):
            raise InputError(f"a mask of shape {list(inside.shape)} does not fit a lattice of shape {list(shape)}")
        if not inside.any():
            raise InputError("the mask leaves no lattice site")
