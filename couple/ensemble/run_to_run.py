"""Run-to-run statistics. Arrays are (n_runs, n_times); no time average is taken unless a name says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import InputError


@dataclass(frozen=True)
class Statistics:
    """Statistics of n runs at each time, arrays (n_times,).

    variance: unbiased (n - 1). standard_error: of the mean. low, high: confidence band of the mean (Student's t).

    >>> from couple import statistics
    >>> found = statistics([[1.0, 2.0], [3.0, 2.0]])
    >>> found.n, found.mean.tolist(), found.variance.tolist()
    (2, [2.0, 2.0], [2.0, 0.0])
    """

    n: int
    mean: Floats
    variance: Floats
    standard_error: Floats
    low: Floats
    high: Floats


def statistics(values: npt.ArrayLike, confidence: float = 0.95) -> Statistics:
    """Mean over runs, and how well it is known. values: (n_runs, n_times).

    Raises InputError for fewer than two runs, and a confidence that is not between 0 and 1.

    >>> from couple import statistics
    >>> statistics([[1.0], [3.0]]).standard_error.tolist()
    [1.0]
    """
    from scipy.special import stdtrit  # here: workers need no statistics, and it takes as long as all the rest

    array = _runs(values)
    if not 0 < confidence < 1:
        raise InputError(f"a confidence of {confidence:g}: give a number between 0 and 1, such as 0.95")
    n, mean, variance = len(array), array.mean(axis=0), array.var(axis=0, ddof=1)
    error = np.sqrt(variance / n)
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * error
    return Statistics(n, mean, variance, error, mean - half, mean + half)


def autocorrelation(values: npt.ArrayLike, lags: int | None = None) -> Floats:
    """(lags,) correlation of fluctuations δ(t) = x(t) - mean over runs, at lag 0, 1, ... rows; 1 at lag 0.

    Averaged over runs and over t: for records that are stationary from the first row that is given. NaN if nothing
    fluctuates. values: (n_runs, n_times); lags: half of n_times by default.
    Raises InputError for fewer than two runs, and for more lags than rows.

    >>> from couple import autocorrelation
    >>> autocorrelation([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]]).round(6).tolist()
    [1.0, -1.0]
    """
    array = _runs(values)
    times = array.shape[1]
    lags = max(1, times // 2) if lags is None else lags
    if not 0 < lags <= times:
        raise InputError(f"{lags} lags of {times} rows")
    fluctuation = array - array.mean(axis=0)
    # Circular correlation of a record behind which as many zeros stand is that of the record.
    spectrum = np.fft.rfft(fluctuation, 2 * times, axis=1)
    summed = np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=0), 2 * times)[:lags]
    covariance = summed / (times - np.arange(lags))
    return np.asarray(covariance / covariance[0] if covariance[0] > 0 else np.full(lags, np.nan))


def correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """(n_times,) Pearson correlation across runs of two quantities at each time; NaN where one does not fluctuate.

    a, b: (n_runs, n_times). Raises InputError for fewer than two runs, and for arrays of different shapes.

    >>> from couple import correlation
    >>> correlation([[1.0], [2.0], [3.0]], [[2.0], [4.0], [6.0]]).round(6).tolist()
    [1.0]
    """
    first, second = _runs(a), _runs(b)
    if first.shape != second.shape:
        raise InputError(f"arrays of shapes {first.shape} and {second.shape}: give two of one ensemble")
    da, db = first - first.mean(axis=0), second - second.mean(axis=0)
    product = np.sqrt((da**2).sum(axis=0) * (db**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((da * db).sum(axis=0) / product)


def _runs(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or len(array) < 2:
        raise InputError(f"an array of shape {array.shape}: give (runs, times) of at least two runs")
    return array
