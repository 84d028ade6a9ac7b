"""Meshes of fields: the table `mesh` of a training file, and the factories behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from adapters.fem.field_basis.basis import MeshBasis
from adapters.fem.mesh.domain import BYTES, check_mesh
from adapters.fem.mesh.sources import lattice_points
from adapters.fem.mesh.sources import spine as spine_mesh
from adapters.fem.mesh.sources.build import make_mesh
from adapters.fem.mesh.sources.gmsh import read_gmsh
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block, explain
from couple.base.units import LengthOrSites, factor
from couple.geometry.geometry import Geometry

Positive = Annotated[LengthOrSites, Field(gt=0, allow_inf_nan=False)]


class SpineMeshBlock(Block):
    """A sphere on a cylinder along z, whose lower end is at z = 0."""

    head: Positive
    neck: Positive
    length: Positive


class MeshBlock(Block):
    """Where a field lives: one shape, or a gmsh file of tetrahedra.

    interval: its two ends. disc: its diameter. box: its edges. They are centred at 0 but for the interval.
    spine: diameters of head and neck, length of the neck.
    resolution: largest edge of a cell. unit: of the coordinates of a file.
    """

    interval: tuple[LengthOrSites, LengthOrSites] | None = None
    disc: Positive | None = None
    box: tuple[Positive, ...] | None = Field(default=None, min_length=2, max_length=3)
    spine: SpineMeshBlock | None = None
    file: Annotated[str, ReadsFile("mesh")] | None = None
    resolution: Positive | None = None
    unit: str = "um"

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [n for n in ("interval", "disc", "box", "spine", "file") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of interval, disc, box, spine, file, not {', '.join(given) or 'none'}")
        if (self.resolution is None) == (self.file is None):
            raise ValueError("a built-in mesh needs a resolution, a file has its own")
        if self.interval is not None and not self.interval[0] < self.interval[1]:
            raise ValueError(f"interval: the first end must be below the second, not {list(self.interval)}")
        return self


def build_basis(content: Mapping[str, Any], folder: Path = Path()) -> MeshBasis:
    """The basis on the mesh that a table describes. Raises InputError that names the key or the file."""
    try:
        block = MeshBlock.model_validate(content)
    except ValidationError as error:
        raise explain(error, content).at("mesh") from None
    if block.file is not None:
        try:
            unit = factor(block.unit, "length")
        except InputError as error:
            raise InputError(error.message, where="mesh.unit") from None
        path = folder / block.file
        mesh, _, _ = read_gmsh(path, unit)
        check_mesh(mesh, str(path))
        return MeshBasis(mesh, where=str(path))
    h = block.resolution
    assert h is not None
    if block.interval is not None:
        low, high = block.interval
        return interval(low, high, _counts([high - low], h)[0])
    if block.disc is not None:
        _counts([block.disc] * 2, h)
        return disc(block.disc, h)
    if block.box is not None:
        return box(block.box, h)
    assert block.spine is not None
    return spine(block.spine.head, block.spine.neck, block.spine.length, h)


def interval(low: float, high: float, cells: int) -> MeshBasis:
    """[low, high] in equal cells."""
    start = np.arange(cells)
    points = np.linspace(low, high, cells + 1)[:, None]
    return MeshBasis(make_mesh(points, np.stack([start, start + 1], axis=1), "interval"))


def disc(diameter: float, resolution: float) -> MeshBasis:
    """A disc around 0 in triangles; its rim is a polygon."""
    return MeshBasis(make_mesh(*lattice_points.disc(diameter / 2, resolution), "triangle"))


def box(edges: tuple[float, ...], resolution: float) -> MeshBasis:
    """A rectangle or box around 0 in triangles or tetrahedra."""
    counts = _counts(edges, resolution)
    axes = [np.linspace(-e / 2, e / 2, n + 1) for e, n in zip(edges, counts, strict=True)]
    points, cells = lattice_points.kuhn(counts, [0] * len(counts))
    places = np.column_stack([axis[at] for axis, at in zip(axes, points.T.astype(int), strict=True)])
    return MeshBasis(make_mesh(places, cells, "triangle" if len(counts) == 2 else "tetrahedron"))


def spine(head: float, neck: float, length: float, resolution: float) -> MeshBasis:
    """A sphere on a neck in tetrahedra; walls are facets."""
    _counts([head, head, length + head], resolution)
    try:
        points, cells = spine_mesh.spine_points(Geometry.sphere(head), neck, length, resolution)
    except InputError as error:
        raise error.at("mesh.spine") from None
    return MeshBasis(make_mesh(points, cells, "tetrahedron"))


def _counts(edges: Sequence[float], resolution: float) -> list[int]:
    """Voxels along each edge. Raises InputError for more in all than there may be."""
    counts = [lattice_points.cells_along(e, resolution) for e in edges]
    voxels = math.prod(counts)
    what = f"{resolution:g} gives {voxels:.1e} voxels"
    check_memory(BYTES * float(voxels), what, "take a larger one", "mesh.resolution")  # some cells in each
    return counts
