"""Rates by voltage for engines: the factors of all reactions of all sites at once."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit
from couple.chemistry.voltage import Kind, VoltageFactor

_CODES: dict[Kind, int] = {"exponential": 0, "boltzmann": 1, "linoid": 2, "table": 3}


class VoltageRates:
    """Factors of all reactions of a network that depend on V, site by site. of: reaction → its factor."""

    def __init__(self, of: Mapping[int, VoltageFactor]) -> None:
        self.reactions = tuple(of)
        self._tables = _packed([*of.values()])

    def columns(self, order: Ints) -> tuple[Ints, Ints]:
        """Of columns that belong to the reactions `order`: those that depend on V, and the factor of each."""
        place = {r: j for j, r in enumerate(self.reactions)}
        found = [(column, place[r]) for column, r in enumerate(order.tolist()) if r in place]
        columns, factor = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return columns, factor

    def factors(self, v: Floats) -> Floats:
        """(n_sites, n_reactions) factors, in the order of `reactions`, at (n_sites,) mV."""
        found = np.empty((len(v), len(self.reactions)))
        factors(v, *self._tables, found)
        return found


def _packed(of: list[VoltageFactor]) -> tuple[Ints, Floats, Floats]:
    """Kinds and first and last + 1 of the points (n, 3); at, scale, low, high (n, 4); points (n_points, 2)."""
    points: list[tuple[float, float]] = []
    table = []
    for f in of:
        table.append((_CODES[f.kind], len(points), len(points) + len(f.v)))
        points += zip(f.v, f.y, strict=True)
    numbers = np.array([(f.at, f.scale, f.low, f.high) for f in of], dtype=np.float64).reshape(-1, 4)
    return np.array(table, dtype=np.int64).reshape(-1, 3), numbers, np.array(points, dtype=np.float64).reshape(-1, 2)


@njit(cache=True)
def factors(v: Floats, table: Ints, numbers: Floats, points: Floats, out: Floats) -> None:
    """Set out (n_sites, n) to the factors at (n_sites,) mV; tables: see VoltageRates."""
    for i in range(len(v)):
        for j in range(len(table)):
            kind, start, stop = table[j, 0], table[j, 1], table[j, 2]
            at = min(max(v[i], numbers[j, 2]), numbers[j, 3])
            x = (at - numbers[j, 0]) / numbers[j, 1]
            if kind == 0:
                y = math.exp(x)
            elif kind == 1:
                y = 1.0 / (1.0 + math.exp(-x))
            elif kind == 2:
                y = 1.0 + 0.5 * x if abs(x) < 1e-8 else x / -math.expm1(-x)
            else:
                k = start
                while k + 2 < stop and points[k + 1, 0] <= at:
                    k += 1
                part = min(max((at - points[k, 0]) / (points[k + 1, 0] - points[k, 0]), 0.0), 1.0)
                y = points[k, 1] + part * (points[k + 1, 1] - points[k, 1])
            out[i, j] = y
