"""Reading reconstructed morphologies: SWC files, checked, and put in the order that NEURON's import wants.

Columns: id, type (1 soma, 2 axon, 3 basal, 4 apical, others), x, y, z, radius (all µm), parent (−1: root). What the
format leaves open (a soma of one point or of three) is decided by NEURON's Import3d, which makes the sections.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from couple.base.errors import InputError
from couple.base.formats import instead_of

log = logging.getLogger(__name__)

WHERE = "neuron.model"

SOMA = 1
THICKEST, THINNEST = 100.0, 0.01
"""µm: diameters beyond these are doubted; a file in nm or mm has most of its points there."""

_OUTLINE_POINTS, _OUTLINE_SPAN = 5, 0.35


@dataclass(frozen=True)
class Point:
    """One line of the file, lengths in µm."""

    id: int
    type: int
    x: float
    y: float
    z: float
    radius: float
    parent: int
    line: int

    def distance(self, other: Point) -> float:
        """µm to another point."""
        return math.dist((self.x, self.y, self.z), (other.x, other.y, other.z))


def read(path: Path) -> list[Point]:
    """All points, parents before children, the soma first.

    Raises InputError that names file and line: not seven numbers, repeated ids, unknown parents, cycles, several
    trees, a soma given by its outline, radii that are not positive or cannot be in µm.
    """
    points = _parse(path)
    _check_links(points, path.name)
    ordered = _parents_first(points, path.name)
    _check_soma(ordered, path.name)
    _check_size(ordered, path.name)
    return ordered


def renumbered(points: Sequence[Point]) -> str:
    """The text of an SWC file with ids from 1 in this order."""
    new = {p.id: i for i, p in enumerate(points, start=1)}
    rows = [f"{new[p.id]} {p.type} {p.x} {p.y} {p.z} {p.radius} {new.get(p.parent, -1)}" for p in points]
    return "\n".join(rows) + "\n"


def _parse(path: Path) -> list[Point]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}", where=WHERE) from None
    points = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        words = line.split("#", 1)[0].replace(",", " ").split()
        if not words:
            continue
        try:
            if len(words) < 7:
                raise ValueError
            id, type, parent = (_whole(words[i]) for i in (0, 1, 6))
            x, y, z, radius = map(float, words[2:6])
            if not all(map(math.isfinite, (x, y, z, radius))):
                raise ValueError
        except ValueError:
            if other := instead_of(path, "swc"):
                raise InputError(f"{path.name} {other}; a morphology (.swc) is expected", where=WHERE) from None
            raise _fault(path.name, number, f'"{line.strip()[:60]}" is not: id type x y z radius parent') from None
        points.append(Point(id, type, x, y, z, radius, parent, number))
    if len(points) < 2:
        raise InputError(f"{path.name} holds {len(points)} points; a morphology has at least two", where=WHERE)
    return points


def _whole(word: str) -> int:
    value = float(word)
    if not value.is_integer():
        raise ValueError
    return int(value)


def _check_links(points: Sequence[Point], name: str) -> None:
    known: dict[int, Point] = {}
    for p in points:
        if p.id in known:
            raise _fault(name, p.line, f"id {p.id} is that of line {known[p.id].line} too; every point has its own")
        known[p.id] = p
        if p.radius <= 0:
            raise _fault(name, p.line, f"radius {p.radius:g} is not positive")
    for p in points:
        if p.parent >= 0 and p.parent not in known:
            raise _fault(name, p.line, f"parent {p.parent} does not exist; a root has parent -1")
    roots = [p for p in points if p.parent < 0]
    if len(roots) > 1:
        lines = ", ".join(str(p.line) for p in roots[:8]) + (", ..." if len(roots) > 8 else "")
        raise InputError(
            f"{name} holds {len(roots)} trees that are not connected (roots in lines {lines}); give all but one of "
            "these points the id of a parent, such as the soma's, or remove their trees",
            where=WHERE,
        )


def _parents_first(points: Sequence[Point], name: str) -> list[Point]:
    """Depth first, so that a branch is contiguous; the soma's points first of all, else in the order of the file."""
    children: dict[int, list[Point]] = {}
    for p in points:
        children.setdefault(p.parent if p.parent >= 0 else -1, []).append(p)
    ordered: list[Point] = []
    stack = children.get(-1, [])[::-1]
    while stack:
        point = stack.pop()
        ordered.append(point)
        # sorted() keeps the order of the file among equals
        stack += sorted(children.get(point.id, []), key=lambda p: p.type != SOMA)[::-1]
    if len(ordered) < len(points):
        reached = {p.id for p in ordered}
        lost = next(p for p in points if p.id not in reached)
        raise _fault(name, lost.line, f"point {lost.id} is its own ancestor: the parents form a ring")
    return ordered


def _check_soma(points: Sequence[Point], name: str) -> None:
    soma = [p for p in points if p.type == SOMA]
    if not soma:
        log.warning("%s has no soma (no point of type 1): its root stands in", name)
        return
    if points[0].type != SOMA:
        raise _fault(
            name,
            points[0].line,
            f"the root is of type {points[0].type}; root the tree in the soma (line {soma[0].line})",
        )
    if any(a.id != b.parent for a, b in itertools.pairwise(soma)) or len(soma) < _OUTLINE_POINTS:
        return
    path = sum(a.distance(b) for a, b in itertools.pairwise(soma))
    if soma[0].distance(soma[-1]) < _OUTLINE_SPAN * path:
        raise _fault(
            name,
            soma[0].line,
            f"the soma is an outline of {len(soma)} points, which has no diameter of its own; replace it by one point "
            "with the soma's radius, or by the three points of NeuroMorpho.Org",
        )


def _check_size(points: Sequence[Point], name: str) -> None:
    diameters = sorted(2 * p.radius for p in points)
    middle = diameters[len(diameters) // 2]
    if not THINNEST <= middle <= THICKEST:
        unit = "nm" if middle > THICKEST else "mm"
        raise InputError(
            f"{name}: half of the diameters are {'above' if middle > THICKEST else 'below'} {middle:g} um, which no "
            f"neurite has; SWC is in um, is this file in {unit}?",
            where=WHERE,
        )
    odd = [p for p in points if not THINNEST <= 2 * p.radius <= THICKEST]
    if odd:
        log.warning(
            "%s: %d of %d points have diameters below %g or above %g um, the first %g um in line %d",
            *(name, len(odd), len(points), THINNEST, THICKEST, 2 * odd[0].radius, odd[0].line),
        )


def _fault(name: str, line: int, what: str) -> InputError:
    return InputError(f"{name}, line {line}: {what}", where=WHERE)
