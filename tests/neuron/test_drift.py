"""Ions that carry their charge through a neck: closed forms, cable, one charge once, ledgers, resume, refusals."""

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.paths import SUPPORT

E, R, F, T = 1.602176634e-19, 8.31446261815324, 96485.33212331001, 273.15 + 34
PER_MM = 602214.076  # molecules in a µm³
D_NA, AREA, LENGTH = 1.5, math.pi * 0.05**2, 0.5  # µm²/ms, µm², µm
HEAD = math.pi * 0.075**2 * 0.15  # µm³
CAPACITANCE = 1e-2 * math.pi * 0.15 * 0.15  # pF
NECK = '{ diameter = "0.1 um", length = "0.5 um", ends = 0 }'


def experiment_text(**changes: Any) -> str:
    """A head with an electrode that brings sodium with its current (nA) through a neck of NaCl to 150 mM held."""
    given = {"amp": 0.03, "size": 0.15, "length": 0.15, "Ra": 100.0, "g": 1e-2, "neck": 0, "branch": 0, "twig": 0} | {
        k: v for k, v in changes.items() if k not in ("duration", "pieces", "through", "more")
    }
    rate = given["amp"] * 1e-9 / E * 1e-3
    arguments = ", ".join(f"{k} = {v}" for k, v in given.items())
    links = "\n".join(
        f"""
[[link]]
from = "head.{ion}"
to = "shaft.{ion}"
through = {changes.get("through", NECK)}
drift = true
pieces = {changes.get("pieces", 8)}
untracked = "none"
[[drive]]
to = "shaft.{ion}"
clamp = "150 mM"
"""
        for ion in ("Na", "Cl")
    )
    return f"""
[experiment]
name = "electrode"
duration = "{changes.get("duration", "3 ms")}"
exchange = "0.025 ms"
[neuron]
model = "models/electrode_spine.py:build"
arguments = {{ {arguments} }}
dt = "0.025 ms"
celsius = 34.0
v_init = "-65 mV"
[chemistry]
species.Na = {{ D = "1.5 um^2/ms", contains = {{ Na = 1 }}, charge = 1 }}
species.Cl = {{ D = "2.0 um^2/ms", contains = {{ Cl = 1 }}, charge = -1 }}
initial.Na = "150 mM"
initial.Cl = "150 mM"
[[site]]
name = "head"
segment = "head(0.5)"
engine = "ode"
[[site]]
name = "shaft"
segment = "dend(0.5)"
engine = "ode"
[[drive]]
to = "head.Na"
influx = {{ times = "0 1000 ms", rate = "{rate:.17g} /ms" }}
{links}
{changes.get("more", "")}
"""


def read(text: str, *overrides: str) -> Experiment:
    return Experiment.parse(tomllib.loads(text), path=SUPPORT / "electrode.toml", overrides=overrides)


def run(text: str, *overrides: str) -> tuple[Simulation, Results]:
    simulation = Simulation.in_memory(read(text, *overrides))
    simulation.run()
    return simulation, simulation.results


def drop(results: Results) -> Floats:
    """mV from the head to the dendrite."""
    v = results.voltages()
    return np.asarray(v["head(0.5)"] - v["dend(0.5)"])


def test_current_and_voltage_follow_the_logarithm() -> None:
    """V = (RT/F) ln(c/c0), c = c0 + I L/(2 F D A): within 0.5 % with 8 pieces; resistance falls with current."""
    c0, resistances = 150.0, []
    for amp in (0.03, 0.5):
        _, results = run(experiment_text(amp=amp))
        c = c0 + amp * 1e-9 * LENGTH * 1e-6 / (2 * F * D_NA * 1e-9 * AREA * 1e-12)
        expected = R * T / F * 1e3 * math.log(c / c0)
        assert drop(results)[-1] == pytest.approx(expected, rel=5e-3)
        assert results.counts("head", "Na")[-1] / HEAD / PER_MM == pytest.approx(c, rel=5e-3)
        resistances.append(drop(results)[-1] / amp)
        assert resistances[-1] == pytest.approx(expected / amp, rel=5e-3)
    assert resistances == pytest.approx([37.98, 29.11], rel=5e-3)  # MΩ, worked out by hand from the same forms
    # Control: the constant field of one piece misses it where concentrations differ.
    _, one = run(experiment_text(amp=0.5, pieces=1))
    assert abs(drop(one)[-1] / expected - 1) > 1e-2


