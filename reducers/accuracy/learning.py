"""From errors of runs to a bound on errors: non-negative least squares, and a factor that holds for most inputs."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import nnls

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.accuracy.sampling import AccuracyRuns

FLOOR = 1e-3
"""Relative error below which all are alike."""


def shapes(runs: AccuracyRuns) -> Floats:
    """(k, 3) 1/n, x², 1 of each input."""
    return np.stack([1.0 / np.maximum(runs.n, 1e-3), runs.x**2, np.ones(len(runs.n))], axis=1)


def learn_terms(runs: AccuracyRuns, quantile: float) -> Floats:
    """(e, 3) κ² (α, β, γ) of each engine; 0 of the last.

    α, β, γ from two thirds of the inputs, by relative squares; κ² from the others: the smallest factor by which the
    bound holds for a share `quantile` of inputs like these (split conformal prediction). Raises InputError where there
    are too few of them for that share.
    """
    k = len(runs.n)
    fitted, left = np.arange(k) % 3 != 2, np.arange(k) % 3 == 2
    rank = math.ceil((left.sum() + 1) * quantile)
    if rank > left.sum():
        least = 3 * math.ceil(quantile / (1 - quantile))
        raise InputError(
            f"{k} inputs are too few for a bound that holds for {100 * quantile:g} % of them: give {least}"
        )
    basis, terms = shapes(runs), np.zeros((runs.errors.shape[1], 3))
    for e in range(runs.errors.shape[1] - 1):
        square = np.maximum(runs.errors[:, e], FLOOR) ** 2
        weight = 1.0 / square[fitted]
        found, _ = nnls(basis[fitted] * weight[:, None], np.ones(int(fitted.sum())))
        if not found.any():
            found[2] = float(square.max())
        ratio = np.sort(square[left] / (basis[left] @ found))
        terms[e] = found * float(ratio[rank - 1])
    return terms


def learn_costs(runs: AccuracyRuns) -> Floats:
    """(e, 3) of ln seconds per ms: constant, slopes by ln n and by ln(1 + influx)."""
    basis = cost_basis(runs.n, runs.influx)
    return np.linalg.lstsq(basis, np.log(np.maximum(runs.seconds, 1e-12)), rcond=None)[0].T


def cost_basis(n: Floats, influx: Floats) -> Floats:
    """(k, 3)."""
    return np.stack([np.ones(len(n)), np.log(np.maximum(n, 1e-3)), np.log1p(influx)], axis=1)


def ordered_by_cost(costs: Floats, runs: AccuracyRuns) -> list[int]:
    """Engines from cheap to dear, by the median of what they are said to cost for the inputs."""
    return [int(e) for e in np.argsort(np.median(cost_basis(runs.n, runs.influx) @ costs.T, axis=0), kind="stable")]


def cheapest(errors: Floats, seconds: Floats, target: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(k,) the engine that costs least of those whose error is at most the target; the last one always is.

    errors, seconds: (k, e).
    """
    allowed = errors <= target
    allowed[:, -1] = True
    return np.argmin(np.where(allowed, seconds, np.inf), axis=1)


def thresholds(runs: AccuracyRuns, integer: list[bool], spatial: list[bool], few: float, gradient: float) -> Floats:
    """(k, e) what the default rule of `adaptive` has against each engine: good enough below 1."""
    out = np.zeros((len(runs.n), len(integer)))
    for e in range(len(integer)):
        scarce = 0.0 if integer[e] else few / np.maximum(runs.n, 1e-3)
        unmixed = 0.0 if spatial[e] else runs.x / gradient
        out[:, e] = np.maximum(scarce, unmixed)
    out[:, -1] = 0.0
    return out
