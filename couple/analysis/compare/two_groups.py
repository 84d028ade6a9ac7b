"""Two groups of runs: what differs by more than chance. A run is one observation; points in time are not.

Two ensembles are compared by regrouping their runs: if they are equal, the grouping that was made is one of all that
could have been, whatever the distribution of a number and the correlation in time. Statistics are differences in
standard errors, so that means can be compared where scatters differ (Janssen 1997, Stat Probab Lett 36:9). Against a
side without scatter there is nothing to regroup: Student's test. Over all comparisons Holm's procedure (Scand J Stat
6:65, 1979) keeps the chance that anything equal is called different below ALPHA.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from couple.base.arrays import Floats

type Flags = NDArray[np.bool_]

ALPHA = 0.01
"""Chance that quantities that are equal are called different, over all comparisons of a report."""
DRAWS = 49_999
"""Regroupings of a comparison: p goes down to 2e-5, for Holm's procedure over hundreds of rows."""
FIRST = 999
"""After so many it stops where p is above twice ALPHA: no more of them would change the verdict."""
ALL = 1000
"""Up to so many regroupings each is taken once: p is exact."""
POINTS = 400
"""Points in time of a course; more are averaged in groups."""
FLOOR = 0.05
"""Least standard error, of its root mean square over time: at times when nothing scatters yet, nothing differs yet."""
SAME = 1e-9
TIED = 1e-6
"""Relative difference of statistics that rounding makes."""


def standard_error(x: Floats) -> float:
    """Standard error of the mean of (n,) runs; NaN for one."""
    return float(x.std(ddof=1) / math.sqrt(len(x))) if len(x) > 1 else math.nan


def mean_p(a: Floats, b: Floats, fixed_a: bool, fixed_b: bool, rng: np.random.Generator) -> float:
    """Two-sided p that two means are the same. a, b: (n_runs,) numbers of runs; fixed: a side without any scatter.

    0 or 1 if neither side scatters. NaN where it cannot be told: a single run, a number that is the same in all runs
    of both sides, or in all runs of the one that could scatter.
    """
    from scipy.stats import ttest_1samp

    same = abs(a.mean() - b.mean()) <= SAME * max(abs(a.mean()), abs(b.mean()))
    if fixed_a and fixed_b:
        return 1.0 if same else 0.0
    if fixed_a or fixed_b:
        x, value = (b, a[0]) if fixed_a else (a, b[0])
        return math.nan if len(x) < 2 or _constant(x) else float(ttest_1samp(x, value).pvalue)
    if min(len(a), len(b)) < 2 or (_constant(a) and _constant(b) and same):
        return math.nan
    x = np.concatenate([a, b])[:, None] - a.mean()
    return regrouped_p(lambda first: _between(x, first), len(a), len(b), rng)


def _constant(x: Floats) -> bool:
    return float(np.ptp(x)) <= SAME * float(np.abs(x).max())