@pytest.mark.parametrize(
    "override", ["experiment.seed=1", "neuron.second_order=true", "experiment.scheme=extrapolated"]
)
def test_current_is_found_once(override: str) -> None:
    """What the electrode brings is on the head's capacitance or has crossed, as the ions of the ledger."""
    simulation, results = run(experiment_text(duration="2 ms"), override)
    ledger = simulation.orchestrator.ledger()
    v = results.voltages()["head(0.5)"]
    brought, kept = 30.0 * 2.0, CAPACITANCE * (v[-1] - v[0])  # fC
    (neck,) = ledger.axial
    assert brought - kept == pytest.approx(neck.charge_fC, rel=1e-9)
    assert abs(kept) > 1e-5 * brought  # control: without it the balance would be off
    assert sum(ion.charge_fC for ion in ledger.drift) + neck.untracked_fC == pytest.approx(neck.charge_fC, rel=1e-9)
    for ion in ledger.drift:
        counts = results.counts("head", ion.species)
        driven = brought * 1e-15 / E if ion.species == "Na" else 0.0
        assert counts[-1] - counts[0] - driven == pytest.approx(-ion.crossed, abs=1e-9 * counts[0])
        assert ion.charge_fC == pytest.approx(ion.charge_number * E * 1e15 * ion.crossed, rel=1e-9)
    assert ledger.max_imbalance <= 1e-9 * counts[0]
    assert not any(link.owed for link in ledger.links)


def test_untracked_ions_carry_the_rest_of_the_model_s_conductance() -> None:
    simulation, results = run(experiment_text(duration="0.5 ms").replace('untracked = "none"\n', ""))
    (neck,) = simulation.orchestrator.ledger().axial
    # 100 Ω cm through half of the head; the dendrite's middle is where it stands.
    assert neck.given_uS == pytest.approx(math.pi * 0.075**2 / 0.075, rel=1e-6)
    assert neck.untracked_uS == pytest.approx(neck.given_uS - neck.tracked_uS, rel=1e-12)
    integral = 0.025 * drop(results)[1:].sum()  # of backward Euler's voltages, mV ms
    assert neck.untracked_fC == pytest.approx(neck.untracked_uS * integral * 1e3, rel=1e-9)
    assert neck.untracked_fC > 0.1 * neck.charge_fC


def test_wide_process_is_the_cable() -> None:
    """Process and head 1 µm wide and 20 µm long: what NEURON has alone with 1/κ of what is in it, within 0.5 %."""
    wide = '{ diameter = "1 um", length = "20 um", ends = 0 }'
    text = experiment_text(amp=0.05, size=1.0, length=20.0, through=wide, duration="1 ms", g=1e-1)
    _, results = run(text)
    kappa = F**2 / (R * T) * 150 * (D_NA + 2.0) * 1e-9  # S/m
    resistivity = 100 / kappa  # Ω cm
    # NEURON has half of the head on the way, half of that length: Ra has to be twice that.
    alone = Simulation.in_memory(read(_alone(text), f"neuron.arguments.Ra={2 * resistivity}"))
    alone.run()
    cable = drop(alone.results)[1:]
    assert cable[-1] > 0.1 and drop(results)[1:] == pytest.approx(cable, rel=5e-3)
    # Control: a neck of a tenth of the width is not the cable, by the same resistivity.
    _, thin = run(experiment_text(amp=0.5))
    ohmic = 0.5 * resistivity * 1e-2 * LENGTH / AREA
    assert abs(drop(thin)[-1] / ohmic - 1) > 0.05


def _alone(text: str) -> str:
    """Without charge in the links between the sites."""
    plain = text.replace('drift = true\npieces = 8\nuntracked = "none"\n', "")
    return plain + '[record]\nvoltages = ["head(0.5)", "dend(0.5)"]\n'


