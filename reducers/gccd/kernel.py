"""One step of the reduced law, and its exact adjoint. All on flat arrays, no BLAS: bits do not depend on the batch.

State y (29,), uM: calmodulin free, on K, on pK, (9,) each by lobes (c, n), n fastest; then K and pK that are paired. It
is the moments of the graph of triples: (C, N, B), (C, N, P), (B, P, D). Given B and P whether a subunit is paired tells
nothing about its lobes, so every probability is a product of two entries: no parameters have to be solved for.

Rates k (48,), per ms and uM: 16 of calcium (in the tables only), then by lobes binding to K (9), leaving it while
unpaired (9), pairing, parting, phosphorylation in a pair by lobes (9), and three that real CaMKII might have: of
unpaired subunits, dephosphorylation, loss of calmodulin from pK.

A step is: binding, phosphorylation, pairing, then calcium by exact propagators of each lobe at the calcium given,
interpolated in tables over a grid of calcium. Each lobe is a chain 0 - 1 - 2 of its own.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from couple.component import Floats

N_STATE, N_RATES = 29, 48
ON, OFF, PAIR, PART, PHOS, ALONE, DEPHOS, LEAVE = 16, 25, 34, 35, 36, 45, 46, 47
"""Where the rates of each kind begin."""
DK, DP = 27, 28
"""Places of paired K and paired pK in y."""

EXACT, PAIRS, INDEPENDENT = 0, 1, 2
"""Graphs: that of the state, lobes independent given class, all sites independent."""

LEAST, PER_DECADE, DECADES = 1e-3, 40, 6
"""Grid of calcium: 0, then from 1e-3 uM over six decades, evenly in its logarithm."""
NODES = 2 + PER_DECADE * DECADES
TINY = 1e-12


def calcium_grid() -> Floats:
    """(NODES,) uM."""
    return np.concatenate([[0.0], LEAST * 10.0 ** (np.arange(NODES - 1) / PER_DECADE)])


@njit(cache=True, inline="always")
def locate(calcium: float, grid: Floats) -> tuple[int, float]:
    """Cell of the grid and the weight of its upper end; linear in calcium. Beyond the grid: its last node."""
    if not calcium > LEAST:
        return 0, max(calcium, 0.0) / LEAST
    k = int(math.log10(calcium / LEAST) * PER_DECADE) + 1
    if k >= NODES - 1:
        return NODES - 2, 1.0
    return k, (calcium - grid[k]) / (grid[k + 1] - grid[k])


@njit(cache=True, inline="always")
def decay(z: float) -> float:
    """Close to exp(-z), positive, and vanishing for large z."""
    return 1.0 / (1.0 + z * (1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0)))))


@njit(cache=True, inline="always")
def total(y: Floats, begin: int) -> float:
    """Sum of nine entries."""
    b = begin  # three sums at a time: a chain of nine additions would wait for each
    s: float = (y[b] + y[b + 1] + y[b + 2]) + (y[b + 3] + y[b + 4] + y[b + 5]) + (y[b + 6] + y[b + 7] + y[b + 8])
    return s


@njit(cache=True)
def bind(y: Floats, k: Floats, subunits: float, h: float) -> None:
    """Free calmodulin and K, and unpaired K with calmodulin, exchange; each state of the lobes on its own."""
    bound, phosphorylated = total(y, 9), total(y, 18)
    free = subunits - bound - phosphorylated
    alone = 1.0 - y[DK] / bound if bound > TINY else 1.0
    for s in range(9):
        a, b = k[ON + s] * free, k[OFF + s] * alone
        r = a + b
        g = (1.0 - decay(r * h)) / r if r > TINY else h
        flux = g * (a * y[s] - b * y[9 + s])
        y[s] -= flux
        y[9 + s] += flux


@njit(cache=True)
def phosphorylate(y: Floats, k: Floats, h: float) -> None:
    """Subunits in pairs are phosphorylated, at the rate of their own calmodulin, and the pair parts."""
    bound = total(y, 9)
    paired = y[DK] / bound if bound > TINY else 0.0
    mixed = y[DP] / y[DK] if y[DK] > TINY else 0.0
    alone, back, leave = k[ALONE], h * k[DEPHOS], h * k[LEAVE]
    events = 0.0
    for s in range(9):
        x, p = y[9 + s], y[18 + s]
        in_pair = h * k[PHOS + s] * paired * x
        events += in_pair
        moved = in_pair + h * alone * (1.0 - paired) * x - back * p
        y[9 + s] = x - moved
        y[18 + s] = p + moved - leave * p
        y[s] += leave * p
    dk, dp = y[DK], y[DP]
    y[DK] = dk - events * (2.0 - mixed) + (back - leave) * dp
    y[DP] = dp - events * mixed - (back + leave) * dp


@njit(cache=True)
def pair(y: Floats, k: Floats, h: float) -> None:
    """K.CaM with K.CaM or pK.CaM: two quadratic equations, each linearised and taken implicitly."""
    bound, phosphorylated = total(y, 9), total(y, 18)
    m, q = bound - y[DK], phosphorylated - y[DP]
    on, off = k[PAIR], k[PART]
    zk, zp = h * (on * (2.0 * m + q) + off), h * (on * m + off)
    fk, fp = on * m * (m + q) - off * y[DK], on * q * m - off * y[DP]
    dk = y[DK] + h * fk / (1.0 + zk * (0.5 + zk / 12.0))
    dp = y[DP] + h * fp / (1.0 + zp * (0.5 + zp / 12.0))
    y[DK] = min(max(dk, 0.0), bound)
    y[DP] = min(max(dp, 0.0), phosphorylated, y[DK])


@njit(cache=True, inline="always")
def spread(y: Floats, at: int, apart: int, t: Floats, j: int) -> None:
    """One chain of three entries `apart` from each other, by the six numbers of its propagator from t[j] on."""
    a0, a1, a2 = y[at], y[at + apart], y[at + 2 * apart]
    b1 = t[j] * a0 + t[j + 1] * a1 + t[j + 2] * a2
    b2 = t[j + 3] * a0 + t[j + 4] * a1 + t[j + 5] * a2
    y[at] = a0 + a1 + a2 - b1 - b2
    y[at + apart] = b1
    y[at + 2 * apart] = b2


@njit(cache=True)
def calcium_step(y: Floats, t: Floats) -> None:
    """All lobes by their propagators t (24,): C and N of free calmodulin, C and N of bound."""
    for kind in range(3):
        j = 0 if kind == 0 else 12
        for i in range(3):
            spread(y, 9 * kind + i, 3, t, j)
        for i in range(3):
            spread(y, 9 * kind + 3 * i, 1, t, j + 6)


@njit(cache=True)
def interpolate(table: Floats, grid: Floats, calcium: float, t: Floats) -> tuple[int, float]:
    """Propagators at a calcium, into t (24,)."""
    cell, w = locate(calcium, grid)
    for i in range(24):
        t[i] = (1.0 - w) * table[cell, i] + w * table[cell + 1, i]
    return cell, w


@njit(cache=True)
def project(y: Floats, graph: int) -> None:
    """The distribution of a smaller graph with the same moments."""
    if graph == PAIRS:
        for kind in range(3):
            _independent_lobes(y, 9 * kind)
    elif graph == INDEPENDENT:
        _independent(y)


@njit(cache=True)
def _independent_lobes(y: Floats, at: int) -> None:
    whole = total(y, at)
    if whole <= TINY:
        return
    n = (y[at] + y[at + 3] + y[at + 6], y[at + 1] + y[at + 4] + y[at + 7], y[at + 2] + y[at + 5] + y[at + 8])
    for i in range(3):
        c = y[at + 3 * i] + y[at + 3 * i + 1] + y[at + 3 * i + 2]
        for j in range(3):
            y[at + 3 * i + j] = c * n[j] / whole


@njit(cache=True)
def _independent(y: Floats) -> None:
    w0, w1, w2 = total(y, 0), total(y, 9), total(y, 18)
    whole = w0 + w1 + w2
    c, n = np.zeros(3), np.zeros(3)
    for i in range(27):
        c[(i % 9) // 3] += y[i]
        n[i % 3] += y[i]
    for i in range(27):
        weight = w0 if i < 9 else (w1 if i < 18 else w2)
        y[i] = weight * c[(i % 9) // 3] * n[i % 3] / (whole * whole)
    paired = y[DK] + y[DP]
    if w1 + w2 > TINY:
        y[DK], y[DP] = paired * w1 / (w1 + w2), paired * w2 / (w1 + w2)


@njit(cache=True)
def step(y: Floats, k: Floats, subunits: float, t: Floats, h: float, graph: int) -> None:
    """One step of h ms with propagators t for the same h."""
    bind(y, k, subunits, h)
    phosphorylate(y, k, h)
    pair(y, k, h)
    calcium_step(y, t)
    project(y, graph)


@njit(cache=True)
def held(y: Floats) -> float:
    """Calcium held, uM."""
    s = 0.0
    for i in range(27):
        s += ((i % 9) // 3 + i % 3) * y[i]
    return s


@njit(cache=True, nogil=True)
def run(
    y: Floats,
    k: Floats,
    subunits: float,
    table: Floats,
    grid: Floats,
    calcium: Floats,
    substeps: int,
    h: float,
    graph: int,
    path: Floats,
) -> None:
    """path (windows * substeps + 1, 29) from y under calcium (windows,), each window in `substeps` of h ms."""
    t = np.empty(24)
    path[0] = y
    project(path[0], graph)
    for w in range(len(calcium)):
        interpolate(table, grid, calcium[w], t)
        for i in range(substeps):
            at = w * substeps + i
            path[at + 1] = path[at]
            step(path[at + 1], k, subunits, t, h, graph)
