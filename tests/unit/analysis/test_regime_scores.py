"""Engines that are equal are called different as rarely as is said, however few the runs; what differs is found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, norm

from couple.analysis.regimes.compare import ALPHA
from couple.analysis.regimes.ensemble import EngineMoments, sampled_moments
from couple.analysis.regimes.scores import mean_score, variance_score

TABLES, ENGINES = 400, 5
BOUND = float(norm.isf(ALPHA / (2 * 2 * (ENGINES - 1))))


def sides(rng: np.random.Generator, n: int, draw: Callable[..., np.ndarray]) -> list[EngineMoments]:
    return [sampled_moments(str(k), ("x",), np.asarray(draw(rng, (n, 1)), dtype=float)) for k in range(ENGINES)]


def alarms(n: int, draw: Callable[..., np.ndarray], score: Callable[[EngineMoments, EngineMoments], float]) -> int:
    """Of so many tables of equal engines, those in which one is called different."""
    rng, found = np.random.default_rng(n), 0
    for _ in range(TABLES):
        first, *others = sides(rng, n, draw)
        found += max(score(other, first) for other in others) > BOUND
    return found


def ours(one: EngineMoments, other: EngineMoments) -> float:
    scores = [abs(mean_score(one, other, 0)), abs(variance_score(one, other, 0))]
    return max((z for z in scores if not math.isnan(z)), default=0.0)


def plain(one: EngineMoments, other: EngineMoments) -> float:
    """Differences over their estimated errors, as if these were known."""
    mean = abs(one.mean[0] - other.mean[0]) / math.hypot(one.mean_error[0], other.mean_error[0])
    variance = abs(one.variance[0] - other.variance[0]) / math.hypot(one.variance_error[0], other.variance_error[0])
    return float(max(mean, variance))


@pytest.mark.parametrize("n", [5, 10, 40])
@pytest.mark.parametrize("mean", [3.0, 100.0])
def test_equal_engines_are_rarely_called_different(n: int, mean: float) -> None:
    """At most what is said (1 % of the tables), by a bound of 1e-4 on its error."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return rng.poisson(mean, shape)

    most = int(binom.isf(1e-4, TABLES, ALPHA))
    assert alarms(n, draw, ours) <= most
    if n == 5:
        assert alarms(n, draw, plain) > most, "the control"


def test_what_differs_is_found() -> None:
    """A mean off by two standard deviations, and half of the spread, by 40 runs each."""
    rng = np.random.default_rng(3)
    first, other = (sampled_moments("a", ("x",), rng.normal(0, 1, (40, 1))) for _ in range(2))
    moved = replace(other, mean=other.mean + 2)
    narrow = sampled_moments("b", ("x",), rng.normal(0, 0.4, (40, 1)))
    assert abs(mean_score(moved, first, 0)) > BOUND > abs(mean_score(other, first, 0))
    assert variance_score(narrow, first, 0) < -BOUND < variance_score(other, first, 0)


def test_where_there_is_no_chance() -> None:
    none = np.zeros(1)
    course = EngineMoments("ode", ("x",), 0, np.array([5.0]), none, none, none, 0.0, deterministic=True)
    exact = replace(course, engine="cme", variance=np.array([4.0]), deterministic=False)
    assert mean_score(replace(course, mean=np.array([5.1])), course, 0) == pytest.approx(0.1 / 5.1e-4, rel=1e-6)
    assert mean_score(replace(course, mean=np.array([6.0])), exact, 0) == pytest.approx(1 / 0.2), "by a hundred runs"
    assert math.isnan(variance_score(course, exact, 0))
    still = sampled_moments("ssa", ("x",), np.full((10, 1), 5.0))
    assert mean_score(still, replace(course, variance=none), 0) == 0
    assert math.isnan(mean_score(still, replace(course, mean=np.array([6.0])), 0)), "what is rare may be missed"
    assert math.isnan(variance_score(still, exact, 0))
    far = replace(sampled_moments("s", ("x",), np.random.default_rng(1).normal(0, 1, (500, 1))), mean=np.array([1e6]))
    assert mean_score(far, exact, 0) > 1e3, "a tail too small for a number"
