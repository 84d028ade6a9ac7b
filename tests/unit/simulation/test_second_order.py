"""Extrapolated and iterated windows are of second order against the monolithic system, staggered ones of first.

The compartment of test_convergence.py with a calcium channel of two equal gates (support/models/gated_compartment.py),
stepped by NEURON's second order. The reference is the same physics as one system of 14 equations.

    uv run pytest -s tests/unit/simulation/test_second_order.py      prints errors and orders
"""

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.arrays import Floats
from couple.simulation.simulation import Simulation
from support.coupled_compartment import (
    CAPACITANCE,
    EXCHANGES,
    EXPERIMENT,
    MOLECULES,
    NS_PER_DENSITY,
    OUTSIDE,
    PER_MICROMOLAR,
    SCALE,
    TIMES,
    V_START,
    Refinement,
    chemistry,
    course_of,
    error,
    experiment,
    leaving,
    orders,
    report,
    stimulus,
)

TEXT = EXPERIMENT.replace("models/compartment.py", "models/gated_compartment.py")
G_CA = 0.35e-3 * NS_PER_DENSITY
FEW = EXCHANGES[:3]
EXACT = ("neuron.second_order=true", "site.head.ode.rtol=1e-8", "site.head.ode.atol=1e-8")
SCHEMES = ("staggered", "extrapolated", "iterated")


def rates(v: float) -> tuple[float, float]:
    """Opening and closing of a gate, /ms."""
    return 0.5 * math.exp(0.05 * (v + 30)), 0.5 * math.exp(-0.05 * (v + 30))


def rate_of_change(t: float, y: Floats, conducted: float) -> tuple[float, ...]:
    """Of V, the gate and MOLECULES. conducted: a factor on the conductance of calcium, for the control."""
    v, gate, molecules = y[0], y[1], y[2:]
    entering = conducted * G_CA * gate**2 * (SCALE * math.log(OUTSIDE / (molecules[0] / PER_MICROMOLAR)) - v)
    opening, closing = rates(v)
    return (
        (stimulus(t) + entering - leaving(v, molecules[10] + molecules[11])) / CAPACITANCE,
        opening * (1 - gate) - closing * gate,
        *chemistry(entering, molecules),
    )


def reference(counts: Mapping[str, float], conducted: float = 1.0) -> Floats:
    """(3, n_times) QUANTITIES at TIMES, from these molecules and the gate at its steady state."""
    opening, closing = rates(V_START)
    start = [V_START, opening / (opening + closing), *(counts[name] for name in MOLECULES)]
    solution = solve_ivp(
        rate_of_change, (0, TIMES[-1]), start, "LSODA", TIMES, args=(conducted,), rtol=1e-10, atol=1e-10, max_step=0.5
    )
    assert solution.success, solution.message
    return np.array([solution.y[0], solution.y[2], solution.y[12] + solution.y[13]])


@cache
def refined(scheme: str, exchanges: tuple[float, ...]) -> Refinement:
    return Refinement(scheme, *EXACT, f"experiment.scheme={scheme}", exchanges=exchanges, text=TEXT)


def judge(exchanges: tuple[float, ...], at: float) -> None:
    """Orders of all schemes, and their errors at one interval."""
    exact = reference(refined("staggered", exchanges).start)
    errors = {scheme: refined(scheme, exchanges).errors(exact) for scheme in SCHEMES}
    for scheme, found in errors.items():
        report(scheme, found, exchanges)
    k = exchanges.index(at)
    for scheme in SCHEMES[1:]:
        assert (orders(errors[scheme], exchanges) >= 1.9).all()
        assert (errors[scheme][k] <= errors["staggered"][k] / 10).all()
    assert (errors["iterated"][k] < errors["extrapolated"][k]).all()
    assert (orders(errors["staggered"], exchanges) < 1.2).all()  # the control
    other = reference(refined("staggered", exchanges).start, conducted=1.005)
    assert (orders(refined("iterated", exchanges).errors(other), exchanges) < 1).all()  # half a percent is seen


def median(passes: Mapping[str, int]) -> float:
    return float(np.median(np.repeat([int(n) for n in passes], [*passes.values()])))


def test_both_schemes_are_of_second_order() -> None:
    judge(FEW, 0.1)


def test_two_or_three_passes_do() -> None:
    for summary in refined("iterated", FEW).summaries:
        assert median(summary["passes"]) <= 3 and "validity_counts" not in summary
        assert sum(summary["passes"].values()) == summary["exchanges"]
        assert summary["ledger"]["max_imbalance_ions"] < 1e-9 * 5000  # of ions that crossed


@pytest.mark.acceptance
def test_both_schemes_are_of_second_order_down_to_a_fortieth_of_a_millisecond() -> None:
    judge(EXCHANGES, 0.1)


@pytest.mark.acceptance
@pytest.mark.parametrize("scheme", ["extrapolated", "iterated"])
def test_the_error_of_the_coupling_is_of_second_order_at_a_fixed_dt(scheme: str) -> None:
    """NEURON's backward Euler is of first order, but not what the exchange adds to it.

    What it adds is measured against windows of one step of the same dt, repeated until they agree.
    """
    dt = 0.00625

    def course(exchange: float, scheme: str) -> Floats:
        made = experiment(exchange, f"experiment.scheme={scheme}", f"neuron.dt={dt} ms", *EXACT[1:], text=TEXT)
        simulation = Simulation.in_memory(made.changed("record.every=0.4 ms"))
        simulation.run()
        with simulation.results as results:
            return course_of(results)

    monolithic = course(dt, "iterated")
    exchanges = (0.4, 0.2, 0.1, 0.05)
    errors = np.array([error(course(exchange, scheme), monolithic) for exchange in exchanges])
    staggered = np.array([error(course(exchange, "staggered"), monolithic) for exchange in exchanges])
    report(scheme, errors, exchanges)
    assert (orders(errors, exchanges) >= 1.9).all()
    assert (orders(staggered, exchanges) < 1.2).all()
    assert (errors[2] <= staggered[2] / 10).all()
