"""Binomial numbers from the streams of `couple.rng.streams`, exact for any number of trials."""

from __future__ import annotations

import math

from couple.base.arrays import Words
from couple.cache.kernels import njit
from couple.rng.streams import uniform


@njit(cache=True)
def _inversion(s: Words, n: float, p: float) -> float:
    """Step through the probabilities from 0; for n p up to about 10, so that (1-p)^n does not underflow."""
    odds = p / (1.0 - p)
    probability = math.exp(n * math.log1p(-p))
    left, k = uniform(s), 0.0
    while left > probability and k < n:
        left -= probability
        k += 1.0
        probability *= odds * (n - k + 1.0) / k
    return k


@njit(cache=True)
def _rejection(s: Words, n: float, p: float) -> float:
    """Transformed rejection, algorithm BTRS of Hörmann 1993 (J Stat Comput Simul 46:101); p <= 1/2, n p >= 10."""
    spread = math.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    centre, edge, alpha = n * p + 0.5, 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread
    mode = math.floor((n + 1.0) * p)
    at_mode = math.lgamma(mode + 1.0) + math.lgamma(n - mode + 1.0)
    log_odds = math.log(p / (1.0 - p))
    while True:
        u, v = uniform(s) - 0.5, uniform(s)
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        k = math.floor((2.0 * a / us + b) * u + centre)
        if k < 0.0 or k > n:
            continue
        if us >= 0.07 and v <= edge:
            return float(k)
        v = math.log(v * alpha / (a / (us * us) + b))
        if v <= at_mode - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0) + (k - mode) * log_odds:
            return float(k)


@njit(cache=True)
def binomial(s: Words, n: float, p: float) -> float:
    """How many of `n` (a whole number as float) happen, each with probability `p`; advances `s` (4,) in place.

    0 for n <= 0 or p <= 0, and for an n that is no finite number.
    """
    if not (n > 0.0 and p > 0.0 and n < math.inf):
        return 0.0
    if p >= 1.0:
        return n
    q = min(p, 1.0 - p)
    k = _inversion(s, n, q) if n * q < 10.0 else _rejection(s, n, q)
    return k if p <= 0.5 else n - k  # type: ignore[no-any-return]
