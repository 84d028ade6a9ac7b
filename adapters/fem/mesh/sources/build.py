"""DOLFINx meshes from points and cells, and what is asked of any mesh."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from adapters.fem.mesh.library.dolfinx_import import MPI, basix, dolfinx, ufl
from couple.base.arrays import Floats

CellName = Literal["interval", "triangle", "tetrahedron", "hexahedron"]


def make_mesh(points: Floats, cells: npt.NDArray[np.int64], cell: CellName) -> Any:
    """A DOLFINx mesh of straight cells on this process alone; lines may branch."""
    element = basix.ufl.element("Lagrange", cell, 1, shape=(points.shape[1],), dtype=np.float64)
    return dolfinx.mesh.create_mesh(MPI.COMM_SELF, cells, ufl.Mesh(element), np.ascontiguousarray(points))


def exterior_facets(mesh: Any) -> npt.NDArray[np.int32]:
    """(n,) facets of the outer surface."""
    mesh.topology.create_connectivity(mesh.topology.dim - 1, mesh.topology.dim)
    return np.asarray(dolfinx.mesh.exterior_facet_indices(mesh.topology), dtype=np.int32)


def nodes_of(mesh: Any) -> npt.NDArray[np.int32]:
    """(n_cells, n) rows of `mesh.geometry.x` of each cell (DOLFINx 0.10 has a method, 0.11 a list)."""
    maps = mesh.geometry.dofmaps
    return np.asarray(maps(0) if callable(maps) else maps[0])
