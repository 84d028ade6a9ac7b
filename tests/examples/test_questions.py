"""examples/morphology and examples/questions: they run, and what they show is there (shortened)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import spearmanr

from couple.analysis.plot.traces import panels_of, positions
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.paths import EXAMPLES


def script(name: str) -> ModuleType:
    """examples/questions/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / "questions" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def test_the_spike_runs_back_and_brings_calcium(tmp_path: Path) -> None:
    experiment = Experiment.load(EXAMPLES / "morphology" / "morphology.toml", ["experiment.duration=45 ms"])
    Simulation.new(experiment, tmp_path / "out").run()
    with Results(tmp_path / "out") as results:
        voltages, away = results.voltages(), positions(results)
        soma = voltages["soma[0](0.5)"]
        assert ((soma[1:] > 0) & (soma[:-1] <= 0)).sum() == 1
        assert len(away) == 10 and min(away.values()) > 30 and max(away.values()) < 302
        peaks = {s: voltages[f"{s}.head(0.5)"].max() for s in away}
        calcium = {s: results.micromolar(s, "Ca").max() for s in away}
        assert max(peaks.values()) < soma.max()
        # a head that is depolarised more lets more in
        ranks = spearmanr([peaks[s] for s in away], [calcium[s] for s in away])
        assert ranks.statistic > 0 and ranks.pvalue < 1e-3
        near, far = ([calcium[s] for s in away if (away[s] < 160) is close] for close in (True, False))
        assert np.mean(near) > np.mean(far) > 0.1
        # curves of V have the colour of their own distance: the soma 0, a head that of its site
        positioned = {c.label: c.position for c in panels_of(results)[0].curves}
        assert positioned["soma[0](0.5)"] == 0
        assert all(positioned[f"{s}.head(0.5)"] == pytest.approx(away[s]) for s in away)


@pytest.mark.acceptance
def test_the_timescale_of_sk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("timescale")
    monkeypatch.setattr(module, "BURST", 60.0)
    monkeypatch.setattr(module, "SETTLED", 100.0)
    early = "neuron.arguments={ positions = [100.0], times = [60.0, 70.0, 80.0] }"
    answer = module.main(8, tmp_path, ["experiment.duration=200 ms", early], jobs=1)
    assert answer.runs == 8 and (tmp_path / "timescale.png").stat().st_size > 10_000
    assert answer.most < 0, "SK channels hyperpolarise"
    assert 0 <= answer.first < answer.at <= answer.last <= 140
    assert "open SK channels" in str(answer)


def test_the_control_of_the_timescale() -> None:
    module = script("timescale")
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(40, 500))
    assert not module.significant(noise).any()
    noise[:, 100] += 3
    assert np.flatnonzero(module.significant(noise)).tolist() == [100]
    kept = np.exp(-1 / 20)
    for k in range(1, 500):  # memory of 20 rows
        noise[:, k] = kept * noise[:, k - 1] + np.sqrt(1 - kept**2) * rng.normal(size=40)
    found, low, high = module.memory(noise[:, 150:], 0.5)
    assert low < 10 < high and low < found < high


def test_the_correlation_of_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("neighbours")
    monkeypatch.setattr(module, "INPUTS", {"common": module.INPUTS["common"]})  # processes take longer than runs
    found = module.main(12, tmp_path, ["experiment.duration=150 ms"], jobs=1)
    assert (tmp_path / "neighbours.png").stat().st_size > 10_000
    common = found["common"]
    assert sorted(common.distances) == [5, 15, 20, 40, 55, 60]
    assert common.mean[1] > common.control[2] and common.mean[1] > 0.5


def test_correlations_are_those_of_the_samples() -> None:
    module = script("neighbours")
    rng, runs, rho = np.random.default_rng(2), 4000, 0.6
    shared = rng.normal(size=(runs, 1))
    channels = np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=(runs, 4))
    found = module.correlations(channels, [0.0, 1.0, 3.0, 7.0])
    bound = 3.0 * (1 - rho**2) / np.sqrt(runs)  # 6 pairs, P < 2 % in all
    assert np.abs(found.pairs - rho).max() < bound
    assert found.control[1] < 0 < found.control[2] and found.mean[1] < rho < found.mean[2]


@pytest.mark.acceptance
def test_the_curve_of_stdp(tmp_path: Path) -> None:
    module = script("stdp")
    answer = module.main(2, 20, tmp_path, lags=(-10.0, 10.0), orders=1, jobs=1)
    assert (tmp_path / "stdp.png").stat().st_size > 10_000 and "shuffled" in str(answer)
    (before, _), (after, _) = answer.weight
    assert after > before, "a spike that follows the event leaves more of the synapse than one that precedes it"


@pytest.mark.acceptance
def test_the_feedback_on_a_network(tmp_path: Path) -> None:
    module = script("network")
    answer = module.main(3, tmp_path, jobs=1)
    assert (tmp_path / "network.png").stat().st_size > 10_000
    assert answer.weight[0] < 0.9, "activity takes receptors out"
    assert answer.none[0] > 1.0, "there is activity"
