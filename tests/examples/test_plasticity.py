"""examples/plasticity: it runs, with one spine on a lattice too; stopped and resumed it is the same to the bit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.command_line import assert_equal_results
from support.paths import EXAMPLES

FILE = EXAMPLES / "plasticity" / "plasticity.toml"
STIMULATED = [f"spine_{i}" for i in range(1, 24, 2)]
SHORT = (
    "experiment.duration=4 ms",
    "protocol.0.start=0.4 ms",
    "protocol.0.dt=0.5 ms",
    "site.spine_1.engine=lattice",
)


def test_stopped_and_resumed_it_is_the_same_to_the_bit(tmp_path: Path) -> None:
    experiment = Experiment.load(FILE, SHORT)
    Simulation.new(experiment, tmp_path / "whole").run()
    Simulation.new(experiment, tmp_path / "parts").run(until=2.0)
    Simulation.resumed(tmp_path / "parts").run()
    assert_equal_results(tmp_path / "whole" / "results.h5", tmp_path / "parts" / "results.h5")
    with Results(tmp_path / "whole") as results:
        engines = results.engines()
        assert [site for site, engine in engines.items() if engine != "surrogate"] == ["spine_1"]
        assert len(engines) == 24 and results.voltages()["soma(0.5)"].max() > 0, "a spike"
        assert results.sites_of("AMPA.gmax") == tuple(STIMULATED)
        weights = np.array([results[f"{site}.AMPA.gmax"] for site in STIMULATED])
        receptors = np.array([results[f"{site}.AMPAR_synaptic"] for site in STIMULATED])
        assert (weights[:, 0] == 1).all() and weights == pytest.approx(0.02 * receptors, abs=0.02)
        entered = {site: results.entered(site, "Ca")[-1] for site in engines}
    others = [entered[site] for site in engines if site not in STIMULATED]
    assert np.mean([entered[site] for site in STIMULATED]) > np.mean(others) > 0


def test_its_readme_names_what_there_is() -> None:
    text = (FILE.parent / "README.md").read_text()
    changes = re.findall(r"--set '(.*)'", text) + re.findall(r"(?:--set|\.toml) (site\S+)", text)
    assert len(changes) == 3
    for change in changes:
        assert Experiment.load(FILE, [change]) != Experiment.load(FILE)


@pytest.mark.acceptance
def test_the_order_of_input_and_spike_matters(tmp_path: Path) -> None:
    """By the weight; phosphorylated subunits are drawn, and tell stimulated spines from others in the mean."""
    weight = {}
    for dt in (10, -10):
        Simulation.new(Experiment.load(FILE, [f"protocol.0.dt={dt} ms"]), tmp_path / f"{dt}").run()
        with Results(tmp_path / f"{dt}") as results:
            volts = results.voltages()["soma(0.5)"]
            assert ((volts[1:] > 0) & (volts[:-1] <= 0)).sum() >= 20
            last = {site: float(results.observable(site, "K_phosphorylated")[-1]) for site in results.sites()}
            weight[dt] = np.mean([results[f"{site}.AMPA.gmax"][-1] for site in STIMULATED])
        found = np.array([last[site] for site in STIMULATED])
        others = np.array([value for site, value in last.items() if site not in STIMULATED])
        error = np.hypot(*(x.std(ddof=1) / np.sqrt(len(x)) for x in (found, others)))
        assert found.mean() - others.mean() > 4 * error, "spikes alone do less"
    assert weight[10] > 1.05 > 0.97 > weight[-10], "one order makes it more, the other less"
