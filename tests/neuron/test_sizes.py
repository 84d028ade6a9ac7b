"""Sites that grow and shrink: dilution, rates, charge on the membrane and through it, resume, refusals."""

import math
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from couple.base import registry
from couple.base.errors import InputError, RunError
from couple.components.capabilities import ResizesSites
from couple.components.engine import SiteEngine
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.coupled_compartment import EXPERIMENT
from support.engine_under_test import NETWORK, SITES, EngineUnderTest, run
from support.paths import SUPPORT

PER_MM = 602214.076  # molecules in a µm³
TIMES = 'size = { times = "0 1 3 ms", factors = [1, 2, 0.5] }'
SITE = 'engine = "ode"\n'
SHORT = ("experiment.duration=4 ms", "experiment.exchange=0.025 ms", "neuron.dt=0.025 ms")


def read(size: str, *overrides: str, text: str = EXPERIMENT) -> Experiment:
    text = text.replace(SITE, f"{SITE}{size}\n")
    return Experiment.parse(tomllib.loads(text), path=SUPPORT / "compartment.toml", overrides=(*SHORT, *overrides))


def simulated(size: str, *overrides: str, text: str = EXPERIMENT) -> tuple[Simulation, Results]:
    simulation = Simulation.in_memory(read(size, *overrides, text=text))
    simulation.run()
    return simulation, simulation.results


@pytest.mark.parametrize("name", ["ode", "ssa", "langevin"])
def test_a_resized_site_is_one_built_with_that_size(name: str) -> None:
    """To the bit, of a network with reactions of the volume and of the membrane."""
    size = SITES[1].geometry.volume, SITES[1].geometry.area
    grown = EngineUnderTest(name).make(NETWORK, SITES[:1], injected=("Ca",))
    assert isinstance(grown, ResizesSites)
    other = type(SITES[0])("one", SITES[1].geometry, SITES[0].initial)
    built = EngineUnderTest(name).make(NETWORK, (other,), injected=("Ca",))
    before = run(EngineUnderTest(name).make(NETWORK, SITES[:1], injected=("Ca",)), 6)
    grown.resize(0, *size)
    found = run(grown, 6)
    assert np.array_equal(found, run(built, 6))
    assert not np.array_equal(found, before)  # control: sizes matter


def test_dilution_is_exact() -> None:
    """Concentration handed over = molecules in the volume of the moment; molecules are conserved."""
    simulation, results = simulated(TIMES)
    free, cai = results.counts("head", "Ca"), simulation.read("neuron.cai")[0]
    expected = math.pi / 4 * np.interp(results.time, [0, 1, 3], [1, 2, 0.5])
    assert results.volume("head") == pytest.approx(expected, rel=1e-14)
    assert results.micromolar("head", "Ca") == pytest.approx(free / expected / PER_MM * 1e3, rel=1e-12)
    assert cai == pytest.approx(free[-1] / expected[-1] / PER_MM, rel=1e-13)
    assert simulation.orchestrator.ledger().max_imbalance <= 1e-9 * 5e4
    engine = simulation.system.engines[0]
    assert engine.rates[0] == pytest.approx(
        engine.network.count_rates(expected[-1], math.pi * 0.5 ** (2 / 3)), rel=1e-14
    )


def test_charge_on_the_membrane_stays() -> None:
    """Of a compartment without currents c A V is what it was, to 1e-12; the voltage is not."""
    text = """
[experiment]
name = "bare"
duration = "4 ms"
exchange = "0.1 ms"
[neuron]
model = "models/electrode_spine.py:build"
arguments = { twig = 1 }
dt = "0.025 ms"
celsius = 34.0
v_init = "-65 mV"
[chemistry]
species.A = {}
initial.A = { count = 100 }
[[site]]
name = "head"
segment = "head(0.5)"
engine = "ode"
[record]
voltages = ["head(0.5)"]
"""
    simulation = Simulation.in_memory(
        Experiment.parse(tomllib.loads(text.replace(SITE, f"{SITE}{TIMES}\n")), path=SUPPORT / "bare.toml")
    )
    simulation.run()
    v = simulation.results.voltages()["head(0.5)"]
    # The segment has, in a window, the size at its start.
    factor = np.interp(np.maximum(simulation.results.time - 0.1, 0.0), [0, 1, 3], [1, 2, 0.5])
    assert v * factor ** (2 / 3) == pytest.approx(np.full(len(v), v[0]), rel=1e-12)
    assert v.min() < -80 and v.max() > -45  # control


