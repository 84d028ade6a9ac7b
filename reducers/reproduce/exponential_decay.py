"""One species that dies, or divides and dies, beside its master equation: what a geometric distribution leaves out.

Death alone keeps a geometric distribution geometric; with births the mean is still exact and the rest is not. The
figure also has the response of ν to a bump in F, δν(t)/δF(ν*), and the law of the two parameters of a Gaussian.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import expm_multiply

from couple.base.arrays import Floats
from reducers.dbd.energy.wellmixed import mean_of_geometric
from reducers.dbd.fit.adjoint import RK4, Solver
from reducers.dbd.laws.birth_death import BirthDeath, GaussianBirthDeath
from reducers.dbd.laws.law import AUTONOMOUS, Law
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row

BIRTH, DEATH = 0.5, 1.5
STARTS = {0.1: 0.0094, 0.5: 0.0218, 1.0: 0.0226}
"""ν(0) → KL divergence of the geometric distribution at t = 1, births and deaths."""
LARGEST, STEPS = 900, 200
RESPONSE, AT, WIDTH, START, UNTIL = 2.105358, 1.0, 0.1, 0.5, 2.0
"""dν/dε at t = 2 from ν = 0.5, F being 1 - e^{-ν} + ε × a Gaussian of width 0.1 at ν = 1."""
GAUSSIAN_POINT, GAUSSIAN_RATES = (-2.5, 2.0), (16.0, -10.0)
"""The mean 1.75 and variance 1/2 change by -1.75 and 2.5."""


class Bumped(Law):
    """F = 1 - e^{-ν} + size × a normalised Gaussian at ν = 1."""

    parameters = ("nu1",)

    def __init__(self, size: float) -> None:
        self.size, self._plain = size, BirthDeath(0.0, 1.0)

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, 1) F at ν (batch, 1)."""
        return np.asarray(self._plain.rates(theta) + self.size * self._bump(theta))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, 1) weights × ∂F/∂ν."""
        slope = -(theta - AT) / WIDTH**2 * self._bump(theta)
        return np.asarray(self._plain.vjp(theta, weights) + weights * self.size * slope)

    @staticmethod
    def _bump(theta: Floats) -> Floats:
        return np.asarray(np.exp(-0.5 * ((theta - AT) / WIDTH) ** 2) / (np.sqrt(2 * np.pi) * WIDTH))


def _master_equation(birth: float, death: float) -> csc_array:
    """(n, n) generator of A → 2 A and A → 0 on 0 … LARGEST."""
    n = np.arange(LARGEST + 1.0)
    return csc_array(np.diag(-(birth + death) * n) + np.diag(birth * n[:-1], -1) + np.diag(death * n[1:], 1))


def _divergence(p: Floats) -> float:
    """KL divergence of the geometric distribution of the same mean from p (n,)."""
    n = np.arange(len(p))
    nu = np.log1p(1 / (p @ n))
    seen = p > 1e-290
    return float(p[seen] @ (np.log(p[seen]) + nu * n[seen] - np.log(-np.expm1(-nu))))


def exponential_decay(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Divergences over time with and without births, the response of ν, and the Gaussian law at a point."""
    import matplotlib.pyplot as plt

    n, time = np.arange(LARGEST + 1.0), np.linspace(0, 1, 21)
    drawing, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    rows = []
    for start, known in STARTS.items():
        first = np.exp(-n * start) * -np.expm1(-start)
        decay = expm_multiply(_master_equation(0.0, 1.0), first)
        rows.append(Row(f"KL at t = 1 from nu = {start:g}, death alone", _divergence(decay), 0.0, allowed=1e-9))
        both = expm_multiply(_master_equation(BIRTH, DEATH), first, start=0, stop=1, num=len(time))
        apart = [_divergence(p) for p in both]
        rows.append(Row(f"KL at t = 1 from nu = {start:g}, with births", apart[-1], known, allowed=6e-5))
        mean = float(mean_of_geometric(np.array([start]))[0] * np.exp(BIRTH - DEATH))
        rows.append(Row(f"<n> at t = 1 from nu = {start:g}, with births", float(both[-1] @ n), mean, allowed=1e-6))
        left.plot(time, apart, label=f"from {start:g}")
    left.set(xlabel="time", ylabel="KL(p ‖ geometric)", title="with births; 0 for death alone")
    left.legend(frameon=False)

    ends, step = {}, 1e-4
    for size in (-step, 0.0, step):
        solver = Solver(UNTIL / STEPS, RK4, 10)
        path = solver.path(np.array([[START]]), STEPS)
        solver.solve(Bumped(size), path)
        ends[size] = path[::10, 0, 0]
    response = (ends[step] - ends[-step]) / (2 * step)
    what = f"response of nu({UNTIL:g}) from {START:g} to F at nu = {AT:g}"
    rows.append(Row(what, float(response[-1]), RESPONSE, allowed=1e-5))
    right.plot(np.linspace(0, UNTIL, STEPS + 1), response)
    right.set(xlabel="time", ylabel="δν / δF", title=f"response to F at ν = {AT:g}")
    found = GaussianBirthDeath(BIRTH, DEATH).rates(np.array([GAUSSIAN_POINT]))[0]
    for name, ours, known in zip(("F_1", "F_2"), found, GAUSSIAN_RATES, strict=True):
        rows.append(Row(f"{name} of the Gaussian at (-2.5, 2)", float(ours), known, allowed=1e-9))
    return Reproduced(rows, drawing)


FIGURE = PublishedFigure(
    "exponential decay: what a geometric distribution leaves out, and how nu responds to its law",
    "Ernst et al. (2018), J Chem Phys 149:034107, Fig. 1-5", 0.1, exponential_decay,
)  # fmt: skip
