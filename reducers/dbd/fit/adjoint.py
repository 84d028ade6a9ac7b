"""Paths of a law of motion, and the exact gradient of a sum over them: the discrete adjoint of the integrator used.

S = Σ_k w_k D_k(θ_k) over points k of a path, D_k usually the Kullback-Leibler divergence at time k. With Euler steps
the adjoint is p ← p + w_k ∂D_k/∂θ + dt J(θ_k)ᵀ p, dS/du += dt p ∂F(θ_{k-1})/∂u, from the last point backwards; the
other methods differentiate their stages in the same way, so that the gradient is that of what was
computed, to round-off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.dbd.laws.law import AUTONOMOUS, Law


@dataclass(frozen=True)
class Method:
    """An explicit Runge-Kutta method. a: (s, s) strictly lower; b: (s,)."""

    name: str
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]


EULER = Method("euler", ((0.0,),), (1.0,))
HEUN = Method("heun", ((0.0, 0.0), (1.0, 0.0)), (0.5, 0.5))
RK4 = Method(
    "rk4",
    ((0.0, 0.0, 0.0, 0.0), (0.5, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
    (1 / 6, 1 / 3, 1 / 3, 1 / 6),
)
METHODS = {m.name: m for m in (EULER, HEUN, RK4)}


@dataclass(frozen=True)
class Solver:
    """How dθ/dt = F is integrated: `substeps` steps between recorded points dt apart; drives are held over dt.

    limit: a |θ| beyond it, or a value that is not finite, raises RunError.
    """

    dt: float
    method: Method = EULER
    substeps: int = 1
    limit: float = 1e3

    def path(self, theta0: Floats, steps: int) -> Floats:
        """(steps * substeps + 1, batch, n) with the initial states (batch, n) in front and the rest to be solved."""
        out = np.empty((steps * self.substeps + 1, *theta0.shape))
        out[0] = theta0
        return out

    def solve(self, law: Law, path: Floats, drive: Floats | None = None, start: int = 0, reserve: bool = False) -> None:
        """Fill a path from fine step `start` on. drive: (steps, batch or 1, n_inputs).

        reserve: have the law make room for coefficients on the way. Raises RunError if θ diverges.
        """
        h = self.dt / self.substeps
        for k in range(start, len(path) - 1):
            now = AUTONOMOUS if drive is None else drive[k // self.substeps]
            increment = np.zeros_like(path[k])
            for b, rate in zip(self.method.b, self._stages(law, path[k], now, reserve)[1], strict=True):
                increment += b * rate
            path[k + 1] = path[k] + h * increment
            self._check(law, path[k + 1], (k + 1) * h)

    def _stages(self, law: Law, theta: Floats, drive: Floats, reserve: bool) -> tuple[list[Floats], list[Floats]]:
        h = self.dt / self.substeps
        states: list[Floats] = []
        rates: list[Floats] = []
        for row in self.method.a:
            state = theta.copy()
            for a, rate in zip(row, rates, strict=False):
                if a:
                    state += h * a * rate
            if reserve:
                law.reserve(state)
            states.append(state)
            rates.append(law.rates(state, drive))
        return states, rates

    def _check(self, law: Law, theta: Floats, time: float) -> None:
        wrong = ~(np.abs(theta) <= self.limit)
        if wrong.any():
            b, k = np.argwhere(wrong)[0]
            raise RunError(
                f"the reduced model diverged: {law.parameters[k]} = {theta[b, k]:.4g} at t = {time:.6g} "
                f"(allowed: |θ| ≤ {self.limit:g}); use a lower learning rate or a shorter window"
            )

    def pull_back(
        self, law: Law, path: Floats, slopes: Floats, drive: Floats | None = None, first: int = 0, begin: int = 0
    ) -> Floats:
        """Add dS/du to the gradients of `law`; returns dS/dθ at the point `begin` (batch, n).

        path: solved, up to the last point with a slope. slopes: (points, batch, n) w_k ∂D_k/∂θ at the last `points`
        recorded points; `first` is the recorded index of the first of them. begin: recorded index at which the
        sweep ends. 0 is the full gradient; `begin = first` leaves out what u does to θ(first): the truncated
        gradient of arXiv:1905.12122, eq. 17.
        """
        last = first + len(slopes) - 1
        p = np.zeros_like(path[0])
        for k in range(last, begin, -1):
            if k >= first:
                p = p + slopes[k - first]
            now = AUTONOMOUS if drive is None else drive[k - 1]
            for fine in range(k * self.substeps - 1, (k - 1) * self.substeps - 1, -1):
                p = self._step_back(law, path[fine], p, now)
        return np.asarray(p + slopes[begin - first] if begin >= first else p)

    def _step_back(self, law: Law, theta: Floats, p: Floats, drive: Floats) -> Floats:
        h = self.dt / self.substeps
        states, _ = self._stages(law, theta, drive, False) if len(self.method.b) > 1 else ([theta], [])
        back: list[Floats] = [np.zeros_like(p)] * len(states)
        for i in range(len(states) - 1, -1, -1):
            weights = h * self.method.b[i] * p
            for j in range(i + 1, len(states)):
                if self.method.a[j][i]:
                    weights = weights + h * self.method.a[j][i] * back[j]
            law.pull(states[i], weights, drive)
            back[i] = law.vjp(states[i], weights, drive)
        return p + sum(back, np.zeros_like(p))
