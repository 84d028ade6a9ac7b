"""The coupled system converges to the monolithic one, at first order, when all its steps are refined together.

One compartment (support/models/compartment.py) with a leak, calcium channels and a smooth current is coupled to `ode`
chemistry: calcium, a buffer, a pump, and 400 SK channels that hold up to three ions each and so take calcium away from
everything else. The reference is the same physics as one system of 18 equations, solved to 1e-10. It is written out
here from the equations and takes nothing from `couple` but the whole molecules that a run starts from.

    uv run pytest -s tests/unit/simulation/test_convergence.py      prints errors and orders
"""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.arrays import Floats
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.results import Results
from support.paths import SUPPORT

EXCHANGES = (0.4, 0.2, 0.1, 0.05, 0.025)  # ms
STEPS = 4  # of NEURON in every exchange
TIMES = np.arange(4801) * EXCHANGES[-1]
QUANTITIES = ("V", "Ca", "SK")  # mV, free ions, open channels
BOUNDS = np.array([0.02, 0.05, 0.05])  # at an exchange of 0.1 ms
ORDER = 0.9

# -- the reference: ms, mV, pA, nS, pF, µM, molecules ------------------------------------------------------------------

AREA, VOLUME = math.pi, math.pi / 4  # µm², µm³: sides and inside of a cylinder of 1 µm x 1 µm
PER_MICROMOLAR = 6.02214076e23 * 1e-6 * VOLUME * 1e-15  # molecules
IONS_PER_FC = 1e-15 / (2 * 1.602176634e-19)
CAPACITANCE = 1e-2 * AREA  # 1 µF/cm²
NS_PER_DENSITY = 10 * AREA  # of 1 S/cm²
G_LEAK, E_LEAK = 1e-3 * NS_PER_DENSITY, -62.7
G_CA = 3e-3 * NS_PER_DENSITY
G_SK, E_K = 0.5e-3, -80.0  # of one channel
OUTSIDE = 2000.0
SCALE = 1e3 * 8.314462618 * (273.15 + 34) / (2 * 96485.33212)  # RT/2F
V_START = -65.0
CHANNEL = ((8.08, 5.76, 49.14), (13.4, 12.6, 42.08), (8.78, 16.3, 55.31), (34.7, 3.68, 26.55))
"""C0-C1-C2-C3-O, opening a·exp(v/u), closing b·exp(−v/u): a, b, u."""
MOLECULES = ("Ca", "CBP", "CaCBP", "PMCA", "CaPMCA", "Ca_out", "SK_C1", "SK_C2", "SK_C3", "SK_C4", "SK_O1", "SK_O2")


