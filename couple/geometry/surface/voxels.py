"""Voxels inside a surface, and the region of the surface that lies nearest to a place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label
from scipy.spatial import cKDTree

from couple.base.arrays import Bools, Floats, Ints
from couple.base.budget import cells_along
from couple.base.errors import InputError
from couple.geometry.surface.surface import Surface

_PAIRS = 4_000_000
"""Triangles and columns that are looked at together."""


def voxels_inside(surface: Surface, x: Floats, y: Floats, z: Floats) -> Bools:
    """(nx, ny, nz) whether each place is inside: the winding number of the surface around it.

    x, y, z: coordinates along each axis, ascending, equally far apart, µm. A column through an edge or a corner meets
    exactly one of the triangles there: it is thought to be moved by less than any number (Edelsbrunner & Mücke 1990).
    """
    winding = np.zeros((len(x), len(y), len(z) + 1), dtype=np.int32)
    low, high = surface.corners.min(axis=1), surface.corners.max(axis=1)
    first = [np.searchsorted(a, low[:, k], side="left") for k, a in enumerate((x, y))]
    last = [np.searchsorted(a, high[:, k], side="right") for k, a in enumerate((x, y))]
    spans = [np.maximum(b - a, 0) for a, b in zip(first, last, strict=True)]
    columns = spans[0] * spans[1]
    total = np.concatenate([[0], np.cumsum(columns)])
    begin = 0
    while begin < len(columns):
        stop = max(int(np.searchsorted(total, total[begin] + _PAIRS, side="right")) - 1, begin + 1)
        n = columns[begin:stop]
        owner = np.repeat(np.arange(begin, stop), n)
        k = np.arange(len(owner)) - np.repeat(total[begin:stop] - total[begin], n)
        i, j = first[0][owner] + k // spans[1][owner], first[1][owner] + k % spans[1][owner]
        met, sign, height = _crossed(surface, owner, x[i], y[j])
        level = np.searchsorted(z, height, side="right")
        np.add.at(winding, (i[met], j[met], level), sign)
        begin = stop
    return np.asarray(np.cumsum(winding, axis=2)[:, :, :-1] > 0)


def centres_along(surface: Surface, spacing: float) -> tuple[Floats, Floats, Floats]:
    """Coordinates of the centres of voxels along x, y, z that cover the box of a surface, evenly over it, µm."""
    found = []
    for low, high in zip(surface.low.tolist(), surface.high.tolist(), strict=True):
        n = cells_along(high - low, spacing, 1e-9)
        found.append((low + high) / 2 + spacing * (np.arange(n) - (n - 1) / 2))
    return found[0], found[1], found[2]


def _crossed(surface: Surface, owner: Ints, px: Floats, py: Floats) -> tuple[Ints, Ints, Floats]:
    """Which of the columns go through their triangle, +1 where they enter and -1 where they leave, and at what z."""
    t, p = surface.triangles[owner], surface.points
    sides = np.stack([_side(p, t[:, k], t[:, (k + 1) % 3], px, py) for k in range(3)])
    met = np.flatnonzero((sides > 0).all(axis=0) | (sides < 0).all(axis=0))
    normal, a = surface.normals[owner[met]], p[t[met, 0]]
    flat = normal[:, 2] == 0.0
    met, normal, a = met[~flat], normal[~flat], a[~flat]
    height = a[:, 2] - (normal[:, 0] * (px[met] - a[:, 0]) + normal[:, 1] * (py[met] - a[:, 1])) / normal[:, 2]
    return met, np.where(sides[0, met] > 0, -1, 1), height


def _side(p: Floats, a: Ints, b: Ints, px: Floats, py: Floats) -> npt.NDArray[np.int8]:
    """On which side of the edge a → b (seen along z) each place is, never 0; from b to a exactly the opposite."""
    turned = a > b
    s, e = p[np.where(turned, b, a)], p[np.where(turned, a, b)]
    dx, dy = e[:, 0] - s[:, 0], e[:, 1] - s[:, 1]
    value = np.sign(dx * (py - s[:, 1]) - dy * (px - s[:, 0]))
    value = np.where(value == 0, np.sign(-dy), value)
    value = np.where(value == 0, np.sign(dx), value)
    return np.where(turned, -value, value).astype(np.int8)


def refuse_pieces(inside: Bools, spacing: float, what: str) -> None:
    """Raise InputError for voxels in several pieces: something is thinner than they are. spacing: µm."""
    if not inside.any():
        raise InputError(f"a spacing of {spacing * 1e3:g} nm leaves no {what} inside the mesh; take a smaller one")
    number = np.empty(inside.shape, dtype=np.int32)
    pieces = int(label(inside, output=number))
    if pieces > 1:
        sizes = np.sort(np.bincount(number.ravel())[1:])[::-1]
        raise InputError(
            f"a spacing of {spacing * 1e3:g} nm cuts the mesh into {pieces} pieces of "
            f"{', '.join(map(str, sizes[:4].tolist()))}{', ...' if pieces > 4 else ''} {what}s: take one that is finer "
            "than its thinnest neck"
        )


def nearest_region(surface: Surface, places: Floats) -> Ints:
    """(n,) number of the region whose triangle lies nearest to each of (n, 3) places, µm."""
    if len(surface.regions) == 1:
        return np.zeros(len(places), dtype=np.int64)
    return np.asarray(surface.region[nearest_triangle(surface, places)])


def nearest_triangle(surface: Surface, places: Floats) -> Ints:
    """(n,) the triangle nearest to each of (n, 3) places: of those whose middles are within reach, the closest.

    A triangle whose middle is farther than the nearest point found plus the largest radius cannot be it.
    """
    corners = surface.corners
    middles = corners.mean(axis=1)
    radius = float(np.linalg.norm(corners - middles[:, None], axis=2).max())
    tree = cKDTree(middles)
    found = np.empty(len(places), dtype=np.int64)
    for start in range(0, len(places), 4096):
        part = places[start : start + 4096]
        near = tree.query_ball_point(part, tree.query(part)[0] + radius, return_sorted=True)
        lists = [np.asarray(row, dtype=np.int64) for row in near]
        n = np.array([row.size for row in lists])
        which, row = np.concatenate(lists), np.repeat(np.arange(len(part)), n)
        distance = point_triangle_distance(part[row], corners[which])
        order = np.lexsort((which, distance, row))
        found[start : start + len(part)] = which[order][np.cumsum(n) - n]
    return found


def point_triangle_distance(p: Floats, corners: Floats) -> Floats:
    """(n,) distance of (n, 3) points to (n, 3, 3) triangles: to the plane where the foot is inside, else an edge."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    inside = np.ones(len(p), dtype=np.bool_)
    best = np.full(len(p), np.inf)
    for s, e in ((a, b), (b, c), (c, a)):
        along = e - s
        inside &= np.einsum("ij,ij->i", np.cross(along, p - s), normal) >= 0
        t = np.clip(np.einsum("ij,ij->i", p - s, along) / np.einsum("ij,ij->i", along, along), 0, 1)
        best = np.minimum(best, np.linalg.norm(p - s - t[:, None] * along, axis=1))
    size = np.linalg.norm(normal, axis=1)
    above = abs(np.einsum("ij,ij->i", p - a, normal)) / np.where(size > 0, size, 1.0)
    return np.asarray(np.where(inside & (size > 0), above, best))
