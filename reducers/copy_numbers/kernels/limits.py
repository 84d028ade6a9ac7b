"""A Gaussian that is cut off at 0, with a given mean and variance: max(0, a + b z)."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr

from couple.base.arrays import Floats
from couple.cache.kernels import njit

LEAST, MOST, POINTS = -1.2, 3.0, 211
"""Of ln(sd / mean), where the cut matters and can be found; and how many of them are listed."""
SMALL = math.exp(LEAST)


def _table() -> Floats:
    """(POINTS, 2) a / mean and b / mean by ln(sd / mean)."""
    t = np.linspace(6.0, -9.0, 6001)
    part, density = ndtr(t), np.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
    mean = t * part + density
    square = (t * t + 1.0) * part + t * density
    ratio = 0.5 * np.log(np.maximum(square / mean**2 - 1.0, 1e-300))
    at = np.linspace(LEAST, MOST, POINTS)
    return np.stack([np.interp(at, ratio, t / mean), np.interp(at, ratio, 1.0 / mean)], axis=1)


TABLE = _table()


@njit(cache=True, error_model="numpy")
def rectified(mean: float, sd: float, z: float) -> float:
    """max(0, a + b z), of that mean and standard deviation where z is a standard normal number."""
    if sd < SMALL * mean:
        return max(mean + sd * z, 0.0)
    if mean <= 0.0:
        return 0.0
    at = (math.log(sd / mean) - LEAST) * (POINTS - 1) / (MOST - LEAST)
    k = min(max(int(at), 0), POINTS - 2)
    w = min(at - k, 1.0)
    a = (1.0 - w) * TABLE[k, 0] + w * TABLE[k + 1, 0]
    b = (1.0 - w) * TABLE[k, 1] + w * TABLE[k + 1, 1]
    return max(mean * (a + b * z), 0.0)  # type: ignore[no-any-return]
