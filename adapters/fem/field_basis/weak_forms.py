"""The weak forms of dν/dt = f0 + f1 |∇ν|² + f2 Δν in UFL; see `reducers.fields.density.basis.WeakForm`.

With test functions φ and after one integration by parts
    plain:   ∫ ∂ν/∂t φ     = ∫ f0 φ + f1 |∇ν|² φ - ∇(f2 φ)·∇ν  + ∮ f2 φ ∂ν/∂n
    entropy: ∫ ∂λ/∂t φ     = ∫ -λ (f0 + f1 |∇ν|²) φ + ∇(λ f2 φ)·∇ν  - ∮ λ f2 φ ∂ν/∂n,  λ = e^{-ν}, ∇λ = -λ∇ν,
so that the entropy form of diffusion (f1 = -f2 = -D) is ∫ D λ ∇ν·∇φ, whose sum over all φ is zero. ν = -ln λ is the
variable conjugate to the entropy ∫ λ ln λ, hence the name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from adapters.fem.field_basis.measures import Measures, sparse_matrix
from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled
from couple.base.arrays import Floats


class Assembled:
    """A form and the functions and constants it depends on; called with their values it is assembled.

    A linear form gives a vector, a bilinear one the values of `pattern`.
    """

    def __init__(self, form: Any, inputs: tuple[Any, ...], pattern: Any = None) -> None:
        self.form, self._pattern = compiled(form), pattern
        self._targets = [f.x.array if hasattr(f, "x") else f.value for f in inputs]
        self._size = 0 if pattern is not None else self.form.function_spaces[0].dofmap.index_map.size_local

    def __call__(self, *values: Any) -> Floats:
        for target, value in zip(self._targets, values, strict=True):
            target[...] = value
        if self._pattern is None:
            out = np.zeros(self._size)
            dolfinx.fem.assemble_vector(out, self.form)
            return out
        self._pattern.set_value(0.0)
        dolfinx.fem.assemble_matrix(self._pattern, self.form)
        return np.array(self._pattern.data)


class _Form(ABC):
    """What both forms share: variants for constant and for nodal f, with and without a slope at the boundary."""

    def __init__(self, measures: Measures) -> None:
        self.measures = measures
        space, mesh = measures.space, measures.mesh
        self.nu, self.mu, self.edge = (dolfinx.fem.Function(space) for _ in range(3))
        self.nodal = tuple(dolfinx.fem.Function(space) for _ in range(3))
        self.constant = tuple(dolfinx.fem.Constant(mesh, 0.0) for _ in range(3))
        self.c = dolfinx.fem.Constant(mesh, 1.0)
        self.v, self.u = ufl.TestFunction(space), ufl.TrialFunction(space)
        self._pattern = dolfinx.fem.create_matrix(measures.mass_form())
        self._made: dict[tuple[str, bool, bool], Assembled] = {}

    @abstractmethod
    def motion(self, f: tuple[Any, ...], v: Any, edge: bool) -> Any:
        """G tested with v."""

    @abstractmethod
    def weight(self, v: Any) -> Any:
        """w tested with v."""

    def weights(self, nu: Floats) -> Floats:
        """See reducers.fields.basis.WeakForm."""
        return self._get("weights", True, False)(nu)

    def weight_slopes(self, nu: Floats) -> Any:
        """See reducers.fields.basis.WeakForm."""
        return sparse_matrix(self._pattern, self._get("weight_slopes", True, False)(nu))

    def residual(self, nu: Floats, f: Floats, c: float, edge: Floats | None = None) -> Floats:
        """See reducers.fields.basis.WeakForm."""
        return self._get("residual", f.ndim == 1, edge is not None)(nu, *f, c, *_given(edge))

    def slopes(self, nu: Floats, f: Floats, c: float, edge: Floats | None = None) -> Floats:
        """See reducers.fields.basis.WeakForm."""
        return self._get("slopes", f.ndim == 1, edge is not None)(nu, *f, c, *_given(edge))

    def rates(self, nu: Floats, f: Floats, edge: Floats | None = None) -> Floats:
        """See reducers.fields.basis.WeakForm."""
        return self._get("rates", f.ndim == 1, edge is not None)(nu, *f, *_given(edge))

    def products(self, nu: Floats, mu: Floats, edge: Floats | None = None) -> Floats:
        """See reducers.fields.basis.WeakForm."""
        makers = [self._get(f"product{g}", True, edge is not None) for g in range(3)]
        return np.stack([make(nu, mu, *_given(edge)) for make in makers])

    def parts(self, nu: Floats, edge: Floats | None = None) -> Floats:
        """See reducers.fields.basis.WeakForm."""
        makers = [self._get(f"part{g}", True, edge is not None) for g in range(3)]
        return np.stack([make(nu, *_given(edge)) for make in makers])

    def _get(self, what: str, constant: bool, edge: bool) -> Assembled:
        key = (what, constant, edge)
        if key not in self._made:
            self._made[key] = self._make(what, constant, edge)
        return self._made[key]

    def _make(self, what: str, constant: bool, edge: bool) -> Assembled:
        f = self.constant if constant else self.nodal
        ends = (self.edge,) if edge else ()
        if what == "weights":
            return Assembled(self.weight(self.v), (self.nu,))
        if what == "weight_slopes":
            return Assembled(ufl.derivative(self.weight(self.v), self.nu, self.u), (self.nu,), self._pattern)
        if what == "rates":
            return Assembled(self.motion(f, self.v, edge), (self.nu, *f, *ends))
        if what[:-1] in ("product", "part"):
            product, g = what[:-1] == "product", int(what[-1])
            whole = self.motion(self.nodal, self.mu if product else self.v, edge)
            form = ufl.derivative(whole, self.nodal[g], self.v if product else self.u)
            inputs = (self.nu, self.mu) if product else (self.nu,)
            return Assembled(form, (*inputs, *ends), None if product else self._pattern)
        residual = self.weight(self.v) - self.c * self.motion(f, self.v, edge)
        if what == "residual":
            return Assembled(residual, (self.nu, *f, self.c, *ends))
        return Assembled(ufl.derivative(residual, self.nu, self.u), (self.nu, *f, self.c, *ends), self._pattern)


class Entropy(_Form):
    """w = ∫e^{-ν}φ."""

    def weight(self, v: Any) -> Any:
        """w tested with v."""
        return self.measures.over(ufl.exp(-self.nu) * v)

    def motion(self, f: tuple[Any, ...], v: Any, edge: bool) -> Any:
        """G tested with v, see the module."""
        slope, amount = ufl.grad(self.nu), ufl.exp(-self.nu)
        gain = f[2] * ufl.dot(slope, ufl.grad(v)) - f[0] * v - (f[1] + f[2]) * ufl.dot(slope, slope) * v
        gain += ufl.dot(ufl.grad(f[2]), slope) * v
        form = self.measures.over(amount * gain)
        if edge:
            form -= self.measures.over(amount * f[2] * v * self.edge, edge=True)
        return form


class Plain(_Form):
    """w = ∫νφ."""

    def weight(self, v: Any) -> Any:
        """w tested with v."""
        return self.measures.over(self.nu * v)

    def motion(self, f: tuple[Any, ...], v: Any, edge: bool) -> Any:
        """G tested with v, see the module."""
        slope = ufl.grad(self.nu)
        gain = f[0] * v + f[1] * ufl.dot(slope, slope) * v - f[2] * ufl.dot(slope, ufl.grad(v))
        gain -= ufl.dot(ufl.grad(f[2]), slope) * v
        form = self.measures.over(gain)
        if edge:
            form += self.measures.over(f[2] * v * self.edge, edge=True)
        return form


FORMS: dict[str, type[Entropy] | type[Plain]] = {"entropy": Entropy, "plain": Plain}


def _given(edge: Floats | None) -> tuple[Floats, ...]:
    return () if edge is None else (edge,)
