"""Dendrites as lines that branch: meshes from NEURON's own sections, with the radii that NEURON computes with."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from adapters.fem.mesh.discretisation import Discretisation, discretise
from adapters.fem.mesh.domain import BYTES, MeshDomain
from adapters.fem.mesh.library.dolfinx_import import dolfinx
from adapters.fem.mesh.sources.build import make_mesh, nodes_of
from couple.base.arrays import Floats
from couple.base.budget import cells_along, check_memory
from couple.base.errors import InputError
from couple.geometry.cable import Branch, Cable, Foot, outwards
from couple.geometry.geometry import Geometry

MOST_CELLS = 1_000_000
"""More would fit, but be cut one by one for hours."""

_INTEGRALS = {2: (1 / 2, 1 / 2), 3: (1 / 6, 1 / 6, 2 / 3)}
"""Nodes of a cell → share of each in its length: the integral of its basis function."""
_SAME = 1e-9
"""Positions along a section (0 to 1) nearer than this are one."""


@dataclass(frozen=True, eq=False)
class Dendrite:
    """The mesh of some branches.

    nodes: of each branch, the vertices of the mesh along it in order; positions: where they are (0 to 1). segments:
    (n_cells,) number of the segment that a cell lies in. sizes: (n_cells, 2) volume and membrane of a cell.
    """

    branches: tuple[Branch, ...]
    discretisation: Discretisation
    geometry: Geometry
    nodes: tuple[npt.NDArray[np.int64], ...]
    positions: tuple[Floats, ...]
    segments: npt.NDArray[np.int64]
    sizes: Floats

    @functools.cached_property
    def segment_integrals(self) -> tuple[Any, Any]:
        """(n_segments, N) sparse: ∫φ over each segment, of the volume and of the membrane."""
        d, n = self.discretisation, sum(len(b.radii) for b in self.branches)
        dofs = np.asarray(d.space.dofmap.list)
        rows, columns = np.repeat(self.segments, dofs.shape[1]), dofs.ravel()
        first, second = (
            csr_array(coo_array((np.outer(size, _INTEGRALS[dofs.shape[1]]).ravel(), (rows, columns)),
                                shape=(n, len(d.places))))
            for size in self.sizes.T
        )  # fmt: skip
        return first, second

    def distances(self) -> Floats:
        """(N,) of the nodes from the 0 end of the root along the tree, µm; degree 1."""
        found = np.zeros(len(self.discretisation.places))
        for k in outwards(self.branches):
            b = self.branches[k]
            start = 0.0 if b.parent < 0 else found[self.nodes[k][0]]
            found[self.nodes[k]] = start + self.positions[k] * b.length
        return found

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


def mesh_dendrite(
    branches: Sequence[Branch],
    cells: int = 2,
    degree: int = 1,
    *,
    resolution: float | None = None,
    feet: Sequence[Foot] = (),
) -> Dendrite:
    """A mesh with `cells` equal cells for each segment; radii are constant in a segment, as NEURON has them.

    A branch begins at the axis of its parent: NEURON's convention, in which nothing of it lies inside the parent.
    resolution: takes more cells where they would be longer than this (µm). feet: places that are vertices.
    Raises InputError for branches that are not all connected, a place outside of them, and too many cells.
    """
    order = outwards(branches)
    for foot in feet:
        if not (0 <= foot.branch < len(branches) and 0 <= foot.x <= 1):
            raise InputError(f"{foot.x:g} of branch {foot.branch} is outside of {len(branches)} branches")
    each = [max(cells, 1 if resolution is None else cells_along(b.spacing, resolution, _SAME)) for b in branches]
    total = sum(n * len(b.radii) for n, b in zip(each, branches, strict=True))
    if total > MOST_CELLS:
        raise InputError(
            f"{total:.2g} cells for the dendrite, more than {MOST_CELLS:.0e} are refused: take a larger resolution"
        )
    check_memory(BYTES * total, f"{total:.2g} cells for the dendrite", "take a larger resolution")
    positions = [_positions(branches, k, each[k], feet) for k in range(len(branches))]
    nodes: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)] * len(branches)
    points: list[Floats] = []
    lines, radii, girths, segments = [], [], [], []
    first_segment = np.cumsum([0, *(len(b.radii) for b in branches)])
    for k in order:
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
        inside = np.minimum(((x[1:] + x[:-1]) / 2 * len(b.radii)).astype(int), len(b.radii) - 1)
        radii += [b.radii[i] for i in inside]
        girths += [b.around[i] for i in inside]
        segments += [first_segment[k] + i for i in inside]
    kinds = np.array(radii), np.array(girths), np.array(segments)
    return _assemble(tuple(branches), np.array(points), np.array(lines), kinds, nodes, positions, degree)


def _assemble(
    branches: tuple[Branch, ...], points: Floats, lines: npt.NDArray[np.int64],
    kinds: tuple[Floats, Floats, npt.NDArray[np.int64]], nodes: list[npt.NDArray[np.int64]], positions: list[Floats],
    degree: int,
) -> Dendrite:  # fmt: skip
    mesh = make_mesh(points, lines, "interval")
    per_cell = dolfinx.fem.functionspace(mesh, ("DG", 0))
    section, girth = dolfinx.fem.Function(per_cell), dolfinx.fem.Function(per_cell)
    original = np.asarray(mesh.topology.original_cell_index)
    dofs = np.asarray(per_cell.dofmap.list)[:, 0]
    section.x.array[dofs], girth.x.array[dofs] = math.pi * kinds[0][original] ** 2, kinds[1][original]
    domain = MeshDomain(mesh, None, lambda x: section, lambda x: girth)
    geometry = Cable(branches, ()).geometry
    d = discretise(domain, geometry, degree)
    place = {tuple(p): k for k, p in enumerate(np.round(d.places, 9).tolist())}
    found = tuple(np.array([place[tuple(np.round(points[n], 9).tolist())] for n in row]) for row in nodes)
    corners = mesh.geometry.x[nodes_of(mesh)[: len(dofs)]]
    length = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    sizes = np.stack([section.x.array[dofs] * length, girth.x.array[dofs] * length], axis=1)
    return Dendrite(branches, d, geometry, found, tuple(positions), kinds[2][original], sizes)


def _positions(branches: Sequence[Branch], k: int, cells: int, feet: Sequence[Foot]) -> Floats:
    """Vertices along a branch: the cells of its segments, where others grow from it, and where necks open."""
    x = np.linspace(0, 1, cells * len(branches[k].radii) + 1)
    extra = [b.at for b in branches if b.parent == k] + [f.x for f in feet if f.branch == k]
    for at in sorted(extra):
        if abs(x - at).min() > _SAME:
            x = np.sort(np.append(x, at))
    return x


def _direction(branches: Sequence[Branch], k: int) -> Floats:
    """A direction for a straight branch that no other has: only lengths matter to what diffuses."""
    golden = math.pi * (3 - math.sqrt(5))
    z = 1 - 2 * (k + 0.5) / len(branches)
    flat = math.sqrt(1 - z * z)
    return np.array([flat * math.cos(golden * k), flat * math.sin(golden * k), z])