def test_charge_through_the_membrane_goes_by_its_area() -> None:
    """The ions that enter are those of ica times the area of the moment."""
    simulation, results = simulated(TIMES, 'record.ranges=["head(0.5).ica"]')
    # The area, in a window, is that of its start; NEURON's ica is that of its step. mA/cm² µm² ms = 10 fC.
    area = math.pi * np.interp(results.time[1:] - 0.025, [0, 1, 3], [1, 2, 0.5]) ** (2 / 3)
    charge = -10 * results["neuron.head(0.5).ica"][1:] * area * 0.025
    (link,) = simulation.orchestrator.ledger().links
    assert link.charge_fC == pytest.approx(charge.sum(), rel=1e-12)
    assert link.received == pytest.approx(charge.sum() * 1e-15 / (2 * 1.602176634e-19), rel=1e-9)
    assert abs(charge.sum() / (charge / area * math.pi).sum() - 1) > 0.02  # control: the size matters


def test_necks_go_by_the_sizes_of_their_ends() -> None:
    """Two sites in equilibrium through a neck hold by their volumes of the moment."""
    text = """
[experiment]
name = "pair"
duration = "150 ms"
exchange = "0.1 ms"
[chemistry]
species.A = { D = "1 um^2/ms" }
initial.A = { count = 3000 }
[[site]]
name = "head"
engine = "ode"
geometry.sphere = { diameter = "1 um" }
size = { times = "0 10 ms", factors = [1, 3] }
[[site]]
name = "other"
engine = "ode"
geometry.sphere = { diameter = "1 um" }
[[link]]
from = "head.A"
to = "other.A"
through = { diameter = "0.2 um", length = "0.5 um" }
"""
    simulation = Simulation.in_memory(Experiment.parse(tomllib.loads(text), path=SUPPORT / "pair.toml"))
    simulation.run()
    held = [float(simulation.read(f"{name}.A")) for name in ("head", "other")]
    assert held == pytest.approx([4500, 1500], rel=1e-3) and sum(held) == pytest.approx(6000, rel=1e-12)


def test_by_molecules() -> None:
    """Volume by bound calcium, with a time constant: half of the way in tau ln 2 where the amount stands still."""
    size = 'size = { of = "CBP", function = { kind = "table", amounts = [0, 1], values = [1, 3] }, tau = "2 ms" }'
    _, results = simulated(size)
    assert results.volume("head")[-1] / (math.pi / 4) == pytest.approx(3 - 2 * math.exp(-2), rel=1e-12)


@pytest.mark.parametrize("engine", ["ode", "ssa"])
def test_resumed_to_the_bit(engine: str, tmp_path: Path) -> None:
    made = read(TIMES, f"site.head.engine={engine}")
    Simulation.new(made, tmp_path / "straight").run()
    Simulation.new(made, tmp_path / "stopped").run(until=1.5)
    Simulation.resumed(tmp_path / "stopped").run()
    with Results(tmp_path / "straight") as one, Results(tmp_path / "stopped") as other:
        assert np.array_equal(one.voltages()["head(0.5)"], other.voltages()["head(0.5)"])
        assert np.array_equal(one.counts("head", "Ca"), other.counts("head", "Ca"))


BAD = {
    "factors: the first is 1": 'size = { times = "0 1 ms", factors = [2, 1] }',
    "give times and factors": 'size = { times = "0 1 ms" }',
    "2 times and 3 factors": 'size = { times = "0 1 ms", factors = [1, 2, 3] }',
    "later than the one before": 'size = { times = "0 2 1 ms", factors = [1, 2, 3] }',
    'unknown species or observable "Kb"': (
        'size = { of = "Kb", function = { kind = "hill", low = 1, high = 2, half = 4, n = 1 } }'
    ),
    "factors of the volume at the start are numbers": (
        'size = { of = "Ca", function = { kind = "hill", low = "1 um", high = 2, half = 4, n = 1 } }'
    ),
}


@pytest.mark.parametrize("said", BAD)
def test_refused_in_one_line(said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        Simulation.in_memory(read(BAD[said]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("experiment.scheme=iterated", "after a window that stands"),
        ("site.head.engine=surrogate", "has the size of its start"),
    ],
)
def test_refused_where_sizes_cannot_change(override: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Simulation.in_memory(read(TIMES, override))


def test_a_size_that_vanishes_stops_the_run(tmp_path: Path) -> None:
    size = 'size = { of = "CBP", function = { kind = "linear", offset = 1, slope = -1 } }'
    simulation = Simulation.new(read(size), tmp_path / "out")
    with pytest.raises(RunError, match="site head: its volume would be 0 of that at the start") as caught:
        simulation.run()
    assert "\n" not in str(caught.value)


def test_who_can() -> None:
    names = registry.names("couple.engines")
    able = {
        n
        for n in names
        if n not in ("ecell4_meso", "spatiocyte") and issubclass(registry.load("couple.engines", n), ResizesSites)
    }
    assert able == {"ode", "ssa", "langevin"}
    assert all(issubclass(registry.load("couple.engines", n), SiteEngine) for n in able)
