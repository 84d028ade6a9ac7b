"""Rates of reactions out of runs: the best linear combination Σ_r k_r F_r, with standard errors that runs tell.

The rates minimise Σ_t KL(data ‖ model) of the paths, as a training does: the estimating equations are
Σ_c w_c Σ_t Vᵀ (⟨X⟩_data - ⟨X⟩_model) = 0 with V = ∂θ(t)/∂k. Gauss-Newton steps solve them, with H = Σ w Σ Vᵀ Cov(X) V.
The errors are those of the sandwich H⁻¹ Var(ψ) H⁻¹, ψ what a single run contributes, its share of the fitted start
included. They hold runs against runs: times of one run may be correlated, and the model need not be exact. What they do
not hold is a bias of the model, such as correlations beyond neighbours where diffusion is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from reducers.dbd.energy.family import ExponentialFamily
from reducers.dbd.fit.adjoint import Solver
from reducers.dbd.laws.combination import Combination


@dataclass(frozen=True)
class RateEstimates:
    """values, errors: (n_rates,). covariance: (n_rates, n_rates). Units: one over the time unit of the data."""

    values: Floats
    covariance: Floats

    @property
    def errors(self) -> Floats:
        """(n_rates,) standard errors, one over the time unit of the data."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


@dataclass(frozen=True)
class Tangent:
    """A path with its derivatives. theta: (T, c, n). by_rate: (T, c, n, r) ∂θ/∂u. by_start: (T, c, n, n) ∂θ/∂θ(0)."""

    theta: Floats
    by_rate: Floats
    by_start: Floats


def tangent(law: Combination, solver: Solver, theta0: Floats, steps: int) -> Tangent:
    """Solve, and differentiate every stage of the method; theta0 (c, n)."""
    c, n = theta0.shape
    path, h = solver.path(theta0, steps), solver.dt / solver.substeps
    solver.solve(law, path)
    width = law.coefficients.values.size
    moved = np.concatenate([np.zeros((c, n, width)), np.tile(np.eye(n), (c, 1, 1))], axis=2)
    out = np.empty((steps + 1, *moved.shape))
    out[0] = moved
    for k in range(steps * solver.substeps):
        slopes: list[Floats] = []
        states, _ = solver._stages(law, path[k], np.zeros((1, 0)), False)
        for row, state in zip(solver.method.a, states, strict=True):
            at = moved + h * sum((a * s for a, s in zip(row, slopes, strict=False)), np.zeros_like(moved))
            slope = law.jacobian(state) @ at
            slope[:, :, :width] += law.by_coefficient(state)
            slopes.append(slope)
        moved = moved + h * sum((b * s for b, s in zip(solver.method.b, slopes, strict=True)), np.zeros_like(moved))
        if (k + 1) % solver.substeps == 0:
            out[(k + 1) // solver.substeps] = moved
    return Tangent(path[:: solver.substeps], out[..., :width], out[..., width:])


def estimate_rates(
    law: Combination,
    family: ExponentialFamily,
    solver: Solver,
    theta0: Floats,
    moments: Floats,
    conditions: Ints,
    *,
    fitted_start: bool = True,
    iterations: int = 30,
    tolerance: float = 1e-3,
) -> RateEstimates:
    """Set the coefficients of `law` to the best rates and return them with their errors.

    theta0: (n_conditions, n). moments: (R, T, n) X of every run, in the units of the family. conditions: (R,).
    fitted_start: θ(0) was fitted to the moments of these runs. tolerance: of a step, in standard errors.
    Raises InputError where a condition has a single run, and RunError if the rates cannot be told apart or steps do
    not come to rest.
    """
    runs = [np.flatnonzero(conditions == c) for c in np.unique(conditions)]
    if min(map(len, runs)) < 2:
        raise InputError("standard errors need two runs of each initial condition at least", where="data.runs")
    values = law.coefficients.values
    for _ in range(iterations):
        found = tangent(law, solver, theta0, moments.shape[1] - 1)
        step, covariance = _gauss_newton(found, family, moments, runs, fitted_start)
        allowed = tolerance * np.sqrt(np.diag(covariance)) + 1e-9 * np.abs(values.ravel())
        largest = float(np.max(np.abs(step) / np.maximum(allowed, 1e-300)))
        if largest < 1.0:
            return RateEstimates(values.ravel().copy(), covariance)
        values += _within_reach(law, solver, theta0, moments.shape[1] - 1, step.reshape(values.shape))
    raise RunError(
        f"the rates do not come to rest: after {iterations} steps one still moves {largest:.2g} times too far"
    )


def _within_reach(law: Combination, solver: Solver, theta0: Floats, steps: int, step: Floats) -> Floats:
    """The step, halved until the path can be solved."""
    values = law.coefficients.values
    before = values.copy()
    for _ in range(12):
        values[:] = before + step
        try:
            solver.solve(law, solver.path(theta0, steps))
        except RunError:
            step = step / 2
        else:
            values[:] = before
            return step
    values[:] = before
    raise RunError("the rates lead to paths that diverge, however small the step: give others to begin with")


def _gauss_newton(
    found: Tangent, family: ExponentialFamily, moments: Floats, runs: Sequence[Ints], fitted_start: bool
) -> tuple[Floats, Floats]:
    """The step (r,) and the covariance (r, r) of the rates at this place."""
    width = found.by_rate.shape[-1]
    pull, hessian, spread = np.zeros(width), np.zeros((width, width)), np.zeros((width, width))
    for c, members in enumerate(runs):
        theta, v, phi = found.theta[:, c], found.by_rate[:, c], found.by_start[:, c]
        curvature = np.stack([family.covariance(t) for t in theta])
        gaps = family.sign * (moments[members] - np.stack([family.moments(t) for t in theta]))  # (R_c, T, n)
        psi = np.einsum("tnr,Rtn->Rr", v, gaps)
        if fitted_start:
            pushed = np.einsum("tnr,tnm,tmk->rk", v, curvature, phi) @ np.linalg.inv(curvature[0])
            start = family.sign * (moments[members, 0] - moments[members, 0].mean(axis=0))
            psi -= start @ pushed.T
        weight = 1.0 / len(runs)
        pull += weight * psi.mean(axis=0)
        hessian += weight * np.einsum("tnr,tnm,tms->rs", v, curvature, v)
        spread += weight**2 * np.atleast_2d(np.cov(psi.T)) / len(members)
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    if np.linalg.cond(hessian / np.outer(scale, scale)) > 1e12:
        raise RunError("the data cannot tell these reactions apart: leave one out, or add initial conditions")
    inverse = np.linalg.inv(hessian)
    return inverse @ pull, inverse @ spread @ inverse
