"""What enters, what leaves and what is held, at the start of a window of a continuous well-mixed engine."""

from __future__ import annotations

import math

from adapters.wellmixed.common.codes import BAD_CLAMP, BAD_INFLUX, INLINE, OK, TOO_FEW
from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit


@njit(**INLINE)
def set_clamped(y: Floats, clamp: Floats, clamped: Ints, book: Ints) -> int:
    """Set the species at `clamped` to `clamp` molecules, booked against the reservoirs at `book`; returns a code."""
    for k in range(len(book)):
        if not 0.0 <= clamp[k] < math.inf:
            return BAD_CLAMP
        y[book[k]] -= clamp[k] - y[clamped[k]]
        y[clamped[k]] = clamp[k]
    return OK


@njit(**INLINE)
def spread_influx(
    source: Floats, y: Floats, influx: Floats, injected: Ints, book: Ints, span: float, slack: float, relative: float
) -> int:
    """Molecules that enter come at a constant rate, `source` (/ms); those that leave are taken out at once.

    influx: (n_injected,) molecules. injected: (n_injected,) where each is added. span: ms. Returns a code.
    slack: molecules below zero that are rounding, and relative: the same as a part of what leaves.
    """
    source[:] = 0.0
    for j in range(len(injected)):
        if not -math.inf < influx[j] < math.inf:
            return BAD_INFLUX
        if influx[j] > 0.0:
            source[injected[j]] += influx[j] / span
        else:
            y[injected[j]] += influx[j]
            if y[injected[j]] < -max(slack, -relative * influx[j]) and not among(injected[j], book):
                return TOO_FEW
    return OK


@njit(cache=True, inline="always")
def among(column: int, columns: Ints) -> bool:
    """Whether a column is one of some."""
    found = False
    for c in columns:
        if c == column:
            found = True
    return found
