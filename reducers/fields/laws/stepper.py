"""Implicit steps of a law of fields, and the exact tangent and adjoint of what was computed.

Two diagonally implicit, stiffly accurate Runge-Kutta methods in terms of w(ν) (see WeakForm): with z = w(ν) - w(ν₀),
    stage i:  w(ν_i) = w(ν₀) + Σ_{j<i} e_ij z_j + h γ G(ν_i),
the G of earlier stages eliminated. "euler": one stage, γ = 1. "sdirk2": two, γ = 1 - 1/√2, e = 1 + √2: order 2 and
L-stable (Alexander 1977). Sums of w are carried exactly, so that ∫e^{-ν} is conserved if Σ_j G_j = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.fields.density.basis import FieldBasis, FormName, SparseFactors
from reducers.fields.laws.block_matrix import BlockMatrix
from reducers.fields.laws.law import FieldLaw

MethodName = Literal["euler", "sdirk2"]
GAMMA: dict[MethodName, tuple[float, ...]] = {"euler": (1.0,), "sdirk2": (1 - 0.5**0.5, 1 - 0.5**0.5)}
CARRIED = 1 + 2**0.5
"""e_21 of sdirk2."""
NODES: dict[MethodName, tuple[float, ...]] = {"euler": (1.0,), "sdirk2": (1 - 0.5**0.5, 1.0)}
MOST_ITERATIONS = 30
CLOSE = 1e-7
"""A Newton step below it is the last: what it leaves is of the order of its square."""
RISE = -0.5
"""Step above which Newton's method moves λ = e^{-ν} instead of ν, in the entropy form: diffusion is linear in it."""

Edge = Callable[[float], Floats]
"""Time → (species, N) slope ∂ν/∂n at the boundary."""


@dataclass(eq=False)
class FieldStage:
    """A solved stage: ν (species, N), factors of its matrix, ∂w/∂ν per species."""

    nu: Floats
    time: float
    factors: SparseFactors
    slopes: list[Any]


@dataclass(eq=False)
class FieldPath:
    """nu: (T, species, N) at the recorded times. steps: per interval and step, its stages (kept for gradients only)."""

    time: Floats
    nu: Floats
    steps: list[list[list[FieldStage]]] = field(default_factory=list)
    start_slopes: list[Any] = field(default_factory=list)


