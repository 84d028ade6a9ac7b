"""The free drive over one step, and propagators between points of the grid.

Over a step h the pools see one concentration, the mean of c(t), and the drive balances exactly. With the uptake U(c) of
all pools taken as a chord through 0, c(t) relaxes exponentially, and its mean c* solves

    c* = c_inf + (c0 - c_inf) (1 - exp(-z)) / z,   z = S / s,   c_inf = (income - U(0)) / S,   S = (U(c*) - U(0)) / c*

with s molecules per uM. This is of order 2, exact for buffers far from saturation, damps whatever is faster than the
step, and cannot fall below zero, because U(0) ≤ 0 is what pools release. Then c1 = c0 + (income - U(c*)) / s.
"""

from __future__ import annotations

import math

from adapters.surrogate.kernels.layout import FIRST, HIGHEST, INLINE, LOWEST, MASK, PART, SHIFT, PoolModel, Scratch
from adapters.surrogate.pools import tables as t
from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit

ROUNDS = 60
"""Iterations for c*; three are usual."""


@njit(**INLINE)
def grid_position(c: float, real: Floats, bits: Ints) -> tuple[int, float]:
    """The point of the grid below c, and how far c is on the way to the next."""
    real[0] = c
    if c >= LOWEST:
        return (bits[0] >> SHIFT) - FIRST, (bits[0] & MASK) * PART
    return 0, c / LOWEST


@njit(**INLINE)
def balance(
    model: PoolModel,
    level: int,
    n: int,
    scratch: Scratch,
    c0: float,
    guess: float,
    income: float,
    slope: float,
    scale: float,
    close: float,
) -> tuple[float, float]:
    """c* and c at the end of the step for the first `n` states; c* is nan if it leaves the grid.

    income: molecules that enter over the step, less what blocks take at c = 0; slope: molecules that they take per uM.
    close: relative change of c* that ends iterations.
    """
    p, uptakes = scratch.p, model.uptakes
    stride = len(p)
    at = level * t.POINTS * stride
    released = 0.0
    for i in range(n):
        released += p[i] * uptakes[at + i]
    income -= released
    c, end = max(guess, 0.5 * LOWEST), c0
    for _ in range(ROUNDS):
        if not c < HIGHEST:
            return math.nan, math.nan
        k, w = grid_position(c, scratch.real, scratch.bits)
        a = at + k * stride
        b = a + stride
        under, over = 0.0, 0.0
        for i in range(n):
            under += p[i] * uptakes[a + i]
            over += p[i] * uptakes[b + i]
        chord = (under + w * (over - under) - released) / c + slope
        z = chord / scale
        if z > 1e-5:
            far, decay = income / chord, math.expm1(-z)
            new, end = far - (c0 - far) * decay / z, c0 + (c0 - far) * decay
        else:
            new, end = c0 * (1.0 - 0.5 * z) + 0.5 * income / scale, c0 * (1.0 - z) + income / scale
        new = max(new, 0.0)
        if abs(new - c) <= close * new:
            return new, end
        c = max(new, 1e-6 * LOWEST)
    return c, end


@njit(**INLINE)
def mix(rows: Floats, level: int, c: float, scratch: Scratch) -> None:
    """Set `mixed`: the row of the propagators of a level at c, between two points of the grid."""
    mixed = scratch.mixed
    width = len(mixed)
    k, w = grid_position(c, scratch.real, scratch.bits)
    a = (level * t.POINTS + k) * width
    b = a + width
    for i in range(width):
        mixed[i] = rows[a + i] + w * (rows[b + i] - rows[a + i])


@njit(**INLINE)
def dot(a: Floats, i: int, b: Floats, j: int, n: int) -> float:
    """Σ a[i + k] b[j + k]."""
    total = 0.0
    for k in range(n):
        total += a[i + k] * b[j + k]
    return total
