"""Meshes of a site: where the volume is, where the membrane is, and whether a mesh fits its geometry."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled
from adapters.fem.mesh.sources import lattice_points
from adapters.fem.mesh.sources import spine as spine_mesh
from adapters.fem.mesh.sources.build import CellName, exterior_facets, make_mesh, nodes_of
from adapters.fem.mesh.sources.gmsh import read_gmsh
from adapters.fem.mesh.sources.surface_mesh import mesh_of_surface
from adapters.lattice.common.mask import mask_of
from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.geometry.geometry import Geometry
from couple.geometry.surface.surface import OPENING, Surface

BYTES = 300
"""Of memory for each cell of a mesh, at the least: its corners, their places, its sides and who has them."""
FAR_OFF = 3.0
"""A mesh whose size (cube root of the volume) differs by more than this factor from the geometry's is refused."""
OFF = 0.1
"""Relative difference in volume above which the user is told."""


def unit_weight(_: Any) -> Any:
    """Weight 1."""
    return 1.0


@dataclass(frozen=True, eq=False)
class MeshDomain:
    """A mesh and what one unit of it stands for.

    mesh:     DOLFINx mesh on this process alone, µm.
    weight:   of coordinates (UFL) → volume per unit of mesh: 1, 2πr of a half plane, the section of a branch.
    membrane: (n,) facets that are membrane; None for a line, whose membrane is along all of it.
    membrane_weight: of coordinates (UFL) → membrane area per unit of facet, or of line.
    neck_opening: (n,) facets through which a neck opens, if the file that the mesh is from names them.
    regions:  name → (n,) facets of a region of the membrane.
    """

    mesh: Any
    membrane: npt.NDArray[np.int32] | None
    weight: Callable[[Any], Any] = unit_weight
    membrane_weight: Callable[[Any], Any] = unit_weight
    neck_opening: npt.NDArray[np.int32] | None = None
    from_file: bool = False
    regions: Mapping[str, npt.NDArray[np.int32]] = field(default_factory=dict)

    @functools.cached_property
    def membrane_measure(self) -> Any:
        """UFL measure of the membrane."""
        if self.membrane is None:
            return ufl.dx(domain=self.mesh)
        facets = np.sort(self.membrane)
        tags = dolfinx.mesh.meshtags(self.mesh, self.mesh.topology.dim - 1, facets, np.ones(len(facets), np.int32))
        return ufl.ds(1, domain=self.mesh, subdomain_data=tags)

    def sizes(self) -> tuple[float, float]:
        """Volume (µm³) and membrane area (µm²) of the mesh itself, before they are scaled to the geometry's."""
        x = ufl.SpatialCoordinate(self.mesh)
        one = dolfinx.fem.Constant(self.mesh, 1.0)
        volume = compiled(one * self.weight(x) * ufl.dx(domain=self.mesh))
        membrane_weight = compiled(one * self.membrane_weight(x) * self.membrane_measure)
        return float(dolfinx.fem.assemble_scalar(volume)), float(dolfinx.fem.assemble_scalar(membrane_weight))


def _cells(volume: float, resolution: float, dimension: int = 3) -> float:
    """Cells of a mesh of a volume, or of what its symmetry leaves of it; infinite where they are too many to count."""
    along = float(volume ** (1 / 3)) / resolution
    return math.prod([along] * dimension) * {1: 1, 2: 2}.get(dimension, 6)


def _check_cells(expected: float, resolution: float) -> None:
    """Raise InputError for a mesh that does not fit into memory. resolution: µm."""
    what = f"resolution = {resolution * 1e3:g} nm gives about {expected:.1e} cells"
    check_memory(BYTES * expected, what, "take a larger one")


def build_domain(geometry: Geometry, cell: CellName, resolution: float) -> MeshDomain:
    """The built-in mesh of a geometry with cells of at most `resolution` (µm).

    "interval" and "triangle" use the symmetry of round geometries: shells around the axis or the centre (a cylinder
    must not have caps), and a half plane through the axis. "hexahedron" takes the cells of the lattice of this spacing.
    Raises InputError for a cell that the geometry does not allow, and for too many of them.
    """
    if cell in ("interval", "triangle") and (geometry.shape == "box" or (cell == "interval" and geometry.caps)):
        what = "a box" if geometry.shape == "box" else "a cylinder with caps"
        known = '"triangle" or ' if geometry.shape != "box" else ""
        raise InputError(f'{what} is not symmetric enough for cells = "{cell}"; use {known}"tetrahedron"')
    dimension = {"interval": 1, "triangle": 2}.get(cell, 3)
    expected = _cells(geometry.volume, resolution, dimension)
    _check_cells(expected, resolution)
    if cell == "interval":
        return _shells(geometry, resolution)
    if cell == "triangle":
        return _half_plane(geometry, resolution)
    if cell == "hexahedron":
        return _voxels(geometry, resolution)
    mesh = make_mesh(*lattice_points.solid(geometry, resolution), cell)
    return MeshDomain(mesh, _without_ends(geometry, mesh, 2))


