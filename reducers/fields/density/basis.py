"""What the learning of fields needs of finite elements; `adapters.fem` implements it on DOLFINx meshes.

A field is ν(x) = Σ_j ν_j φ_j(x) with piecewise linear φ_j, and stands for an intensity of particles λ = e^{-ν}. All
integrals of e^{-ν} use one quadrature, so that what is conserved is what the likelihood normalises with.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from couple.base.arrays import Floats, Integers

FormName = Literal["entropy", "plain"]


class SparseFactors(Protocol):
    """LU factors of one sparse matrix; they stay until new values come."""

    def factorise(self, values: Floats) -> bool:
        """values: (nnz,) in the pattern. False if the matrix is singular or has a value that is no number."""

    def solve(self, right: Floats) -> Floats:
        """(n,) A⁻¹ b for b (n,)."""

    def solve_transposed(self, right: Floats) -> Floats:
        """(n,) A⁻ᵀ b for b (n,)."""


class WeakForm(Protocol):
    """dν/dt = f0 + f1 |∇ν|² + f2 Δν, tested with φ_j: d/dt w_j(ν) = G_j(ν, f), zero slope of ν at the boundary.

    "entropy": w_j = ∫e^{-ν}φ_j, the law multiplied with -e^{-ν}; Σ_j G_j = 0 to rounding where f0 = 0 and f1 = -f2 are
    constant, so that the number of particles ∫e^{-ν} is conserved. "plain": w_j = ∫νφ_j.
    f: (3, N) at the nodes, interpolated, or (3,) constants; G is linear in it. edge: (N,) slope ∂ν/∂n at the boundary,
    None for zero. Values of matrices are (nnz,) in the pattern of the basis.
    """

    def weights(self, nu: Floats) -> Floats:
        """(N,) w(ν): ∫e^{-ν}φ_j or ∫νφ_j."""

    def weight_slopes(self, nu: Floats) -> Any:
        """(N, N) ∂w/∂ν, symmetric."""

    def residual(self, nu: Floats, f: Floats, c: float, edge: Floats | None = None) -> Floats:
        """(N,) w(ν) - c G(ν, f)."""

    def slopes(self, nu: Floats, f: Floats, c: float, edge: Floats | None = None) -> Floats:
        """(nnz,) ∂/∂ν of `residual` at constant f."""

    def rates(self, nu: Floats, f: Floats, edge: Floats | None = None) -> Floats:
        """(N,) G(ν, f)."""

    def products(self, nu: Floats, mu: Floats, edge: Floats | None = None) -> Floats:
        """(3, N) Σ_i μ_i ∂G_i/∂f_{g,j}: the adjoint products."""

    def parts(self, nu: Floats, edge: Floats | None = None) -> Floats:
        """(3, nnz) ∂G_i/∂f_{g,j}."""


class FieldBasis(Protocol):
    """Piecewise linear functions on a mesh.

    size: N. dimension: of the space. places: (N, d) of the nodes. measure: length, area or volume of the mesh.
    start (N + 1,), column (nnz,): the pattern, in compressed rows, of all matrices; `mass` ∫φφ and `stiffness` ∫∇φ·∇φ
    are sparse matrices of it. cells: (n, d + 1) nodes of the simplices.
    """

    size: int
    dimension: int
    places: Floats
    measure: float
    start: Integers
    column: Integers
    mass: Any
    stiffness: Any
    cells: Integers

    def load(self, points: Floats) -> Any:
        """(n, N) sparse values φ_j(x_i). Raises InputError for points (n, d) outside of the mesh."""

    def quadrature(self) -> tuple[Floats, Floats, Any]:
        """Points (q, d), their measures (q,) and φ_j there (q, N), for any integral over the mesh."""

    def weights(self, nu: Floats) -> Floats:
        """(N,) ∫e^{-ν}φ_j; the sum is ∫e^{-ν}."""

    def weighted_mass(self, nu: Floats) -> Any:
        """(N, N) sparse ∫e^{-ν}φ_iφ_j."""

    def squares(self, nu: Floats) -> Floats:
        """(N,) ∫|∇ν|²φ_j."""

    def form(self, name: FormName) -> WeakForm:
        """One of the weak forms, compiled on first use."""

    def factors(self, start: Integers, column: Integers) -> SparseFactors:
        """Room for the factors of matrices of a pattern."""
