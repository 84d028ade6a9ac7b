"""Schemes that look ahead: resumed to the bit, exact books with whole ions, what is not converged is counted."""

import json
from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.schemes import choose_scheme as choose
from couple.simulation.simulation import Simulation
from support.command_line import assert_equal_results
from support.coupled_compartment import EXPERIMENT, experiment

TEXT = EXPERIMENT.replace("models/compartment.py", "models/gated_compartment.py").replace("count = 400", "count = 40")


def made(scheme: str, engine: str, *overrides: str) -> Experiment:
    """A piece of the course in which the calcium channels open, in whole ions or real numbers."""
    more = (f"experiment.scheme={scheme}", f"site.head.engine={engine}", "experiment.duration=20 ms")
    return experiment(0.1, *more, *overrides, text=TEXT)


@pytest.mark.parametrize(("scheme", "engine"), [("extrapolated", "ode"), ("iterated", "ssa")])
def test_a_stopped_run_goes_on_to_the_bit(scheme: str, engine: str, tmp_path: Path) -> None:
    for name in ("straight", "stopped"):
        simulation = Simulation.new(made(scheme, engine), tmp_path / name)
        simulation.run(until=None if name == "straight" else 12.3)
    simulation = Simulation.resumed(tmp_path / "stopped")
    summary = simulation.run()
    assert_equal_results(tmp_path / "straight" / "results.h5", tmp_path / "stopped" / "results.h5")
    straight = json.loads((tmp_path / "straight" / "summary.json").read_text())
    assert summary.get("passes") == straight.get("passes")
    assert summary["ledger"]["max_imbalance_ions"] <= (0 if engine == "ssa" else 1e-9 * 3000)


def test_a_resumed_run_without_what_was_expected_differs(tmp_path: Path) -> None:
    """Control: the averages of the last window are part of the state."""
    for name in ("straight", "stopped"):
        Simulation.new(made("extrapolated", "ode"), tmp_path / name).run(until=None if name == "straight" else 12.3)
    simulation = Simulation.resumed(tmp_path / "stopped")
    scheme = simulation.orchestrator.scheme
    assert scheme is not None
    scheme.clear()
    simulation.run()
    with pytest.raises(AssertionError):
        assert_equal_results(tmp_path / "straight" / "results.h5", tmp_path / "stopped" / "results.h5")


def test_whole_ions_end_where_the_window_agrees_with_itself() -> None:
    """Carried out once more with what its sites gave, a window is the same to the bit."""
    simulation = Simulation.in_memory(made("iterated", "ssa"))
    summary = simulation.run()
    windows = sum(summary["passes"].values())
    cycles = summary.get("validity_counts", {}).get("exchange", {}).get("windows between two numbers of ions", {})
    assert windows == 200 and cycles.get("total", 0) < windows / 20
    assert max(map(int, summary["passes"])) <= 6
    assert simulation.read("head.Ca") == round(float(simulation.read("head.Ca")))


def test_what_is_not_converged_is_said_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation.in_memory(made("iterated", "ode", "iteration.most=1", "iteration.tolerance=1e-12"))
    summary = simulation.run()
    assert summary["validity_counts"]["exchange"]["windows not converged"]["total"] > 150
    assert "200 windows not converged" in caplog.text


def test_a_link_has_a_tolerance_of_its_own() -> None:
    passes = [
        Simulation.in_memory(made("iterated", "ode", "iteration.tolerance=1e-3", *more)).run()["passes"]
        for more in ((), ("link.2.tolerance=1e-10",))
    ]
    mean = [np.average([int(n) for n in p], weights=[*p.values()]) for p in passes]
    assert mean[0] < 1.1 and mean[1] > 1.8


@pytest.mark.parametrize("method", ["anderson", pytest.param("aitken", marks=pytest.mark.acceptance), "none"])
def test_every_acceleration_finds_the_same(method: str) -> None:
    finals = []
    for how in (method, "anderson"):
        tight = ("iteration.tolerance=1e-11", f"iteration.acceleration={how}", "experiment.duration=15 ms")
        simulation = Simulation.in_memory(made("iterated", "ode", *tight))
        assert "validity_counts" not in simulation.run()
        finals.append([float(simulation.read("neuron.v")[0]), float(simulation.read("head.Ca"))])
    assert np.allclose(*finals, rtol=1e-8)


def test_inputs_of_the_model_are_not_written_from_outside() -> None:
    simulation = Simulation.in_memory(made("iterated", "ode"))
    with pytest.raises(InputError, match=r'neuron\.g": scheme = "iterated" finds what the model gets'):
        simulation.write("neuron.g", 0.0)


MISTAKES = {
    "iteration.tolerance=1e-15": "iteration.tolerance",
    "experiment.scheme=staggered": 'iteration: nothing is repeated with experiment.scheme = "staggered"',
    "link.2.extrapolate=true": 'extrapolate: scheme = "iterated" looks ahead in all links',
    "iteration.most=0": "iteration.most",
    "link.0.tolerance=1e-3": "tolerance: only for what is handed to neuron",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_what_does_not_fit_is_one_line(override: str) -> None:
    with pytest.raises(InputError) as caught:
        made("iterated", "ode", "iteration.most=7", override)
    assert MISTAKES[override] in str(caught.value) and "\n" not in str(caught.value)


def test_windows_are_not_repeated_over_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    class TwoRanks:
        size = 2

    monkeypatch.setattr(choose, "world", TwoRanks)
    with pytest.raises(InputError, match=r'"iterated" repeats windows in one process, and this run has 2 ranks'):
        Simulation.in_memory(made("iterated", "ode"))


def test_a_scheme_for_the_model_needs_one() -> None:
    with pytest.raises(InputError, match=r'"iterated" is about what crosses to \[neuron\], and there is none'):
        Experiment.build(
            experiment={"name": "box", "duration": "1 ms", "exchange": "0.1 ms", "scheme": "iterated"},
            chemistry={"species": {"A": {}}, "initial": {"A": {"count": 1}}},
            site=[{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
        )


def test_windows_of_a_model_that_cannot_be_saved_are_not_repeated(tmp_path: Path) -> None:
    """A Python function in NEURON's event queue would be lost on going back."""
    (tmp_path / "cell.py").write_text(
        "from neuron import h\n"
        "from support.models import gated_compartment\n"
        "def build():\n"
        "    kept = gated_compartment.build()\n"
        "    handler = h.FInitializeHandler(lambda: h.CVode().event(5, lambda: None))\n"
        "    return *kept, handler\n"
    )
    with pytest.raises(InputError, match=r"goes back to saved states: .*Python function"):
        Simulation.in_memory(made("iterated", "ode", f"neuron.model={tmp_path}/cell.py:build"))