def test_whole_ions_cross_whole() -> None:
    text = experiment_text(duration="0.5 ms").replace('engine = "ode"', 'engine = "ssa"')
    text = re.sub(r'\[\[drive\]\]\nto = "shaft.*\nclamp.*\n', "", text)
    simulation, results = run(text)
    ledger = simulation.orchestrator.ledger()
    assert ledger.max_imbalance == 0.0
    counts = results.counts("head", "Cl")
    (chloride,) = (ion for ion in ledger.drift if ion.species == "Cl")
    assert abs(counts[-1] - counts[0] + chloride.crossed) <= 1.0  # a fraction is carried
    assert np.array_equal(counts, np.rint(counts))
    assert abs(chloride.crossed) > 100


def test_resumed_to_the_bit(tmp_path: Path) -> None:
    text = experiment_text(duration="1 ms", more='[checkpoint]\nevery = "0.4 ms"\n')
    whole = Simulation.new(read(text), tmp_path / "whole")
    whole.run()
    broken = Simulation.new(read(text), tmp_path / "broken")
    broken.run(until=0.4)
    resumed = Simulation.resumed(tmp_path / "broken")
    resumed.run()
    with Results(tmp_path / "whole") as one, Results(tmp_path / "broken") as other:
        assert np.array_equal(drop(one), drop(other))
        assert np.array_equal(one.counts("head", "Cl"), other.counts("head", "Cl"))
    assert whole.orchestrator.ledger().axial == resumed.orchestrator.ledger().axial


def test_through_a_neck_of_the_model() -> None:
    """Its membrane stays; nothing else may branch off."""
    simulation, results = run(experiment_text(neck=1, through='"neck"', duration="1 ms"))
    line = next(line for line in simulation.system.describe if "drift and diffusion" in line)
    assert f"{math.pi * 0.1 * 0.5:.4g} um^2, stays NEURON's" in line
    assert drop(results)[-1] > 0.5


BAD = {
    "species.Na = { charge": lambda t: t.replace(", charge = 1 }", " }"),
    "has none: give the site a segment": lambda t: t.replace(
        'segment = "dend(0.5)"', 'geometry = { sphere = { diameter = "2 um" } }'
    ),
    "more than half of what head holds": lambda t: t.replace('diameter = "0.1 um"', 'diameter = "3 um"'),
    'give experiment.scheme = "staggered"': lambda t: t.replace(
        'name = "electrode"', 'name = "e"\nscheme = "parallel"'
    ),
    "both go through one neck": lambda t: t.replace("pieces = 8", "pieces = 4", 1),
    "only with drift = true": lambda t: t.replace("drift = true\n", "", 1),
    "both sites are in head(0.5)": lambda t: t.replace('segment = "dend(0.5)"', 'segment = "head(0.5)"'),
    "something else branches off": lambda t: t.replace("neck = 0", "neck = 1").replace("branch = 0", "branch = 1"),
    "are not connected": lambda t: t.replace("twig = 0", "twig = 1"),
    "neuron.celsius": lambda t: t.replace("celsius = 34.0\n", ""),
    "knows where ions are": lambda t: t.replace('engine = "ode"', 'engine = "gridded"\ngridded.spacing = "50 nm"', 1),
}


@pytest.mark.parametrize("said", BAD)
def test_refused_in_one_line(said: str) -> None:
    with pytest.raises(InputError) as caught:
        Simulation.in_memory(read(BAD[said](experiment_text())))
    message = str(caught.value)
    assert said in message and "\n" not in message


def test_refused_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.neuron.coupling.axial.channel_path", lambda: "KSChan")
    with pytest.raises(InputError, match="needs a C compiler"):
        Simulation.in_memory(read(experiment_text()))


def test_charge_of_a_species_is_that_of_its_ion() -> None:
    more = '[[link]]\nfrom = "neuron.ina"\nto = "head.Cl"\n'
    with pytest.raises(InputError, match="has charge = -1, and the ion na"):
        Simulation.in_memory(read(experiment_text(more=more)))
