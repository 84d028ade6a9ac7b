"""The law at many sites at once: loops over sites, each with its own pace. Called by `reducers.driven.mrf`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from couple.component import Floats
from reducers.gccd.kernel import DK, DP, interpolate, locate, step, total

Ints = npt.NDArray[np.int64]

LOBES, CLASSES, IONS = 0, 12, 15
"""Columns of `seen` (n_sites, 16): shares of the chains C free, N free, C bound, N bound in 0, 1, 2 ions (uM); free
calmodulin, on K, on pK; calcium held."""
WIDTH = 16

CALCIUM, AREA, WAITED, PACE, TAKEN = range(5)
"""Columns of `pace` (n_sites, 5): calcium of the last step; sum of c over windows since, and their number; whether the
site rests; uM per ms that it took up in its last step, and goes on to take up while it rests."""
STRIDE = 8
"""Steps that a site at rest takes as one."""
MOVED, FLOOR = 0.02, 2e-3
"""Calcium that moved by this part, and by so much (uM), wakes a site."""
STILL = 2e-4
"""Change of the calcium held, as a part of it, per step, below which a site rests."""


@njit(cache=True)
def look(y: Floats, seen: Floats) -> None:
    """Fill `seen` (16,) of one site."""
    for i in range(3):
        seen[i] = y[3 * i] + y[3 * i + 1] + y[3 * i + 2]
        seen[3 + i] = y[i] + y[3 + i] + y[6 + i]
        k, p = 9 + 3 * i, 18 + 3 * i
        seen[6 + i] = (y[k] + y[k + 1] + y[k + 2]) + (y[p] + y[p + 1] + y[p + 2])
        k, p = 9 + i, 18 + i
        seen[9 + i] = (y[k] + y[k + 3] + y[k + 6]) + (y[p] + y[p + 3] + y[p + 6])
    seen[CLASSES] = seen[0] + seen[1] + seen[2]
    seen[CLASSES + 2] = total(y, 18)
    seen[CLASSES + 1] = seen[6] + seen[7] + seen[8] - seen[CLASSES + 2]
    seen[IONS] = (seen[1] + seen[4]) + (seen[7] + seen[10]) + 2.0 * ((seen[2] + seen[5]) + (seen[8] + seen[11]))


@njit(cache=True)
def look_all(state: Floats, seen: Floats) -> None:
    """`look` at every site."""
    for i in range(len(state)):
        look(state[i], seen[i])


@njit(cache=True, inline="always")
def _gain(seen: Floats, table: Floats, cell: int) -> float:
    """Ions that all lobes take up over a step at a node of the grid, uM."""
    gain = 0.0
    for j in range(4):
        a0, a1, a2 = seen[3 * j], seen[3 * j + 1], seen[3 * j + 2]
        t = 6 * j
        one = table[cell, t] * a0 + table[cell, t + 1] * a1 + table[cell, t + 2] * a2
        two = table[cell, t + 3] * a0 + table[cell, t + 4] * a1 + table[cell, t + 5] * a2
        gain += one + 2.0 * two - a1 - 2.0 * a2
    return gain


@njit(cache=True)
def uptake(seen: Floats, pace: Floats, table: Floats, grid: Floats, scales: Floats, h: float, out: Floats) -> None:
    """out (n_sites, 2): ions per ms at no calcium, and per uM: the chord of what the next step of h ms will take."""
    for i in range(len(seen)):
        if pace[i, PACE] > 0.0:
            rate = pace[i, TAKEN] * scales[i]
            out[i, 0] = min(rate, 0.0)
            out[i, 1] = max(rate, 0.0) / max(pace[i, CALCIUM], FLOOR)
            continue
        none = _gain(seen[i], table, 0)
        calcium = max(pace[i, CALCIUM], 1e-3)
        cell, w = locate(calcium, grid)
        some = (1.0 - w) * _gain(seen[i], table, cell) + w * _gain(seen[i], table, cell + 1)
        out[i, 0] = none * scales[i] / h
        out[i, 1] = (some - none) * scales[i] / (h * calcium)


@njit(cache=True)
def advance(
    state: Floats,
    seen: Floats,
    pace: Floats,
    rates: Floats,
    subunits: Floats,
    table: Floats,
    long_table: Floats,
    grid: Floats,
    drive: Floats,
    h: float,
    substeps: int,
    stride: int,
    graph: int,
    box: Floats,
    calmodulin: Floats,
    outside: Ints,
    fresh: Ints,
) -> int:
    """All sites by one window of `substeps` steps of h ms; a site at rest takes note of it, until it wakes or `stride`
    windows are one step. Returns 1 + a site that failed."""
    t = np.empty(24)
    for i in range(len(state)):
        y, mine, now = state[i], pace[i], drive[i]
        mine[AREA] += now
        mine[WAITED] += 1.0
        near = abs(now - mine[CALCIUM]) <= MOVED * mine[CALCIUM] + FLOOR
        if mine[PACE] > 0.0 and near and mine[WAITED] < stride:
            continue
        before, windows, mean = seen[i, IONS], int(mine[WAITED]), mine[AREA] / mine[WAITED]
        steps = windows * substeps
        if mine[PACE] > 0.0 and near:
            interpolate(long_table, grid, mean, t)
            step(y, rates, subunits[i], t, h * steps, graph)
        else:
            interpolate(table, grid, mean, t)
            for _ in range(steps):
                step(y, rates, subunits[i], t, h, graph)
        look(y, seen[i])
        fresh[i] = 1
        gain = seen[i, IONS] - before
        if not abs(gain) < 1e300:
            return 1 + i
        quiet = abs(gain) <= STILL * steps * (seen[i, IONS] + FLOOR)
        mine[PACE] = 1.0 if quiet and near else 0.0
        mine[CALCIUM], mine[AREA], mine[WAITED], mine[TAKEN] = now, 0.0, 0.0, gain / (steps * h)
        inverse = 1.0 / calmodulin[i] if calmodulin[i] > 0.0 else 0.0
        if (
            seen[i, CLASSES + 2] * inverse > box[1, 1]
            or (seen[i, CLASSES + 1] + seen[i, CLASSES + 2]) * inverse > box[1, 0]
            or (y[DK] + y[DP]) * inverse > box[1, 2]
            or seen[i, IONS] * inverse > box[1, 3]
        ):
            outside[i] += 1
    return 0


@njit(cache=True)
def ions(seen: Floats, pace: Floats, scales: Floats, span: float, out: Floats) -> None:
    """out (n_sites,): ions held; a site at rest goes on as it did in its last step."""
    for i in range(len(seen)):
        out[i] = (seen[i, IONS] + pace[i, TAKEN] * pace[i, WAITED] * span) * scales[i]


@njit(cache=True)
def watched(state: Floats, weights: Floats, scales: Floats, fresh: Ints, out: Floats) -> None:
    """out (n_sites, n): molecules by weights (n, 29) of the state, anew where `fresh` says that it changed."""
    for i in range(len(state)):
        if fresh[i] == 0:
            continue
        fresh[i] = 0
        for o in range(len(weights)):
            s = 0.0
            for j in range(29):
                s += weights[o, j] * state[i, j]
            out[i, o] = s * scales[i]
