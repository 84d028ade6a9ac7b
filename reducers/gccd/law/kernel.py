"""One step of the reduced law; `backward` has its exact adjoint. All on flat arrays, no BLAS: bits do not depend on the
batch.

State y (29,), uM: calmodulin free, on K, on pK, (9,) each by lobes (c, n), n fastest; then K and pK that are paired. It
is the moments of the graph of triples: (C, N, B), (C, N, P), (B, P, D). Given B and P whether a subunit is paired tells
nothing about its lobes, so every probability is a product of two entries: no parameters have to be solved for.

Rates k (48,), per ms and uM: 16 of calcium (in the tables only), then by lobes binding to K (9), leaving it while
unpaired (9), pairing, parting, phosphorylation in a pair by lobes (9), and three that real CaMKII might have: of
unpaired subunits, dephosphorylation, loss of calmodulin from pK.

A step is: binding, phosphorylation, pairing, then calcium by exact propagators of each lobe at the calcium given,
interpolated in tables over a grid of calcium. Each lobe is a chain 0 - 1 - 2 of its own.

The parts of a step are written for lane i of n: entry e is at y[e * n + i]. One site is lane 0 of 1; `sites` runs them
in loops over lanes, which the compiler takes eight at a time: they have no branches and call nothing.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit

LANE = {"cache": True, "_nrt": False, "error_model": "numpy", "forceinline": True}
"""For what runs in a lane: a division that asks for zeros first is a branch."""

N_STATE, N_RATES, N_TABLE = 29, 48, 24
ON, OFF, PAIR, PART, PHOS, ALONE, DEPHOS, LEAVE = 16, 25, 34, 35, 36, 45, 46, 47
"""Where the rates of each kind begin."""
DK, DP = 27, 28
"""Places of paired K and paired pK in y."""

EXACT, PAIRS, INDEPENDENT = 0, 1, 2
"""Graphs: that of the state, lobes independent given class, all sites independent."""
MODES = {"triples": EXACT, "pairs": PAIRS, "independent": INDEPENDENT}
"""Names of graphs in a training file → their numbers here."""

LOWEST, OCTAVES, PER_OCTAVE = -10, 20, 32
"""Grid of calcium: 0, then from 2^LOWEST uM over 20 octaves, in each evenly: its place follows from the bits of c."""
LEAST = 2.0**LOWEST
NODES = 2 + PER_OCTAVE * OCTAVES
_OCTAVE = PER_OCTAVE.bit_length() - 1
SHIFT = 52 - _OCTAVE
"""Bits of a number below those that say between which nodes it lies."""
MASK, PART_OF_CELL = (1 << SHIFT) - 1, 2.0**-SHIFT
FIRST = ((1023 + LOWEST) << _OCTAVE) - 1
TINY = 1e-12


def calcium_grid() -> Floats:
    """(NODES,) uM, the nodes of the tables of propagators."""
    places = np.arange(NODES - 1)
    return np.concatenate([[0.0], 2.0 ** (LOWEST + places // PER_OCTAVE) * (1.0 + places % PER_OCTAVE / PER_OCTAVE)])


@njit(**LANE)
def locate(calcium: float, bits: int) -> tuple[int, float]:
    """Cell of the grid and the weight of its upper end, of a calcium and its bits. Beyond the grid: its last node."""
    if not calcium >= LEAST:
        return 0, max(calcium, 0.0) / LEAST
    k = (bits >> SHIFT) - FIRST
    if k >= NODES - 1:
        return NODES - 2, 1.0
    return k, (bits & MASK) * PART_OF_CELL


@njit(**LANE)
def decay(z: float) -> float:
    """Close to exp(-z), positive, and vanishing for large z."""
    e: float = 1.0 / (1.0 + z * series(z))
    return e


@njit(**LANE)
def series(z: float) -> float:
    """(exp(z) - 1) / z to order 3."""
    return 1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0)))


@njit(**LANE)
def total(y: Floats, begin: int, i: int = 0, n: int = 1) -> float:
    """Sum of nine entries."""
    b = begin * n + i  # three sums at a time: a chain of nine additions would wait for each
    first, second = y[b] + y[b + n] + y[b + 2 * n], y[b + 3 * n] + y[b + 4 * n] + y[b + 5 * n]
    s: float = first + second + (y[b + 6 * n] + y[b + 7 * n] + y[b + 8 * n])
    return s


@njit(**LANE)
def bind(y: Floats, k: Floats, subunits: float, h: float, i: int = 0, n: int = 1) -> None:
    """Free calmodulin and K, and unpaired K with calmodulin, exchange; each state of the lobes on its own."""
    bound, phosphorylated = total(y, 9, i, n), total(y, 18, i, n)
    free = subunits - bound - phosphorylated
    alone = 1.0 - y[DK * n + i] / bound if bound > TINY else 1.0
    for s in range(9):
        a, b = k[ON + s] * free, k[OFF + s] * alone
        z = (a + b) * h
        q = series(z)
        here, there = s * n + i, (9 + s) * n + i
        flux = h * q / (1.0 + z * q) * (a * y[here] - b * y[there])  # (1 - decay(z)) / (a + b), without 0 / 0
        y[here] -= flux
        y[there] += flux


@njit(**LANE)
def phosphorylate(y: Floats, k: Floats, h: float, i: int = 0, n: int = 1) -> None:
    """Subunits in pairs are phosphorylated, at the rate of their own calmodulin, and the pair parts."""
    bound = total(y, 9, i, n)
    dk, dp = y[DK * n + i], y[DP * n + i]
    paired = dk / bound if bound > TINY else 0.0
    mixed = dp / dk if dk > TINY else 0.0
    single, back, leave = h * k[ALONE] * (1.0 - paired), h * k[DEPHOS], h * k[LEAVE]
    events = 0.0
    for s in range(9):
        x, p = y[(9 + s) * n + i], y[(18 + s) * n + i]
        in_pair = h * k[PHOS + s] * paired * x
        events += in_pair
        moved = in_pair + single * x - back * p
        y[(9 + s) * n + i] = x - moved
        y[(18 + s) * n + i] = p + moved - leave * p
        y[s * n + i] += leave * p
    y[DK * n + i] = dk - events * (2.0 - mixed) + (back - leave) * dp
    y[DP * n + i] = dp - events * mixed - (back + leave) * dp


@njit(**LANE)
def pair(y: Floats, k: Floats, h: float, i: int = 0, n: int = 1) -> None:
    """K.CaM with K.CaM or pK.CaM: two quadratic equations, each linearised and taken implicitly."""
    bound, phosphorylated = total(y, 9, i, n), total(y, 18, i, n)
    dk, dp = y[DK * n + i], y[DP * n + i]
    m, q = bound - dk, phosphorylated - dp
    on, off = k[PAIR], k[PART]
    zk, zp = h * (on * (2.0 * m + q) + off), h * (on * m + off)
    fk, fp = on * m * (m + q) - off * dk, on * q * m - off * dp
    dk += h * fk / (1.0 + zk * (0.5 + zk / 12.0))
    dp += h * fp / (1.0 + zp * (0.5 + zp / 12.0))
    dk = min(max(dk, 0.0), bound)
    y[DK * n + i] = dk
    y[DP * n + i] = min(max(dp, 0.0), phosphorylated, dk)


@njit(**LANE)
def spread(y: Floats, at: int, apart: int, t: Floats, j: int, i: int = 0, n: int = 1) -> None:
    """One chain of three entries `apart` from each other, by the six numbers of its propagator from t[j] on."""
    low, middle, high = at * n + i, (at + apart) * n + i, (at + 2 * apart) * n + i
    a0, a1, a2 = y[low], y[middle], y[high]
    b = j * n + i
    b1 = t[b] * a0 + t[b + n] * a1 + t[b + 2 * n] * a2
    b2 = t[b + 3 * n] * a0 + t[b + 4 * n] * a1 + t[b + 5 * n] * a2
    y[low] = a0 + a1 + a2 - b1 - b2
    y[middle] = b1
    y[high] = b2


@njit(**LANE)
def spread_kind(y: Floats, kind: int, t: Floats, i: int = 0, n: int = 1) -> None:
    """Both lobes of calmodulin that is free, on K or on pK."""
    j = 0 if kind == 0 else 12
    for m in range(3):
        spread(y, 9 * kind + m, 3, t, j, i, n)
    for m in range(3):
        spread(y, 9 * kind + 3 * m, 1, t, j + 6, i, n)


@njit(cache=True, error_model="numpy")
def calcium_step(y: Floats, t: Floats) -> None:
    """All lobes by their propagators t (24,): C and N of free calmodulin, C and N of bound."""
    for kind in range(3):
        spread_kind(y, kind, t)


@njit(**LANE)
def mix(table: Floats, cell: int, w: float, t: Floats, i: int = 0, n: int = 1) -> None:
    """Propagators between two nodes, into t (24,)."""
    for e in range(N_TABLE):
        t[e * n + i] = table[cell, e] + w * (table[cell + 1, e] - table[cell, e])


@njit(cache=True, error_model="numpy")
def interpolate(table: Floats, calcium: float, t: Floats) -> tuple[int, float]:
    """Propagators at a calcium, into t (24,)."""
    t[0] = calcium
    cell, w = locate(calcium, t.view(np.int64)[0])
    mix(table, cell, w, t)
    return cell, w


@njit(**LANE)
def project(y: Floats, graph: int, i: int = 0, n: int = 1) -> None:
    """The distribution of a smaller graph with the same moments."""
    if graph == PAIRS:
        for kind in range(3):
            _independent_lobes(y, 9 * kind, i, n)
    elif graph == INDEPENDENT:
        _independent(y, i, n)


@njit(**LANE)
def _three(y: Floats, at: int, apart: int, i: int, n: int) -> float:
    """Sum of three entries."""
    b = at * n + i
    s: float = y[b] + y[b + apart * n] + y[b + 2 * apart * n]
    return s


@njit(**LANE)
def _independent_lobes(y: Floats, at: int, i: int, n: int) -> None:
    whole = total(y, at, i, n)
    if whole <= TINY:
        return
    n0, n1, n2 = _three(y, at, 3, i, n), _three(y, at + 1, 3, i, n), _three(y, at + 2, 3, i, n)
    for level in range(3):
        row = at + 3 * level
        c = _three(y, row, 1, i, n) / whole
        y[row * n + i], y[(row + 1) * n + i], y[(row + 2) * n + i] = c * n0, c * n1, c * n2


@njit(**LANE)
def _independent(y: Floats, i: int, n: int) -> None:
    w0, w1, w2 = total(y, 0, i, n), total(y, 9, i, n), total(y, 18, i, n)
    for s in range(9):  # all kinds together, in the place of the first
        y[s * n + i] += y[(9 + s) * n + i] + y[(18 + s) * n + i]
    _independent_lobes(y, 0, i, n)
    whole = max(w0 + w1 + w2, TINY)
    for s in range(9):
        share = y[s * n + i] / whole
        y[s * n + i], y[(9 + s) * n + i], y[(18 + s) * n + i] = w0 * share, w1 * share, w2 * share
    if w1 + w2 > TINY:
        paired = (y[DK * n + i] + y[DP * n + i]) / (w1 + w2)
        y[DK * n + i], y[DP * n + i] = paired * w1, paired * w2


@njit(cache=True, error_model="numpy")
def step(y: Floats, k: Floats, subunits: float, t: Floats, h: float, graph: int) -> None:
    """One step of h ms with propagators t for the same h."""
    bind(y, k, subunits, h)
    phosphorylate(y, k, h)
    pair(y, k, h)
    calcium_step(y, t)
    project(y, graph)


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    y: Floats,
    k: Floats,
    subunits: float,
    table: Floats,
    calcium: Floats,
    substeps: int,
    h: float,
    graph: int,
    path: Floats,
) -> None:
    """path (windows * substeps + 1, 29) from y under calcium (windows,), each window in `substeps` of h ms."""
    t = np.empty(N_TABLE)
    path[0] = y
    project(path[0], graph)
    for w in range(len(calcium)):
        interpolate(table, calcium[w], t)
        for i in range(substeps):
            at = w * substeps + i
            path[at + 1] = path[at]
            step(path[at + 1], k, subunits, t, h, graph)
