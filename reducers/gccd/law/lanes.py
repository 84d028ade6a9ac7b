"""The law at many sites at once, in blocks of lanes. Called by `reducers.gccd.block`.

All that a site has is a column of `sites` (n_rows, n), n a multiple of `LANES`; columns beyond the last site are 0 and
stay so. A block is copied into `work`, one array with a row of `LANES` for each number of a site, so that the compiler
knows that rows do not overlap; there every part of a step is one loop over lanes. Arithmetic of a lane is that of
`kernel` on one site: bits do not depend on the block or the place in it.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit
from reducers.gccd.law.kernel import (
    DK,
    DP,
    LANE,
    LEAST,
    N_STATE,
    N_TABLE,
    bind,
    locate,
    mix,
    pair,
    phosphorylate,
    project,
    spread_kind,
    total,
)

LANES = 32

CALMODULIN, SUBUNITS, SCALE, CALCIUM, HELD, BASE, SLOPE, VALUES = range(N_STATE, N_STATE + 8)
"""Rows of `sites` behind the state: calmodulin and CaMKII (uM), molecules per uM, mean calcium of the window (uM); then
what `advance_sites` finds: ions held, what the next window takes per ms at no calcium and per uM, observables."""

SHARES = 12
"""Shares of the chains C free, N free, C bound, N bound in 0, 1, 2 ions."""


def empty(n: int, observables: int) -> tuple[Floats, Floats]:
    """`sites` for n sites, and `work`."""
    rows, width = VALUES + observables, -(-n // LANES) * LANES
    return _zeros(rows * width).reshape(rows, width), _zeros((rows + N_TABLE + SHARES) * LANES)


def _zeros(n: int) -> Floats:
    """(n,) from the beginning of a cache line on: eight lanes that lie in two lines take twice as long."""
    room = np.zeros(n + 7)
    begin = -(room.ctypes.data // 8) % 8
    return room[begin : begin + n]


@njit(**LANE)
def _copy(source: Floats, target: Floats) -> None:
    for i in range(len(target)):  # a length that the compiler knows it unrolls, and then takes one by one
        target[i] = source[i]


@njit(**LANE)
def _load(sites: Floats, begin: int, work: Floats) -> None:
    for e in range(HELD):
        _copy(sites[e, begin : begin + LANES], work[e * LANES : (e + 1) * LANES])


@njit(**LANE)
def _store(sites: Floats, begin: int, work: Floats) -> None:
    for e in range(N_STATE):
        _copy(work[e * LANES : (e + 1) * LANES], sites[e, begin : begin + LANES])
    for e in range(HELD, len(sites)):
        _copy(work[e * LANES : (e + 1) * LANES], sites[e, begin : begin + LANES])


@njit(**LANE)
def _mix(work: Floats, bits: Ints, t: Floats, table: Floats) -> None:
    """Propagators of all lanes; bits: of `work`."""
    for i in range(LANES):
        work[CALCIUM * LANES + i] = max(work[CALCIUM * LANES + i], 1e-6 * LEAST)  # so that there is a chord
    for i in range(LANES):
        at = CALCIUM * LANES + i
        cell, w = locate(work[at], bits[at])
        mix(table, cell, w, t, i, LANES)


@njit(**LANE)
def _step(y: Floats, t: Floats, k: Floats, h: float, graph: int) -> None:
    """`kernel.step` of all lanes."""
    for i in range(LANES):
        bind(y, k, y[SUBUNITS * LANES + i], h, i, LANES)
    for i in range(LANES):
        phosphorylate(y, k, h, i, LANES)
    for i in range(LANES):
        pair(y, k, h, i, LANES)
    for kind in range(3):
        for i in range(LANES):
            spread_kind(y, kind, t, i, LANES)
    if graph:
        for i in range(LANES):
            project(y, graph, i, LANES)


@njit(**LANE)
def _look(y: Floats, a: Floats) -> None:
    """Fill the shares of the chains."""
    n = LANES
    for i in range(n):
        for m in range(3):
            c, d = 3 * m * n + i, m * n + i
            a[d] = y[c] + y[c + n] + y[c + 2 * n]
            a[d + 3 * n] = y[d] + y[d + 3 * n] + y[d + 6 * n]
            k, p = c + 9 * n, c + 18 * n
            a[d + 6 * n] = (y[k] + y[k + n] + y[k + 2 * n]) + (y[p] + y[p + n] + y[p + 2 * n])
            k, p = d + 9 * n, d + 18 * n
            a[d + 9 * n] = (y[k] + y[k + 3 * n] + y[k + 6 * n]) + (y[p] + y[p + 3 * n] + y[p + 6 * n])


@njit(**LANE)
def _gain(a: Floats, t: Floats, i: int, n: int) -> float:
    """uM that all chains take up over a step with propagators t."""
    gain = 0.0
    for j in range(4):
        s, b = 3 * j * LANES + i, 6 * j * n + (i if n > 1 else 0)
        a0, a1, a2 = a[s], a[s + LANES], a[s + 2 * LANES]
        one = t[b] * a0 + t[b + n] * a1 + t[b + 2 * n] * a2
        two = t[b + 3 * n] * a0 + t[b + 4 * n] * a1 + t[b + 5 * n] * a2
        gain += one + 2.0 * two - a1 - 2.0 * a2
    return gain


@njit(**LANE)
def _chord(y: Floats, a: Floats, t: Floats, none: Floats, h: float) -> None:
    """Ions held, and the chord of what the next step takes: `BASE` per ms at no calcium, `SLOPE` per ms and uM."""
    n = LANES
    for i in range(n):
        scale = y[SCALE * n + i]
        free = (a[n + i] + a[4 * n + i]) + 2.0 * (a[2 * n + i] + a[5 * n + i])
        bound = (a[7 * n + i] + a[10 * n + i]) + 2.0 * (a[8 * n + i] + a[11 * n + i])
        y[HELD * n + i] = (free + bound) * scale
        least = _gain(a, none, i, 1)
        y[BASE * n + i] = least * scale / h
        y[SLOPE * n + i] = (_gain(a, t, i, n) - least) * scale / (h * y[CALCIUM * n + i])


@njit(**LANE)
def _leave(y: Floats, box: Floats, outside: Ints) -> int:
    """Count sites that are outside of the box; returns how many are not finite."""
    n, failed = LANES, 0
    for i in range(n):
        calmodulin = y[CALMODULIN * n + i]
        share = 1.0 / calmodulin if calmodulin > 0.0 else 0.0
        phosphorylated = total(y, 18, i, n)
        bound = total(y, 9, i, n) + phosphorylated
        paired = y[DK * n + i] + y[DP * n + i]
        ions = y[HELD * n + i] / max(y[SCALE * n + i], 1e-300)
        beyond = max(
            max(bound * share - box[1, 0], phosphorylated * share - box[1, 1]),
            max(paired * share - box[1, 2], ions * share - box[1, 3]),
        )
        outside[i] += 1 if beyond > 0.0 else 0
        failed += 0 if abs(ions) < np.inf else 1
    return failed


@njit(**LANE)
def _watch(y: Floats, start: Ints, entries: Ints, weights: Floats) -> None:
    """Observables: sums over entries of the state by weights, entries start[o] .. start[o + 1] of the o-th."""
    scale = y[SCALE * LANES : (SCALE + 1) * LANES]
    for o in range(len(start) - 1):
        sums = y[(VALUES + o) * LANES : (VALUES + o + 1) * LANES]
        for i in range(len(sums)):
            sums[i] = 0.0
        for j in range(start[o], start[o + 1]):
            weight, row = weights[j], y[entries[j] * LANES : (entries[j] + 1) * LANES]
            for i in range(len(sums)):
                sums[i] += weight * row[i]
        for i in range(len(sums)):
            sums[i] *= scale[i]


@njit(cache=True, _nrt=False, error_model="numpy")
def advance_sites(
    sites: Floats,
    outside: Ints,
    rates: Floats,
    table: Floats,
    box: Floats,
    start: Ints,
    entries: Ints,
    weights: Floats,
    work: Floats,
    bits: Ints,
    h: float,
    steps: int,
    graph: int,
) -> int:
    """All sites by `steps` steps of h ms; none: only look at them. bits: `work`, as integers. Returns 1 + the first
    column of a block with a site that failed, or 0."""
    t, shares = work[len(sites) * LANES :], work[(len(sites) + N_TABLE) * LANES :]
    for begin in range(0, sites.shape[1], LANES):
        _load(sites, begin, work)
        _mix(work, bits, t, table)
        for _ in range(steps):
            _step(work, t, rates, h, graph)
        _look(work, shares)
        _chord(work, shares, t, table[0], h)
        _watch(work, start, entries, weights)
        _store(sites, begin, work)
        if steps and _leave(work, box, outside[begin : begin + LANES]):
            return 1 + begin
    return 0
