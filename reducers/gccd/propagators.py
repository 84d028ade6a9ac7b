"""Propagators of a lobe, a chain 0 - 1 - 2 of ions bound, over a grid of calcium; and their derivatives by rates."""

from __future__ import annotations

import numpy as np

from reducers.gccd.kernel import calcium_grid
from reducers.gccd.molecule import Floats

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


def exponentials(matrices: Floats) -> Floats:
    """exp of (…, n, n), all at once, by scaling and squaring."""
    flat = matrices.reshape(-1, *matrices.shape[-2:])
    norms = np.abs(flat).sum(axis=1).max(axis=1)
    halvings = np.ceil(np.log2(np.maximum(norms, 0.5) / 0.5)).astype(int)
    scaled = flat / (2.0**halvings)[:, None, None]
    out = np.tile(np.eye(flat.shape[1]), (len(flat), 1, 1))
    for term in range(TERMS, 0, -1):
        out = np.eye(flat.shape[1]) + scaled @ out / term
    for done in range(int(halvings.max(initial=0))):
        again = halvings > done
        out[again] = out[again] @ out[again]
    return out.reshape(matrices.shape)


def tables(rates: Floats, h: float) -> Floats:
    """(NODES, 24) for steps of h ms: of each chain the rows 1 and 2 of its propagator. rates: (16,)."""
    made = exponentials(generators(rates) * h)
    return np.ascontiguousarray(made[:, :, 1:, :].reshape(len(made), 24))


def rates_pulled(rates: Floats, h: float, weights: Floats) -> Floats:
    """(16,) Σ weights ∂tables/∂rates for weights (NODES, 24), by the Fréchet derivative of the exponential."""
    back = np.swapaxes(generators(rates) * h, -1, -2)
    both = np.zeros((*back.shape[:2], 6, 6))
    both[..., :3, :3] = both[..., 3:, 3:] = back
    both[..., 1:3, 3:] = weights.reshape(len(back), 4, 2, 3)
    g = h * exponentials(both)[..., :3, 3:]
    grid = calcium_grid()[:, None]
    parts = (
        grid * (g[..., 1, 0] - g[..., 0, 0]),
        g[..., 0, 1] - g[..., 1, 1],
        grid * (g[..., 2, 1] - g[..., 1, 1]),
        g[..., 1, 2] - g[..., 2, 2],
    )
    return np.stack([part.sum(axis=0) for part in parts], axis=1).ravel()
