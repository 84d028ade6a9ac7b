"""A law out of a known path: the coefficients with F(θ_k; u) = (θ_{k+1} - θ_k)/dt, the smoothest that are.

All families of laws are linear in u, F = Φu. Minimising |Φu - r|² + ridge |u|² means u = Φᵀα with (ΦΦᵀ + ridge) α = r,
which conjugate gradients solve with the law's own `rates` (Φu) and `pull` (Φᵀα); no matrix is stored. If all components
are made of the same functions, ΦΦᵀ is one small matrix for all of them and the system is solved directly.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.dbd.laws.law import AUTONOMOUS, Law


def regress(
    law: Law,
    theta: Floats,
    rates: Floats,
    *,
    drive: Floats = AUTONOMOUS,
    ridge: float = 1e-6,
    tolerance: float = 1e-8,
    iterations: int = 2000,
) -> float:
    """Set the coefficients of `law`, which must be linear in them, from rates (points, n) at θ (points, n).

    Returns the root-mean-square residual. Raises RunError if conjugate gradients do not converge.
    """
    if theta.shape != rates.shape or not (np.isfinite(theta).all() and np.isfinite(rates).all()):
        raise InputError(f"needs finite states and rates of one shape, not {theta.shape} and {rates.shape}")
    law.reserve(theta)

    def back(alpha: Floats) -> None:
        """u = Φᵀα."""
        law.clear()
        law.pull(theta, alpha, drive)
        for table in law.tables:
            table.values[:] = table.gradient

    def normal(alpha: Floats) -> Floats:
        back(alpha)
        return np.asarray(law.rates(theta, drive) + ridge * alpha)

    if law.separable:
        gram = _gram(lambda alpha: normal(alpha) - ridge * alpha, *theta.shape)
        back(np.linalg.solve(gram + ridge * np.eye(len(gram)), rates))
    else:
        back(_conjugate_gradients(normal, rates, tolerance, iterations))
    law.clear()
    return float(np.sqrt(np.mean((law.rates(theta, drive) - rates) ** 2)))


def _gram(operator: Callable[[Floats], Floats], points: int, n: int) -> Floats:
    """(points, points) matrix that `operator` applies to each of n columns, found n columns at a time."""
    out = np.empty((points, points))
    for first in range(0, points, n):
        some = min(n, points - first)
        unit = np.zeros((points, n))
        unit[first + np.arange(some), np.arange(some)] = 1.0
        out[:, first : first + some] = operator(unit)[:, :some]
    return out


def _conjugate_gradients(
    operator: Callable[[Floats], Floats], right: Floats, tolerance: float, iterations: int
) -> Floats:
    """Solution of a symmetric positive system. Raises RunError if it is not reached."""
    x, residual = np.zeros_like(right), right.copy()
    direction, size = residual.copy(), float((residual**2).sum())
    goal = tolerance**2 * size
    for _ in range(iterations):
        if size <= goal:
            return x
        pushed = operator(direction)
        step = size / float((direction * pushed).sum())
        x += step * direction
        residual -= step * pushed
        new = float((residual**2).sum())
        direction = residual + (new / size) * direction
        size = new
    raise RunError(f"the law cannot be fitted to the path within {iterations} iterations: give a larger ridge")
