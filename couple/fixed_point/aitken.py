"""Relaxation of x = H(x) by a factor that follows from the last two residuals (Irons & Tuck 1969, after Aitken).

x_(k+1) = x_k + w_k r_k with r_k = H(x_k) - x_k and w_k = - w_(k-1) r_(k-1)·(r_k - r_(k-1)) / |r_k - r_(k-1)|²
(Küttler & Wall 2008, Comput Mech 43:61, equation 44).
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats

MOST = 2.0
"""Largest factor, of either sign."""


class Aitken:
    """Next tries for x = H(x), n numbers, from the last two since `clear`; see `Anderson` for weights."""

    def __init__(self, n: int) -> None:
        self._residual, self._factor, self._first = np.zeros(n), 1.0, True

    def clear(self) -> None:
        """Forget all tries: H is another one now."""
        self._first, self._factor = True, 1.0

    def next(self, tried: Floats, found: Floats, weights: Floats) -> Floats:
        """(n,) what to try after `tried`, of which H gives `found`."""
        residual = (found - tried) * weights
        if not self._first:
            change = residual - self._residual
            square = float((change * change).sum())
            if square > 0.0:
                factor = -self._factor * float((self._residual * change).sum()) / square
                self._factor = min(max(factor, -MOST), MOST) or 1.0
        self._residual, self._first = residual, False
        return np.where(weights > 0.0, tried + self._factor * (found - tried), found)


class Plain:
    """The next try is what H gives."""

    def clear(self) -> None:
        """Nothing is kept."""

    def next(self, tried: Floats, found: Floats, weights: Floats) -> Floats:
        """(n,) `found`."""
        del tried, weights
        return found.copy()
