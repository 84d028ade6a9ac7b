"""Patterns that tests fit models to, and how drawn ones are judged."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from couple.base.arrays import Floats
from reducers.population.models.enumeration import pattern_numbers
from reducers.population.patterns.patterns import Bits


def together(windows: int, n: int, seed: int = 0, strength: float = 1.0) -> Bits:
    """(windows, n): neurons of unequal rates whose common gain fluctuates."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.05, 0.4, n)
    gain = np.exp(strength * rng.normal(size=(windows, 1)) - strength**2 / 2)
    return (rng.random((windows, n)) < rates * gain).astype(np.uint8)


def fits(states: Bits, p: Floats) -> bool:
    """Whether patterns are drawn from p (2^n,), by a chi-square test that is wrong once in 10,000 times."""
    seen = np.bincount(pattern_numbers(states), minlength=len(p)).astype(float)
    expected = p * len(states)
    large = expected >= 5
    cells = [(seen[large], expected[large]), ([seen[~large].sum()], [expected[~large].sum()])]
    if expected[~large].sum() < 5:
        cells = cells[:1]
    statistic = sum(float(((np.asarray(a) - b) ** 2 / b).sum()) for a, b in cells)
    return statistic < chi2.ppf(1 - 1e-4, sum(len(a) for a, _ in cells) - 1)
