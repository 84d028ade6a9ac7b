"""Initial rows of sites with correlations: exact draws from an open chain with couplings of neighbours and triplets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.cache.kernels import njit

Uint8 = npt.NDArray[np.uint8]


@njit(cache=True)
def draw_chain(h: float, j: float, k: float, uniforms: Floats) -> Uint8:
    """(n,) 0 or 1 with p ∝ exp(h Σ s + J Σ ss' + K Σ ss's''), one uniform number per site.

    The weight of all that can follow a pair of sites is summed from the end; sites are then drawn in order.
    """
    n = len(uniforms)
    after = np.ones((n + 1, 2, 2))  # of sites i, i + 1, … given the two before: [i, s(i-2), s(i-1)]
    for i in range(n - 1, -1, -1):
        for a in range(2):
            for b in range(2):
                after[i, a, b] = after[i + 1, b, 0] + np.exp(h + b * (j + a * k)) * after[i + 1, b, 1]
        after[i] /= after[i].max()
    out = np.zeros(n, dtype=np.uint8)
    a, b = 0, 0
    for i in range(n):
        empty, full = after[i + 1, b, 0], np.exp(h + b * (j + a * k)) * after[i + 1, b, 1]
        out[i] = 1 if uniforms[i] * (empty + full) >= empty else 0
        a, b = b, out[i]
    return out
