"""The exact adjoint of `kernel.step`: from dS/dy after a step to dS/dy before it, adding up dS/dk and dS/dtable.

Every function takes the state before its operation, the derivative by the state after it, and turns that derivative
into the one by the state before. Clamps of the pairing are taken for inactive.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.gccd.law.kernel import (
    ALONE,
    DEPHOS,
    DK,
    DP,
    INDEPENDENT,
    LEAVE,
    N_STATE,
    OFF,
    ON,
    PAIR,
    PAIRS,
    PART,
    PHOS,
    TINY,
    bind,
    calcium_step,
    decay,
    interpolate,
    pair,
    phosphorylate,
    spread,
    total,
)


@njit(cache=True)
def bind_back(y: Floats, g: Floats, k: Floats, gk: Floats, subunits: float, h: float) -> None:
    """Adjoint of `kernel.bind`."""
    bound, phosphorylated = total(y, 9), total(y, 18)
    free = subunits - bound - phosphorylated
    alone = 1.0 - y[DK] / bound if bound > TINY else 1.0
    g_free = g_alone = 0.0
    for s in range(9):
        a, b = k[ON + s] * free, k[OFF + s] * alone
        r = a + b
        f, x = y[s], y[9 + s]
        if r > TINY:
            z = r * h
            e = decay(z)
            gain = (1.0 - e) / r
            slope = (e * e * (1.0 + z * (1.0 + z * (0.5 + z / 6.0))) * h - gain) / r
        else:
            gain, slope = h, -0.5 * h * h
        g_flux = g[9 + s] - g[s]
        g_gain = g_flux * (a * f - b * x)
        g_a = g_flux * gain * f + g_gain * slope
        g_b = -g_flux * gain * x + g_gain * slope
        g[s] += g_flux * gain * a
        g[9 + s] -= g_flux * gain * b
        gk[ON + s] += g_a * free
        gk[OFF + s] += g_b * alone
        g_free += g_a * k[ON + s]
        g_alone += g_b * k[OFF + s]
    g_bound = -g_free
    if bound > TINY:
        g[DK] -= g_alone / bound
        g_bound += g_alone * y[DK] / (bound * bound)
    for s in range(9):
        g[9 + s] += g_bound
        g[18 + s] -= g_free


@njit(cache=True)
def phosphorylate_back(y: Floats, g: Floats, k: Floats, gk: Floats, h: float) -> None:
    """Adjoint of `kernel.phosphorylate`."""
    bound = total(y, 9)
    paired = y[DK] / bound if bound > TINY else 0.0
    mixed = y[DP] / y[DK] if y[DK] > TINY else 0.0
    alone, dephos, leave = k[ALONE], k[DEPHOS], k[LEAVE]
    events = 0.0
    for s in range(9):
        events += h * k[PHOS + s] * paired * y[9 + s]
    dp, g_dk, g_dp = y[DP], g[DK], g[DP]
    g_events = -(2.0 - mixed) * g_dk - mixed * g_dp
    g_mixed = events * (g_dk - g_dp)
    g[DP] = g_dp * (1.0 - h * (dephos + leave)) + h * (dephos - leave) * g_dk
    gk[DEPHOS] += h * dp * (g_dk - g_dp)
    gk[LEAVE] -= h * dp * (g_dk + g_dp)
    if y[DK] > TINY:
        g[DP] += g_mixed / y[DK]
        g[DK] -= g_mixed * mixed / y[DK]
    g_paired = 0.0
    for s in range(9):
        x, p = y[9 + s], y[18 + s]
        g_moved = g[18 + s] - g[9 + s]
        g_left = g[s] - g[18 + s]
        rate = k[PHOS + s]
        gk[PHOS + s] += h * paired * x * (g_moved + g_events)
        gk[ALONE] += h * (1.0 - paired) * x * g_moved
        gk[DEPHOS] -= h * p * g_moved
        gk[LEAVE] += h * p * g_left
        g_paired += h * x * ((rate - alone) * g_moved + rate * g_events)
        g[9 + s] += h * (rate * paired * (g_moved + g_events) + alone * (1.0 - paired) * g_moved)
        g[18 + s] += h * (leave * g_left - dephos * g_moved)
    if bound > TINY:
        g[DK] += g_paired / bound
        for s in range(9):
            g[9 + s] -= g_paired * paired / bound


@njit(cache=True)
def pair_back(y: Floats, g: Floats, k: Floats, gk: Floats, h: float) -> None:
    """Adjoint of `kernel.pair`."""
    m, q = total(y, 9) - y[DK], total(y, 18) - y[DP]
    on, off = k[PAIR], k[PART]
    jk, jp = on * (2.0 * m + q) + off, on * m + off
    zk, zp = h * jk, h * jp
    fk, fp = on * m * (m + q) - off * y[DK], on * q * m - off * y[DP]
    lk, lp = 1.0 + zk * (0.5 + zk / 12.0), 1.0 + zp * (0.5 + zp / 12.0)
    g_fk, g_fp = g[DK] * h / lk, g[DP] * h / lp
    g_jk = -g[DK] * h * fk / (lk * lk) * h * (0.5 + zk / 6.0)
    g_jp = -g[DP] * h * fp / (lp * lp) * h * (0.5 + zp / 6.0)
    g_m = g_fk * on * (2.0 * m + q) + 2.0 * g_jk * on + g_fp * on * q + g_jp * on
    g_q = g_fk * on * m + g_jk * on + g_fp * on * m
    gk[PAIR] += g_fk * m * (m + q) + g_jk * (2.0 * m + q) + g_fp * q * m + g_jp * m
    gk[PART] += g_jk + g_jp - g_fk * y[DK] - g_fp * y[DP]
    g[DK] -= g_fk * off + g_m
    g[DP] -= g_fp * off + g_q
    for s in range(9):
        g[9 + s] += g_m
        g[18 + s] += g_q


@njit(cache=True, inline="always")
def spread_back(y: Floats, g: Floats, at: int, apart: int, t: Floats, gt: Floats, j: int) -> None:
    """Adjoint of `kernel.spread`."""
    g0 = g[at]
    g1, g2 = g[at + apart] - g0, g[at + 2 * apart] - g0
    for i in range(3):
        a = y[at + i * apart]
        gt[j + i] += g1 * a
        gt[j + 3 + i] += g2 * a
        g[at + i * apart] = g0 + t[j + i] * g1 + t[j + 3 + i] * g2


@njit(cache=True)
def calcium_back(y: Floats, g: Floats, t: Floats, gt: Floats, between: Floats) -> None:
    """Adjoint of `kernel.calcium_step`; between: scratch (29,)."""
    between[:] = y
    for kind in range(3):
        j = 0 if kind == 0 else 12
        for i in range(3):
            spread(between, 9 * kind + i, 3, t, j)
        for i in range(3):
            spread_back(between, g, 9 * kind + 3 * i, 1, t, gt, j + 6)
        for i in range(3):
            spread_back(y, g, 9 * kind + i, 3, t, gt, j)


@njit(cache=True)
def project_back(y: Floats, g: Floats, graph: int) -> None:
    """Adjoint of `kernel.project`."""
    if graph == PAIRS:
        for kind in range(3):
            _lobes_back(y, g, 9 * kind)
    elif graph == INDEPENDENT:
        _independent_back(y, g)


@njit(cache=True)
def _lobes_back(y: Floats, g: Floats, at: int) -> None:
    whole = total(y, at)
    if whole <= TINY:
        return
    c, n, gc, gn, both = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3), 0.0
    for i in range(9):
        c[i // 3] += y[at + i]
        n[i % 3] += y[at + i]
    for i in range(9):
        gc[i // 3] += g[at + i] * n[i % 3] / whole
        gn[i % 3] += g[at + i] * c[i // 3] / whole
        both += g[at + i] * c[i // 3] * n[i % 3] / (whole * whole)
    for i in range(9):
        g[at + i] = gc[i // 3] + gn[i % 3] - both


@njit(cache=True)
def _independent_back(y: Floats, g: Floats) -> None:
    w = np.array([total(y, 0), total(y, 9), total(y, 18)])
    whole = w.sum()
    c, n = np.zeros(3), np.zeros(3)
    for i in range(27):
        c[(i % 9) // 3] += y[i]
        n[i % 3] += y[i]
    gw, gc, gn, both = np.zeros(3), np.zeros(3), np.zeros(3), 0.0
    norm = 1.0 / (whole * whole)
    for i in range(27):
        kind, a, b = i // 9, (i % 9) // 3, i % 3
        gw[kind] += g[i] * c[a] * n[b] * norm
        gc[a] += g[i] * w[kind] * n[b] * norm
        gn[b] += g[i] * w[kind] * c[a] * norm
        both += g[i] * w[kind] * c[a] * n[b] * norm * 2.0 / whole
    for i in range(27):
        g[i] = gw[i // 9] + gc[(i % 9) // 3] + gn[i % 3] - both
    subunits = w[1] + w[2]
    if subunits > TINY:
        paired, difference = y[DK] + y[DP], g[DK] - g[DP]
        mean = (g[DK] * w[1] + g[DP] * w[2]) / subunits
        for s in range(9):
            g[9 + s] += difference * paired * w[2] / (subunits * subunits)
            g[18 + s] -= difference * paired * w[1] / (subunits * subunits)
        g[DK] = g[DP] = mean


@njit(cache=True, nogil=True)
def run_back(
    path: Floats,
    k: Floats,
    subunits: float,
    table: Floats,
    calcium: Floats,
    substeps: int,
    h: float,
    graph: int,
    rows: Floats,
    every: int,
    gk: Floats,
    gtable: Floats,
) -> None:
    """Adjoint of `kernel.run`. rows (T, 29): dS/dy at path[0], path[every], ...; adds to gk (48,), gtable."""
    t, gt, g = np.empty(24), np.empty(24), np.zeros(N_STATE)
    a, b, c = np.empty(N_STATE), np.empty(N_STATE), np.empty(N_STATE)
    d, between = np.empty(N_STATE), np.empty(N_STATE)
    for w in range(len(calcium) - 1, -1, -1):
        cell, weight = interpolate(table, calcium[w], t)
        gt[:] = 0.0
        for at in range((w + 1) * substeps, w * substeps, -1):
            if at % every == 0:
                g += rows[at // every]
            a[:] = path[at - 1]
            bind(a, k, subunits, h)
            b[:] = a
            phosphorylate(b, k, h)
            c[:] = b
            pair(c, k, h)
            d[:] = c
            if graph:
                calcium_step(d, t)
                project_back(d, g, graph)
            calcium_back(c, g, t, gt, between)
            pair_back(b, g, k, gk, h)
            phosphorylate_back(a, g, k, gk, h)
            bind_back(path[at - 1], g, k, gk, subunits, h)
        for i in range(24):
            gtable[cell, i] += (1.0 - weight) * gt[i]
            gtable[cell + 1, i] += weight * gt[i]
