"""From shares of molecules under a drive to the rates of a sparse graph of transitions.

First the change over a window is regressed on what each candidate transition would move, with rates that are not
negative and a penalty on their sum (lasso path); leaving out stimuli in turn says which penalty is best. Of what is
left those transitions go that are not significant, the least significant first. Then rates are refined on the
prediction of every window, by the adjoint of its integrator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import norm

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.dbd.fit.adjoint import RK4, Solver
from reducers.markov.generator import Generator, Transition
from reducers.markov.sampling import StimulusRuns
from reducers.markov.settings import DrivenFile

SMALL = 1e-4
"""Transitions that carry a smaller part of the largest flow are left out."""
SWEEPS = 20000
"""Of coordinate descent, at most."""


@dataclass(frozen=True)
class LearnedTransitions:
    """transitions with their rates; path: (points, 3) penalty, error on what was left out and its standard error."""

    transitions: tuple[Transition, ...]
    rates: Floats
    path: Floats
    error: float


def learn_transitions(
    file: DrivenFile,
    runs: StimulusRuns,
    transitions: Sequence[Transition],
    tell: Callable[[str], None] = lambda text: None,
) -> LearnedTransitions:
    """Select and refine."""
    chosen, path = select(runs, transitions, file.path.points, file.path.folds)
    kept = tuple(t for t, yes in zip(transitions, chosen, strict=True) if yes)
    tell(f"{len(kept)} of {len(transitions)} transitions are needed")
    while True:
        gram, right, _ = _normal(*_equations(runs, kept))
        start = _descend(gram, right, 0.0, np.zeros(len(kept)))
        rates, error = refine(runs, kept, start, gram, file.refine.iterations, file.refine.substeps)
        carried = _carried(runs, kept, rates)
        small = carried < SMALL * carried.max()
        if not small.any():
            return LearnedTransitions(kept, rates, path, error)
        kept = tuple(t for t, no in zip(kept, small, strict=True) if not no)
        tell(f"{int(small.sum())} of them carry next to nothing")


def _carried(runs: StimulusRuns, transitions: Sequence[Transition], rates: Floats) -> Floats:
    """Molecules that each transition moves per ms, on average."""
    p, u = runs.shares[:, :-1], runs.drive[:, :, None]
    plain, driven = p.mean(axis=(0, 1)), (p * u).mean(axis=(0, 1))
    return np.array([r * (driven if t.driven else plain)[t.source] for t, r in zip(transitions, rates, strict=True)])


# -- selection -----------------------------------------------------------------------------------------------------


def _equations(runs: StimulusRuns, transitions: Sequence[Transition]) -> tuple[Floats, Floats]:
    """Columns (n_runs, rows, transitions) and changes (n_runs, rows), both over the standard deviation of chance.

    A row is one state in one window; the integral of shares over it is that of the trapezoid.
    """
    p, u, h = runs.shares, runs.drive, runs.every
    middle = 0.5 * (p[:, 1:] + p[:, :-1])
    columns = np.zeros((*middle.shape, len(transitions)))
    for r, t in enumerate(transitions):
        moved = h * middle[:, :, t.source] * (u if t.driven else 1.0)
        columns[:, :, t.target, r] += moved
        columns[:, :, t.source, r] -= moved
    change = np.diff(p, axis=1)
    spread = 1.0 / np.sqrt(_chance(runs))
    n = len(p)
    return (columns * spread[:, None, :, None]).reshape(n, -1, len(transitions)), (change * spread[:, None]).reshape(
        n, -1
    )


def _chance(runs: StimulusRuns) -> Floats:
    """(n_runs, n_states) variance of the change of a share in a window, up to a factor: how many come and go."""
    change = np.diff(runs.shares, axis=1)
    return np.asarray((change**2).mean(axis=1) + 1e-4 * (change**2).mean() + 1e-300)


def _normal(columns: Floats, change: Floats) -> tuple[Floats, Floats, float]:
    """Gram matrix, right side and square of the changes, over all rows."""
    a, b = columns.reshape(-1, columns.shape[-1]), change.ravel()
    return a.T @ a, a.T @ b, float(b @ b)


def select(
    runs: StimulusRuns, transitions: Sequence[Transition], points: int, folds: int
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """(n,) whether each transition is needed, and (points, 3) penalty, error and its standard error of the path.

    Needed are those at the largest penalty whose error is within one standard error of the least.
    """
    columns, change = _equations(runs, transitions)
    scale = np.sqrt((columns**2).sum(axis=(0, 1)))
    columns = columns / np.maximum(scale, 1e-300)
    gram, right, square = _normal(columns, change)
    penalties = right.max() * np.logspace(0, -5, points)
    errors = np.zeros((points, folds))
    for f in range(folds):
        out = np.arange(len(columns)) % folds == f
        errors[:, f] = _left_out(columns[~out], change[~out], columns[out], change[out], penalties)
    mean, spread = errors.mean(axis=1), _spread(errors)
    best = int(mean.argmin())
    chosen = int(np.flatnonzero(mean <= mean[best] + spread[best])[0])
    rates = _descend(gram, right, float(penalties[chosen]), np.zeros(len(right)))
    kept = _significant(gram, right, square, change.size, rates > 1e-6 * rates.max())
    return kept, np.stack([penalties, mean, spread], axis=1)


def _significant(
    gram: Floats, right: Floats, square: float, rows: int, kept: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Backward elimination: out goes the rate that is least above zero in standard errors, until all are clearly."""
    kept, bound = kept.copy(), float(norm.isf(1e-3 / len(kept)))
    while kept.sum() > 1:
        part = gram[np.ix_(kept, kept)]
        x = _descend(part, right[kept], 0.0, np.zeros(int(kept.sum())))
        noise = max(square - 2 * x @ right[kept] + x @ part @ x, 0.0) / rows
        errors = np.sqrt(noise * np.diag(np.linalg.pinv(part)))
        ratio = x / np.maximum(errors, 1e-300)
        worst = int(ratio.argmin())
        if ratio[worst] > bound:
            break
        kept[np.flatnonzero(kept)[worst]] = False
    return kept


