"""All patterns of a few neurons."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from couple.base.errors import InputError
from reducers.population.patterns.patterns import Bits

MOST = 20
"""Neurons of which all patterns are listed: a million."""


@lru_cache(maxsize=4)
def all_patterns(n: int) -> Bits:
    """(2^n, n); neuron i is bit i of the row's number. Raises InputError for more than MOST neurons."""
    if n > MOST:
        raise InputError(f"sums over all patterns of {n} neurons are too long: {MOST} are the most")
    numbers = np.arange(2**n, dtype=np.uint32)[:, None]
    found: Bits = ((numbers >> np.arange(n, dtype=np.uint32)) & 1).astype(np.uint8)
    found.flags.writeable = False
    return found


def pattern_numbers(states: Bits) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(m,) rows of patterns (m, n) in `all_patterns`."""
    return states.astype(np.int64) @ (1 << np.arange(states.shape[1], dtype=np.int64))
