"""Anderson acceleration of x = H(x), also known as the quasi-Newton method IQN-ILS.

With residuals r_k = H(x_k) - x_k of the tries so far, the next is H(x_k) + Σ a_j (H(x_j) - H(x_k)), where a minimises
|r_k + Σ a_j (r_j - r_k)|: what would be left if H were linear (Anderson 1965, J ACM 12:547; Degroote, Bathe &
Vierendeels 2009, Comput Struct 87:793). Differences that hardly point anywhere new are left out (Haelterman et al.
2016).
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit

DEPTH = 4
"""Differences with earlier tries that are used, at most."""

NEW = 1e-6
"""A difference is left out if less than this part of it is perpendicular to the newer ones."""


class Anderson:
    """Next tries for x = H(x), n numbers, from all since `clear`.

    A number whose weight is 0 takes no part: the next try is what H gives for it.
    """

    def __init__(self, n: int) -> None:
        self._inputs, self._results = np.zeros((DEPTH + 1, n)), np.zeros((DEPTH + 1, n))
        self._work, self._tries = np.zeros((2 * DEPTH + 1, n)), 0

    def clear(self) -> None:
        """Forget all tries: H is another one now."""
        self._tries = 0

    def next(self, tried: Floats, found: Floats, weights: Floats) -> Floats:
        """(n,) what to try after `tried`, of which H gives `found`.

        weights: (n,) of each number in the norm that is minimised, 0 for one that is left as H gives it.
        """
        at = self._tries % (DEPTH + 1)
        self._inputs[at], self._results[at] = tried, found
        self._tries += 1
        ahead = found.copy()
        accelerate(self._inputs, self._results, min(self._tries, DEPTH + 1), at, weights, self._work, ahead)
        return ahead


@njit(cache=True)
def accelerate(
    inputs: Floats, results: Floats, tries: int, newest: int, weights: Floats, work: Floats, ahead: Floats
) -> None:
    """Add to `ahead`, which is what H gave last, what the differences with earlier tries say.

    inputs, results: (DEPTH + 1, n) rings of `tries` tries, of which `newest` is the last.
    work: (2 DEPTH + 1, n). Sums are taken in the order of the numbers.
    """
    size, n = inputs.shape
    depth = size - 1
    left = work[2 * depth]
    for i in range(n):
        left[i] = weights[i] * (results[newest, i] - inputs[newest, i])
    kept = 0
    for back in range(1, tries):
        other = (newest - back) % size
        column, change = work[kept], work[depth + kept]
        before = 0.0
        for i in range(n):
            change[i] = results[other, i] - results[newest, i]
            column[i] = weights[i] * (change[i] - inputs[other, i] + inputs[newest, i])
            before += column[i] * column[i]
        # Gram-Schmidt, of the changes of H alike, so that no triangle has to be solved afterwards
        for k in range(kept):
            along = 0.0
            for i in range(n):
                along += column[i] * work[k, i]
            for i in range(n):
                column[i] -= along * work[k, i]
                change[i] -= along * work[depth + k, i]
        norm = 0.0
        for i in range(n):
            norm += column[i] * column[i]
        if not norm > NEW * NEW * before:
            continue
        scale = 1.0 / np.sqrt(norm)
        along = 0.0
        for i in range(n):
            column[i] *= scale
            change[i] *= scale
            along += column[i] * left[i]
        for i in range(n):
            left[i] -= along * column[i]
            if weights[i] > 0.0:
                ahead[i] -= along * change[i]
        kept += 1
