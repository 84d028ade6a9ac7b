"""Propagators of a lobe, a chain 0 - 1 - 2 of ions bound, over a grid of calcium; and their derivatives by rates."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.gccd.law.kernel import calcium_grid

CHAINS = ("C free", "N free", "C bound", "N bound")
"""Rates of each: first ion on, off, second ion on, off."""

TERMS = 14
"""Of the series of the exponential, for norms below 1/2: exact to rounding."""


def generators(rates: Floats) -> Floats:
    """(NODES, 4, 3, 3) [to, from] of all chains over the grid of calcium; rates (16,) per ms and uM."""
    grid = calcium_grid()
    out = np.zeros((len(grid), 4, 3, 3))
    for j in range(4):
        on1, off1, on2, off2 = rates[4 * j : 4 * j + 4]
        out[:, j, 1, 0], out[:, j, 0, 1] = on1 * grid, off1
        out[:, j, 2, 1], out[:, j, 1, 2] = on2 * grid, off2
    for i in range(3):
        out[:, :, i, i] = -out[:, :, :, i].sum(axis=2)
    return out


@njit(cache=True, error_model="numpy")
def _renew(e: Floats, old: Floats, diagonal: float) -> None:
    """old = e, and e = the identity times a number; both (3, 3)."""
    for i in range(3):
        for j in range(3):
            old[i, j], e[i, j] = e[i, j], (diagonal if i == j else 0.0)


@njit(cache=True, error_model="numpy")
def _product(a: Floats, b: Floats, scale: float, out: Floats) -> None:
    """out += scale a b, all (3, 3)."""
    for i in range(3):
        for j in range(3):
            out[i, j] += scale * (a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j])


@njit(cache=True, error_model="numpy")
def _exponential(a: Floats, d: Floats, along: bool, e: Floats, f: Floats, old: Floats, old_f: Floats) -> None:
    """e = exp(a) and, if it is asked for, f = its derivative along d, by scaling and squaring; all (3, 3)."""
    norm = 0.0
    for j in range(3):
        norm = max(norm, abs(a[0, j]) + abs(a[1, j]) + abs(a[2, j]))
    halvings = 0
    while norm > 0.5:
        norm, halvings = 0.5 * norm, halvings + 1
    small = 0.5**halvings
    _renew(e, old, 1.0)
    _renew(f, old_f, 0.0)
    for term in range(TERMS, 0, -1):
        _renew(e, old, 1.0)
        _renew(f, old_f, 0.0)
        _product(a, old, small / term, e)
        if along:
            _product(d, old, small / term, f)
            _product(a, old_f, small / term, f)
    for _ in range(halvings):
        _renew(e, old, 0.0)
        _renew(f, old_f, 0.0)
        _product(old, old, 1.0, e)
        if along:
            _product(old_f, old, 1.0, f)
            _product(old, old_f, 1.0, f)


@njit(cache=True, error_model="numpy")
def exponentials(a: Floats, d: Floats, along: bool) -> tuple[Floats, Floats]:
    """exp of all a (n, 4, 3, 3), and its derivatives along d if they are asked for."""
    e, f, old, old_f = np.empty_like(a), np.empty_like(a), np.empty((3, 3)), np.empty((3, 3))
    for i in range(len(a)):
        for j in range(4):
            _exponential(a[i, j], d[i, j], along, e[i, j], f[i, j], old, old_f)
    return e, f


def tables(rates: Floats, h: float) -> Floats:
    """(NODES, 24) for steps of h ms: of each chain the rows 1 and 2 of its propagator. rates: (16,)."""
    moves = generators(rates) * h
    made, _ = exponentials(moves, moves, False)
    return np.ascontiguousarray(made[:, :, 1:, :].reshape(len(made), 24))


def rates_pulled(rates: Floats, h: float, weights: Floats) -> Floats:
    """(16,) Σ weights ∂tables/∂rates for weights (NODES, 24), by the Fréchet derivative of the exponential."""
    back = np.ascontiguousarray(np.swapaxes(generators(rates) * h, -1, -2))
    along = np.zeros_like(back)
    along[..., 1:3, :] = weights.reshape(len(back), 4, 2, 3)
    g = h * exponentials(back, along, True)[1]
    grid = calcium_grid()[:, None]
    parts = (
        grid * (g[..., 1, 0] - g[..., 0, 0]),
        g[..., 0, 1] - g[..., 1, 1],
        grid * (g[..., 2, 1] - g[..., 1, 1]),
        g[..., 1, 2] - g[..., 2, 2],
    )
    return np.stack([part.sum(axis=0) for part in parts], axis=1).ravel()
