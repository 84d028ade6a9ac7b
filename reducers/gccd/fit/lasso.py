"""The lasso path of non-negative rates, from normal equations; the penalty is chosen on stimuli left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from couple.base.arrays import Floats
from couple.cache.kernels import njit


@dataclass(frozen=True)
class NormalEquations:
    """Sums over the equations b = A k of one stimulus: A'WA (n, n), A'Wb (n,), b'Wb, and how many."""

    gram: Floats
    right: Floats
    square: float
    equations: int

    def error(self, k: Floats) -> float:
        """Mean of w (b - A k)²."""
        return float((self.square - 2 * k @ self.right + k @ self.gram @ k) / max(self.equations, 1))


def add_equations(parts: Sequence[NormalEquations]) -> NormalEquations:
    """All equations together."""
    return NormalEquations(
        np.sum([p.gram for p in parts], axis=0),
        np.sum([p.right for p in parts], axis=0),
        float(np.sum([p.square for p in parts])),
        sum(p.equations for p in parts),
    )


@njit(cache=True)
def _descend(gram: Floats, right: Floats, penalty: float, k: Floats, sweeps: int, tolerance: float) -> None:
    """Coordinate descent on ½ k'Gk - r'k + penalty Σ k, k ≥ 0, of a gram with ones on its diagonal (or zeros)."""
    gradient = gram @ k
    for _ in range(sweeps):
        largest = 0.0
        for j in range(len(k)):
            if gram[j, j] <= 0.0:
                continue
            new = max(0.0, k[j] + (right[j] - gradient[j] - penalty) / gram[j, j])
            change = new - k[j]
            if change != 0.0:
                k[j] = new
                for i in range(len(k)):
                    gradient[i] += gram[i, j] * change
                largest = max(largest, abs(change))
        if largest <= tolerance:
            return


def lasso_path(normal: NormalEquations, penalties: Floats, sweeps: int = 5000) -> Floats:
    """(len(penalties), n) rates for penalties relative to the least that leaves nothing, each begun at the last."""
    scale = np.sqrt(np.diag(normal.gram))
    safe = np.where(scale > 0, scale, 1.0)
    gram, right = normal.gram / np.outer(safe, safe), normal.right / safe
    top = float(right.max())
    k = np.zeros(len(right))
    out = np.empty((len(penalties), len(right)))
    for i, penalty in enumerate(penalties):
        _descend(gram, right, penalty * top, k, sweeps, 1e-7 * top)
        out[i] = k / safe
    return out


def refit(normal: NormalEquations, support: Sequence[int]) -> Floats:
    """(n,) non-negative least squares on the chosen candidates alone: without the shrinkage of the penalty."""
    chosen = np.asarray(support, dtype=int)
    out = np.zeros(len(normal.right))
    scale = np.sqrt(np.diag(normal.gram)[chosen])
    gram = normal.gram[np.ix_(chosen, chosen)] / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-12 * values.max()
    root = (vectors[:, kept] * np.sqrt(values[kept])).T
    target = (vectors[:, kept] / np.sqrt(values[kept])).T @ (normal.right[chosen] / scale)
    out[chosen] = nnls(root, target)[0] / scale
    return out


@dataclass(frozen=True)
class LassoChoice:
    """penalties (P,), rates (P, n) of the whole path; error, deviation (P,) of left-out stimuli; at: the choice."""

    penalties: Floats
    rates: Floats
    error: Floats
    deviation: Floats
    at: int


def choose_penalty(parts: Sequence[NormalEquations], points: int, folds: int, rule: str) -> LassoChoice:
    """Path over all stimuli, and the penalty by leaving out each of `folds` groups of stimuli in turn."""
    penalties = np.logspace(0, -5, points)
    errors = np.empty((folds, points))
    for fold in range(folds):
        out = [p for i, p in enumerate(parts) if i % folds == fold]
        rest = add_equations([p for i, p in enumerate(parts) if i % folds != fold])
        tested = add_equations(out)
        for i, k in enumerate(lasso_path(rest, penalties)):
            support = np.flatnonzero(k > 0)
            errors[fold, i] = tested.error(refit(rest, support.tolist()) if len(support) else k)
    mean, deviation = errors.mean(axis=0), errors.std(axis=0, ddof=1) / np.sqrt(folds)
    least = int(np.argmin(mean))
    at = least
    if rule == "one standard error":
        best = (errors - errors[:, [least]]).mean(axis=0)
        paired = (errors - errors[:, [least]]).std(axis=0, ddof=1) / np.sqrt(folds)
        at = int(np.flatnonzero(best <= paired)[0])
    return LassoChoice(penalties, lasso_path(add_equations(parts), penalties), mean, deviation, at)
