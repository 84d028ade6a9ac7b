"""Small dense matrices: products, and solutions by Cholesky's factors."""

from __future__ import annotations

import math

from couple.base.arrays import Floats
from couple.cache.kernels import njit


@njit(cache=True, error_model="numpy")
def solve(a: Floats, x: Floats, n: int) -> None:
    """x ← a⁻¹ x by Cholesky's factors, which are left in a; a little is added where a is not positive."""
    for j in range(n):
        pivot = a[j, j]
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        pivot = math.sqrt(pivot) if pivot > 1e-13 * (1.0 + abs(a[j, j])) else 1e6 * (1.0 + abs(a[j, j]))
        a[j, j] = pivot
        for i in range(j + 1, n):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            a[i, j] = total / pivot
    substitute(a, x, n)


@njit(cache=True, error_model="numpy")
def substitute(a: Floats, x: Floats, n: int) -> None:
    for i in range(n):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= a[k, i] * x[k]
        x[i] /= a[i, i]


@njit(cache=True, error_model="numpy")
def multiply(a: Floats, b: Floats, factor: float, n: int, out: Floats) -> None:
    """out ← factor a b."""
    for s in range(n):
        for t in range(n):
            total = 0.0
            for k in range(n):
                total += a[s, k] * b[k, t]
            out[s, t] = factor * total
