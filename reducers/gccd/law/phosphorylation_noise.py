"""Chance in how many subunits are phosphorylated: what the law expects of a step is the mean of a Poisson number.

Molecules of calcium come and go within a millisecond, and their noise is gone as fast; a phosphate stays, so that the
noise of phosphorylation adds up. Deviations are put into the state with the lobes as they are, so that no ion moves.
"""

from __future__ import annotations

import math

from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from couple.rng.normal import normal
from reducers.gccd.law.dephosphorylation import LOBES, PK, K
from reducers.gccd.law.kernel import DK, DP

ENOUGH = 0.25
"""Expected events after which a deviation is drawn: variances add up, so that nothing is lost by waiting."""


@njit(cache=True, error_model="numpy")
def shake(sites: Floats, scales: Floats, expected: Floats, words: Words) -> None:
    """Columns (29 rows or more, n) of states in uM. scales: (n,) molecules per uM. expected: (n,) events, in uM, since
    the last deviation; set to 0 where one is drawn."""
    for i in range(len(expected)):
        variance = expected[i] * scales[i]
        if variance < ENOUGH:
            continue
        expected[i] = 0.0
        bound, phosphorylated = 0.0, 0.0
        for s in range(LOBES):
            bound += sites[K + s, i]
            phosphorylated += sites[PK + s, i]
        moved = math.sqrt(variance) * normal(words[i]) / scales[i]
        moved = min(max(moved, -0.5 * phosphorylated), 0.5 * bound)
        source, share = (K, moved / bound) if moved > 0.0 else (PK, moved / phosphorylated if moved < 0.0 else 0.0)
        for s in range(LOBES):
            step = share * sites[source + s, i]
            sites[K + s, i] -= step
            sites[PK + s, i] += step
        sites[DK, i] = min(sites[DK, i], bound - moved)
        sites[DP, i] = min(sites[DP, i], phosphorylated + moved)


@njit(cache=True, error_model="numpy")
def count(sites: Floats, out: Floats, sign: float) -> None:
    """Add phosphorylated subunits (n,), times `sign`, to out."""
    for i in range(len(out)):
        total = 0.0
        for s in range(LOBES):
            total += sites[PK + s, i]
        out[i] += sign * total
