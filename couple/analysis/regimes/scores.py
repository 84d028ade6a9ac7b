"""Differences of means and variances of two samples, as normal scores that few runs do not make too large."""

from __future__ import annotations

import math

from scipy.stats import norm, t

from couple.analysis.regimes.ensemble import EngineMoments

NUMERICAL = 1e-4
"""Relative error of deterministic engines."""


def mean_score(one: EngineMoments, other: EngineMoments, k: int) -> float:
    """By how much the means of quantity k differ, in standard errors; nan if there is no chance to judge it by.

    The errors are estimated themselves: the score is that of Student's t with the degrees of freedom of the fewer runs.
    """
    difference = float(one.mean[k] - other.mean[k])
    error = math.hypot(one.mean_error[k], other.mean_error[k])
    if error > 0:
        return _normal(difference / error, one, other)
    spread = max(float(one.variance[k]), float(other.variance[k]))
    if spread > 0:  # two without sampling error: what a hundred runs could tell
        return difference / math.sqrt(spread / 100)
    if one.runs or other.runs:
        return _unless_equal(difference)
    scale = NUMERICAL * max(abs(float(one.mean[k])), abs(float(other.mean[k])))  # two courses without chance
    return difference / scale if scale > 0 else _unless_equal(difference)


def variance_score(one: EngineMoments, other: EngineMoments, k: int) -> float:
    """By how much the variances differ, likewise; nan if one is of a deterministic engine, or 0 by few runs.

    Logarithms are compared: a variance that came out too small has an error that is too small as well, and would be
    called different too often. Relative errors are at least those of a normal distribution, 2 / (n - 1) squared.
    """
    first, second = float(one.variance[k]), float(other.variance[k])
    if one.deterministic or other.deterministic:
        return math.nan
    if first <= 0 or second <= 0:
        return _unless_equal(first - second)
    error = math.hypot(_relative(one, k), _relative(other, k))
    return _normal(math.log(first / second) / error, one, other) if error > 0 else _unless_equal(first - second)


def _relative(e: EngineMoments, k: int) -> float:
    """Relative standard error of a variance."""
    if not e.runs:
        return 0.0
    return max(float(e.variance_error[k] / e.variance[k]), math.sqrt(2 / (e.runs - 1)))


def _normal(z: float, *sides: EngineMoments) -> float:
    """The normal score that is as rare as this one of Student's t."""
    runs = min((e.runs for e in sides if e.runs), default=0)
    if not runs:
        return z
    tail = float(t.logsf(abs(z), runs - 1))
    return math.copysign(_score_of(tail), z)


def _score_of(log_tail: float) -> float:
    """z of which log P(Z > z) is this, also where the probability itself is next to nothing."""
    if log_tail > -700:
        return float(norm.isf(math.exp(log_tail)))
    return math.sqrt(-2 * log_tail)


def _unless_equal(difference: float) -> float:
    """0 for what is equal, else nan: runs that are all the same may miss what is rare."""
    return 0.0 if difference == 0 else math.nan
