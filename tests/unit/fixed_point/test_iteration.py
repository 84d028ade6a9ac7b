"""Iterations x = H(x): the oscillator with an exact solution, linear maps, whole numbers, and what is not converged."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.fixed_point.anderson import DEPTH
from couple.fixed_point.iteration import Acceleration, Outcome, accelerator, iterate

METHODS: tuple[Acceleration, ...] = ("anderson", "aitken", "none")


def solve(h: Callable[[Floats], Floats], start: Floats, method: Acceleration, limit: float, most: int = 50) -> Outcome:
    n = len(start)
    return iterate(h, start, lambda y: np.full(n, limit), accelerator(method, n), most, np.ones(n))


# -- two masses between springs: u1'' = -(k + k12) u1 + k12 u2, and the other alike -----------------------------------

SPRING, BETWEEN = 4 * math.pi**2, 16 * math.pi**2
TERMS, EXCHANGED, WINDOW = 16, 9, 0.01


def course(u: float, v: float, other: Floats) -> Floats:
    """(TERMS,) of the power series of a mass over a window, in parts of it, if the other moves as `other` says."""
    a = np.zeros(TERMS)
    a[0], a[1] = u, v * WINDOW
    for m in range(TERMS - 2):
        force = BETWEEN * other[m] if m < len(other) else 0.0
        a[m + 2] = WINDOW**2 * (force - (SPRING + BETWEEN) * a[m]) / ((m + 1) * (m + 2))
    return a


def at_the_end(a: Floats) -> tuple[float, float]:
    """Place and speed."""
    return float(a.sum()), float((np.arange(TERMS) * a).sum()) / WINDOW


@pytest.mark.parametrize("method", METHODS)
def test_the_oscillator_is_followed_to_1e_8(method: Acceleration) -> None:
    """Each mass gets the course of the other as a polynomial; in the end it is u = (cos 2πt ± cos 6πt) / 2."""
    first, second = (1.0, 0.0), (0.0, 0.0)
    guess, tries = np.zeros(EXCHANGED), []
    for n in range(1, 101):
        out = solve(
            lambda x, a=first, b=second: course(*b, course(*a, x))[:EXCHANGED],
            guess, method, 1e-13,
        )  # fmt: skip
        assert out.end == "converged"
        tries.append(out.tries)
        mine = course(*first, out.tried)
        first, second = at_the_end(mine), at_the_end(course(*second, mine))
        guess = out.found
        t = n * WINDOW
        exact = (0.5 * (math.cos(2 * math.pi * t) + s * math.cos(6 * math.pi * t)) for s in (1, -1))
        assert np.allclose([first[0], second[0]], [*exact], rtol=0, atol=1e-8)
    assert np.median(tries) <= 5


def test_held_courses_are_not_enough_for_the_oscillator() -> None:
    """Control: the mean of the other's course alone is of second order, thousands of times worse."""
    first, second = (1.0, 0.0), (0.0, 0.0)
    for _ in range(30):
        out = solve(
            lambda x, a=first, b=second: np.array([(course(*b, course(*a, x)[:1]) / np.arange(1, TERMS + 1)).sum()]),
            np.zeros(1), "anderson", 1e-13,
        )  # fmt: skip
        mine = course(*first, out.tried)
        mean = (mine / np.arange(1, TERMS + 1)).sum()
        first, second = at_the_end(mine), at_the_end(course(*second, np.array([mean])))
    assert abs(first[0] - 0.5 * (math.cos(0.6 * math.pi) + math.cos(1.8 * math.pi))) > 1e-4


# -- what methods promise ---------------------------------------------------------------------------------------------


def test_anderson_solves_a_linear_map_in_as_many_tries_as_there_are_numbers() -> None:
    rng = np.random.default_rng(1)
    matrix, right = rng.normal(size=(DEPTH, DEPTH)), rng.normal(size=DEPTH)
    out = solve(lambda x: matrix @ x + right, np.zeros(DEPTH), "anderson", 1e-9)
    exact = np.linalg.solve(np.eye(DEPTH) - matrix, right)
    assert np.abs(np.linalg.eigvals(matrix)).max() > 1  # repeating alone leads away
    assert out.end == "converged" and out.tries <= DEPTH + 2
    assert np.allclose(out.found, exact, rtol=0, atol=1e-8)
    assert solve(lambda x: matrix @ x + right, np.zeros(DEPTH), "none", 1e-9).end == "limit"


@pytest.mark.parametrize("method", ["anderson", "aitken"])
def test_one_number_is_found_where_repeating_leads_away(method: Acceleration) -> None:
    """x = 3 - 2x: of both methods the second step is the secant's, which is exact."""
    out = solve(lambda x: 3 - 2 * x, np.array([5.0]), method, 1e-12)
    assert out.found == pytest.approx(1.0) and out.tries == 3


def test_numbers_without_weight_stay_as_they_are_given() -> None:
    method = accelerator("anderson", 2)
    out = iterate(
        lambda x: np.array([0.5 * x[0] + 1, np.floor(x[0])]), np.zeros(2), lambda y: np.full(2, 1e-9), method, 30,
        np.array([1.0, 0.0]),
    )  # fmt: skip
    assert out.end == "converged" and out.found[0] == pytest.approx(2.0) and out.found[1] in (1.0, 2.0)


def test_whole_numbers_that_go_to_and_fro_end_with_the_better_of_the_two() -> None:
    tried = []

    def jump(x: Floats) -> Floats:
        tried.append(float(x[0]))
        return np.where(x > 1.5, 1.0, 2.0)

    out = iterate(jump, np.array([1.2]), lambda y: 1e-9 * y, accelerator("none", 1), 20, np.zeros(1))
    assert (out.end, tried) == ("two-cycle", [1.2, 2.0, 1.0])
    assert (out.tried, out.found, out.off) == (1.0, 2.0, pytest.approx(0.5e9))


def test_at_the_limit_the_best_try_is_carried_out_again() -> None:
    """What H leaves behind is that of the try which is said."""
    tried = []

    def lead_away(x: Floats) -> Floats:
        tried.append(float(x[0]))
        return 3 * x + 1

    out = iterate(lead_away, np.array([0.5]), lambda y: np.array([1e-9]), accelerator("none", 1), 4, np.ones(1))
    assert out.end == "limit" and out.tries == 5
    assert tried[-1] == tried[0] == out.tried[0] == 0.5 and out.found == 2.5


def test_what_is_not_a_number_is_not_converged() -> None:
    assert solve(lambda x: x * np.nan, np.ones(2), "anderson", 1.0, most=3).end == "limit"
    assert solve(lambda x: x, np.zeros(0), "anderson", 1.0).end == "converged"  # nothing crosses
