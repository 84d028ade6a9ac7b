"""Receptors as molecules that see NEURON's voltage, and whose current is NEURON's: the loop, and the ions in it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.wiring import make_plan
from support.neuron_models import PASSIVE

CELL = PASSIVE.replace("1e-3, -60", "2e-2, -30")
EXPERIMENT = """
[experiment]
name = "nmda"
duration = "40 ms"
exchange = "0.1 ms"
[neuron]
model = "cell.py:build"
dt = "0.025 ms"
v_init = "-70 mV"
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.C2 = { on = "membrane" }
species.O = { on = "membrane" }
species.Ob = { on = "membrane" }
species.Pump = { on = "membrane" }
observables.open = ["O"]
reservoirs = ["Ca_out"]
reactions = [
  { equation = "C2 <-> O", forward = "2 /ms", backward = "4 /ms" },
  { equation = "O <-> Ob", forward = "1200 /s", backward = "10800 /s", forward_voltage = { kind = "exponential", scale = "-17 mV" }, backward_voltage = { kind = "exponential", scale = "47 mV" } },
  { equation = "Ca + Pump -> Pump + Ca_out", forward = "1e8 /M/s" },
]
initial.Ca = "0.1 uM"
initial.C2 = { count = 200 }
initial.Pump = { count = 500 }
[[site]]
name = "head"
segment = "head(0.5)"
engine = "ode"
[[link]]
from = "neuron.v"
to = "head.V"
[[link]]
from = "head.open"
to = "neuron.NMDA"
conductance = "45 pS"
reversal = "0 mV"
[[link]]
from = "head.open"
to = "neuron.NMDA_Ca"
conductance = "2 pS"
ion = "ca"
[[link]]
from = "neuron.ica"
to = "head.Ca"
[[link]]
from = "head.Ca"
to = "neuron.cai"
"""  # noqa: E501
TO_V = '[[link]]\nfrom = "neuron.v"\nto = "head.V"\n'


def experiment(folder: Path, text: str = EXPERIMENT) -> Experiment:
    (folder / "cell.py").write_text(CELL)
    (folder / "nmda.toml").write_text(text)
    return Experiment.load(folder / "nmda.toml")


@pytest.mark.parametrize("engine", ["ode", "ssa"])
def test_receptors_see_the_voltage_and_their_calcium_current_enters_as_ions(tmp_path: Path, engine: str) -> None:
    simulation = Simulation.in_memory(experiment(tmp_path).changed(f"site.0.engine={engine}"))
    summary = simulation.run()
    with simulation.results as results:
        v, charge = results["neuron.head(0.5)"], np.asarray(results.file["neuron/charge"])[:, 0]
        opened, entered = results["head.open"], results.entered("head", "Ca")
    assert v[0] == -70 and v[-1] > -29  # the receptors pull it up from -30 mV
    weight = {"C2": 1.0, "O": 0.5}
    weight["Ob"] = 0.5 * 1200 * math.exp(-v[-1] / 17) / (10800 * math.exp(v[-1] / 47))
    want = 200 * 0.5 / sum(weight.values())
    if engine == "ode":
        assert opened[-1] == pytest.approx(want, rel=1e-3)
    ions = charge.sum() * 1e-15 / (2 * 1.602176634e-19)
    assert entered[-1] == pytest.approx(ions, abs=1e-6 if engine == "ode" else 1.0) and ions > 100
    books = summary["ledger"]
    assert books["max_imbalance_ions"] <= (1e-6 if engine == "ode" else 0.0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (TO_V, "", ["site[0]", "voltage", "head.V", "-65 mV"]),
        ('scale = "-17 mV"', 'scale = "-0.1 mV"', ["reactions[1]", "finite"]),
        ('to = "head.V"', 'to = "head.Ca"', ["site[0]", "neuron.v"]),
    ],
)
def test_one_line_says_what_cannot_be(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in EXPERIMENT
    with pytest.raises(InputError) as error:
        make_plan(experiment(tmp_path, EXPERIMENT.replace(old, new, 1)))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_voltage_that_nothing_depends_on_is_refused(tmp_path: Path) -> None:
    start = EXPERIMENT.index(", forward_voltage")
    text = EXPERIMENT[:start] + EXPERIMENT[EXPERIMENT.index(' },\n  { equation = "Ca + Pump') :]
    with pytest.raises(InputError, match="no rate of the chemistry depends on the voltage"):
        make_plan(experiment(tmp_path, text))