class FieldStepper:
    """Integrates a law on a basis.

    substeps: steps per recorded interval. edge: slope of ν at the boundary, None for zero (reflecting walls).
    """

    def __init__(
        self,
        basis: FieldBasis,
        law: FieldLaw,
        *,
        form: FormName = "entropy",
        method: MethodName = "sdirk2",
        substeps: int = 1,
        edge: Edge | None = None,
    ) -> None:
        self.basis, self.law, self.form = basis, law, basis.form(form)
        self.form_name, self.method, self.substeps, self.edge = form, method, substeps, edge
        self.blocks = BlockMatrix(basis, len(law.species), coupled=not law.constant)
        self._one: SparseFactors | None = None

    # -- forward --------------------------------------------------------------------------------------------------

    def solve(self, nu0: Floats, time: Floats, *, keep: bool = False, reserve: bool = False) -> FieldPath:
        """ν at all times from ν (species, N) at the first.

        keep: what tangent and adjoint need. Raises RunError, with nothing changed, if Newton's method does not converge
        or ν is not finite.
        """
        path = FieldPath(np.asarray(time, dtype=float), np.empty((len(time), *nu0.shape)))
        path.nu[0] = nu0
        nu, weights = nu0, self._weights(nu0)
        if keep:
            path.start_slopes = self._weight_slopes(nu0)
        for k in range(len(time) - 1):
            h = (time[k + 1] - time[k]) / self.substeps
            kept = []
            for s in range(self.substeps):
                stages, nu, weights = self._step(nu, weights, float(time[k] + s * h), float(h), keep, reserve)
                kept.append(stages)
            path.nu[k + 1] = nu
            if keep:
                path.steps.append(kept)
        return path

    def _step(
        self, nu: Floats, start: Floats, time: float, h: float, keep: bool, reserve: bool
    ) -> tuple[list[FieldStage], Floats, Floats]:
        stages, known = [], start
        for gamma, node in zip(GAMMA[self.method], NODES[self.method], strict=True):
            if reserve:
                self.law.reserve(nu)
            nu, factors = self._newton(nu, known, h * gamma, time + node * h, h, keep)
            weights = self._weights(nu)
            known = start + CARRIED * (weights - start)
            if keep:
                stages.append(FieldStage(nu, time + node * h, factors, self._weight_slopes(nu)))
        return stages, nu, weights

    def _newton(
        self, nu: Floats, known: Floats, c: float, time: float, h: float, keep: bool
    ) -> tuple[Floats, SparseFactors]:
        """ν with w(ν) - c G(ν) = known, and the factors of the derivative there (at the last iterate but one if not
        kept)."""
        edge = None if self.edge is None else self.edge(time)
        factors = self._factors(keep)
        f = self._law_at(nu)
        for _ in range(MOST_ITERATIONS):
            residual = np.stack([self._residual(a, nu, f, c, edge) for a in range(len(nu))]) - known
            matrix = self._matrix(nu, f, c, edge)
            step = factors.solve(residual.ravel()).reshape(nu.shape) if factors.factorise(matrix) else None
            size = np.inf if step is None else float(np.abs(step).max())
            if step is None or not np.isfinite(size):
                break
            nu = nu - self._damped(step)
            f = self._law_at(nu)
            if size <= CLOSE:
                if keep:
                    factors.factorise(self._matrix(nu, f, c, edge))
                return nu, factors
        raise RunError(
            f"the fields cannot be advanced by {h:.3g} to t = {time:.6g}: Newton's method does not converge; take more "
            "substeps, or a finer mesh"
        )

    def _law_at(self, nu: Floats) -> Floats:
        """F at the nodes. Raises RunError where F2 is negative: diffusion backwards in time has no solution."""
        f = self.law.values(nu)
        if (f[:, 2] < 0).any():
            raise RunError(
                f"F2 = {f[:, 2].min():.4g} is negative, and diffusion backwards in time has no solution: give more "
                "data, or a law with fewer coefficients (diffusion = true)"
            )
        return f

    def _damped(self, step: Floats) -> Floats:
        """What to subtract from ν: the step, or the one with λ → λ (1 + step) where that is safe and better."""
        if self.form_name == "plain":
            return step
        return np.where(step > RISE, np.log1p(np.maximum(step, RISE)), step)

    def _factors(self, keep: bool) -> SparseFactors:
        if keep or self._one is None:
            made = self.blocks.factors()
            if keep:
                return made
            self._one = made
        return self._one

    def _residual(self, a: int, nu: Floats, f: Floats, c: float, edge: Floats | None) -> Floats:
        return self.form.residual(nu[a], f[a], c, None if edge is None else edge[a])

    def _matrix(self, nu: Floats, f: Floats, c: float, edge: Floats | None) -> Floats:
        """Values of ∂(w - cG)/∂ν, all species."""
        ends = [None if edge is None else edge[a] for a in range(len(nu))]
        own = [self.form.slopes(x, f[a], c, ends[a]) for a, x in enumerate(nu)]
        slopes = self.law.slopes(nu)
        if slopes is None:
            return self.blocks.diagonal(own)
        parts = [self.form.parts(nu[a], ends[a]) for a in range(len(nu))]
        return self.blocks.coupled_values(own, parts, -c * slopes)

    def _weights(self, nu: Floats) -> Floats:
        return np.stack([self.form.weights(x) for x in nu])

    def _weight_slopes(self, nu: Floats) -> list[Any]:
        return [self.form.weight_slopes(x) for x in nu]

    # -- tangent and adjoint --------------------------------------------------------------------------------------

    def tangent(self, path: FieldPath, nu0: Floats, u: Floats) -> Floats:
        """(T, species, N) change of the path for a change of the start (species, N) and of the coefficients (size,)."""
        out = np.empty_like(path.nu)
        out[0] = change = nu0
        moved = bool(np.any(u))
        slopes = path.start_slopes
        for k, interval in enumerate(path.steps):
            h = (path.time[k + 1] - path.time[k]) / self.substeps
            for stages in interval:
                start = known = _times(slopes, change)
                for stage, gamma in zip(stages, GAMMA[self.method], strict=True):
                    right = known + (h * gamma * self._pushed(stage, u) if moved else 0.0)
                    change = stage.factors.solve(right.ravel()).reshape(change.shape)
                    known = start + CARRIED * (_times(stage.slopes, change) - start)
                slopes = stages[-1].slopes
            out[k + 1] = change
        return out

    def _pushed(self, stage: FieldStage, u: Floats) -> Floats:
        """Σ ∂G/∂u u of a stage."""
        kept = self.law.vector()
        self.law.assign(u)  # the law is linear in its coefficients, and G in the law
        f = self.law.values(stage.nu)
        self.law.assign(kept)
        edge = None if self.edge is None else self.edge(stage.time)
        return np.stack([self.form.rates(x, f[a], None if edge is None else edge[a]) for a, x in enumerate(stage.nu)])

    def pull_back(self, path: FieldPath, slopes: Floats) -> Floats:
        """Add dS/du to the gradients of the law for dS/dν = slopes (T, species, N); returns dS/dν at the start."""
        p = np.zeros_like(path.nu[0])
        flat = [(k, s) for k in range(len(path.steps)) for s in range(self.substeps)]
        for k, s in reversed(flat):
            if s == self.substeps - 1:
                p = p + slopes[k + 1]
            h = (path.time[k + 1] - path.time[k]) / self.substeps
            stages = path.steps[k][s]
            before = path.steps[k][s - 1] if s else path.steps[k - 1][-1] if k else None
            start = np.zeros_like(p)
            for i in range(len(stages) - 1, -1, -1):
                mu = stages[i].factors.solve_transposed(p.ravel()).reshape(p.shape)
                self._pull(stages[i], h * GAMMA[self.method][i] * mu)
                start += mu if i == 0 else (1 - CARRIED) * mu
                if i:
                    p = CARRIED * _times(stages[i - 1].slopes, mu)
            p = _times(path.start_slopes if before is None else before[-1].slopes, start)
        return np.asarray(p + slopes[0])

    def _pull(self, stage: FieldStage, mu: Floats) -> None:
        edge = None if self.edge is None else self.edge(stage.time)
        products = [self.form.products(x, mu[a], None if edge is None else edge[a]) for a, x in enumerate(stage.nu)]
        self.law.pull(stage.nu, np.stack(products))


def _times(matrices: list[Any], x: Floats) -> Floats:
    return np.stack([m @ row for m, row in zip(matrices, x, strict=True)])
