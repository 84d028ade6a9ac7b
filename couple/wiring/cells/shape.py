"""The shape of a model in space, for pictures: frusta, each of one segment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.components.electrics import Section
from couple.wiring.cells.sections import Branches

MOST_FRUSTA = 100_000
"""Of a shape; a larger model has none."""

GOLDEN = math.pi * (3 - math.sqrt(5))
"""Angle between pieces without coordinates that stand on one branch: none hides another."""


@dataclass(frozen=True)
class Shape:
    """segments: full names. frusta: (n, 8) x, y, z and diameter of both ends, µm. segment: (n,) of each, its number.

    drawn: of sections, which have no coordinates of their own and are drawn as straight pieces.
    """

    segments: tuple[str, ...]
    frusta: Floats
    segment: Ints
    drawn: tuple[str, ...]


def shape_of(branches: Branches) -> Shape | None:
    """The shape of a loaded model; None where it would have more than MOST_FRUSTA.

    A section without coordinates is a straight piece of its length and diameter, from where it is connected: onward
    from the end of its parent, away from its side.
    """
    points: dict[str, Floats] = {}
    pieces, owners, drawn = [], [], []
    names: list[str] = []
    total = 0
    for number, section in enumerate(_parents_first(branches)):
        own = np.asarray(branches.model.points(section.name), dtype=np.float64)
        if len(own) < 2:
            drawn.append(section.name)
            own = _straight(branches, section, points.get(section.parent or ""), number)
        points[section.name] = own
        segments = branches.sections[section.name]
        cut, of = _cut(own, len(segments))
        pieces.append(cut)
        owners.append(of + len(names))
        names += segments
        total += len(cut)
        if total > MOST_FRUSTA:
            return None
    if not pieces:
        return None
    return Shape(tuple(names), np.concatenate(pieces), np.concatenate(owners), tuple(drawn))


def _parents_first(branches: Branches) -> list[Section]:
    """All sections, each behind the one that it is connected to."""
    ordered: dict[str, Section] = {}
    for section in branches.table.values():
        chain = []
        one: Section | None = section
        while one is not None and one.name not in ordered and one not in chain:
            chain.append(one)
            one = branches.table.get(one.parent) if one.parent else None
        ordered.update({s.name: s for s in reversed(chain)})
    return list(ordered.values())


def _straight(branches: Branches, section: Section, parent: Floats | None, number: int) -> Floats:
    """(2, 4) ends of a piece without coordinates."""
    segments = branches.sections[section.name]
    diameter = branches.model.area(segments[0]) * len(segments) / (math.pi * max(section.length, 1e-9))
    if parent is None:
        start, along = np.array([0.0, 40.0 * number, 0.0]), np.array([1.0, 0.0, 0.0])
    else:
        start, tangent = _at(parent, section.at)
        along = tangent if section.at >= 1 else -tangent if section.at <= 0 else _aside(tangent, GOLDEN * number)
        if 0 < section.at < 1:
            start = start + along * _diameter_at(parent, section.at) / 2
    return np.array([[*start, diameter], [*(start + along * section.length), diameter]])


def _aside(tangent: Floats, angle: float) -> Floats:
    """A unit vector across another."""
    other = np.eye(3)[int(np.argmin(np.abs(tangent)))]
    first = np.cross(tangent, other)
    first /= np.linalg.norm(first)
    return np.asarray(math.cos(angle) * first + math.sin(angle) * np.cross(tangent, first))


def _arc(points: Floats) -> Floats:
    """(n,) length along the points."""
    return np.append(0.0, np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)))


def _at(points: Floats, x: float) -> tuple[Floats, Floats]:
    """Place at x (0 to 1) and the direction there."""
    arc = _arc(points)
    there = np.array([np.interp(x * arc[-1], arc, points[:, k]) for k in range(3)])
    k = int(np.clip(np.searchsorted(arc, x * arc[-1]), 1, len(arc) - 1))
    step = points[k, :3] - points[k - 1, :3]
    length = float(np.linalg.norm(step))
    return there, step / length if length > 0 else np.array([1.0, 0.0, 0.0])


def _diameter_at(points: Floats, x: float) -> float:
    arc = _arc(points)
    return float(np.interp(x * arc[-1], arc, points[:, 3]))


def _cut(points: Floats, n: int) -> tuple[Floats, Ints]:
    """(m, 8) frusta between points and the borders of n segments, and (m,) the segment of each."""
    arc = _arc(points)
    borders = np.unique(np.concatenate([arc, np.linspace(0.0, arc[-1], n + 1)]))
    ends = np.stack([np.interp(borders, arc, points[:, k]) for k in range(4)], axis=1)
    middle = (borders[1:] + borders[:-1]) / 2
    of = np.minimum((middle / max(arc[-1], 1e-12) * n).astype(np.int64), n - 1)
    return np.concatenate([ends[:-1], ends[1:]], axis=1), of
