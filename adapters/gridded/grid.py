"""Voxels of a geometry: which there are, how fast molecules hop between them, how much membrane each one has."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from couple.base.arrays import Bools, Floats
from couple.base.budget import cells_along, check_memory
from couple.base.errors import InputError, nearest
from couple.geometry.geometry import Geometry
from couple.geometry.surface.surface import OPENING, Surface
from couple.geometry.surface.voxels import centres_along, nearest_region, refuse_pieces, voxels_inside

BYTES = 100
"""Of memory for each voxel of a box, at the least: places of all, and six neighbours with their rates of those inside
(half of the box of a sphere).
"""

_EDGE = 1e-9  # of an edge: a centre on the surface is inside, whatever the rounding


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels and the rates at which a molecule with D = 1 µm²/ms leaves them.

    shape:    voxels along x, y, z.
    edges:    of a voxel, µm.
    index:    (n, 3) position of each voxel in the array.
    centres:  (n, 3) µm; the middle of the array is the origin.
    volume:   of one voxel, µm³: the analytic volume, evenly.
    areas:    (n,) membrane in each voxel, µm²: they sum to the analytic area.
    hops:     (n, n) rate from row to column through the faces that they share, per ms.
    surface:  (n, n) the same along the membrane.
    depths:   (n,) µm from the middle of a voxel to its membrane, on average over its faces; none across an axis that is
              one voxel wide, which is mixed.
    regions:  name → (n,) share of a region's membrane in each voxel, of a mesh with regions.
    """

    shape: tuple[int, int, int]
    edges: tuple[float, float, float]
    index: npt.NDArray[np.int64]
    centres: Floats
    volume: float
    areas: Floats
    hops: csr_array
    surface: csr_array
    depths: Floats
    regions: Mapping[str, Floats] = field(default_factory=dict)

    def part(self, region: str) -> Floats:
        """(n,) share of a region's membrane in each voxel, of all membrane for ""; none of it if there is no membrane.

        Raises InputError if no voxel has any of that region.
        """
        if not region:
            area = float(self.areas.sum())
            return self.areas / area if area > 0 else self.areas
        if region not in self.regions:
            raise InputError(f'no voxel has membrane of a region "{region}"; {nearest(region, list(self.regions))}')
        return self.regions[region]

    def laplacian(self, D: float) -> csr_array:
        """(n, n) generator of diffusion in the volume: d⟨n⟩/dt = L ⟨n⟩, columns sum to 0."""
        rates = D * self.hops.T
        return csr_array(rates - csr_array(np.diag(np.asarray(rates.sum(axis=0)).ravel())))


@functools.lru_cache(maxsize=64)
def grid_of(geometry: Geometry, spacing: float) -> Grid:
    """Voxels of about `spacing` µm. Along straight edges they fit a whole number of times; one voxel across is allowed,
    so that a thin box or cylinder is a chain.

    Raises InputError for a spacing that gives too many voxels.
    """
    if geometry.surface is not None:
        return _of_surface(geometry.surface, spacing)
    size = _extent(geometry)
    straight = (True, True, True) if geometry.shape == "box" else (False, False, geometry.shape == "cylinder")
    covering = [cells_along(x, spacing, _EDGE) for x in size]
    counts = [max(1, round(x / spacing)) if s else n for x, n, s in zip(size, covering, straight, strict=True)]
    check_memory(
        BYTES * math.prod(counts),
        f"a spacing of {spacing * 1e3:g} nm gives {math.prod(counts):.3g} voxels",
        "take a larger one",
    )
    if counts[0] == 2 and not straight[0] and spacing > geometry.size[0] / math.sqrt(3 - sum(straight)):
        counts = [n if s else 1 for n, s in zip(counts, straight, strict=True)]  # two across, and no centre inside
    edges = tuple(x / n if s or n == 1 else spacing for x, n, s in zip(size, counts, straight, strict=True))
    centres = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * h for n, h in zip(counts, edges, strict=True)), indexing="ij"
    )
    radius = geometry.size[0] / 2 + _EDGE * spacing
    round_axes = [c for c, s in zip(centres, straight, strict=True) if not s]
    inside = np.sqrt(sum((c * c for c in round_axes), np.zeros(counts))) <= radius
    closed = geometry.shape == "cylinder" and not geometry.caps
    return grid_of_mask(
        inside, (edges[0], edges[1], edges[2]), geometry.volume, geometry.area, (True, True, not closed)
    )


def _of_surface(surface: Surface, spacing: float) -> Grid:
    """Voxels whose centres are inside a surface; each outer face is of the region of the nearest triangle."""
    axes = centres_along(surface, spacing)
    n = math.prod(map(len, axes))
    check_memory(BYTES * n, f"a spacing of {spacing * 1e3:g} nm gives {n:.3g} voxels", "take a larger one")
    inside = voxels_inside(surface, *axes)
    refuse_pieces(inside, spacing, "voxel")
    edges = (spacing, spacing, spacing)
    index = np.argwhere(inside)
    centres = np.stack([a[k] for a, k in zip(axes, index.T, strict=True)], axis=1)
    outer = _outer_faces(np.pad(inside, 1), index)
    steps = np.repeat(np.eye(3), 2, axis=0) * np.tile([-1.0, 1.0], 3)[:, None]
    voxel, d = np.nonzero(outer)
    region = nearest_region(surface, centres[voxel] + spacing / 2 * steps[d])
    if OPENING in surface.regions:
        shut = region == surface.regions.index(OPENING)
        outer[voxel[shut], d[shut]] = False
        voxel, region = voxel[~shut], region[~shut]
    grid = grid_of_mask(inside, edges, surface.volume, surface.area, membrane_faces=outer)
    parts = {}
    if len(surface.regions) > 1:
        for k, name in enumerate(surface.regions):
            faces = np.bincount(voxel[region == k], minlength=len(index)).astype(float)
            if faces.any():
                parts[name] = faces / faces.sum()
    return replace(grid, centres=centres, regions=parts)


