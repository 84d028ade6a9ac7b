"""Kernels at one node: its values, the rates and the Jacobian of its reactions, small dense LU factors."""

from __future__ import annotations

import math

import numpy as np

from adapters.fem.solver.field_layout import NodeReactions
from adapters.wellmixed.common.law_tables import BASE, RATES, START
from couple.base.arrays import Floats
from couple.cache.kernels import njit
from couple.chemistry.laws.tape import run_tape


@njit(cache=True)
def node_values(reactions: NodeReactions) -> Floats:
    """Room for the values at a node, with the constants of rate laws behind them."""
    z = np.empty(reactions.law[START] + len(reactions.law_code) // 4)
    for i in range(len(reactions.constants)):
        z[reactions.law[BASE] + i] = reactions.constants[i]
    return z


@njit(cache=True, inline="always")
def add_rates(reactions: NodeReactions, z: Floats, out: Floats) -> None:
    """out (n,) += rates of change by the reactions at the values `z` of a node, per ms."""
    if len(reactions.law_code) > 0:
        run_tape(reactions.law_code[: reactions.law[RATES]], reactions.law[START], z)
    for r in range(len(reactions.rate)):
        v = reactions.rate[r] * z[reactions.first[r]] * z[reactions.second[r]]
        for i in range(reactions.start[r], reactions.start[r + 1]):
            out[reactions.changed[i]] += reactions.change[i] * v


@njit(cache=True, inline="always")
def add_jacobian(reactions: NodeReactions, z: Floats, n: int, out: Floats) -> None:
    """out[i, j] += derivative of the rate of change of value i by value j, of the first `n`."""
    if len(reactions.law_code) > 0:
        run_tape(reactions.law_code, reactions.law[START], z)
    for r in range(len(reactions.rate)):
        a, b, k = reactions.first[r], reactions.second[r], reactions.rate[r]
        for i in range(reactions.start[r], reactions.start[r + 1]):
            if a < n:
                out[reactions.changed[i], a] += reactions.change[i] * k * z[b]
            if b < n:
                out[reactions.changed[i], b] += reactions.change[i] * k * z[a]
            for q in range(reactions.slope_start[r], reactions.slope_start[r + 1]):
                j, slope = reactions.slope_by[q], z[reactions.slope[q]]
                if j < n and math.isfinite(slope):
                    out[reactions.changed[i], j] += reactions.change[i] * k * slope


@njit(cache=True)
def lu_factor(a: Floats) -> None:
    """LU of a small dense matrix in place, without pivots: 1 / (hγ) dominates, or columns do, as reactions conserve."""
    n = len(a)
    for k in range(n):
        a[k, k] = 1.0 / a[k, k]
        for i in range(k + 1, n):
            if a[i, k] != 0.0:
                a[i, k] *= a[k, k]
                for j in range(k + 1, n):
                    a[i, j] -= a[i, k] * a[k, j]


@njit(cache=True)
def lu_solve(lu: Floats, x: Floats) -> None:
    """x = A⁻¹ x in place."""
    n = len(lu)
    for k in range(n):
        for i in range(k + 1, n):
            x[i] -= lu[i, k] * x[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            x[k] -= lu[k, j] * x[j]
        x[k] *= lu[k, k]


@njit(cache=True, inline="always")
def gather_volume_node(
    m: int, r: int, b: int, j: int, mobile: Floats, immobile: Floats, clamped: Floats, z: Floats
) -> None:
    """Values z at node j, whose unknowns begin at b: mobile, immobile, clamped, 1.

    Arrays one by one, for a tuple of tuples would be copied at every call, which takes longer than all the rest.
    """
    for a in range(m):
        z[a] = mobile[b + a]
    for a in range(r):
        z[m + a] = immobile[j, a]
    for a in range(len(clamped)):
        z[m + r + a] = clamped[a]
    z[m + r + len(clamped)] = 1.0


@njit(cache=True, inline="always")
def gather_membrane_node(
    m: int, r: int, s: int, f: int, b: int, j: int, k: int, mobile: Floats, immobile_volume: Floats,
    immobile_membrane: Floats, clamped_volume: Floats, clamped_membrane: Floats, z: Floats,
) -> None:  # fmt: skip
    """Values z at membrane node k, which is node j: mobile and immobile of the volume, mobile and immobile of the
    membrane, clamped of the volume, clamped of the membrane, 1."""
    at = m + r
    for a in range(m):
        z[a] = mobile[b + a]
    for a in range(r):
        z[m + a] = immobile_volume[j, a]
    for a in range(s):
        z[at + a] = mobile[b + m + a]
    at += s
    for a in range(f):
        z[at + a] = immobile_membrane[k, a]
    at += f
    for a in range(len(clamped_volume)):
        z[at + a] = clamped_volume[a]
    at += len(clamped_volume)
    for a in range(len(clamped_membrane)):
        z[at + a] = clamped_membrane[a]
    z[at + len(clamped_membrane)] = 1.0
