"""Bounds of statistical tests, from the number of comparisons."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2, norm

ALPHA = 1e-5
"""Error probability of a test by `pearson`."""


def z_bound(comparisons: int, alpha: float = 1e-5) -> float:
    """Two-sided bound in standard deviations for an error probability `alpha` over all comparisons."""
    return float(norm.isf(alpha / (2 * comparisons)))


def pearson(samples: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Chi-square of integer samples against P(k), k = 0, 1, ..., and its bound; bins of at least 10 expected."""
    expected, bins = probability * len(samples), [0]
    while expected[bins[-1] :].sum() >= 20:
        total = np.cumsum(expected[bins[-1] :])
        bins.append(bins[-1] + int(np.searchsorted(total, 10)) + 1)
    edges = np.array([*bins[:-1], len(probability)])
    seen = np.add.reduceat(np.bincount(samples, minlength=len(probability)), edges[:-1])
    wanted = np.add.reduceat(expected, edges[:-1])
    return float(((seen - wanted) ** 2 / wanted).sum()), float(chi2.isf(ALPHA, len(wanted) - 1))
