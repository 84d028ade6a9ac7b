"""Moments of p(n) ∝ exp(Σ ν_α n^α) and ln Z, as sums over the whole numbers that conservation allows."""

from __future__ import annotations

import math

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.copy_numbers.kernels.tables import Model

BELOW, ABOVE = 7.0, 8.0
"""Standard deviations below and above the mean that are summed over."""
COARSE, FINE = 0.75, 0.2
"""Standard deviations between numbers at which p is looked at: of order 2, and above, where there may be two modes."""


@njit(cache=True, error_model="numpy")
def _range(
    model: Model, room: Floats, most: float, s: int, n0: float, n1: float, centre: float, scale: float
) -> tuple[int, int]:
    """Least and largest number s that is looked at, where those before it are n0 and n1."""
    low, high = max(0.0, math.floor(centre - BELOW * scale)), min(most, math.ceil(centre + ABOVE * scale))
    for d in range(len(room)):
        rest = room[d] + 1e-9
        if s > 0:
            rest += model.others[d, 0] * n0
        if s > 1:
            rest += model.others[d, 1] * n1
        by = model.others[d, s]
        if by < 0.0:
            high = min(high, math.floor(rest / -by))
        elif by > 0.0 and rest < 0.0:
            low = max(low, math.ceil(-rest / by))
    return int(low), int(high)


@njit(cache=True, error_model="numpy")
def _cells(low: int, high: int, wide: float) -> int:
    """Parts into which a range is divided."""
    length = high - low
    return length if wide <= 1.0 or length < 4 else max(math.ceil(length / wide), 4)


@njit(cache=True, error_model="numpy")
def _weight(i: int, cells: int, h: float) -> float:
    """Of a number in a sum over whole numbers that is looked at every h of them (Euler and Maclaurin, 4th order)."""
    weight = h
    if h > 1.0:
        bend = (1.0 - h * h) / (24.0 * h)
        for at in (i, cells - i):
            if at == 0:
                weight += 0.5 * (1.0 - h) + 3.0 * bend
            elif at == 1:
                weight -= 4.0 * bend
            elif at == 2:
                weight += bend
    return weight


@njit(cache=True, error_model="numpy")
def add_up(model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, nu: Floats, sums: Floats) -> float:
    """Set `sums` to the moments of p at potentials nu (kept,) of x; returns ln Z."""
    exponents = model.exponents
    numbers, kept = model.sizes[0], model.sizes[1]
    last, top, peak = numbers - 1, len(model.place) - 1, -1e300
    sums[:] = 0.0
    total = 0.0
    line, coefficients = np.zeros(top + 1), np.zeros(top + 1)
    first = np.ones(top + 1)
    second = np.ones(top + 1)
    low0, high0 = (0, 0) if last < 1 else _range(model, room, most[0], 0, 0.0, 0.0, centre[0], scale[0])
    cells0 = _cells(low0, high0, model.coarse * scale[0])
    h0 = (high0 - low0) / cells0 if cells0 > 0 else 1.0
    for i0 in range(cells0 + 1):
        n0 = low0 + h0 * i0
        w0 = 1.0 if last < 1 else _weight(i0, cells0, h0)
        low1, high1, cells1 = 0, 0, 0
        if last > 1:
            low1, high1 = _range(model, room, most[1], 1, n0, 0.0, centre[1], scale[1])
            cells1 = _cells(low1, high1, model.coarse * scale[1]) if high1 >= low1 else -1
        h1 = (high1 - low1) / cells1 if cells1 > 0 else 1.0
        for i1 in range(cells1 + 1):
            n1 = low1 + h1 * i1
            w1 = w0 if last < 2 else w0 * _weight(i1, cells1, h1)
            low, high = _range(model, room, most[last], last, n0, n1, centre[last], scale[last])
            if high < low:
                continue
            cells = _cells(low, high, model.coarse * scale[last])
            h = (high - low) / cells if cells > 0 else 1.0
            if last > 0:
                x = (n0 - centre[0]) / scale[0]
                for k in range(1, top + 1):
                    first[k] = first[k - 1] * x
            if last > 1:
                x = (n1 - centre[1]) / scale[1]
                for k in range(1, top + 1):
                    second[k] = second[k - 1] * x
            coefficients[:] = 0.0
            for row in range(1, kept + 1):
                if last == 0:
                    coefficients[exponents[row, 0]] += nu[row - 1]
                elif last == 1:
                    coefficients[exponents[row, 1]] += nu[row - 1] * first[exponents[row, 0]]
                else:
                    outer = first[exponents[row, 0]] * second[exponents[row, 1]]
                    coefficients[exponents[row, 2]] += nu[row - 1] * outer
            line[:] = 0.0
            for i in range(cells + 1):
                x = (low + h * i - centre[last]) / scale[last]
                energy = 0.0
                for k in range((top - 1) // 2, -1, -1):
                    energy = energy * x + coefficients[k]
                if energy > peak + 300.0:  # begin anew at this height
                    factor = math.exp(max(peak - energy, -745.0)) if peak > -1e299 else 0.0
                    total *= factor
                    for row in range(len(sums)):
                        sums[row] *= factor
                    for k in range(top + 1):
                        line[k] *= factor
                    peak = energy
                p = math.exp(energy - peak) * w1 * (1.0 if h == 1.0 else _weight(i, cells, h))
                for k in range(top + 1):
                    line[k] += p
                    p *= x
            total += line[0]
            for row in range(1, len(sums)):
                a, b, c = exponents[row, 0], exponents[row, 1], exponents[row, 2]
                if last == 0:
                    sums[row] += line[a]
                elif last == 1:
                    sums[row] += first[a] * line[b]
                else:
                    sums[row] += first[a] * second[b] * line[c]
    sums[0] = 1.0
    for row in range(1, len(sums)):
        sums[row] /= total
    return math.log(total) + peak
