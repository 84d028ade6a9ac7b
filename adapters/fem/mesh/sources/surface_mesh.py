"""Tetrahedra in a surface of triangles: those of its file, or those that gmsh makes without touching the surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.fem.mesh.library.dolfinx_import import dolfinx
from adapters.fem.mesh.library.gmsh_library import gmsh_library
from adapters.fem.mesh.sources.build import exterior_facets, make_mesh
from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.geometry.surface.surface import Surface

Facets = npt.NDArray[np.int32]


def mesh_of_surface(surface: Surface, resolution: float | None) -> tuple[Any, dict[str, Facets]]:
    """A DOLFINx mesh of what a surface encloses, and region → facets of its outer surface.

    resolution: largest edge inside, µm; none: that of the triangles. A file's own tetrahedra stay as they are.
    Raises InputError if gmsh finds no tetrahedra, and MissingDependencyError.
    """
    points, cells = _filled(surface, resolution) if surface.tetrahedra is None else (surface.points, surface.tetrahedra)
    used, rows = np.unique(cells, return_inverse=True)
    mesh = make_mesh(points[used], rows.reshape(-1, 4), "tetrahedron")
    facets = exterior_facets(mesh)
    mesh.topology.create_connectivity(2, 3)
    at = dolfinx.mesh.entities_to_geometry(mesh, 2, facets)
    corners = used[np.asarray(mesh.geometry.input_global_indices)[at]]
    region = {tuple(sorted(t)): r for t, r in zip(surface.triangles.tolist(), surface.region.tolist(), strict=True)}
    try:
        number = np.array([region[tuple(sorted(t))] for t in corners.tolist()])
    except KeyError:
        raise InputError("the tetrahedra do not end at the triangles of the mesh: mesh it again") from None
    return mesh, {name: facets[number == k] for k, name in enumerate(surface.regions) if (number == k).any()}


def _filled(surface: Surface, resolution: float | None) -> tuple[Floats, Ints]:
    """Points, of which the first are the surface's, and tetrahedra by gmsh (one thread: the same ones every time)."""
    with gmsh_library("tetrahedra in a surface need") as gmsh:
        gmsh.option.setNumber("General.NumThreads", 1)
        if resolution is not None:
            gmsh.option.setNumber("Mesh.MeshSizeMax", resolution)
        gmsh.model.add("surface")
        shell = gmsh.model.addDiscreteEntity(2)
        n = len(surface.points)
        gmsh.model.mesh.addNodes(2, shell, np.arange(1, n + 1), surface.points.ravel())
        triangles = (surface.triangles + 1).ravel()
        gmsh.model.mesh.addElementsByType(shell, 2, np.arange(1, len(surface.triangles) + 1), triangles)
        gmsh.model.geo.addVolume([gmsh.model.geo.addSurfaceLoop([shell])])
        gmsh.model.geo.synchronize()
        try:
            gmsh.model.mesh.generate(3)
        except Exception as error:
            raise InputError(f"gmsh finds no tetrahedra in the mesh: {str(error).strip()}") from error
        tags, xyz, _ = gmsh.model.mesh.getNodes()
        cells = np.asarray(gmsh.model.mesh.getElementsByType(4)[1], dtype=np.int64).reshape(-1, 4)
        if not len(cells):
            raise InputError("gmsh finds no tetrahedra in the mesh")
        points = np.zeros((int(tags.max()), 3))
        points[np.asarray(tags, dtype=np.int64) - 1] = np.asarray(xyz).reshape(-1, 3)
        points[:n] = surface.points
        return points, cells - 1
