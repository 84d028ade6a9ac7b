"""Dendrites as lines that branch: meshes from NEURON's own sections, with the radii that NEURON computes with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.fem.discretisation import Discretisation, discretise
from adapters.fem.domain import Domain, make_mesh
from adapters.fem.importing import dolfinx
from couple.component import Floats
from couple.errors import InputError
from couple.geometry import LONGEST, Geometry

_SAME = 1e-9
"""Positions along a section (0 to 1) nearer than this are one."""


@dataclass(frozen=True)
class Branch:
    """A piece of dendrite.

    radii:  (nseg,) of its equally long segments, µm. length: µm.
    parent: number of the branch that it grows from, -1 of a root, and `at`, where on that (0 to 1).
    """

    name: str
    length: float
    radii: tuple[float, ...]
    parent: int = -1
    at: float = 1.0


@dataclass(frozen=True, eq=False)
class Dendrite:
    """The mesh of some branches.

    nodes: of each branch, the vertices of the mesh along it in order; positions: where they are (0 to 1).
    """

    branches: tuple[Branch, ...]
    discretisation: Discretisation
    geometry: Geometry
    nodes: tuple[npt.NDArray[np.int64], ...]
    positions: tuple[Floats, ...]

    def node(self, branch: int, x: float) -> int:
        """The node of degree-1 elements that is nearest to `x` on a branch; segment centres are nodes if `cells` is
        even."""
        return int(self.nodes[branch][np.argmin(abs(self.positions[branch] - x))])

    def quality(self) -> dict[str, float]:
        """Cells, their smallest and largest length (µm) and the largest ratio of neighbouring radii."""
        lengths = np.concatenate([np.diff(x) * b.length for x, b in zip(self.positions, self.branches, strict=True)])
        jumps = [max(p / q, q / p) for b in self.branches for p, q in zip(b.radii, b.radii[1:], strict=False)]
        return {
            "cells": float(len(lengths)),
            "shortest": float(lengths.min()),
            "longest": float(lengths.max()),
            "largest_jump": max(jumps, default=1.0),
        }


def branches_of(sections: Sequence[Any]) -> tuple[Branch, ...]:
    """Branches of NEURON sections, with NEURON's segments and diameters; one that grows from within another does so at
    the centre of a segment, as in NEURON.

    Raises InputError for a section twice, of no length or diameter, or of which the parent is missing but others of its
    kin are there.
    """
    names = [str(s.name()) for s in sections]
    made = []
    for name, section in zip(names, sections, strict=True):
        if names.count(name) > 1:
            raise InputError(f'section "{name}" is given twice')
        radii = tuple(float(segment.diam) / 2 for segment in section)
        if not 0 < section.L <= LONGEST or not all(0 < r <= LONGEST for r in radii):
            raise InputError(f'section "{name}" has L = {section.L:g} um, diameters {[2 * r for r in radii]} um')
        where = section.parentseg()
        parent = names.index(str(where.sec.name())) if where is not None and str(where.sec.name()) in names else -1
        at = _node_of(float(where.x), int(where.sec.nseg)) if parent >= 0 else 1.0
        if parent >= 0 and abs(float(section.orientation())) > 0.5:
            raise InputError(f'section "{name}" is connected by its end 1: connect it by its end 0')
        made.append(Branch(name, float(section.L), radii, parent, at))
    return tuple(made)


def _node_of(x: float, nseg: int) -> float:
    """Where along a section NEURON has the node that stands for `x`: its ends and the centres of segments."""
    return x if x in (0.0, 1.0) else (min(int(x * nseg), nseg - 1) + 0.5) / nseg


def mesh_dendrite(branches: Sequence[Branch], cells: int = 2, degree: int = 1) -> Dendrite:
    """A mesh with `cells` equal cells for each segment; radii are constant in a segment, as NEURON has them.

    A branch begins at the axis of its parent: NEURON's convention, in which nothing of it lies inside the parent.
    Raises InputError for branches that are not all connected.
    """
    roots = [b.name for b in branches if b.parent < 0]
    if len(roots) != 1:
        raise InputError(f"the branches are in {len(roots)} pieces ({', '.join(roots)}): give those of one tree")
    positions = [_positions(branches, k, cells) for k in range(len(branches))]
    nodes: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)] * len(branches)
    points: list[Floats] = []
    lines, radii = [], []
    for k in _outwards(branches):
        b, x = branches[k], positions[k]
        if b.parent < 0:
            start, first = np.zeros(3), len(points)
            points.append(start)
        else:
            first = int(nodes[b.parent][np.argmin(abs(positions[b.parent] - b.at))])
            start = points[first]
        new = np.arange(len(points), len(points) + len(x) - 1)
        points += list(start + np.outer(x[1:] * b.length, _direction(branches, k)))
        nodes[k] = np.concatenate([[first], new]).astype(np.int64)
        lines += list(zip(nodes[k][:-1], nodes[k][1:], strict=True))
        middle = (x[1:] + x[:-1]) / 2
        radii += [b.radii[min(int(m * len(b.radii)), len(b.radii) - 1)] for m in middle]
    return _assemble(tuple(branches), np.array(points), np.array(lines), np.array(radii), nodes, positions, degree)


def _assemble(
    branches: tuple[Branch, ...], points: Floats, lines: npt.NDArray[np.int64], radii: Floats,
    nodes: list[npt.NDArray[np.int64]], positions: list[Floats], degree: int,
) -> Dendrite:  # fmt: skip
    mesh = make_mesh(points, lines, "interval")
    per_cell = dolfinx.fem.functionspace(mesh, ("DG", 0))
    section, girth = dolfinx.fem.Function(per_cell), dolfinx.fem.Function(per_cell)
    r = radii[np.asarray(mesh.topology.original_cell_index)]
    dofs = np.asarray(per_cell.dofmap.list)[:, 0]
    section.x.array[dofs], girth.x.array[dofs] = math.pi * r**2, 2 * math.pi * r
    domain = Domain(mesh, None, lambda x: section, lambda x: girth)
    volume, area = domain.sizes()
    # a cylinder of this volume and lateral area stands for the whole in what asks for one
    diameter = 4 * volume / area
    geometry = Geometry("cylinder", (diameter, area / (math.pi * diameter)), volume, area)
    d = discretise(domain, geometry, degree)
    place = {tuple(p): k for k, p in enumerate(np.round(d.places, 9).tolist())}
    found = tuple(np.array([place[tuple(np.round(points[n], 9).tolist())] for n in row]) for row in nodes)
    return Dendrite(branches, d, geometry, found, tuple(positions))


def _positions(branches: Sequence[Branch], k: int, cells: int) -> Floats:
    """Vertices along a branch: the cells of its segments, and where others grow from it."""
    x = np.linspace(0, 1, cells * len(branches[k].radii) + 1)
    extra = [b.at for b in branches if b.parent == k and abs(x - b.at).min() > _SAME]
    return np.unique(np.concatenate([x, extra]))


def _outwards(branches: Sequence[Branch]) -> list[int]:
    """Numbers of the branches, parents first. Raises InputError for a ring."""
    order: list[int] = []
    left = list(range(len(branches)))
    while left:
        ready = [k for k in left if branches[k].parent < 0 or branches[k].parent in order]
        if not ready:
            raise InputError(f"the branches {', '.join(branches[k].name for k in left)} grow from each other in a ring")
        order += ready
        left = [k for k in left if k not in ready]
    return order


def _direction(branches: Sequence[Branch], k: int) -> Floats:
    """A direction for a straight branch that no other has: only lengths matter to what diffuses."""
    golden = math.pi * (3 - math.sqrt(5))
    z = 1 - 2 * (k + 0.5) / len(branches)
    flat = math.sqrt(1 - z * z)
    return np.array([flat * math.cos(golden * k), flat * math.sin(golden * k), z])
