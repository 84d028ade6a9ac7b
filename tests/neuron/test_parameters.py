"""Chemistry sets parameters of synapses, of the connections that drive them, and of channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron.hoc.h import h
from couple.base.errors import InputError
from couple.cli.main import main
from couple.ensemble import Ensemble
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import make_plan
from support.command_line import assert_equal_results

CELL = """
from neuron import h

class Cell:
    def __repr__(self):
        return "cell"

    def __init__(self):
        self.head = h.Section(name="head", cell=self)
        self.head.L = self.head.diam = 10
        self.head.insert("pas")
        self.head.insert("hh")
        self.stims, self.connections = [], []
        self.slow, self.fast = h.Exp2Syn(self.head(0.5)), h.ExpSyn(self.head(0.5))
        self.idle = h.AlphaSynapse(self.head(0.5))
        for k, synapse in enumerate((self.slow, self.slow, self.fast)):
            stim = h.NetStim()
            stim.start, stim.number, stim.interval, stim.noise = 1 + k, 1e9, 3, 0
            connection = h.NetCon(stim, synapse)
            connection.delay, connection.weight[0] = 0.5, 1e-3 * (k + 1)
            self.stims.append(stim)
            self.connections.append(connection)

def build():
    return Cell()
"""
EXPERIMENT = """
[experiment]
name = "parameters"
duration = "10 ms"
exchange = "0.1 ms"
seed = 3
[neuron]
model = "cell.py:build"
dt = "0.025 ms"
[chemistry]
species.A = {}
species.B = {}
reactions = [{ equation = "A <-> B", forward = "0.3 /ms", backward = "0.1 /ms" }]
initial.A = { count = 100 }
observables.active = ["B"]
[[site]]
name = "head"
segment = "head(0.5)"
engine = "ssa"
[checkpoint]
every = "5 ms"
[[link]]
from = "head.active"
to = "neuron.Exp2Syn.weight"
function = { kind = "hill", low = "0.5 nS", high = "4 nS", half = 40, n = 2 }
tau = "3 ms"
"""
LINEAR = """
[[link]]
from = "head.B"
to = "neuron.pas.g"
function = { kind = "linear", offset = 1.0, slope = 0.02 }
relative = true
[[link]]
from = "head.B"
to = "neuron.ExpSyn.e"
function = { kind = "table", amounts = "0 0.1 0.2 uM", values = "-10 0 10 mV" }
start = "-5 mV"
"""
QUIET = ["--quiet", "--no-figure"]
WINDOW, TAU = 0.1, 3.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("parameters")
    (place / "cell.py").write_text(CELL)
    (place / "run.toml").write_text(EXPERIMENT + LINEAR)
    return place


def couple(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code


def experiment(folder: Path, text: str = EXPERIMENT + LINEAR) -> Experiment:
    file = folder / "changed.toml"
    file.write_text(text)
    return Experiment.load(file)


def weights(name: str) -> list[float]:
    return [c.weight[0] for c in h.List("NetCon") if c.syn().hname().startswith(name)]


def test_all_connections_follow_the_molecules_with_the_time_constant(folder: Path) -> None:
    simulation = Simulation.in_memory(experiment(folder))
    followed, seen, potentials = [], [], []
    while simulation.time < 9.95:
        simulation.step()
        seen.append(weights("Exp2Syn"))
        potentials.append(next(iter(h.List("ExpSyn"))).e)
        assert weights("ExpSyn") == [3e-3]  # another synapse of the segment
        x = float(simulation.read("head.active"))
        followed.append(0.5e-3 + 3.5e-3 * x**2 / (40.0**2 + x**2))
    y = [0.5e-3]  # nothing is active at the start
    for f in followed:
        y.append(f + (y[-1] - f) * np.exp(-WINDOW / TAU))
    with simulation.results as results:
        assert results["head.Exp2Syn.weight"] == pytest.approx(y, rel=1e-12)
        assert results.file["neuron/parameter_Exp2Syn.weight"].attrs["unit"] == "uS"
        assert results["head.pas.g"] == pytest.approx(1 + 0.02 * results["head.B"])
        molar = results.micromolar("head", "B")
        assert results["head.ExpSyn.e"][1:] == pytest.approx(np.interp(molar, [0, 0.1, 0.2], [-10, 0, 10])[1:])
        assert results["head.ExpSyn.e"][0] == -5
        # what NEURON had over a window is what was recorded before it
        assert np.array_equal(np.array(seen)[:, 0], results["head.Exp2Syn.weight"][: len(seen)])
        assert np.array_equal(potentials, results["head.ExpSyn.e"][: len(seen)])
    assert np.array_equal(np.array(seen)[:, 0], np.array(seen)[:, 1])


def test_the_voltage_is_that_of_neuron_with_the_same_weights(folder: Path) -> None:
    """Open loop: NEURON alone, given the recorded parameters window by window, does the same to the bit."""
    simulation = Simulation.in_memory(experiment(folder))
    simulation.run()
    with simulation.results as results:
        v, weight = results["neuron.cell.head(0.5)"], results["head.Exp2Syn.weight"]
        factor, e = results["head.pas.g"], results["head.ExpSyn.e"]
    (cell,) = (s.cell() for s in h.allsec())
    own = 0.001
    h.dt = 0.025
    h.finitialize(-65)
    alone = [float(cell.head(0.5).v)]
    for k in range(100):
        for connection in cell.connections[:2]:
            connection.weight[0] = weight[k]
        cell.head(0.5).pas.g, cell.fast.e = own * factor[k], e[k]
        for _ in range(4):
            h.fadvance()
        alone.append(float(cell.head(0.5).v))
    assert np.array_equal(alone, v)
    assert np.abs(v - v[0]).max() > 1


def test_a_run_in_two_halves_and_runs_of_an_ensemble_are_the_same_to_the_bit(folder: Path) -> None:
    file = str(folder / "run.toml")
    out = {name: folder / name for name in ("whole", "half", "ensemble")}
    couple("run", file, "--out", str(out["whole"]), *QUIET)
    couple("run", file, "--out", str(out["half"]), "--until", "5 ms", *QUIET)
    couple("resume", str(out["half"]), *QUIET)
    assert_equal_results(out["whole"] / "results.h5", out["half"] / "results.h5")
    couple("sample", file, "--runs", "2", "--seed", "3", "--jobs", "1", "--out", str(out["ensemble"]), "--quiet")
    with Ensemble(out["ensemble"]) as ensemble, Results(out["whole"]) as results:
        found = {int(seed): row for seed, row in zip(ensemble.seeds, ensemble["head.Exp2Syn.weight"], strict=True)}
        for seed, row in found.items():
            alone = Simulation.in_memory(Experiment.load(file).changed(f"experiment.seed={seed}"))
            alone.run()
            with alone.results as single:
                assert np.array_equal(single["head.Exp2Syn.weight"], row)
        assert results["head.Exp2Syn.weight"].max() > 2e-3


def test_the_model_gets_back_what_it_had(folder: Path) -> None:
    text = EXPERIMENT + LINEAR
    plan = make_plan(experiment(folder, text))
    from couple.wiring.system.electrics import attach
    from couple.wiring.system.engines import build_engines

    engines = build_engines(plan)
    electrics = attach(plan, engines)
    assert electrics is not None
    electrics.component.write("parameters", 7.0)
    electrics.component.advance(4)
    assert weights("Exp2Syn") == [7.0, 7.0]
    attach(plan, engines)  # releases the component before
    assert weights("Exp2Syn") == [1e-3, 2e-3]


MISTAKES: dict[str, tuple[str, str, list[str]]] = {
    "worked out at every step": ("Exp2Syn.weight", "Exp2Syn.g", ["link[0].to", "ASSIGNED", "tau1"]),
    "integrated": ("Exp2Syn.weight", "Exp2Syn.A", ["link[0].to", "STATE"]),
    "unknown parameter": ("Exp2Syn.weight", "Exp2Syn.tau3", ["link[0].to", "tau3", "tau1"]),
    "unknown mechanism": ("Exp2Syn.weight", "Exp3Syn.weight", ["link[0].to", "Exp3Syn", "Exp2Syn"]),
    "not driven": ("Exp2Syn.weight", "AlphaSynapse.weight", ["link[0].to", "NetCon"]),
    "unit of something else": ('low = "0.5 nS"', 'low = "0.5 mV"', ["link[0].function.low", "mV", "uS"]),
    "no unit": ('low = "0.5 nS"', "low = 0.5", ["link[0].function.low", "unit", "uS"]),
    "unit of a factor": ("offset = 1.0", 'offset = "1 nS"', ["link[1].function.offset", "plain number"]),
    "no amount": ("half = 40", 'half = "40 mV"', ["link[0].function", "half", "40 mV", "uM"]),
    "half of nothing": ("half = 40", "half = 0", ["link[0].function", "half"]),
    "table that falls": ('"0 0.1 0.2 uM"', '"0 0.3 0.2 uM"', ["link[2].function", "amounts"]),
    "table of another length": ('"-10 0 10 mV"', '"-10 0 mV"', ["link[2].function", "3 amounts", "2 values"]),
    "no function": ('function = { kind = "linear", offset = 1.0, slope = 0.02 }\n', "", ["link[1]", "function"]),
    "function without parameter": ("neuron.pas.g", "neuron.SK", ["link[1]", "function"]),
    "values and factors": ("neuron.pas.g", "neuron.Exp2Syn.weight", ["link[1]", "link[0]", "relative"]),
    "twice by the same": ("neuron.ExpSyn.e", "neuron.pas.g", ["link[2]", "link[1]", "twice"]),
    "unknown observable": ('from = "head.active"', 'from = "head.activ"', ["link[0]", "activ", "active"]),
    "start in another unit": ('start = "-5 mV"', 'start = "-5 nS"', ["link[2].start", "nS", "mV"]),
    "tau below nothing": ('tau = "3 ms"', 'tau = "-3 ms"', ["link[0].tau"]),
    "no parameter": ("neuron.pas.g", "neuron.pas.g.h", ["link[1].to"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_one_line_says_what_cannot_be_set(folder: Path, case: str) -> None:
    old, new, words = MISTAKES[case]
    text = EXPERIMENT + LINEAR
    assert old in text
    with pytest.raises(InputError) as error:
        simulated(experiment(folder, text.replace(old, new, 1)))
    line = str(error.value)
    assert all(word in line for word in words), line


def simulated(made: Experiment) -> Any:
    return Simulation.in_memory(made)
