"""From courses of moments to normal equations: changes over some rows against the integrals of all candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from reducers.gccd.kernel import DK, DP, N_STATE
from reducers.gccd.lasso import Normal, added, relaxed
from reducers.gccd.library import Setting, functions, reduced
from reducers.gccd.sampling import Data

Equations = tuple[Floats, Floats]
"""b (E, 29) and A (n, E, 29): y(t + stride) - y(t) = Σ_r k_r ∫ F_r dt."""


def equations(data: Data, i: int, stride: int) -> Equations:
    """Of stimulus i. Integrals by the trapezoidal rule, over rows at each of which calcium steps to its next value."""
    y = reduced(data.concentrations[i])
    subunits = float(data.concentrations[i, 0, 9:].sum())
    gap = float(data.time[1] - data.time[0])
    calcium = _row_means(data, i, gap)
    left = functions(Setting(y[:-1], calcium, subunits))
    right = functions(Setting(y[1:], calcium, subunits))
    slices = len(calcium) // stride
    integrals = (gap / 2 * (left + right))[:, : slices * stride].reshape(len(left), slices, stride, -1).sum(axis=2)
    rows = y[: slices * stride + 1 : stride]
    return np.diff(rows, axis=0), integrals


def _row_means(data: Data, i: int, gap: float) -> Floats:
    """(T - 1,) calcium between rows."""
    per_row = round(gap / data.window)
    return np.asarray(data.stimuli[i].calcium.reshape(-1, per_row).mean(axis=1))


def class_sums(found: Equations) -> Equations:
    """Only the equations of the sums over lobes: bound, phosphorylated, and the paired. Calcium's part vanishes."""
    lump = np.zeros((N_STATE, 4))
    lump[9:18, 0] = lump[18:27, 1] = lump[DK, 2] = lump[DP, 3] = 1.0
    return found[0] @ lump, found[1] @ lump


def normals(groups: Sequence[Sequence[Equations]], rounds: int = 2) -> list[Normal]:
    """One for each stimulus of each group; in a group every component weighs by the variance of its residuals."""
    out: list[Normal] = []
    for group in groups:
        weights = 1.0 / np.maximum(np.var(np.concatenate([b for b, _ in group]), axis=0), 1e-12)
        for _ in range(rounds):
            made = [_normal(b, a, weights) for b, a in group]
            whole = added(made)
            seen = np.flatnonzero(np.diag(whole.gram) > 0)
            k = relaxed(whole, seen.tolist())
            residuals = np.concatenate([b - np.tensordot(k, a, axes=1) for b, a in group])
            weights = 1.0 / np.maximum(residuals.var(axis=0), 1e-12)
        out += [_normal(b, a, weights) for b, a in group]
    return out


def _normal(b: Floats, a: Floats, weights: Floats) -> Normal:
    flat, root = a.reshape(len(a), -1), np.sqrt(np.tile(weights, len(b)))
    weighted, target = flat * root, b.ravel() * root
    return Normal(weighted @ weighted.T, weighted @ target, float(target @ target), b.size)
