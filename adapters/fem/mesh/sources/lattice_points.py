"""Points and cells of meshes for the built-in geometries.

All simplices come from one construction: a grid of the cube [-1, 1]^d, each of its cells cut into d! simplices along
the diagonal that leads away from the centre (Kuhn's triangulation, mirrored from orthant to orthant), then mapped.
Round shapes scale each point by its maximum norm over its Euclidean norm. The mirrored diagonals see to it that no
simplex has two facets on the boundary: it would be flat once that is round.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base import budget
from couple.base.arrays import Floats
from couple.geometry.geometry import Geometry

Cells = npt.NDArray[np.int64]


def cells_along(length: float, resolution: float) -> int:
    """Cells of at most `resolution` along a half axis of `length`, at least one."""
    return budget.cells_along(length * (1 - 1e-9), resolution)


def interval(radius: float, resolution: float) -> tuple[Floats, Cells]:
    """[0, radius] in equal cells: points (n + 1, 1), cells (n, 2)."""
    n = cells_along(radius, resolution)
    start = np.arange(n)
    return np.linspace(0.0, radius, n + 1)[:, None], np.stack([start, start + 1], axis=1)


def half_plane(geometry: Geometry, resolution: float) -> tuple[Floats, Cells]:
    """The half (r >= 0, z) of a section through the axis, in triangles."""
    radius, half = _half_axes(geometry)[1:]
    grid = [cells_along(radius, resolution), 2 * cells_along(half, resolution)]
    points, cells = _kuhn(grid, [0.0, -1.0])
    if geometry.shape == "sphere":
        points = _rounded(points)
    return points * [radius, half], cells


def solid(geometry: Geometry, resolution: float) -> tuple[Floats, Cells]:
    """The whole geometry in tetrahedra, its centre at the origin, the axis of a cylinder along z."""
    axes = _half_axes(geometry)
    points, cells = _kuhn([2 * cells_along(a, resolution) for a in axes], [-1.0, -1.0, -1.0])
    if geometry.shape == "sphere":
        points = _rounded(points)
    elif geometry.shape == "cylinder":
        points = np.column_stack([_rounded(points[:, :2]), points[:, 2]])
    return points * axes, cells


def disc(radius: float, resolution: float) -> tuple[Floats, Cells]:
    """A disc around the origin in triangles."""
    points, cells = _kuhn([2 * cells_along(radius, resolution)] * 2, [-1.0, -1.0])
    return _rounded(points) * radius, cells


def voxels(shape: Sequence[int], inside: npt.NDArray[Any], spacing: float, origin: Floats) -> tuple[Floats, Cells]:
    """Hexahedra around the flat indices `inside` of a grid whose cell 0 has its centre at `origin`."""
    index = np.stack(np.unravel_index(np.asarray(inside, dtype=np.int64), tuple(shape)), axis=1)
    corners = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])  # DOLFINx: tensor product order
    all_corners = (index[:, None, :] + corners).reshape(-1, 3)
    unique, where = np.unique(all_corners, axis=0, return_inverse=True)
    return origin + spacing * (unique - 0.5), where.reshape(-1, 8).astype(np.int64)


def _half_axes(geometry: Geometry) -> list[float]:
    size = geometry.size
    if geometry.shape == "cylinder":
        return [size[0] / 2, size[0] / 2, size[1] / 2]
    return [size[0] / 2] * 3 if geometry.shape == "sphere" else [s / 2 for s in size]


def _kuhn(grid: Sequence[int], low: Sequence[float]) -> tuple[Floats, Cells]:
    """Simplices of the box from `low` to 1 in every direction; a direction from -1 has an even number of cells."""
    points, cells = kuhn(grid, [n // 2 if a < 0 else 0 for a, n in zip(low, grid, strict=True)])
    axes = [np.linspace(a, 1.0, n + 1) for a, n in zip(low, grid, strict=True)]
    return np.column_stack([axis[at] for axis, at in zip(axes, points.T.astype(int), strict=True)]), cells


def kuhn(grid: Sequence[int], middle: Sequence[int]) -> tuple[Floats, Cells]:
    """Integer points of a grid of so many cells, and its simplices, mirrored at the planes through `middle`."""
    points = np.stack(np.meshgrid(*(np.arange(n + 1.0) for n in grid), indexing="ij"), axis=-1).reshape(-1, len(grid))
    corner = np.stack(np.meshgrid(*(np.arange(n) for n in grid), indexing="ij"), axis=-1).reshape(-1, len(grid))
    centre = np.array(middle)
    step = np.where(corner >= centre, 1, -1)
    start = np.where(step > 0, corner, corner + 1)  # the corner of each cell that is nearest to the centre
    stride = np.cumprod([1, *(n + 1 for n in reversed(grid[1:]))])[::-1]
    cells = []
    for order in itertools.permutations(range(len(grid))):
        at = start.copy()
        path = [at @ stride]
        for axis in order:
            at[:, axis] += step[:, axis]
            path.append(at @ stride)
        cells.append(np.stack(path, axis=1))
    simplices = np.concatenate(cells).astype(np.int64)
    edges = points[simplices[:, 1:]] - points[simplices[:, :1]]
    mirrored = np.linalg.det(edges) < 0
    simplices[mirrored, -2:] = simplices[mirrored, :-3:-1]
    return points, simplices


def _rounded(points: Floats) -> Floats:
    norm = np.linalg.norm(points, axis=1)
    largest = abs(points).max(axis=1)
    return np.asarray(points * np.divide(largest, norm, out=np.zeros_like(norm), where=norm > 0)[:, None])