def build_surface_domain(surface: Surface, resolution: float | None) -> MeshDomain:
    """The mesh of what a surface encloses; all of it is membrane but the region `opening`. See `mesh_of_surface`."""
    if resolution is not None and surface.tetrahedra is None:
        _check_cells(_cells(surface.volume, resolution), resolution)
    mesh, regions = mesh_of_surface(surface, resolution)
    check_mesh(mesh, "")
    opening = regions.pop(OPENING, None)
    membrane = np.sort(np.concatenate([*regions.values(), np.empty(0, dtype=np.int32)]))
    return MeshDomain(mesh, membrane, neck_opening=opening, from_file=True, regions=regions)


@dataclass(frozen=True)
class HeadWithNeck:
    """A head (cylinder) on a neck that ends in an opening; lengths in µm, the opening at z = 0."""

    head: Geometry
    diameter: float
    length: float

    @functools.cached_property
    def geometry(self) -> Geometry:
        """Head and neck as one, as NEURON's segments of both make it."""
        return Geometry.joined([Geometry.cylinder(self.diameter, self.length), self.head])

    @classmethod
    def within(cls, whole: Geometry, diameter: float, length: float) -> HeadWithNeck:
        """Head and neck of a site that holds a neck of this size. Raises InputError if nothing is left for a head."""
        if whole.shape != "cylinder" or whole.caps:
            what = "a cylinder with caps" if whole.caps else f"a {whole.shape}"
            raise InputError(f"neck: it is part of a cylinder, the segments of head and neck; this is {what}")
        volume = whole.volume - math.pi * diameter**2 / 4 * length
        tall = whole.size[1] - length
        across = 2 * math.sqrt(max(volume, 0.0) / math.pi / tall) if tall > 0 else 0.0
        if across <= diameter:
            raise InputError(
                f"neck: the site holds {whole.volume:.4g} um^3 along {whole.size[1]:.4g} um, head and neck; a neck of "
                f"{diameter:g} x {length:g} um leaves no head that is wider: name the segments of both, or give head"
            )
        return cls(Geometry.cylinder(across, tall), diameter, length)


def build_spine_domain(spine: HeadWithNeck, resolution: float) -> MeshDomain:
    """The built-in mesh of a head with its neck: tetrahedra whose sides are membrane, whose lower end is the opening.

    Raises InputError for a neck that is too wide and for too many cells.
    """
    _check_cells(_cells(spine.geometry.volume, resolution), resolution)
    mesh = make_mesh(*spine_mesh.spine_points(spine.head, spine.diameter, spine.length, resolution), "tetrahedron")
    facets = exterior_facets(mesh)
    corners = mesh.geometry.x[dolfinx.mesh.entities_to_geometry(mesh, 2, facets)]
    level = np.ptp(corners[:, :, 2], axis=1) < 1e-9 * spine.length
    neck_opening = level & (corners[:, 0, 2] < spine.length / 2)
    return MeshDomain(mesh, facets[~level], neck_opening=facets[neck_opening])


def _shells(geometry: Geometry, resolution: float) -> MeshDomain:
    radius = geometry.size[0] / 2
    mesh = make_mesh(*lattice_points.interval(radius, resolution), "interval")
    outer = dolfinx.mesh.locate_entities_boundary(mesh, 0, lambda x: x[0] > radius / 2)

    def shell(x: Any) -> Any:
        if geometry.shape == "sphere":
            return 4 * math.pi * x[0] ** 2
        return 2 * math.pi * x[0] * geometry.size[1]

    return MeshDomain(mesh, outer, shell, shell)


def _half_plane(geometry: Geometry, resolution: float) -> MeshDomain:
    mesh = make_mesh(*lattice_points.half_plane(geometry, resolution), "triangle")

    def ring(x: Any) -> Any:
        return 2 * math.pi * x[0]

    facets = _without_ends(geometry, mesh, 1)
    middle = dolfinx.mesh.compute_midpoints(mesh, 1, facets)
    return MeshDomain(mesh, facets[middle[:, 0] > 1e-9 * geometry.size[0]], ring, ring)


