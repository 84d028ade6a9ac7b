"""Piecewise linear fields on DOLFINx meshes for the reducers: forms in UFL, assembled in place, factored by PETSc."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from adapters.fem.field_basis.measures import QUADRATURE, Measures, sparse_matrix
from adapters.fem.field_basis.weak_forms import FORMS, Assembled, Entropy, Plain
from adapters.fem.mesh.domain import unit_weight
from adapters.fem.mesh.library.dolfinx_import import basix, dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled, compiled_expression
from adapters.fem.solver.petsc_lu import PetscLU
from couple.base.arrays import Floats, Integers
from couple.base.errors import InputError


class TransposableLU(PetscLU):
    """LU of a matrix of a fixed pattern."""

    def factorise(self, values: Floats | None = None) -> bool:
        """Whether the matrix, of new `values` (nnz,) if they are given, could be factored."""
        if values is not None:
            self.values[:] = values
        return super().factorise()

    def solve(self, x: Floats) -> Floats:  # type: ignore[override]
        """A⁻¹ x, (N,); x stays."""
        self._right.array_w[:] = x
        self._factors.apply(self._right, self._left)
        return np.array(self._left.array_r)

    def solve_transposed(self, x: Floats) -> Floats:
        """A⁻ᵀ x."""
        self._right.array_w[:] = x
        self._factors.applyTranspose(self._right, self._left)
        return np.array(self._left.array_r)


class MeshBasis:
    """`reducers.fields.density.basis.FieldBasis` on a mesh of intervals, triangles or tetrahedra.

    weight: of coordinates (UFL) → measure per unit of mesh, such as the section of a branch.
    Raises InputError for cells of another kind, and for meshes that are flat somewhere or in pieces.
    """

    def __init__(self, mesh: Any, weight: Callable[[Any], Any] = unit_weight, where: str = "mesh") -> None:
        kind = mesh.basix_cell().name
        if kind not in ("interval", "triangle", "tetrahedron"):
            raise InputError(f"fields need intervals, triangles or tetrahedra, not a {kind}", where=where)
        self.mesh, self.weight = mesh, weight
        self.dimension = int(mesh.geometry.dim)
        self.measures = Measures.of(mesh, weight)
        self.space = self.measures.space
        self.places: Floats = self.space.tabulate_dof_coordinates()[:, : self.dimension].copy()
        self.size = len(self.places)
        self.cells: Integers = np.array(self.space.dofmap.list)
        _check(self.places[self.cells], self.cells, where)
        self._forms: dict[str, Entropy | Plain] = {}
        u, v = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        mass = self.measures.mass_form()
        self._pattern = dolfinx.fem.create_matrix(mass)
        self.start: Integers = self._pattern.indptr.astype(np.int32)
        self.column: Integers = self._pattern.indices
        self.mass = self.matrix(self._values(mass))
        self.stiffness = self.matrix(self._values(compiled(self.measures.over(ufl.inner(ufl.grad(u), ufl.grad(v))))))
        self.measure = float(self.mass.sum())

    def matrix(self, values: Floats) -> Any:
        """The (N, N) sparse matrix with `values` (nnz,) in the pattern of the basis."""
        return sparse_matrix(self._pattern, values)

    def _values(self, form: Any) -> Floats:
        self._pattern.set_value(0.0)
        dolfinx.fem.assemble_matrix(self._pattern, form)
        return np.array(self._pattern.data)

    # -- points --------------------------------------------------------------------------------------------------

    def load(self, points: Floats, snap: float = 0.0) -> Any:
        """See FieldBasis. snap: points up to this far outside (a polygon in a circle) count as on the boundary."""
        x = np.asarray(points, dtype=float).reshape(len(points), -1)
        if x.shape[1] != self.dimension or not np.isfinite(x).all():
            raise InputError(f"needs finite points of {self.dimension} coordinates, not an array of {np.shape(points)}")
        if not len(x):
            return csr_array((0, self.size))
        cell, distance = self._cells_of(x)
        reach = snap + 1e-9 * self.measure ** (1 / self.mesh.topology.dim)
        if (distance > reach).any():
            worst = int(np.argmax(distance))
            at = ", ".join(f"{c:.4g}" for c in x[worst])
            raise InputError(
                f"{int((distance > reach).sum())} of {len(x)} particles lie outside of the mesh, one at ({at}) by "
                f"{distance[worst]:.3g}: check units and origin, or take a mesh that holds them"
            )
        rows = np.repeat(np.arange(len(x)), self.cells.shape[1])
        values = self._barycentric(x, cell)
        return csr_array((values.ravel(), (rows, self.cells[cell].ravel())), shape=(len(x), self.size))

    def _cells_of(self, x: Floats) -> tuple[Integers, Floats]:
        """The cell of each point, or the nearest one, and how far outside of it the point is."""
        padded = np.zeros((len(x), 3))
        padded[:, : self.dimension] = x
        tree = self._tree
        met = dolfinx.geometry.compute_collisions_points(tree, padded)
        inside = dolfinx.geometry.compute_colliding_cells(self.mesh, met, padded)
        first, found = np.asarray(inside.offsets), np.asarray(inside.array)
        known = first[1:] > first[:-1]
        cell = np.zeros(len(x), dtype=np.int32)
        cell[known] = found[first[:-1][known]]
        distance = np.zeros(len(x))
        if not known.all():
            lost = padded[~known]
            cell[~known] = dolfinx.geometry.compute_closest_entity(tree, self._midpoints, self.mesh, lost)
            squared = dolfinx.geometry.squared_distance(self.mesh, self.mesh.topology.dim, cell[~known], lost)
            distance[~known] = np.sqrt(np.maximum(squared, 0.0))
        return cell, distance

    @functools.cached_property
    def _tree(self) -> Any:
        return dolfinx.geometry.bb_tree(self.mesh, self.mesh.topology.dim)

    @functools.cached_property
    def _midpoints(self) -> Any:
        every = np.arange(self.mesh.topology.index_map(self.mesh.topology.dim).size_local, dtype=np.int32)
        return dolfinx.geometry.create_midpoint_tree(self.mesh, self.mesh.topology.dim, every)

    def _barycentric(self, x: Floats, cell: Integers) -> Floats:
        """(n, d + 1) coordinates of each point in its cell, moved into it where they are not inside."""
        corners = self.places[self.cells[cell]]
        edges = corners[:, 1:] - corners[:, :1]
        along = np.einsum("nij,nj->ni", np.linalg.pinv(edges.transpose(0, 2, 1)), x - corners[:, 0])
        values = np.concatenate([1 - along.sum(axis=1, keepdims=True), along], axis=1)
        values = np.maximum(values, 0.0)
        return np.asarray(values / values.sum(axis=1, keepdims=True))

    def quadrature(self) -> tuple[Floats, Floats, Any]:
        """See FieldBasis."""
        kind = getattr(basix.CellType, self.mesh.basix_cell().name)
        points, measures = basix.make_quadrature(kind, QUADRATURE)
        shapes = np.column_stack([1 - points.sum(axis=1), points])
        corners = self.places[self.cells]
        size = _sizes(corners)
        values = np.tile(shapes, (len(self.cells), 1))
        columns = np.repeat(self.cells, len(points), axis=0)
        rows = np.repeat(np.arange(len(values)), columns.shape[1])
        phi = csr_array((values.ravel(), (rows, columns.ravel())), shape=(len(values), self.size))
        places = np.einsum("qi,cid->cqd", shapes, corners).reshape(-1, self.dimension)
        per_node = self._density()
        return places, (size[:, None] * measures).ravel() * (phi @ per_node), phi

    def _density(self) -> Floats:
        """(N,) the weight at the nodes."""
        x = ufl.SpatialCoordinate(self.mesh)
        made = dolfinx.fem.Function(self.space)
        weight = self.weight(x)
        if isinstance(weight, float | int):
            return np.full(self.size, float(weight))
        made.interpolate(compiled_expression(weight, self.space.element.interpolation_points))
        return np.array(made.x.array)

    # -- integrals ------------------------------------------------------------------------------------------------

    def weights(self, nu: Floats) -> Floats:
        """See FieldBasis."""
        return self.form("entropy").weights(nu)

    def weighted_mass(self, nu: Floats) -> Any:
        """See FieldBasis."""
        made = self.form("entropy").weight_slopes(nu)
        made.data *= -1.0
        return made

    def squares(self, nu: Floats) -> Floats:
        """See FieldBasis."""
        return self._squares(nu)

    @functools.cached_property
    def _squares(self) -> Assembled:
        field, v = dolfinx.fem.Function(self.space), ufl.TestFunction(self.space)
        return Assembled(self.measures.over(ufl.dot(ufl.grad(field), ufl.grad(field)) * v), (field,))

    def form(self, name: str) -> Entropy | Plain:
        """See FieldBasis."""
        if name not in self._forms:
            self._forms[name] = FORMS[name](self.measures)
        return self._forms[name]

    def factors(self, start: Integers, column: Integers) -> TransposableLU:
        """See FieldBasis."""
        return TransposableLU(start.astype(np.int32), column.astype(np.int32))


def _sizes(corners: Floats) -> Floats:
    """(n,) measures of simplices (n, k + 1, d), in units of the reference simplex."""
    edges = corners[:, 1:] - corners[:, :1]
    return np.asarray(np.sqrt(np.maximum(np.linalg.det(edges @ edges.transpose(0, 2, 1)), 0.0)))


def _check(corners: Floats, cells: Integers, where: str) -> None:
    """Raises InputError for flat cells and for a mesh in pieces. (Orientation means nothing to DOLFINx.)"""
    sizes = _sizes(corners)
    flat = sizes <= 1e-9 * np.median(sizes)
    if flat.any() or not np.isfinite(corners).all():
        at = ", ".join(f"{c:.4g}" for c in corners[np.argmax(flat)].mean(axis=0))
        raise InputError(
            f"{int(flat.sum())} of {len(cells)} cells are flat (one near ({at})): mesh it again", where=where
        )
    first = np.repeat(cells[:, 0], cells.shape[1])
    graph = coo_array((np.ones(first.size), (first, cells.ravel())), shape=(cells.max() + 1,) * 2)
    pieces = len(np.unique(connected_components(graph, directed=False)[1][np.unique(cells)]))
    if pieces > 1:
        raise InputError(f"the mesh is in {pieces} pieces: join them, or learn a field on each", where=where)
