"""What a parameter is by an amount of molecules, and how it follows: stated functions with a time constant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit

Kind = Literal["linear", "hill", "table"]

LINEAR, HILL, TABLE = range(3)
_CODES: dict[Kind, int] = {"linear": LINEAR, "hill": HILL, "table": TABLE}


@dataclass(frozen=True)
class Response:
    """y by an amount x of molecules.

    linear: numbers (offset, slope, least, most), y = offset + slope x, within least .. most.
    hill:   numbers (low, high, half, n), y = low + (high - low) x^n / (half^n + x^n), low where x is not above 0.
    table:  x, y of points, x rising: straight lines between them, constant outside.

    >>> from couple.exchange.response import Response
    >>> Response("hill", (1.0, 3.0, 20.0, 4.0))(20.0)
    2.0
    """

    kind: Kind
    numbers: tuple[float, ...] = ()
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __call__(self, amount: float) -> float:
        """y by an amount, as the kernel works it out."""
        integers, floats = pack_responses([(0, ((1, 1.0),), self, 0.0)])
        memory = np.array([0.0, amount])
        follow(memory, integers, floats, np.zeros(1), True)
        return float(memory[0])


Row = tuple[int, tuple[tuple[int, float], ...], Response, float]
"""Target, sources with weights, response, keep."""

_HEAD, _WIDTH = 1, 6
"""Integers: the number of links, then of each: target, first and last + 1 of its sources, kind, first and last + 1 of
the points of its table; then all sources. Floats: of each link keep and four numbers; then weights, x, y."""


def pack_responses(rows: Sequence[Row]) -> tuple[Ints, Floats]:
    """Integers and floats of the links, as `follow` takes them."""
    n, sources = len(rows), [pair for _, pairs, _, _ in rows for pair in pairs]
    first = _HEAD + _WIDTH * n
    weights, points = 5 * n, 5 * n + len(sources)
    table, floats = [n], [number for _, _, r, keep in rows for number in (keep, *r.numbers, *[0.0] * 4)[:5]]
    xy: list[float] = []
    source = first
    for target, pairs, response, _ in rows:
        start = points + len(xy)
        table += [target, source, source + len(pairs), _CODES[response.kind], start, start + len(response.x)]
        source += len(pairs)
        xy += [*response.x, *response.y]
    table += [i for i, _ in sources]
    assert len(floats) == weights
    return np.array(table, dtype=np.int64), np.array([*floats, *(w for _, w in sources), *xy], dtype=np.float64)


@njit(cache=True)
def follow(memory: Floats, integers: Ints, floats: Floats, values: Floats, at_once: bool) -> None:
    """Let each parameter follow its amount over a window in which that is held, dy/dt = (f(x) - y) / tau: exactly.

    values: (n_links,) running values y; those of one target add up there. at_once: without time constants.
    """
    n = integers[0]
    sources = 1 + 6 * n
    for k in range(n):
        memory[integers[1 + 6 * k]] = 0.0
    for k in range(n):
        at = 1 + 6 * k
        x = 0.0
        for j in range(integers[at + 1], integers[at + 2]):
            x += floats[5 * n + j - sources] * memory[integers[j]]
        kind, start, stop = integers[at + 3], integers[at + 4], integers[at + 5]
        a, b, c, d = floats[5 * k + 1], floats[5 * k + 2], floats[5 * k + 3], floats[5 * k + 4]
        if kind == 0:
            y = min(max(a + b * x, c), d)
        elif kind == 1:
            y = a if x <= 0.0 else a + (b - a) / (1.0 + (c / x) ** d)
        else:
            m = stop - start
            i = start
            while i + 2 < stop and floats[i + 1] <= x:
                i += 1
            part = min(max((x - floats[i]) / (floats[i + 1] - floats[i]), 0.0), 1.0)
            y = floats[i + m] + part * (floats[i + m + 1] - floats[i + m])
        keep = 0.0 if at_once else floats[5 * k]
        if keep > 0.0:
            y += keep * (values[k] - y)
        values[k] = y
        memory[integers[at]] += y
