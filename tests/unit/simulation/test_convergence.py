"""The coupled system converges to the monolithic one, at first order, when all its steps are refined together.

One compartment (support/models/compartment.py) with a leak, calcium channels and a smooth current is coupled to `ode`
chemistry: calcium, a buffer, a pump, and 400 SK channels that hold up to three ions each and so take calcium away from
everything else. The reference is the same physics as one system of 18 equations, solved to 1e-10. It is written out
here from the equations and takes nothing from `couple` but the whole molecules that a run starts from.

    uv run pytest -s tests/unit/simulation/test_convergence.py      prints errors and orders
"""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.arrays import Floats
from support.coupled_compartment import (
    CAPACITANCE,
    EXCHANGES,
    MOLECULES,
    NS_PER_DENSITY,
    OUTSIDE,
    PER_MICROMOLAR,
    SCALE,
    TIMES,
    V_START,
    Refinement,
    chemistry,
    error,
    leaving,
    orders,
    report,
    stimulus,
)

BOUNDS = np.array([0.02, 0.05, 0.05])  # at an exchange of 0.1 ms
ORDER = 0.9

# -- the reference ----------------------------------------------------------------------------------------------------

G_CA = 3e-3 * NS_PER_DENSITY
CHANNEL = ((8.08, 5.76, 49.14), (13.4, 12.6, 42.08), (8.78, 16.3, 55.31), (34.7, 3.68, 26.55))
"""C0-C1-C2-C3-O, opening a·exp(v/u), closing b·exp(−v/u): a, b, u."""


def rate_of_change(t: float, y: Floats, conducted: float, consumed: float) -> tuple[float, ...]:
    """Of V, the five fractions of the calcium channel, and MOLECULES.

    Factors for the controls; conducted: on the conductance of calcium. consumed: on the ions that leave Ca into SK.
    """
    v, states, molecules = y[0], y[1:6], y[6:]
    entering = conducted * G_CA * states[4] * (SCALE * math.log(OUTSIDE / (molecules[0] / PER_MICROMOLAR)) - v)
    g1, g2, g3, g4 = (
        a * math.exp(v / u) * states[i] - b * math.exp(-v / u) * states[i + 1] for i, (a, b, u) in enumerate(CHANNEL)
    )
    return (
        (stimulus(t) + entering - leaving(v, molecules[10] + molecules[11])) / CAPACITANCE,
        *(-g1, g1 - g2, g2 - g3, g3 - g4, g4),
        *chemistry(entering, molecules, consumed),
    )


def reference(
    counts: Mapping[str, float], *, conducted: float = 1.0, consumed: float = 1.0, method: str = "LSODA"
) -> Floats:
    """(3, n_times) QUANTITIES at TIMES, from these molecules, V_START and channels at their steady state there."""
    weights = [1.0]
    for a, b, u in CHANNEL:
        weights.append(weights[-1] * a / b * math.exp(2 * V_START / u))
    start = [V_START, *(w / sum(weights) for w in weights), *(counts[name] for name in MOLECULES)]
    solution = solve_ivp(
        rate_of_change,
        (0, TIMES[-1]),
        start,
        method,
        t_eval=TIMES,
        args=(conducted, consumed),
        rtol=1e-10,
        atol=1e-10,
        max_step=0.5,  # not over the start of the stimulus
    )
    assert solution.success, solution.message
    return np.array([solution.y[0], solution.y[6], solution.y[16] + solution.y[17]])


@pytest.fixture(scope="module")
def staggered() -> Refinement:
    return Refinement("staggered")


@pytest.fixture(scope="module")
def parallel() -> Refinement:
    return Refinement("parallel", "experiment.scheme=parallel")


@pytest.fixture(scope="module")
def extrapolated() -> Refinement:
    return Refinement("staggered, g extrapolated", "link.2.extrapolate=true")


@pytest.fixture(scope="module")
def exact(staggered: Refinement) -> Floats:
    return reference(staggered.start)


# -- tests -------------------------------------------------------------------------------------------------------------


@pytest.mark.acceptance
def test_the_reference_does_not_depend_on_its_solver(staggered: Refinement, exact: Floats) -> None:
    other = reference(staggered.start, method="Radau")
    assert (error(other, exact) < 1e-6).all()


def test_the_stimulus_closes_the_loop(exact: Floats) -> None:
    """Below threshold, but far enough up that calcium opens SK and SK pulls the voltage below rest."""
    v, ca, sk = exact
    assert -40 < v.max() < -30
    assert 0.5 < ca.max() / PER_MICROMOLAR < 1
    assert sk[0] < 10 and sk[-1] > 150
    assert v[-1] < V_START - 10


def test_staggered_converges_at_first_order(staggered: Refinement, exact: Floats) -> None:
    errors = staggered.errors(exact)
    report(staggered.name, errors)
    assert (orders(errors) >= ORDER).all()
    assert (errors[EXCHANGES.index(0.1)] <= BOUNDS).all()


def test_the_runs_tend_to_the_reference(staggered: Refinement, parallel: Refinement, exact: Floats) -> None:
    """A fault of half a percent in what crosses hides in the errors of the runs, but not in that of their limit."""
    for runs in (staggered, parallel):
        off = runs.error_of_limit(exact)
        print(f"\n{runs.name}: error in % of the limit " + ", ".join(f"{100 * e:.4f}" for e in off))
        assert (off < runs.errors(exact)[-1] / 10).all()
    changed = reference(staggered.start, conducted=1.005)
    assert (staggered.error_of_limit(changed) > staggered.errors(changed)[-1] / 10).all()


def test_parallel_converges_at_first_order_with_larger_errors(
    staggered: Refinement, parallel: Refinement, exact: Floats
) -> None:
    """The ions come one window later, which costs accuracy but no order."""
    errors = parallel.errors(exact)
    report(parallel.name, errors)
    assert (orders(errors) >= ORDER).all()
    assert (errors > staggered.errors(exact)).all()


@pytest.mark.acceptance
def test_extrapolating_the_conductance_lowers_the_error(
    staggered: Refinement, extrapolated: Refinement, exact: Floats
) -> None:
    """Most of the error is the conductance, which lags by one window; what remains is backward Euler."""
    errors = extrapolated.errors(exact)
    report(extrapolated.name, errors)
    assert (orders(errors) >= ORDER).all()
    assert (errors < staggered.errors(exact) / 2).all()


@pytest.mark.parametrize("change", [{"consumed": 0.0}, {"conducted": 1.2}], ids=lambda c: next(iter(c)))
def test_other_physics_is_told_apart(change: Mapping[str, float], staggered: Refinement) -> None:
    """Controls: SK that does not use up calcium, and a fifth more calcium channels, are no limit of the runs."""
    errors = staggered.errors(reference(staggered.start, **change))
    report(f"control, {change}", errors)
    assert (orders(errors) < 0.5).all()
    assert (errors[-1] > BOUNDS).all()
