"""Tetrahedra of a head on a neck, with smooth walls: one grid, of which the neck takes the columns in the middle."""

from __future__ import annotations

import math

import numpy as np

from adapters.fem.mesh.sources.lattice_points import Cells, cells_along, kuhn
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.geometry.geometry import Geometry

LEAST_ACROSS = 2
"""Cells per radius of a neck, however coarse the rest is."""
WIDEST = {"cylinder": 1.0, "sphere": math.sqrt(0.5)}
"""Diameter of a neck over that of its head, at most; wider ones have no grid here."""


def spine_points(head: Geometry, diameter: float, length: float, resolution: float) -> tuple[Floats, Cells]:
    """A cylinder or sphere on a neck of `diameter` and `length`, µm; the axis is z, the neck ends at z = 0.

    Circles are polygons of the same area, so a cylinder and its neck have their volumes to rounding. The lowest point
    of a sphere is at the end of the neck, which goes on until it meets its wall.
    Raises InputError for a neck that is too wide.
    """
    if not diameter < WIDEST[head.shape] * head.size[0]:
        most = f"{WIDEST[head.shape]:.2g} of the head, a {head.shape}," if head.shape == "sphere" else "the head"
        raise InputError(f"the neck ({diameter:g} um) must be thinner than {most} ({head.size[0]:g} um)")
    radius, half = head.size[0] / 2, head.size[-1] / 2
    within = max(LEAST_ACROSS, cells_along(diameter / 2, resolution))
    across = within + cells_along(radius - diameter / 2, resolution)
    up, along = cells_along(half, resolution), cells_along(length, resolution)
    points, cells = _grid(across, within, along, up)
    levels = _levels(head, diameter, within, across)
    level = np.abs(points[:, :2]).max(axis=1)
    at = np.divide(points[:, :2], level[:, None], out=np.zeros((len(points), 2)), where=level[:, None] > 0)
    flat = _directions(at) * levels[level.astype(np.int64)][:, None]
    height = np.maximum(points[:, 2], 0.0) / up - 1.0  # -1 to 1 in the head, -1 in the neck
    made = np.column_stack([flat, height * half])
    if head.shape == "sphere":
        made = _ball(np.column_stack([flat, height])) * radius
    made[:, 2] += length + half
    below = np.minimum(points[:, 2], 0.0) / along + 1.0  # 0 to 1 along the neck
    inside = points[:, 2] < 0
    straight = _directions(at[inside]) * (_polygon(within) * diameter / 2 * level[inside] / within)[:, None]
    share = below[inside][:, None]
    made[inside, :2] = share * made[inside, :2] + (1 - share) * straight
    made[inside, 2] *= share[:, 0]
    return made, cells


def _grid(across: int, within: int, along: int, up: int) -> tuple[Floats, Cells]:
    """Integer points, z = 0 where the head begins, and simplices of what is neck or head."""
    points, cells = kuhn([2 * across, 2 * across, along + 2 * up], [across, across, along + up])
    points -= [across, across, along]
    middle = points[cells].mean(axis=1)
    kept = cells[(middle[:, 2] > 0) | (abs(middle[:, :2]).max(axis=1) < within)]
    used, rows = np.unique(kept, return_inverse=True)
    return points[used], rows.reshape(-1, 4).astype(np.int64)


def _levels(head: Geometry, diameter: float, within: int, across: int) -> Floats:
    """Radius of each square of the grid; of a sphere as tangents of the angle that it is seen under."""
    inner, outer = _polygon(within) * diameter / 2, _polygon(across) * head.size[0] / 2
    if head.shape == "sphere":
        inner, outer = inner / math.sqrt(head.size[0] ** 2 / 4 - inner**2), 1.0
    return np.interp(np.arange(across + 1), [0, within, across], [0.0, inner, outer])


def _polygon(level: int) -> float:
    """Radius of a polygon of 8 × level corners over that of the circle of its area."""
    part = 2 * math.pi / (8 * level)
    return math.sqrt(part / math.sin(part))


def _directions(at: Floats) -> Floats:
    """Points of the unit square's edge to the unit circle, equally far apart; 0 to 0."""
    x, y = at.T
    flat = abs(x) >= abs(y)
    angle = math.pi / 4 * np.where(flat, y * np.sign(x), x * np.sign(y))
    cosine, sine = np.cos(angle), np.sin(angle)
    found = np.where(flat, [np.sign(x) * cosine, np.sign(x) * sine], [np.sign(y) * sine, np.sign(y) * cosine])
    return np.asarray(found.T)


def _ball(points: Floats) -> Floats:
    """The cylinder of radius 1 and height from -1 to 1 to the unit ball."""
    norm = np.linalg.norm(points, axis=1)
    largest = np.maximum(np.hypot(points[:, 0], points[:, 1]), abs(points[:, 2]))
    return np.asarray(points * np.divide(largest, norm, out=np.zeros_like(norm), where=norm > 0)[:, None])
