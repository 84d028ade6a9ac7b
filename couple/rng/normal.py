"""Normal random numbers from the streams of couple.rng.streams."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Words
from couple.cache.kernels import njit
from couple.rng.streams import next_word, uniform

_LAYERS, _R, _V = 128, 3.442619855899, 9.91256303526217e-3
_LOW, _R11 = np.uint64(_LAYERS - 1), np.uint64(11)
_TO_UNIT = 1.0 / (1 << 53)


def _edges() -> npt.NDArray[np.float64]:
    """Right edges of layers of equal area under exp(-x²/2), the widest first."""
    x = np.zeros(_LAYERS + 1)
    x[0], x[1] = _V / math.exp(-0.5 * _R * _R), _R
    for i in range(2, _LAYERS):
        x[i] = math.sqrt(-2.0 * math.log(_V / x[i - 1] + math.exp(-0.5 * x[i - 1] ** 2)))
    return x


_X = _edges()
_INSIDE = _X[1:] / _X[:-1]


@njit(cache=True)
def _tail(s: Words, negative: bool) -> float:
    """Beyond the widest layer (Marsaglia's method)."""
    while True:
        x, y = math.log(uniform(s)) / _R, math.log(uniform(s))
        if -2.0 * y >= x * x:
            return x - _R if negative else _R - x


@njit(cache=True)
def normal(s: Words) -> float:
    """Standard normal, by the ziggurat (Marsaglia & Tsang, J Stat Softw 5(8), 2000; layout of Doornik, 2005).

    One random word gives layer (low 7 bits) and position (high 53 bits); 1.2 % of draws need more.
    """
    while True:
        word = next_word(s)
        u, i = 2.0 * (float(word >> _R11) + 0.5) * _TO_UNIT - 1.0, int(word & _LOW)
        if abs(u) < _INSIDE[i]:
            return u * _X[i]  # type: ignore[no-any-return]
        if i == 0:
            return _tail(s, u < 0.0)  # type: ignore[no-any-return]
        x = u * _X[i]
        outer, inner = math.exp(-0.5 * (_X[i] ** 2 - x * x)), math.exp(-0.5 * (_X[i + 1] ** 2 - x * x))
        if inner + uniform(s) * (outer - inner) < 1.0:
            return x  # type: ignore[no-any-return]
