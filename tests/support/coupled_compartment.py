"""A compartment of NEURON and its chemistry, to be refined: experiments, courses, errors and orders.

The chemistry is calcium, a buffer, a pump, and 400 SK channels that hold up to three ions each; see
tests/unit/simulation/test_convergence.py. Units: ms, mV, pA, nS, pF, µM, molecules.
"""

import math
import tomllib
from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.paths import SUPPORT

EXCHANGES = (0.4, 0.2, 0.1, 0.05, 0.025)  # ms
STEPS = 4  # of NEURON in every exchange
TIMES = np.arange(4801) * EXCHANGES[-1]
QUANTITIES = ("V", "Ca", "SK")  # mV, free ions, open channels

AREA, VOLUME = math.pi, math.pi / 4  # µm², µm³: sides and inside of a cylinder of 1 µm x 1 µm
PER_MICROMOLAR = 6.02214076e23 * 1e-6 * VOLUME * 1e-15  # molecules
IONS_PER_FC = 1e-15 / (2 * 1.602176634e-19)
CAPACITANCE = 1e-2 * AREA  # 1 µF/cm²
NS_PER_DENSITY = 10 * AREA  # of 1 S/cm²
G_LEAK, E_LEAK = 1e-3 * NS_PER_DENSITY, -62.7
G_SK, E_K = 0.5e-3, -80.0  # of one channel
OUTSIDE = 2000.0
SCALE = 1e3 * 8.314462618 * (273.15 + 34) / (2 * 96485.33212)  # RT/2F
V_START = -65.0
V_START = -65.0
MOLECULES = ("Ca", "CBP", "CaCBP", "PMCA", "CaPMCA", "Ca_out", "SK_C1", "SK_C2", "SK_C3", "SK_C4", "SK_O1", "SK_O2")


def stimulus(t: float) -> float:
    """pA."""
    return 0.7 * (1 - math.cos(2 * math.pi * (t - 5) / 80)) if 5 < t < 85 else 0.0


def leaving(v: float, opened: float) -> float:
    """pA through the leak and SK channels."""
    return G_LEAK * (v - E_LEAK) + G_SK * opened * (v - E_K)


def chemistry(entering: float, molecules: Sequence[float], consumed: float = 1.0) -> tuple[float, ...]:
    """Rates of change of MOLECULES, /ms. entering: pA of calcium. consumed: a factor on the ions that SK takes."""
    free, cbp, bound, pump, loaded, _, s1, s2, s3, s4, o1, o2 = molecules
    ca = free / PER_MICROMOLAR
    buffering = 0.247 * ca * cbp - 0.524 * bound
    loading, pumping, leaking = 0.15 * ca * pump - 0.015 * loaded, 0.012 * loaded, 0.02 / 3 * pump
    first, second, third = 0.2 * ca * s1 - 0.08 * s2, 0.16 * ca * s2 - 0.08 * s3, 0.08 * ca * s3 - 0.2 * s4
    short, long = 0.16 * s3 - 1.0 * o1, 1.2 * s4 - 0.1 * o2
    return (
        entering * IONS_PER_FC - buffering - loading + leaking - consumed * (first + second + third),
        *(-buffering, buffering),
        *(pumping - loading, loading - pumping, pumping - leaking),
        *(-first, first - second, second - third - short, third - long, short, long),
    )


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


def experiment(exchange: float, *overrides: str, text: str = EXPERIMENT) -> Experiment:
    """The coupled system with this exchange interval and a dt of its STEPS-th part."""
    steps = (f"experiment.exchange={exchange} ms", f"neuron.dt={exchange / STEPS} ms")
    return Experiment.parse(tomllib.loads(text), path=SUPPORT / "compartment.toml", overrides=(*steps, *overrides))


def course_of(results: Results) -> Floats:
    """(3, n_rows) QUANTITIES."""
    counts = {name: results.counts("head", name) for name in MOLECULES}
    return np.array([results.voltages()["head(0.5)"], counts["Ca"], counts["SK_O1"] + counts["SK_O2"]])


def start_of(results: Results) -> dict[str, float]:
    """Molecules in the first row."""
    return {name: float(results.counts("head", name)[0]) for name in MOLECULES}


class Refinement:
    """Runs with finer and finer exchange and dt: `courses` hold the QUANTITIES after every exchange."""

    def __init__(
        self, name: str, *overrides: str, exchanges: Sequence[float] = EXCHANGES, text: str = EXPERIMENT
    ) -> None:
        self.name, self.exchanges = name, tuple(exchanges)
        self.courses: list[Floats] = []
        self.start: dict[str, float] = {}
        self.summaries = []
        for exchange in exchanges:
            simulation = Simulation.in_memory(experiment(exchange, *overrides, text=text))
            self.summaries.append(simulation.run())
            with simulation.results as results:
                self.courses.append(course_of(results))
                start = start_of(results)
            assert self.start in ({}, start)
            self.start = start

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


def orders(errors: Floats, exchanges: Sequence[float] = EXCHANGES) -> Floats:
    """(3,) slopes of log error over log exchange."""
    return np.asarray(np.polyfit(np.log(exchanges), np.log(errors), 1)[0])


def report(name: str, errors: Floats, exchanges: Sequence[float] = EXCHANGES) -> None:
    """What `pytest -s` shows."""
    print(f"\n{name}: error in % of the rms deviation from rest (dt = exchange/{STEPS})")
    print("  exchange [ms]" + "".join(f"{q:>9}" for q in QUANTITIES))
    for exchange, row in zip(exchanges, errors, strict=True):
        print(f"  {exchange:13g}" + "".join(f"{100 * e:9.4f}" for e in row))
    print("  order        " + "".join(f"{slope:9.3f}" for slope in orders(errors, exchanges)))