def _spread(errors: Floats) -> Floats:
    """Standard error over folds of the difference to the least error."""
    apart = errors - errors[errors.mean(axis=1).argmin()]
    return np.asarray(np.maximum(apart.std(axis=1, ddof=1), 1e-3 * errors.mean()) / np.sqrt(errors.shape[1]))


def _left_out(a: Floats, b: Floats, a_out: Floats, b_out: Floats, penalties: Floats) -> Floats:
    """Mean square error on what was left out, along the path, with the rates of each support fitted without penalty."""
    gram, right, _ = _normal(a, b)
    gram_out, right_out, square = _normal(a_out, b_out)
    x, errors = np.zeros(len(right)), []
    for penalty in penalties.tolist():
        x = _descend(gram, right, penalty, x)
        on = x > 1e-3 * x.max()
        y = np.zeros_like(x)
        if on.any():
            y[on] = _descend(gram[np.ix_(on, on)], right[on], 0.0, x[on])
        errors.append((y @ gram_out @ y - 2 * y @ right_out + square) / b_out.size)
    return np.array(errors)


@njit(cache=True)
def _descend(gram: Floats, right: Floats, penalty: float, x: Floats) -> Floats:
    """Coordinate descent for min x·G x / 2 - r·x + penalty Σ x with x ≥ 0, from x on."""
    x, rest = x.copy(), right.copy()
    n = len(x)
    for j in range(n):
        for i in range(n):
            rest[i] -= gram[i, j] * x[j]
    for _ in range(SWEEPS):
        largest, size = 0.0, 0.0
        for j in range(n):
            if gram[j, j] <= 0.0:
                continue
            new = max(0.0, x[j] + (rest[j] - penalty) / gram[j, j])
            step = new - x[j]
            if step != 0.0:
                for i in range(n):
                    rest[i] -= gram[i, j] * step
                x[j] = new
            largest, size = max(largest, abs(step)), max(size, new)
        if largest <= 1e-10 * size:
            break
    return x


# -- refinement ----------------------------------------------------------------------------------------------------


def refine(
    runs: StimulusRuns, transitions: Sequence[Transition], start: Floats, gram: Floats, iterations: int, substeps: int
) -> tuple[Floats, float]:
    """Rates that predict each window best from its beginning, and the mean square error in units of chance.

    gram: of the regression; in the coordinates that it makes round the error is nearly a sphere. Chance is the variance
    of the error of each state in each run, estimated at the start and once more on the way.
    """
    n = runs.shares.shape[-1]
    law = Generator([str(k) for k in range(n)], transitions)
    solver = Solver(runs.every, RK4, substeps)
    before, after = runs.shares[:, :-1].reshape(-1, n), runs.shares[:, 1:].reshape(-1, n)
    drive = runs.drive.reshape(1, -1, 1)
    to_rates = np.linalg.inv(np.linalg.cholesky(gram / after.size + 1e-12 * np.diag(np.diag(gram)))).T

    def errors(rates: Floats) -> tuple[Floats, Floats]:
        law.coefficients.values[:, 0] = rates
        path = solver.path(before, 1)
        solver.solve(law, path, drive)
        return path, path[-1] - after

    rates = start
    for _ in range(2):
        off = errors(rates)[1].reshape(*runs.shares[:, 1:].shape)
        chance = (off**2).mean(axis=1, keepdims=True) + 1e-18
        weights = np.broadcast_to(1 / chance, off.shape).reshape(-1, n)
        centre = rates

        def loss(z: Floats, weights: Floats = weights, centre: Floats = centre) -> tuple[float, Floats]:
            path, off = errors(centre + to_rates @ z)
            law.clear()
            slopes = np.stack([np.zeros_like(off), 2 * off * weights / off.size])
            solver.pull_back(law, path, slopes, drive)
            return float((off**2 * weights).mean()), to_rates.T @ law.coefficients.gradient[:, 0]

        found = minimize(loss, np.zeros(len(rates)), jac=True, method="L-BFGS-B", options={"maxiter": iterations})
        rates = np.maximum(centre + to_rates @ found.x, 0.0)
    return rates, float(found.fun)