def rate_of_change(t: float, y: Floats, conducted: float, consumed: float) -> tuple[float, ...]:
    """Of V, the five fractions of the calcium channel, and MOLECULES.

    Factors for the controls; conducted: on the conductance of calcium. consumed: on the ions that leave Ca into SK.
    """
    v, c0, c1, c2, c3, o, free, cbp, bound, pump, loaded, _, s1, s2, s3, s4, o1, o2 = y
    ca = free / PER_MICROMOLAR

    stimulus = 0.7 * (1 - math.cos(2 * math.pi * (t - 5) / 80)) if 5 < t < 85 else 0.0
    entering = conducted * G_CA * o * (SCALE * math.log(OUTSIDE / ca) - v)
    leaving = G_LEAK * (v - E_LEAK) + G_SK * (o1 + o2) * (v - E_K)

    states = (c0, c1, c2, c3, o)
    g1, g2, g3, g4 = (
        a * math.exp(v / u) * states[i] - b * math.exp(-v / u) * states[i + 1] for i, (a, b, u) in enumerate(CHANNEL)
    )
    buffering = 0.247 * ca * cbp - 0.524 * bound
    loading, pumping, leaking = 0.15 * ca * pump - 0.015 * loaded, 0.012 * loaded, 0.02 / 3 * pump
    first, second, third = 0.2 * ca * s1 - 0.08 * s2, 0.16 * ca * s2 - 0.08 * s3, 0.08 * ca * s3 - 0.2 * s4
    short, long = 0.16 * s3 - 1.0 * o1, 1.2 * s4 - 0.1 * o2
    by_sk = consumed * (first + second + third)

    return (
        (stimulus + entering - leaving) / CAPACITANCE,
        *(-g1, g1 - g2, g2 - g3, g3 - g4, g4),
        entering * IONS_PER_FC - buffering - loading + leaking - by_sk,
        *(-buffering, buffering),
        *(pumping - loading, loading - pumping, pumping - leaking),
        *(-first, first - second, second - third - short, third - long, short, long),
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


# -- the coupled system ------------------------------------------------------------------------------------------------

EXPERIMENT = """
[experiment]
name = "convergence"
duration = "120 ms"
exchange = "0.1 ms"

[neuron]
model = "models/compartment.py:build"
dt = "0.025 ms"
celsius = 34.0
v_init = "-65 mV"

[chemistry]
species.Ca = { contains = { Ca = 1 } }
species.CBP = {}
species.CaCBP = { contains = { Ca = 1 } }
species.PMCA = { on = "membrane" }
species.CaPMCA = { on = "membrane", contains = { Ca = 1 } }
species.SK_C1 = { on = "membrane" }
species.SK_C2 = { on = "membrane", contains = { Ca = 1 } }
species.SK_C3 = { on = "membrane", contains = { Ca = 2 } }
species.SK_C4 = { on = "membrane", contains = { Ca = 3 } }
species.SK_O1 = { on = "membrane", contains = { Ca = 2 } }
species.SK_O2 = { on = "membrane", contains = { Ca = 3 } }
reservoirs = ["Ca_out"]
observables.SK_open = ["SK_O1", "SK_O2"]
reactions = [
  { equation = "Ca + CBP <-> CaCBP", forward = "247 /uM/s", backward = "524 /s" },
  { equation = "Ca + PMCA <-> CaPMCA", forward = "150 /uM/s", backward = "15 /s" },
  { equation = "CaPMCA -> PMCA + Ca_out", forward = "12 /s" },
  { equation = "PMCA + Ca_out -> PMCA + Ca", forward = "6.666666666667 /s" },
  { equation = "Ca + SK_C1 <-> SK_C2", forward = "200 /uM/s", backward = "80 /s" },
  { equation = "Ca + SK_C2 <-> SK_C3", forward = "160 /uM/s", backward = "80 /s" },
  { equation = "Ca + SK_C3 <-> SK_C4", forward = "80 /uM/s", backward = "200 /s" },
  { equation = "SK_C3 <-> SK_O1", forward = "160 /s", backward = "1000 /s" },
  { equation = "SK_C4 <-> SK_O2", forward = "1200 /s", backward = "100 /s" },
]
initial.Ca = "0.1 uM"
initial.CBP = { total = "20 uM", at = "steady" }
initial.PMCA = { total = "300 /um^2", at = "steady" }
initial.SK_C1 = { count = 400, at = "steady" }

[[site]]
name = "head"
segment = "head(0.5)"
engine = "ode"

[[link]]
from = "neuron.ica"
to = "head.Ca"
[[link]]
from = "head.Ca"
to = "neuron.cai"
[[link]]
from = "head.SK_open"
to = "neuron.SK"
conductance = "0.5 pS"

[record]
species = "all"
"""


class Refinement:
    """Runs with finer and finer exchange and dt: `courses` hold the QUANTITIES after every exchange."""

    def __init__(self, name: str, folder: Path, *overrides: str) -> None:
        self.name, self.courses = name, []
        self.start: dict[str, float] = {}
        for i, exchange in enumerate(EXCHANGES):
            steps = (f"experiment.exchange={exchange} ms", f"neuron.dt={exchange / STEPS} ms")
            experiment = Experiment.parse(
                tomllib.loads(EXPERIMENT), path=SUPPORT / "compartment.toml", overrides=(*steps, *overrides)
            )
            Simulation.new(experiment, folder / f"{name}-{i}").run()
            with Results(folder / f"{name}-{i}") as results:
                self.courses.append(self._course(results))

    def _course(self, results: Results) -> Floats:
        counts = {name: results.counts("head", name) for name in MOLECULES}
        start = {name: float(values[0]) for name, values in counts.items()}
        assert self.start in ({}, start)
        self.start = start
        opened = counts["SK_O1"] + counts["SK_O2"]
        return np.array([results.voltages()["head(0.5)"], counts["Ca"], opened])

    def errors(self, exact: Floats) -> Floats:
        """(n_exchanges, 3) errors of the QUANTITIES."""
        return np.array([error(course, exact) for course in self.courses])

    def error_of_limit(self, exact: Floats) -> Floats:
        """(3,) the same for what the two finest runs tend to, if their errors are of first order."""
        *_, coarse, fine = self.courses
        return error(2 * fine[:, ::2] - coarse, exact)


def error(course: Floats, exact: Floats) -> Floats:
    """(3,) rms error over rms deviation of the reference from where it started."""
    expected = exact[:, :: (exact.shape[1] - 1) // (course.shape[1] - 1)]
    return rms(course - expected) / rms(expected - expected[:, :1])


def rms(values: Floats) -> Floats:
    return np.sqrt(np.mean(values**2, axis=1))


def orders(errors: Floats) -> Floats:
    """(3,) slopes of log error over log exchange."""
    return np.asarray(np.polyfit(np.log(EXCHANGES), np.log(errors), 1)[0])


def report(name: str, errors: Floats) -> None:
    """What `pytest -s` shows."""
    print(f"\n{name}: error in % of the rms deviation from rest (dt = exchange/{STEPS})")
    print("  exchange [ms]" + "".join(f"{q:>9}" for q in QUANTITIES))
    for exchange, row in zip(EXCHANGES, errors, strict=True):
        print(f"  {exchange:13g}" + "".join(f"{100 * e:9.4f}" for e in row))
    print("  order        " + "".join(f"{slope:9.3f}" for slope in orders(errors)))


@pytest.fixture(scope="module")
def staggered(tmp_path_factory: pytest.TempPathFactory) -> Refinement:
    return Refinement("staggered", tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Refinement:
    return Refinement("parallel", tmp_path_factory.mktemp("runs"), "experiment.scheme=parallel")


@pytest.fixture(scope="module")
def extrapolated(tmp_path_factory: pytest.TempPathFactory) -> Refinement:
    return Refinement("staggered, g extrapolated", tmp_path_factory.mktemp("runs"), "link.2.extrapolate=true")


@pytest.fixture(scope="module")
def exact(staggered: Refinement) -> Floats:
    return reference(staggered.start)


# -- tests -------------------------------------------------------------------------------------------------------------


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
