"""From courses of moments to normal equations: changes over some rows against the integrals of all candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from reducers.gccd.data.protocol_data import ProtocolData
from reducers.gccd.fit.lasso import NormalEquations, add_equations, refit
from reducers.gccd.law.kernel import DK, DP, N_STATE
from reducers.gccd.law.library import LibraryInput, reduced, term_values

Equations = tuple[Floats, Floats]
"""b (E, 29) and A (n, E, 29): y(t + stride) - y(t) = Σ_r k_r ∫ F_r dt."""


def equations(data: ProtocolData, i: int, stride: int) -> Equations:
    """The equations of stimulus i.

    Integrals are by the trapezoidal rule, over rows at each of which calcium steps to its next value.
    """
    y = reduced(data.concentrations[i])
    subunits = float(data.concentrations[i, 0, 9:].sum())
    gap = float(data.time[1] - data.time[0])
    calcium = _row_means(data, i, gap)
    left = term_values(LibraryInput(y[:-1], calcium, subunits))
    right = term_values(LibraryInput(y[1:], calcium, subunits))
    slices = len(calcium) // stride
    integrals = (gap / 2 * (left + right))[:, : slices * stride].reshape(len(left), slices, stride, -1).sum(axis=2)
    rows = y[: slices * stride + 1 : stride]
    return np.diff(rows, axis=0), integrals


def _row_means(data: ProtocolData, i: int, gap: float) -> Floats:
    """(T - 1,) calcium between rows."""
    per_row = round(gap / data.window)
    return np.asarray(data.stimuli[i].calcium.reshape(-1, per_row).mean(axis=1))


def class_sums(found: Equations) -> Equations:
    """Only the equations of the sums over lobes: bound, phosphorylated, and the paired. Calcium's part vanishes."""
    lump = np.zeros((N_STATE, 4))
    lump[9:18, 0] = lump[18:27, 1] = lump[DK, 2] = lump[DP, 3] = 1.0
    return found[0] @ lump, found[1] @ lump


def normals(groups: Sequence[Sequence[Equations]], rounds: int = 2) -> list[NormalEquations]:
    """Normal equations of each stimulus of each group.

    In a group every component weighs by the variance of its residuals.
    """
    out: list[NormalEquations] = []
    for group in groups:
        weights = 1.0 / np.maximum(np.var(np.concatenate([b for b, _ in group]), axis=0), 1e-12)
        for _ in range(rounds):
            made = [normal_equations(b, a, weights) for b, a in group]
            whole = add_equations(made)
            seen = np.flatnonzero(np.diag(whole.gram) > 0)
            k = refit(whole, seen.tolist())
            residuals = np.concatenate([b - np.tensordot(k, a, axes=1) for b, a in group])
            weights = 1.0 / np.maximum(residuals.var(axis=0), 1e-12)
        out += [normal_equations(b, a, weights) for b, a in group]
    return out


def normal_equations(b: Floats, a: Floats, weights: Floats) -> NormalEquations:
    flat, root = a.reshape(len(a), -1), np.sqrt(np.tile(weights, len(b)))
    weighted, target = flat * root, b.ravel() * root
    return NormalEquations(weighted @ weighted.T, weighted @ target, float(target @ target), b.size)