def _voxels(geometry: Geometry, resolution: float) -> MeshDomain:
    mask = mask_of(geometry, resolution)
    points, cells = lattice_points.voxels(mask.shape, mask.cells, resolution, mask.origin)
    mesh = make_mesh(points, cells, "hexahedron")
    facets = exterior_facets(mesh)
    middle = dolfinx.mesh.compute_midpoints(mesh, 2, facets)
    wanted = {tuple(p) for p in np.rint(2 * (mask.face_positions(mask.slots) - mask.origin) / resolution).tolist()}
    chosen = [tuple(p) in wanted for p in np.rint(2 * (middle - mask.origin) / resolution).tolist()]
    return MeshDomain(mesh, facets[chosen])


def _without_ends(geometry: Geometry, mesh: Any, axis: int) -> npt.NDArray[np.int32]:
    """Facets outside, less the ends of a cylinder without caps."""
    facets = exterior_facets(mesh)
    if geometry.shape != "cylinder" or geometry.caps:
        return facets
    middle = dolfinx.mesh.compute_midpoints(mesh, mesh.topology.dim - 1, facets)
    return np.asarray(facets[abs(middle[:, axis]) < geometry.size[1] / 2 * (1 - 1e-9)])


def read_domain(file: Path, geometry: Geometry, unit: float) -> MeshDomain:
    """A gmsh file as the mesh of a site; its coordinates are in `unit` µm.

    A physical surface named "membrane" is the membrane; without one all of the surface is, but for one named "opening",
    through which a neck opens. The conductance of a link is that between the mean of a site and what lies beyond: a
    neck that is part of the mesh must not be in it again.
    Raises InputError for a file that cannot be read, is no volume mesh, is broken, or does not fit the geometry.
    """
    mesh, membrane, neck_opening = read_gmsh(file, unit)
    check_mesh(mesh, str(file))
    facets = exterior_facets(mesh) if membrane is None else membrane
    if membrane is None and neck_opening is not None:
        facets = np.setdiff1d(facets, neck_opening)
    domain = MeshDomain(mesh, facets, neck_opening=neck_opening, from_file=True)
    check_size(domain.sizes()[0], geometry, str(file))
    return domain


def check_mesh(mesh: Any, where: str) -> None:
    """Raises InputError for cells that are inverted or flat, and for a mesh in several pieces."""
    nodes = nodes_of(mesh)
    corners = mesh.geometry.x[nodes[:, : mesh.topology.dim + 1]]
    edges = corners[:, 1:] - corners[:, :1]
    signed = np.linalg.det(edges[:, :, : mesh.topology.dim])
    flat = abs(signed) <= 1e-9 * np.median(abs(signed))
    if flat.any():
        at = corners[np.argmax(flat)].mean(axis=0)
        raise InputError(
            f"{int(flat.sum())} of {len(signed)} cells are flat (one near {_point(at)} um): mesh it again", where=where
        )
    inverted = min((signed < 0).sum(), (signed > 0).sum())
    if inverted:
        few = signed < 0 if (signed < 0).sum() == inverted else signed > 0
        at = corners[np.argmax(few)].mean(axis=0)
        raise InputError(
            f"{inverted} of {len(signed)} cells are inverted (one near {_point(at)} um): mesh it again", where=where
        )
    first = np.repeat(nodes[:, 0], nodes.shape[1])
    graph = coo_array((np.ones(first.size), (first, nodes.ravel())), shape=(len(mesh.geometry.x),) * 2)
    used = np.zeros(len(mesh.geometry.x), dtype=bool)
    used[nodes] = True
    pieces = len(np.unique(connected_components(graph, directed=False)[1][used]))
    if pieces > 1:
        raise InputError(
            f"the mesh is in {pieces} pieces that nothing can cross between: join them, or make each a site",
            where=where,
        )


def check_size(volume: float, geometry: Geometry, where: str) -> None:
    """Raises InputError if a mesh of `volume` µm³ cannot be meant for this geometry: a wrong unit, another part."""
    factor = (volume / geometry.volume) ** (1 / 3)
    if 1 / FAR_OFF <= factor <= FAR_OFF:
        return
    units = {1e3: "nm", 1e-3: "mm", 1e-6: "m", 1e4: "angstrom", 1e-4: "cm"}
    unit = next((u for f, u in units.items() if 1 / FAR_OFF <= factor / f <= FAR_OFF), None)
    hint = (
        f'it looks like {unit}: give mesh_unit = "{unit}"' if unit else "give mesh_unit, or the geometry of this mesh"
    )
    raise InputError(
        f"the mesh holds {volume:.4g} um^3, the site {geometry.volume:.4g} um^3: {factor:.3g} times its size; {hint}",
        where=where,
    )


def _point(x: Floats) -> str:
    return "(" + ", ".join(f"{c:.4g}" for c in x) + ")"
