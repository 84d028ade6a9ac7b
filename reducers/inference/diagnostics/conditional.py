"""Correlations of two parameters while all others stay (Goncalves et al. 2020, fig. 6)."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from reducers.inference.density.posterior import Posterior

GRID = 50


def conditional_correlations(posterior: Posterior, theta: Floats, grid: int = GRID) -> Floats:
    """(d, d) coefficients of p(theta_i, theta_j | all others), averaged over (n, d) draws of the posterior.

    Each is of the density on a grid over the support of the prior (of a normal, over four standard deviations), in the
    parameters themselves, of loguniform ones in their logarithms.
    """
    d = len(posterior.prior)
    quantiles = (np.arange(grid) + 0.5) / grid
    z_axes, axes = _axes(posterior, quantiles)
    found = np.eye(d)
    z = posterior.prior.to_normal(theta)
    for i in range(d):
        for j in range(i):
            coefficients = [_coefficient(posterior, one, i, j, z_axes, axes) for one in z]
            found[i, j] = found[j, i] = float(np.mean(coefficients))
    return found


def _axes(posterior: Posterior, quantiles: Floats) -> tuple[Floats, Floats]:
    """(d, grid) z, and parameters in the coordinates in which they are evenly spaced."""
    prior, n = posterior.prior, len(quantiles)
    theta = np.empty((n, len(prior)))
    even = np.empty((len(prior), n))
    for k, one in enumerate(prior.ranges):
        low, high = prior.bounds[k] if one.distribution != "normal" else (
            one.numbers[0] - 4 * one.numbers[1], one.numbers[0] + 4 * one.numbers[1]
        )  # fmt: skip
        log = one.distribution == "loguniform"
        low, high = (np.log(low), np.log(high)) if log else (low, high)
        even[k] = low + (high - low) * quantiles
        theta[:, k] = np.exp(even[k]) if log else even[k]
    return prior.to_normal(theta).T, even


def _coefficient(posterior: Posterior, z: Floats, i: int, j: int, z_axes: Floats, axes: Floats) -> float:
    n = z_axes.shape[1]
    points = np.tile(z, (n * n, 1))
    points[:, i], points[:, j] = np.repeat(z_axes[i], n), np.tile(z_axes[j], n)
    height = posterior.height(points)
    for k, values in ((i, np.repeat(axes[i], n)), (j, np.tile(axes[j], n))):
        if posterior.prior.ranges[k].distribution == "loguniform":
            height = height + values  # the density over the logarithm
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    x, y = np.repeat(axes[i], n), np.tile(axes[j], n)
    dx, dy = x - weight @ x, y - weight @ y
    return float(weight @ (dx * dy) / np.sqrt((weight @ dx**2) * (weight @ dy**2)))
