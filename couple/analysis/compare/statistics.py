"""Two groups of runs: what differs by more than chance. A run is one observation; points in time are not.

Numbers of a run (its mean over time, its largest value) are compared by Welch's test. Whole courses are compared by the
largest difference at any time, in standard errors, against those of the same runs grouped at random: the correlation in
time is theirs. Over all comparisons Holm's procedure (Scand J Stat
6:65, 1979) keeps the chance that anything equal is called different below ALPHA.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from couple.base.arrays import Floats

ALPHA = 0.01
"""Chance that quantities that are equal are called different, over all comparisons of a report."""
DRAWS = 9999
POINTS = 400
"""Points in time of a course; more are averaged in groups."""
FLOOR = 0.05
"""Least standard error, of its root mean square over time: at times when nothing scatters yet, nothing differs yet."""
SAME = 1e-9


def standard_error(x: Floats) -> float:
    """Standard error of the mean of (n,) runs; NaN for one."""
    return float(x.std(ddof=1) / math.sqrt(len(x))) if len(x) > 1 else math.nan


def welch(a: Floats, b: Floats, fixed_a: bool, fixed_b: bool) -> float:
    """Two-sided p that two means are the same; 0 or 1 without any scatter, NaN if a single run cannot tell."""
    from scipy.stats import t as student

    va, vb = (0.0 if fixed else float(x.var(ddof=1)) / len(x) if len(x) > 1 else math.nan
              for x, fixed in ((a, fixed_a), (b, fixed_b)))  # fmt: skip
    difference = float(a.mean() - b.mean())
    if not (np.isfinite(va) and np.isfinite(vb) and np.isfinite(difference)):
        return math.nan
    if math.sqrt(va + vb) <= SAME * max(abs(a.mean()), abs(b.mean())):
        return 1.0 if abs(difference) <= SAME * max(abs(a.mean()), abs(b.mean())) else 0.0
    freedom = (va + vb) ** 2 / sum(v**2 / (len(x) - 1) for v, x in ((va, a), (vb, b)) if v > 0)
    return float(2 * student.sf(abs(difference) / math.sqrt(va + vb), freedom))


def course(a: Floats, b: Floats, rng: np.random.Generator, draws: int = DRAWS) -> tuple[float, float]:
    """(largest |difference of mean courses| in standard errors, p). a, b: (n_runs, n_times); one run has no scatter.

    NaN if neither scatters. p is twice the less of two: the share of random regroupings of all runs (of sign changes,
    against a course without scatter) with as large a difference; and Bonferroni's bound over all times, which can be
    smaller than one in the number of regroupings.
    """
    from scipy.stats import t as student

    a, b = _grouped(a), _grouped(b)
    sizes = [len(x) for x in (a, b) if len(x) > 1]
    if not sizes or not any(bool((x != x[0]).any()) for x in (a, b)):
        return math.nan, math.nan
    if len(sizes) == 2:
        x = np.concatenate([a, b]) - a.mean(axis=0)
        first = np.zeros((draws + 1, len(x)), dtype=bool)
        first[0, : len(a)] = True
        first[1:] = rng.permuted(np.tile(first[0], (draws, 1)), axis=1)
        t = _chunks(lambda rows: _between(x, first[rows]), draws + 1)
    else:
        x = a - b[0] if len(a) > 1 else b - a[0]
        signs = np.ones((draws + 1, len(x)))
        signs[1:] = rng.choice((-1.0, 1.0), (draws, len(x)))
        t = _chunks(lambda rows: _from_zero(x, signs[rows]), draws + 1)
    largest = float(t[0])
    by_chance = float((t >= largest * (1 - 1e-12)).mean())
    bound = a.shape[1] * 2 * float(student.sf(largest, min(sizes) - 1))
    return largest, min(1.0, 2 * min(by_chance, bound))


def _chunks(largest: Callable[[slice], Floats], n: int, size: int = 500) -> Floats:
    return np.concatenate([largest(slice(k, k + size)) for k in range(0, n, size)])


def _between(x: Floats, first: Floats) -> Floats:
    """(n_draws,) largest difference in standard errors between the runs of `first` (n_draws, n_runs) and the others."""
    difference, variance = np.zeros((2, len(first), x.shape[1]))
    for chosen, sign in ((first.astype(float), 1), (1.0 - first, -1)):
        n = float(chosen[0].sum())
        mean = chosen @ x / n
        difference += sign * mean
        variance += np.maximum(chosen @ x**2 / n - mean**2, 0.0) / (n - 1)
    return _largest(difference, variance)


def _from_zero(x: Floats, signs: Floats) -> Floats:
    """(n_draws,) largest mean of runs in standard errors, each run with its sign."""
    mean = signs @ x / len(x)
    return _largest(mean, np.maximum((x**2).mean(axis=0) - mean**2, 0.0) / (len(x) - 1))


def _largest(difference: Floats, variance: Floats) -> Floats:
    floor = FLOOR**2 * variance.mean(axis=1, keepdims=True) + 1e-300
    return np.asarray((np.abs(difference) / np.sqrt(variance + floor)).max(axis=1))


def _grouped(x: Floats) -> Floats:
    """At most POINTS points in time: means of neighbours."""
    size = -(-x.shape[1] // POINTS)
    whole = x.shape[1] // size * size
    return np.asarray(x[:, :whole].reshape(len(x), -1, size).mean(axis=2))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p of many comparisons; NaN (not judged) stays and does not count."""
    values = np.array(p, dtype=float)
    known = np.flatnonzero(np.isfinite(values))
    adjusted, least = values.copy(), 0.0
    for rank, k in enumerate(known[np.argsort(values[known], kind="stable")]):
        least = max(least, min(1.0, (len(known) - rank) * values[k]))
        adjusted[k] = least
    return [float(p) for p in adjusted]


