"""Parameters follow amounts of molecules by stated functions, with a time constant, exactly."""

import math

import numpy as np
import pytest

from couple.exchange.exchange import Exchange
from couple.exchange.link import ResponseLink
from couple.exchange.response import Response

AMOUNT, TARGET = 0, 1


def exchange(response: Response, keep: float = 0.0, start: float | None = None) -> Exchange:
    memory = np.array([5.0, 0.0])
    link = ResponseLink("head.B -> neuron.AMPA.gmax", TARGET, ((AMOUNT, 2.0),), response, keep, start)
    made = Exchange(memory, [], [], [], [], [TARGET], [], 100.0, None, [link])
    made.prime()
    return made


@pytest.mark.parametrize("x", [-3.0, 0.0, 1.0, 7.5, 20.0, 1e9])
def test_functions_are_what_they_are_called(x: float) -> None:
    assert Response("linear", (1.0, 0.5, -math.inf, 9.0))(x) == min(1.0 + 0.5 * x, 9.0)
    assert Response("linear", (1.0, 0.5, 0.0, math.inf))(x) == max(1.0 + 0.5 * x, 0.0)
    part = max(x, 0.0) ** 4 / (20.0**4 + max(x, 0.0) ** 4)
    assert Response("hill", (1.0, 3.0, 20.0, 4.0))(x) == pytest.approx(1.0 + 2.0 * part, rel=1e-14)
    at, y = (0.0, 1.0, 10.0), (2.0, 4.0, 1.0)
    assert Response("table", (), at, y)(x) == pytest.approx(np.interp(x, at, y), rel=1e-14)


def test_a_time_constant_is_followed_exactly_whatever_the_window() -> None:
    tau, f, y0 = 7.0, 1.0 + 0.5 * 10.0, 2.0
    for window in (0.1, 1.0, 3.5):
        made = exchange(Response("linear", (1.0, 0.5, -math.inf, math.inf)), math.exp(-window / tau), y0)
        rows = np.zeros((1, 1))
        assert made.memory[TARGET] == y0
        for _ in range(round(35.0 / window)):
            made.collect(rows, 0)
        assert rows[0, 0] == made.memory[TARGET] == pytest.approx(f + (y0 - f) * math.exp(-35.0 / tau), rel=1e-12)


def test_links_to_one_parameter_add_up() -> None:
    memory = np.array([5.0, 0.0])
    up, down = Response("hill", (1.0, 3.0, 5.0, 2.0)), Response("linear", (0.0, -0.1, -math.inf, math.inf))
    links = [
        ResponseLink(str(k), TARGET, ((AMOUNT, 1.0),), r, 0.5 * k, 0.25 * k or None) for k, r in enumerate((up, down))
    ]
    made = Exchange(memory, [], [], [], [], [TARGET], [], 100.0, None, links)
    made.prime()
    assert made.memory[TARGET] == 2.0 + 0.25
    made.collect(np.zeros((1, 1)), 0)
    assert made.memory[TARGET] == 2.0 + (-0.5 + 0.5 * (0.25 + 0.5))


def test_a_parameter_starts_at_what_its_function_gives_then() -> None:
    made = exchange(Response("hill", (1.0, 3.0, 10.0, 2.0)), 0.9)
    assert made.memory[TARGET] == 2.0  # 5 molecules, of weight 2, are half
    made.memory[AMOUNT] = 0.0
    made.collect(np.zeros((1, 1)), 0)
    assert made.memory[TARGET] == pytest.approx(1.0 + 0.9)
    saved = made.save()
    made.collect(np.zeros((1, 1)), 0)
    after = made.memory[TARGET]
    made.restore(saved)
    made.collect(np.zeros((1, 1)), 0)
    assert made.memory[TARGET] == after
    made.clear(1)
    made.prime()
    assert made.memory[TARGET] == 1.0
