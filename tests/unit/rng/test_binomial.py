"""Binomial numbers follow the binomial distribution, in both of the sampler's regimes."""

import numpy as np
import pytest
from scipy import stats

from couple.rng.binomial import binomial
from couple.rng.streams import stream

DRAWS = 40_000
CASES = [(1, 0.3), (7, 0.5), (40, 0.02), (40, 0.9), (30, 0.33), (60, 0.4), (1000, 0.0099), (1000, 0.011), (10**6, 0.7)]
Z = stats.norm.isf(0.5e-6 / len(CASES))
"""A test that is right fails once in a million runs of the file."""


def counts(n: float, p: float, key: str = "a") -> np.ndarray:
    words = stream(1, "test", key, f"{n} {p}")
    return np.array([binomial(words, float(n), p) for _ in range(DRAWS)])


def off(drawn: np.ndarray, n: int, p: float) -> float:
    """p-value of a χ² test over cells that expect at least 20."""
    edges = np.unique(stats.binom.ppf(np.linspace(0.002, 0.998, 60), n, p))
    cells = np.concatenate([[-np.inf], edges, [np.inf]])
    expected = DRAWS * np.diff(stats.binom.cdf(cells, n, p))
    keep = expected >= 20
    found = np.histogram(drawn, np.where(np.isfinite(cells), cells + 0.5, cells))[0]
    expected = np.append(expected[keep], expected[~keep].sum())
    found = np.append(found[keep], found[~keep].sum())
    some = expected > 0
    return float(stats.chisquare(found[some], expected[some] * found[some].sum() / expected[some].sum()).pvalue)


@pytest.mark.parametrize(("n", "p"), CASES)
def test_it_is_binomial(n: int, p: float) -> None:
    drawn = counts(n, p)
    assert off(drawn, n, p) > stats.norm.sf(Z)
    assert abs(drawn.mean() - n * p) < Z * np.sqrt(n * p * (1 - p) / DRAWS)
    if n > 1:  # the control: another probability
        assert off(drawn, n, p * 0.9) < 1e-9


def test_its_limits() -> None:
    words = stream(1, "test", "limits", "")
    cases = {(0.0, 0.5): 0, (5.0, 0.0): 0, (5.0, 1.0): 5, (-1.0, 0.5): 0, (np.inf, 0.5): 0}
    assert [binomial(words, n, p) for n, p in cases] == list(cases.values())