def correlation_time(values: Floats, step: float) -> tuple[float, float, Floats]:
    """Time after which fluctuations about the mean course have lost 1 - 1/e of their correlation; its standard error.

    values: (n_runs, n_times), step: time between two. The error is a jackknife over runs. The third: (n_lags,)
    correlation at lags 0, 1, ..., up to half of the record. NaN and nothing where fewer than three runs fluctuate.
    """
    n, times = values.shape
    lags = max(2, times // 2)
    spread = values.std(axis=0)
    if n < 3 or float(spread.max()) <= SAME * float(np.abs(values).max(initial=1e-300)):
        return math.nan, math.nan, np.zeros(0)
    sums = _products(values - values.mean(axis=0), lags)
    whole = _decay(sums.sum(axis=0), step)
    left_out = np.array([
        _decay(_products(rest - rest.mean(axis=0), lags).sum(axis=0), step)
        for rest in (np.delete(values, k, axis=0) for k in range(n))
    ])  # fmt: skip
    error = math.sqrt((n - 1) / n * float(((left_out - left_out.mean()) ** 2).sum()))
    total = sums.sum(axis=0)
    return whole, error, np.asarray(total / total[0])


def _products(d: Floats, lags: int) -> Floats:
    """(n_runs, lags) mean over time of d(t) d(t + lag)."""
    times = d.shape[1]
    spectrum = np.fft.rfft(d, 2 * times, axis=1)
    summed = np.fft.irfft(np.abs(spectrum) ** 2, 2 * times, axis=1)[:, :lags]
    return np.asarray(summed / (times - np.arange(lags)))


def _decay(products: Floats, step: float) -> float:
    """Lag at which the correlation first is 1/e, between two lags by a line; that of the last if it never is."""
    if products[0] <= 0:
        return math.nan
    rho = products / products[0]
    below = np.flatnonzero(rho < math.exp(-1))
    if not len(below):
        return (len(rho) - 1) * step
    k = int(below[0])
    return step * (k - 1 + float((rho[k - 1] - math.exp(-1)) / (rho[k - 1] - rho[k])))
