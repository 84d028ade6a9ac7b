"""Where forms are integrated: the space of a field with the measures of its mesh and of the boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled
from couple.base.arrays import Floats

QUADRATURE = 4
"""Degree of the rule for e^{-ν}."""


@dataclass(frozen=True, eq=False)
class Measures:
    """A function space and what its forms are integrated over.

    space: DOLFINx, Lagrange elements of degree 1. weight: of coordinates (UFL) → measure per unit of mesh.
    dx, ds: UFL measures of the mesh and of its boundary.
    """

    space: Any
    weight: Callable[[Any], Any]
    dx: Any
    ds: Any

    @classmethod
    def of(cls, mesh: Any, weight: Callable[[Any], Any]) -> Self:
        """Piecewise linear functions on a DOLFINx mesh, integrated by a rule of degree `QUADRATURE`."""
        rule = {"quadrature_degree": QUADRATURE}
        space = dolfinx.fem.functionspace(mesh, ("Lagrange", 1))
        return cls(space, weight, ufl.dx(domain=mesh, metadata=rule), ufl.ds(domain=mesh, metadata=rule))

    @property
    def mesh(self) -> Any:
        """The DOLFINx mesh of the space."""
        return self.space.mesh

    def over(self, integrand: Any, *, edge: bool = False) -> Any:
        """∫ integrand, over the mesh or its boundary, as a form."""
        return integrand * self.weight(ufl.SpatialCoordinate(self.mesh)) * (self.ds if edge else self.dx)

    def mass_form(self) -> Any:
        """∫ u v, compiled: all matrices of the space have its sparsity pattern."""
        u, v = ufl.TrialFunction(self.space), ufl.TestFunction(self.space)
        return compiled(self.over(u * v))


def sparse_matrix(pattern: Any, values: Floats) -> Any:
    """The (N, N) sparse matrix with the pattern of a DOLFINx matrix and `values` (nnz,), copied."""
    start, size = pattern.indptr.astype(np.int32), len(pattern.indptr) - 1
    return csr_array((np.array(values), pattern.indices, start), shape=(size, size))