def _outer_faces(padded: Bools, index: npt.NDArray[np.int64]) -> Bools:
    """(n, 6) whether nothing is beyond each face of the voxels at (n, 3) `index`."""
    number = padded.astype(np.int64)
    return np.stack([_at(number, index, d) == 0 for d in range(6)], axis=1)


def grid_of_mask(
    inside: npt.ArrayLike,
    edges: tuple[float, float, float],
    volume: float | None = None,
    area: float | None = None,
    membrane: tuple[bool, bool, bool] = (True, True, True),
    membrane_faces: Bools | None = None,
) -> Grid:
    """Any voxels: `inside` (nx, ny, nz) or fewer axes.

    volume, area: of the whole, shared out over voxels and outer faces; by default those of the voxels themselves.
    membrane: whether outer faces across x, y, z are membrane. membrane_faces: (n, 6) which faces are, instead.
    Raises InputError if no voxel is inside.
    """
    given = np.asarray(inside, dtype=np.bool_)
    shape = (*given.shape, 1, 1)[:3]
    array = given.reshape(shape)
    if not array.any():
        raise InputError("a mask of voxels needs at least one voxel inside")
    padded = np.pad(array, 1)
    index = np.argwhere(array)
    number = np.full(padded.shape, -1, dtype=np.int64)
    number[padded] = np.arange(len(index))
    faces = tuple(math.prod(edges) / h for h in edges)  # area of a face across each axis
    halves = tuple(face * h / 2 * (n > 1) for face, h, n in zip(faces, edges, shape, strict=True))
    out = np.zeros((len(index), 6), dtype=np.bool_)
    for d in range(6):
        out[:, d] = (_at(number, index, d) < 0) & (membrane[d // 2] if membrane_faces is None else membrane_faces[:, d])
    open_area = out @ np.repeat(faces, 2)
    whole = float(open_area.sum())
    scale = (whole if area is None else area) / whole if whole > 0 else 0.0
    return Grid(
        (shape[0], shape[1], shape[2]),
        edges,
        index,
        (index - (np.array(shape) - 1) / 2) * edges,
        (len(index) * math.prod(edges) if volume is None else volume) / len(index),
        open_area * scale,
        _volume_hops(number, index, edges),
        _surface_hops(number, index, out, open_area, edges),
        (out @ np.repeat(halves, 2)) / np.where(open_area > 0, open_area, 1.0),
    )


def _extent(geometry: Geometry) -> tuple[float, float, float]:
    """Edges of the bounding box, µm; the axis of a cylinder is z."""
    size = geometry.size
    if geometry.shape == "box":
        return (size[0], size[1], size[2])
    return (size[0], size[0], size[1] if geometry.shape == "cylinder" else size[0])


def _at(number: npt.NDArray[np.int64], index: npt.NDArray[np.int64], *directions: int) -> npt.NDArray[np.int64]:
    """(n,) voxel that lies some steps (directions -x, +x, -y, ...) from each, -1 outside."""
    at = index + 1
    for d in directions:
        at[:, d // 2] += 2 * (d % 2) - 1
    return number[at[:, 0], at[:, 1], at[:, 2]]


def _volume_hops(
    number: npt.NDArray[np.int64], index: npt.NDArray[np.int64], edges: tuple[float, float, float]
) -> csr_array:
    """1/h² through every face between two voxels."""
    rows, columns, rates = [], [], []
    for d in range(6):
        there = _at(number, index, d)
        here = np.flatnonzero(there >= 0)
        rows.append(here)
        columns.append(there[here])
        rates.append(np.full(len(here), edges[d // 2] ** -2))
    return _matrix(rows, columns, rates, len(index))


def _surface_hops(
    number: npt.NDArray[np.int64],
    index: npt.NDArray[np.int64],
    out: Bools,
    open_area: Floats,
    edges: tuple[float, float, float],
) -> csr_array:
    """Finite volumes on the outer faces: over each edge of a face to the next face, D × edge / distance of centres.

    The next face is level with it, round an outer corner (in the same voxel: no hop) or up an inner corner.
    """
    rows, columns, rates = [], [], []
    for d in range(6):
        area = math.prod(edges) / edges[d // 2]
        for t in range(6):
            if t // 2 == d // 2:
                continue
            h, up = edges[t // 2], edges[d // 2]
            beside, above = _at(number, index, t), _at(number, index, t, d)
            level = np.flatnonzero(out[:, d] & (beside >= 0) & (above < 0))
            level = level[out[beside[level], d]]
            inner = np.flatnonzero(out[:, d] & (beside >= 0) & (above >= 0))
            inner = inner[out[above[inner], t ^ 1]]
            for here, there, distance in ((level, beside, h), (inner, above, (h + up) / 2)):
                rows.append(here)
                columns.append(there[here])
                rates.append(area / (h * distance) / open_area[here])
    return _matrix(rows, columns, rates, len(index))


def _matrix(
    rows: list[npt.NDArray[np.int64]], columns: list[npt.NDArray[np.int64]], rates: list[Floats], n: int
) -> csr_array:
    where = (np.concatenate(rows), np.concatenate(columns))
    return csr_array(coo_array((np.concatenate(rates), where), shape=(n, n)))
