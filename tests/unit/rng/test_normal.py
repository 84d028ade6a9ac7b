"""Normal random numbers: distribution, tail included."""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.stats import chi2, norm

from couple.rng.normal import normal
from couple.rng.streams import stream
from support.statistics import z_bound

N = 2_000_000


@njit
def draw(words: np.ndarray, n: int) -> np.ndarray:
    x = np.empty(n)
    for i in range(n):
        x[i] = normal(words)
    return x


def chi_square(x: np.ndarray, sigma: float) -> tuple[float, float]:
    """Against a normal with this deviation, in 400 equally likely bins and 12 more in each tail; and its bound."""
    tails = norm.ppf(np.geomspace(2e-5, 1 / 400, 12))
    edges = sigma * np.concatenate([tails, norm.ppf(np.arange(2, 399) / 400), -tails[::-1]])
    seen = np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)
    expected = len(x) * np.diff(norm.cdf(np.concatenate([[-np.inf], edges / sigma, [np.inf]])))
    assert expected.min() > 10
    return float(((seen - expected) ** 2 / expected).sum()), float(chi2.isf(1e-5, len(edges)))


def test_distribution() -> None:
    x = draw(stream(1, "test", "", "normal"), N)
    found, bound = chi_square(x, 1.0)
    assert found < bound
    found, bound = chi_square(x, 1.01)
    assert found > bound, "a deviation wrong by one part in a hundred would pass"


def test_successive_draws_are_independent() -> None:
    x = draw(stream(2, "test", "", "normal"), N)
    for lag in (1, 2, 3):
        for a, b in ((x, x), (x**2 - 1, x**2 - 1), (x, x**2 - 1)):
            r = np.corrcoef(a[:-lag], b[lag:])[0, 1]
            assert abs(r) < z_bound(9) / np.sqrt(N)
