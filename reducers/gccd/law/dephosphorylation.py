"""A phosphatase beside the law: subunits lose their phosphate at a rate that is given, whatever else they are."""

from __future__ import annotations

import math

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.gccd.law.kernel import DK, DP

K, PK, LOBES = 9, 18, 9
"""Where calmodulin on K and on pK begins in the state of `kernel`, and how many states of lobes each has."""


@njit(cache=True, error_model="numpy")
def dephosphorylate(sites: Floats, rates: Floats, span: float) -> None:
    """Columns (29 rows or more, n) of states over `span` ms at rates (n,) per ms: pK becomes K, paired pK paired K."""
    for i in range(len(rates)):
        part = -math.expm1(-rates[i] * span)
        for k in range(LOBES):
            moved = part * sites[PK + k, i]
            sites[K + k, i] += moved
            sites[PK + k, i] -= moved
        moved = part * sites[DP, i]
        sites[DK, i] += moved
        sites[DP, i] -= moved
