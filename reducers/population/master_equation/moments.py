"""Means and covariances of two-state neurons: mean field, a closure of second order, and linear noise.

First order: dm/dt = -α m + (1 - m) r f(W m + h). Second order: inputs u are taken as normal, with the covariances of
the neurons, so that E[f(u)], and by Stein's lemma E[f δs_j] = F' c_j, E[f δs_i δs_j] = F C_ij + F'' c_i c_j with
c = cov(u, s), are Gaussian averages of f; the variance of a neuron is m (1 - m), exactly. Linear noise (van Kampen):
dC/dt = A C + C Aᵀ + D about the mean field (for such networks Bressloff, SIAM J Appl Math 70:1488, 2009).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.population.master_equation.network import NeuralNetwork, activations, slopes

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS = _WEIGHTS / np.sqrt(2 * np.pi)
NARROW = 1e-4
"""Standard deviation of an input below which it counts as so large: moments of f are divided by it."""


@dataclass(frozen=True)
class NeuralMoments:
    """time (n_rows,) ms, means (n_rows, n), covariances (n_rows, n, n)."""

    time: Floats
    means: Floats
    covariances: Floats

    @property
    def active(self) -> tuple[Floats, Floats]:
        """(n_rows,) mean and variance of the number of active neurons."""
        return self.means.sum(axis=1), self.covariances.sum(axis=(1, 2))


def mean_field(network: NeuralNetwork, drive: Floats, every: float, start: Floats | None = None) -> NeuralMoments:
    """Of first order; neurons are independent, with the variances that follow. start (n,): means, 0 if not given."""
    matrix, first = network.matrix(), _start(network, start)

    def slope(m: Floats, h: Floats) -> Floats:
        return -network.decay * m + (1 - m) * network.rate * activations(matrix @ m + h, network.activation)

    rows = _integrate(network, slope, first, drive, every)
    variances = rows * (1 - rows)
    return NeuralMoments(_times(len(rows), every), rows, variances[:, :, None] * np.eye(network.n))


def second_order(network: NeuralNetwork, drive: Floats, every: float, start: Floats | None = None) -> NeuralMoments:
    """Of second order; at the start neurons are independent with means `start` (n,), 0 if not given."""
    n, matrix, first = network.n, network.matrix(), _start(network, start)

    def slope(vector: Floats, h: Floats) -> Floats:
        m, c = _apart(vector, n)
        np.fill_diagonal(c, m * (1 - m))
        cov = matrix @ c  # cov(u_i, s_j)
        sd = np.maximum(np.sqrt(np.maximum((cov * matrix).sum(axis=1), 0.0)), NARROW)
        f = activations((matrix @ m + h)[:, None] + sd[:, None] * _NODES, network.activation) * network.rate
        f0, f1, f2 = f @ _WEIGHTS, f @ (_WEIGHTS * _NODES) / sd, f @ (_WEIGHTS * (_NODES**2 - 1)) / sd**2
        own = np.diag(cov)
        dm = -network.decay * m + (1 - m) * f0 - f1 * own
        half = ((1 - m) * f1)[:, None] * cov - f0[:, None] * c - (f2 * own)[:, None] * cov
        return np.concatenate([dm, (half + half.T - 2 * network.decay * c).ravel()])

    begin = np.concatenate([first, np.diag(first * (1 - first)).ravel()])
    rows = _integrate(network, slope, begin, drive, every)
    return _moments(rows, n, every, bernoulli=True)


def linear_noise(network: NeuralNetwork, drive: Floats, every: float, start: Floats | None = None) -> NeuralMoments:
    """Means of the mean field, and covariances of linear noise about it, from independent neurons on."""
    n, matrix, first = network.n, network.matrix(), _start(network, start)

    def slope(vector: Floats, h: Floats) -> Floats:
        m, c = _apart(vector, n)
        u = matrix @ m + h
        f = network.rate * activations(u, network.activation)
        a = ((1 - m) * network.rate * slopes(u, network.activation))[:, None] * matrix - np.diag(network.decay + f)
        dc = a @ c + c @ a.T + np.diag(network.decay * m + (1 - m) * f)
        return np.concatenate([-network.decay * m + (1 - m) * f, dc.ravel()])

    begin = np.concatenate([first, np.diag(first * (1 - first)).ravel()])
    return _moments(_integrate(network, slope, begin, drive, every), n, every, bernoulli=False)


def _times(rows: int, every: float) -> Floats:
    return np.asarray(np.arange(rows) * every, dtype=np.float64)


def _start(network: NeuralNetwork, start: Floats | None) -> Floats:
    return np.zeros(network.n) if start is None else np.asarray(start, dtype=np.float64)


def _apart(vector: Floats, n: int) -> tuple[Floats, Floats]:
    return vector[:n], vector[n:].reshape(n, n).copy()


def _moments(rows: Floats, n: int, every: float, bernoulli: bool) -> NeuralMoments:
    means, covariances = rows[:, :n], rows[:, n:].reshape(-1, n, n).copy()
    if bernoulli:
        for m, c in zip(means, covariances, strict=True):
            np.fill_diagonal(c, m * (1 - m))
    return NeuralMoments(_times(len(rows), every), means, covariances)


def _integrate(
    network: NeuralNetwork, slope: Callable[[Floats, Floats], Floats], start: Floats, drive: Floats, every: float
) -> Floats:
    """(len(drive) + 1, m) of dy/dt = slope(y, h); h is constant in a window. Raises RunError where it has no end."""
    rows = [start]
    for value in drive:
        h = network.input + network.gain * float(value)

        def right(_t: float, y: Any, h: Floats = h) -> Floats:
            return slope(y, h)

        found: Any = solve_ivp(right, (0.0, every), rows[-1], method="DOP853", rtol=1e-9, atol=1e-12)
        if not found.success:
            raise RunError(f"moments of the neurons cannot be integrated: {found.message}")
        rows.append(found.y[:, -1])
    return np.array(rows)
