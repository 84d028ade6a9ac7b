"""Where closed loops break elsewhere: no ions at all, and a current that takes out more than there is."""

from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import RunError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results

CELL = """
from neuron import h
from adapters.neuron import insert_cav

def build():
    head = h.Section(name="head")
    head.L = head.diam = 0.5
    head.insert("pas")
    insert_cav(head, gbar=1e-4)
    clamp = h.SEClamp(head(0.5))
    clamp.rs = 0.1
    clamp.dur1, clamp.amp1, clamp.dur2, clamp.amp2 = {course}
    return head, clamp
"""


def experiment(folder: Path, engine: str, course: str, ions: int, max_debt: int = 1000) -> Experiment:
    (folder / "cell.py").write_text(CELL.replace("{course}", course))
    content = {
        "experiment": {"name": "limits", "duration": "30 ms", "exchange": "0.1 ms", "max_debt": max_debt},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms"},
        "chemistry": {
            "species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}},
            "initial": {"Ca": {"count": ions}},
        },
        "site": [{"name": "head", "segment": "head(0.5)", "engine": engine, "lattice": {"spacing": "20 nm"}}],
        "link": [{"from": "neuron.ica", "to": "head.Ca"}, {"from": "head.Ca", "to": "neuron.cai"}],
    }
    return Experiment.parse(content, path=folder / "limits.toml")


@pytest.mark.parametrize("engine", ["lattice", "ssa", "ode"])
def test_a_site_without_ions_leaves_the_voltage_finite(engine: str, tmp_path: Path) -> None:
    """At rest nothing enters: free calcium is 0 and NEURON sees half an ion."""
    simulation = Simulation.new(experiment(tmp_path, engine, "100, -90, 0, 0", ions=0), tmp_path / "out")
    summary = simulation.run()
    assert sum(summary["ledger"]["floored"].values()) > 100
    with Results(tmp_path / "out") as results:
        (v,) = results.voltages().values()
        assert np.isfinite(v).all() and np.abs(v).max() < 100
        assert results.file["neuron/cai"][:].min() > 0


@pytest.mark.parametrize("engine", ["lattice", "ssa", "ode"])
def test_an_outward_current_owes_ions_and_pays_them_back(engine: str, tmp_path: Path) -> None:
    """Above the reversal potential calcium leaves; the head has 5 ions, so the rest is owed until some enter."""
    simulation = Simulation.new(experiment(tmp_path, engine, "3, 175, 100, -10", ions=5), tmp_path / "out")
    owed, free = [], []
    (site,) = simulation.system.engines
    while simulation.time < 29.95:
        simulation.step()
        (link,) = simulation.orchestrator.ledger().links
        owed.append(link.owed)
        free.append(site.read("counts")[0, 0])
    assert max(owed) > 20 and min(free) >= 0
    assert free[owed.index(max(owed))] == 0
    (link,) = simulation.orchestrator.ledger().links
    assert link.owed == 0 and link.received > 0  # paid, and more has come
    assert link.sent == pytest.approx(link.received + link.carried, abs=1e-6)
    assert 5 + link.received == pytest.approx(free[-1], abs=1e-9 * link.received)


def test_a_debt_above_the_limit_stops_the_run(tmp_path: Path) -> None:
    simulation = Simulation.new(experiment(tmp_path, "ssa", "3, 175, 100, -10", 5, max_debt=10), tmp_path / "out")
    with pytest.raises(RunError, match=r"t = [\d.]+ ms: link neuron\.ica -> head\.Ca.*max_debt"):
        simulation.run()
    with Results(tmp_path / "out") as results:
        assert results.status == "failed" and len(results.time) > 1
