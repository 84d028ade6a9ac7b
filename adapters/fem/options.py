"""Options that the engines on finite elements share: which mesh."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from adapters.fem.mesh.discretisation import Discretisation, discretise
from adapters.fem.mesh.domain import (
    OFF,
    HeadWithNeck,
    build_domain,
    build_spine_domain,
    build_surface_domain,
    read_domain,
)
from adapters.fem.mesh.library.dolfinx_import import dolfinx
from adapters.fem.mesh.sources.build import CellName
from adapters.fem.mesh.sources.gmsh import read_gmsh
from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block
from couple.base.units import Length, factor
from couple.chemistry.meeting import coarse_cells
from couple.components import engine
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from couple.geometry.surface.read import read_surface

_PER_RADIUS: dict[str, float] = {"interval": 16, "triangle": 8, "tetrahedron": 4, "hexahedron": 5}
"""Cells per smallest half axis where no resolution is given."""


class CylinderOption(Block):
    """A head, or a neck."""

    diameter: Length = Field(gt=0)
    length: Length = Field(gt=0)


class MeshOptions(engine.Options):
    """Where the fields live.

    cells:      "interval" (shells of a round site), "triangle" (a half plane through its axis), "tetrahedron" or
                "hexahedron" (voxels). Default: the least that is exact for the geometry, tetrahedra for boxes.
    resolution: largest edge of a built-in mesh. Default: 16, 8, 4 or 5 cells per radius for the four; in a
                `geometry.mesh` that of its triangles.
    mesh:       a gmsh file of tetrahedra instead; mesh_unit: of its coordinates. Without a geometry beside it, volume,
                membrane and regions are its own.
    degree:     of the elements.
    neck:       the part of the site's segments that is a neck with an opening at its end; head: the other, if the site
                has no segments. Tetrahedra.
    """

    cells: CellName | None = None
    resolution: Length | None = Field(None, gt=0)
    mesh: Annotated[str, ReadsFile("mesh")] | None = None
    mesh_unit: str = "um"
    degree: Literal[1, 2] = 1
    neck: CylinderOption | None = None
    head: CylinderOption | None = None

    @model_validator(mode="after")
    def _one_mesh(self) -> MeshOptions:
        if self.mesh is not None and (self.cells or self.resolution):
            raise ValueError("give mesh, or cells and resolution, not both")
        if self.head is not None and self.neck is None:
            raise ValueError("head: only with a neck; without, it is the geometry of the site")
        if self.neck is not None and (self.mesh is not None or self.cells not in (None, "tetrahedron")):
            raise ValueError('neck: built in for cells = "tetrahedron" only; a mesh from a file has its own')
        try:
            factor(self.mesh_unit, "length")
        except InputError as error:
            raise ValueError(f"mesh_unit: {error.message}") from None
        return self


def simplest(geometry: Geometry) -> CellName:
    """The least cells that a field needs which nothing but the geometry shapes."""
    if geometry.shape == "box":
        return "tetrahedron"
    return "triangle" if geometry.caps else "interval"


def head_with_neck(options: MeshOptions, geometry: Geometry | None) -> HeadWithNeck | None:
    """Head and neck that options describe, of a site of this geometry. Raises InputError if they do not fit it."""
    if options.neck is None:
        return None
    diameter, length = options.neck.diameter, options.neck.length
    if options.head is None:
        if geometry is None:
            raise InputError("neck: give head = { diameter, length } too, or the segments of both to the site")
        return HeadWithNeck.within(geometry, diameter, length)
    made = HeadWithNeck(Geometry.cylinder(options.head.diameter, options.head.length), diameter, length)
    if geometry is not None and abs(made.geometry.volume / geometry.volume - 1) > OFF:
        raise InputError(
            f"head and neck hold {made.geometry.volume:.4g} um^3, the site {geometry.volume:.4g} um^3: leave head out, "
            "or drop the site's own geometry"
        )
    return made


def discretisation_of(setup: EngineSetup, site: Site, *, lumped: bool = False) -> Discretisation:
    """The elements of a site, shared by all that are equal. Raises InputError that names the site or the file."""
    o = setup.options if isinstance(setup.options, MeshOptions) else MeshOptions()
    try:
        if o.mesh is not None and not _is_of_file(site.geometry, setup.folder / o.mesh, o):
            return _from_file(setup.folder / o.mesh, site.geometry, factor(o.mesh_unit, "length"), o.degree, lumped)
        if (spine := head_with_neck(o, site.geometry)) is not None:
            fine = o.resolution or _smallest(spine.head) / _PER_RADIUS["tetrahedron"]
            return _with_neck(spine, site.geometry, fine, o.degree, lumped)
        if site.geometry.surface is not None:
            if o.cells not in (None, "tetrahedron"):
                raise InputError(f'cells = "{o.cells}": what a mesh encloses is filled with tetrahedra')
            return _in_surface(site.geometry, o.resolution, o.degree, lumped)
        cell = o.cells or simplest(site.geometry)
        resolution = o.resolution or _smallest(site.geometry) / _PER_RADIUS[cell]
        return _built_in(site.geometry, cell, resolution, o.degree, lumped)
    except InputError as error:
        raise InputError(f'site "{site.name}": {error}') from None


def _is_of_file(geometry: Geometry, file: Path, o: MeshOptions) -> bool:
    """Whether the geometry is that of the mesh in a file, tetrahedra and all."""
    if geometry.surface is None or geometry.surface.tetrahedra is None:
        return False
    return read_surface(file, factor(o.mesh_unit, "length"), o.mesh_unit) == geometry.surface


def coarse_elements(setup: EngineSetup, site: Site, d: Discretisation) -> Iterator[str]:
    """Warnings of reactions that cells of this mesh do not resolve, see couple.chemistry.meeting."""
    mesh = d.domain.mesh
    cells = np.arange(mesh.topology.index_map(mesh.topology.dim).size_local, dtype=np.int32)
    longest = float(np.median(mesh.h(mesh.topology.dim, cells)))
    return coarse_cells(setup.network, site.initial, site.geometry.volume, longest)


def opening_diameter_in_file(options: MeshOptions, folder: Path) -> float | None:
    """Diameter (µm) of a circle with the area of the opening that the file of a mesh names. Raises InputError."""
    if options.mesh is None:
        return None
    return _opening_diameter(folder / options.mesh, factor(options.mesh_unit, "length"))


@functools.lru_cache(maxsize=16)
def _opening_diameter(file: Path, unit: float) -> float | None:
    mesh, _, opening = read_gmsh(file, unit)
    if opening is None:
        return None
    corners = mesh.geometry.x[dolfinx.mesh.entities_to_geometry(mesh, 2, opening)]
    sides = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(2 * np.sqrt(np.linalg.norm(sides, axis=1).sum() / 2 / np.pi))


def _smallest(geometry: Geometry) -> float:
    return (geometry.size[0] if geometry.shape not in ("box", "mesh") else min(geometry.size)) / 2


@functools.lru_cache(maxsize=64)
def _built_in(geometry: Geometry, cell: CellName, resolution: float, degree: int, lumped: bool) -> Discretisation:
    return discretise(build_domain(geometry, cell, resolution), geometry, degree, lumped=lumped)


@functools.lru_cache(maxsize=16)
def _in_surface(geometry: Geometry, resolution: float | None, degree: int, lumped: bool) -> Discretisation:
    assert geometry.surface is not None
    return discretise(build_surface_domain(geometry.surface, resolution), geometry, degree, lumped=lumped)


@functools.lru_cache(maxsize=64)
def _with_neck(spine: HeadWithNeck, geometry: Geometry, resolution: float, degree: int, lumped: bool) -> Discretisation:
    return discretise(build_spine_domain(spine, resolution), geometry, degree, lumped=lumped)


@functools.lru_cache(maxsize=16)
def _from_file(file: Path, geometry: Geometry, unit: float, degree: int, lumped: bool) -> Discretisation:
    return discretise(read_domain(file, geometry, unit), geometry, degree, lumped=lumped)
