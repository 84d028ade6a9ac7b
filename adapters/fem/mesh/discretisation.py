"""Mass and stiffness of a mesh as sparse matrices, scaled to the geometry of the site.

What the engines need of finite elements is in four matrices, made once: a reaction at a node is a number, its weak
form the mass matrix times the numbers at all nodes. This is the product approximation, f(u_h) replaced by its
interpolant: of the order of the elements, conservative to rounding, and its Jacobian is exact.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array

from adapters.fem.mesh.domain import MeshDomain
from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.geometry.geometry import Geometry


class Matrices(Protocol):
    """The matrices of a mesh that steps are made with, whole (`Discretisation`) or of a part of it.

    N: nodes, G of them on the membrane.
    """

    @property
    def mass(self) -> Any:
        """(N, N) sparse, ∫φφ over the volume, µm³."""

    @property
    def stiffness(self) -> Any:
        """(N, N) sparse, ∫∇φ·∇φ over the volume, µm."""

    @property
    def membrane_mass(self) -> Any:
        """(G, G) sparse, ∫φφ over the membrane, µm²."""

    @property
    def membrane_stiffness(self) -> Any:
        """(G, G) sparse, ∫∇φ·∇φ over the membrane with tangential gradients."""

    @property
    def nodes(self) -> npt.NDArray[np.int64]:
        """(G,) nodes of the volume that are on the membrane."""

    @property
    def places(self) -> Floats:
        """(N, gdim) positions of the nodes, µm."""

    @property
    def volumes(self) -> Floats:
        """(N,) volume that each node stands for, µm³."""

    @property
    def areas(self) -> Floats:
        """(G,) membrane that each node stands for, µm²."""

    @property
    def line(self) -> bool:
        """Whether the mesh is a line."""


@dataclass(frozen=True, eq=False)
class Discretisation:
    """Lagrange elements on a domain.

    The volume and area of a mesh are not quite those of the geometry (a polygon in a circle; a mesh from a file).
    Volume measures are multiplied with V / V_mesh and membrane measures with A / A_mesh: counts, concentrations and
    what crosses the membrane are then right, and what is left of the mismatch is of the order of the boundary's
    approximation (2 for straight facets).

    mass, stiffness: (N, N) ∫φφ and ∫∇φ·∇φ over the volume. membrane_mass, membrane_stiffness: (G, G) over the membrane,
    with tangential gradients. nodes: (G,) nodes of the volume on the membrane. places: (N, gdim) of the nodes, µm.
    off: volume of the mesh over that of the geometry, less 1. scale: the inverse, what measures were multiplied with.
    """

    domain: MeshDomain
    space: Any
    mass: Any
    stiffness: Any
    membrane_mass: Any
    membrane_stiffness: Any
    nodes: npt.NDArray[np.int64]
    places: Floats
    off: float
    scale: float

    @property
    def line(self) -> bool:
        """Whether the mesh is one."""
        return bool(self.domain.mesh.topology.dim == 1)

    @functools.cached_property
    def volumes(self) -> Floats:
        """(N,) volume that each node stands for: a count is volumes @ concentration."""
        return np.asarray(self.mass.sum(axis=0)).ravel()

    @functools.cached_property
    def areas(self) -> Floats:
        """(G,) membrane that each node stands for."""
        return np.asarray(self.membrane_mass.sum(axis=0)).ravel()

    def areas_of(self, region: str) -> Floats:
        """(G,) membrane of a region that each node stands for, of all membrane for "". Raises InputError for none."""
        if not region:
            return self.areas
        if region not in self.domain.regions:
            raise InputError(f'the mesh has no region "{region}"; {nearest(region, list(self.domain.regions))}')
        return self._region_areas[region]

    @functools.cached_property
    def _region_areas(self) -> dict[str, Floats]:
        mesh, found = self.domain.mesh, {}
        for name, facets in self.domain.regions.items():
            ones = np.ones(len(facets), np.int32)
            tags = dolfinx.mesh.meshtags(mesh, mesh.topology.dim - 1, np.sort(facets), ones)
            form = ufl.TestFunction(self.space) * ufl.ds(1, domain=mesh, subdomain_data=tags)
            found[name] = np.asarray(dolfinx.fem.assemble_vector(compiled(form)).array[self.nodes])
        return found

    def cell_measures(self) -> Floats:
        """(n_cells,) volume that each cell stands for."""
        space = dolfinx.fem.functionspace(self.domain.mesh, ("DG", 0))
        x = ufl.SpatialCoordinate(self.domain.mesh)
        form = ufl.TestFunction(space) * self.domain.weight(x) * ufl.dx(domain=self.domain.mesh)
        found = dolfinx.fem.assemble_vector(compiled(form)).array
        return np.asarray(found[space.dofmap.list[:, 0]] * self.scale)

    @functools.cached_property
    def function(self) -> Callable[[Floats], Any]:
        """Values at the nodes → a DOLFINx function, for plots and error norms."""

        def make(values: Floats) -> Any:
            made = dolfinx.fem.Function(self.space)
            made.x.array[:] = values
            return made

        return make


def discretise(domain: MeshDomain, geometry: Geometry, degree: int = 1, *, lumped: bool = False) -> Discretisation:
    """The matrices of elements of `degree`; `lumped` (degree 1) moves the mass to the diagonal.

    Raises InputError if forms cannot be compiled, or the geometry has a membrane where the mesh has none.
    """
    mesh = domain.mesh
    space = dolfinx.fem.functionspace(mesh, ("Lagrange", degree))
    u, v, x = ufl.TrialFunction(space), ufl.TestFunction(space), ufl.SpatialCoordinate(mesh)
    dx, along = ufl.dx(domain=mesh), domain.membrane_measure
    volume, area = domain.sizes()
    if geometry.area > 0 and not area > 0:
        raise InputError("the mesh has no membrane, the geometry has: name a physical surface `membrane`")
    scale, membrane_scale = geometry.volume / volume, geometry.area / area if area > 0 else 0.0
    mass = _matrix(u * v * domain.weight(x) * dx) * scale
    stiffness = _matrix(ufl.inner(ufl.grad(u), ufl.grad(v)) * domain.weight(x) * dx) * scale
    membrane = _matrix(u * v * domain.membrane_weight(x) * along) * membrane_scale
    everywhere = domain.membrane is None  # of a line
    nodes = np.arange(membrane.shape[0]) if everywhere else np.flatnonzero(abs(membrane).sum(axis=1) > 0)
    membrane_mass = _membrane_block(membrane, nodes)
    if domain.membrane is not None and mesh.topology.dim == 1:
        membrane_stiffness = 0.0 * membrane_mass  # a shell is the same all around
    else:
        slopes = [ufl.grad(f) for f in (u, v)]
        if domain.membrane is not None:
            normal = ufl.FacetNormal(mesh)
            slopes = [g - ufl.dot(g, normal) * normal for g in slopes]
        membrane_stiffness = _membrane_block(
            _matrix(ufl.inner(*slopes) * domain.membrane_weight(x) * along) * membrane_scale, nodes
        )
    if lumped:
        mass = csr_array(diags_array(np.asarray(mass.sum(axis=0)).ravel()))
        membrane_mass = csr_array(diags_array(np.asarray(membrane_mass.sum(axis=0)).ravel()))
    places = space.tabulate_dof_coordinates()[:, : mesh.geometry.dim].copy()
    return Discretisation(
        domain, space, mass, stiffness, membrane_mass, membrane_stiffness, nodes.astype(np.int64), places,
        volume / geometry.volume - 1, scale,
    )  # fmt: skip


def _matrix(form: Any) -> Any:
    made = csr_array(dolfinx.fem.assemble_matrix(compiled(form)).to_scipy(), dtype=np.float64)
    made.sum_duplicates()
    return made


def _membrane_block(matrix: Any, nodes: npt.NDArray[np.intp]) -> Any:
    """Rows and columns of the nodes on the membrane."""
    made = csr_array(matrix[nodes][:, nodes])
    made.eliminate_zeros()
    made.sort_indices()
    return made