def course(a: Floats, b: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """(largest |difference of mean courses| in standard errors, p). a, b: (n_runs, n_times); one run has no scatter.

    NaN if neither scatters. Against a course without scatter p is twice the less of two: the share of random changes
    of sign with as large a difference, and Bonferroni's bound over all times.
    """
    from scipy.stats import t as student

    a, b = _grouped(a), _grouped(b)
    sizes = [len(x) for x in (a, b) if len(x) > 1]
    if not sizes or not any(bool((x != x[0]).any()) for x in (a, b)):
        return math.nan, math.nan
    if len(sizes) == 2:
        x = np.concatenate([a, b]) - a.mean(axis=0)
        made = np.arange(len(x)) < len(a)
        largest = float(_between(x, made[None])[0])
        return largest, regrouped_p(lambda first: _between(x, first), len(a), len(b), rng)
    x = a - b[0] if len(a) > 1 else b - a[0]
    signs = np.ones((FIRST + 1, len(x)))
    signs[1:] = rng.choice((-1.0, 1.0), (FIRST, len(x)))
    t = _from_zero(x, signs)
    by_chance = float((t >= t[0] * (1 - TIED)).mean())
    bound = a.shape[1] * 2 * float(student.sf(t[0], sizes[0] - 1))
    return float(t[0]), min(1.0, 2 * min(by_chance, bound))


def regrouped_p(statistic: Callable[[Flags], Floats], n: int, m: int, rng: np.random.Generator) -> float:
    """Share of the groupings of n + m runs into n and m whose statistic is as large as that of the first n.

    statistic: (n_draws, n + m) booleans, whether a run is in the first group, to (n_draws,).
    """
    made = np.arange(n + m) < n
    least = float(statistic(made[None])[0])
    least -= TIED * abs(least) + 1e-300
    if math.comb(n + m, n) <= ALL:
        return float((statistic(_every(n, m)) >= least).mean())
    reached, drawn = 1, 1  # the grouping that was made
    for size in (FIRST, *itertools.repeat(1000, (DRAWS - FIRST) // 1000)):
        reached += int((statistic(rng.permuted(np.tile(made, (size, 1)), axis=1)) >= least).sum())
        drawn += size
        if reached > 2 * ALPHA * (drawn if drawn == FIRST + 1 else DRAWS):
            break
    return reached / drawn


def least_p(n: int, m: int) -> float:
    """The smallest p that regrouping can give: of two of a size, changing places is no difference."""
    return max((2 if n == m else 1) / math.comb(n + m, n), 1 / (DRAWS + 1))


def _every(n: int, m: int) -> Flags:
    """(n_groupings, n + m) booleans."""
    chosen = np.array(list(itertools.combinations(range(n + m), n)))
    first = np.zeros((len(chosen), n + m), dtype=bool)
    np.put_along_axis(first, chosen, True, axis=1)
    return first


def _between(x: Floats, first: Flags) -> Floats:
    """(n_draws,) largest difference in standard errors between the runs of `first` (n_draws, n_runs) and the others."""
    difference, variance = np.zeros((2, len(first), x.shape[1]))
    for chosen, sign in ((first.astype(float), 1), (1.0 - first, -1)):
        n = float(chosen[0].sum())
        mean = chosen @ x / n
        difference += sign * mean
        variance += np.maximum(chosen @ x**2 / n - mean**2, 0.0) / (n - 1)
    return _largest(difference, variance + 1e-10 * x.var(axis=0))


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


class Correlation(NamedTuple):
    """How long fluctuations about the mean course last.

    time: after which they have lost 1 - 1/e of their correlation, NaN where fewer than three runs fluctuate; with
    `capped` it is the longest that the record shows, and theirs is longer. error: its jackknife over runs, NaN if
    capped. rho: (n_lags,) correlation at lags 0, 1, ..., up to half of the record.
    """

    time: float
    error: float
    rho: Floats
    capped: bool


def correlation_time(values: Floats, step: float) -> Correlation:
    """The correlation time of (n_runs, n_times) values. step: time between two."""
    products = _fluctuations(values)
    if products is None:
        return Correlation(math.nan, math.nan, np.zeros(0), False)
    n = len(values)
    left_out = (np.delete(values, k, axis=0) for k in range(n))
    without = np.array([_decay(_products(rest - rest.mean(axis=0)).sum(axis=0)[None])[0] for rest in left_out]) * step
    total = products.sum(axis=0)
    time, last = float(_decay(total[None])[0]) * step, (len(total) - 1) * step
    capped = bool(max(time, without.max()) >= last * (1 - SAME))
    error = math.nan if capped else math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    return Correlation(time, error, np.asarray(total / total[0]), capped)


def correlation_p(a: Floats, b: Floats, rng: np.random.Generator) -> float:
    """p that fluctuations of two ensembles, (n_runs, n_times) each, last equally long; NaN where none fluctuate.

    The larger of two: of fluctuations about the mean of each, which a difference of means does not touch, and about
    that of all runs, which regrouping leaves exactly as they are if the two are equal.
    """
    own = _fluctuations(a), _fluctuations(b)
    if own[0] is None or own[1] is None:
        return math.nan
    every = np.concatenate([a, b])
    about_all = _products(every - every.mean(axis=0))

    def apart(products: Floats) -> Callable[[Flags], Floats]:
        return lambda first: np.abs(_decay(first.astype(float) @ products) - _decay((1.0 - first) @ products))

    p = regrouped_p(apart(about_all / about_all[:, 0].mean()), len(a), len(b), rng)
    if p > 2 * ALPHA:
        return p
    about_own = np.concatenate([x / x[:, 0].mean() for x in own if x is not None])
    return max(p, regrouped_p(apart(about_own), len(a), len(b), rng))


def _fluctuations(values: Floats) -> Floats | None:
    """(n_runs, n_lags) mean products of fluctuations; None where fewer than three runs fluctuate."""
    spread = float(values.std(axis=0).max())
    if len(values) < 3 or spread <= SAME * float(np.abs(values).max(initial=1e-300)):
        return None
    return _products(values - values.mean(axis=0))


def _products(d: Floats) -> Floats:
    """(n_runs, n_lags) mean over time of d(t) d(t + lag), to half of the record."""
    times = d.shape[1]
    lags = max(2, times // 2)
    spectrum = np.fft.rfft(d, 2 * times, axis=1)
    summed = np.fft.irfft(np.abs(spectrum) ** 2, 2 * times, axis=1)[:, :lags]
    return np.asarray(summed / (times - np.arange(lags)))


def _decay(products: Floats) -> Floats:
    """(n,) lags at which the correlations (n, n_lags) first are 1/e, between two by a line; else the last."""
    rho = products / np.maximum(products[:, :1], 1e-300)
    below = rho < math.exp(-1)
    k = np.maximum(below.argmax(axis=1), 1)
    row = np.arange(len(rho))
    high, low = rho[row, k - 1], rho[row, k]
    with np.errstate(invalid="ignore", divide="ignore"):
        between = k - 1 + (high - math.exp(-1)) / (high - low)
    return np.asarray(np.where(below.any(axis=1), between, rho.shape[1] - 1.0))
