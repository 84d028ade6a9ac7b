"""The summary of a run says how often a surrogate left its box and how often draws were limited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.adaptive import Adaptive
from adapters.surrogate import Surrogate
from couple.components.capabilities import CountsValidity
from couple.experiment import Experiment
from couple.simulation.results.validity_counts import joined, validity_counts_of
from couple.simulation.simulation import Simulation
from reducers.markov.file import write_block
from support.paths import ROOT
from support.surrogate_cases import exact_sk


def experiment(folder: Path, engine: str, **more: Any) -> Experiment:
    """Two sites with SK by a model that knows 0 to 1 uM; much calcium comes into the first."""
    content = Experiment.load(ROOT / "examples/adaptive/burst.toml").source
    chemistry = {k: v for k, v in content["chemistry"].items() if k != "file"}
    network = Experiment.parse(content, path=folder / "run.toml").network()
    write_block(exact_sk(network, drive_box=(0.0, 1.0)), folder / "sk.h5")
    site = {
        "engine": engine,
        "geometry": content["site"][0]["geometry"],
        "surrogate": {"models": {"SK": "sk.h5"}},
        **more,
    }
    drive = {"to": "busy.Ca", "influx": {"times": "0 5 ms", "rate": "1000 /ms"}}
    tables = {
        "experiment": {**content["experiment"], "duration": "6 ms"},
        "chemistry": chemistry,
        "site": [{**site, "name": "busy"}, {**site, "name": "calm"}],
        "drive": [drive],
    }
    return Experiment.parse(tables, path=folder / "run.toml")


def test_the_summary_counts_windows_outside_of_the_box_by_site(tmp_path: Path) -> None:
    simulation = Simulation.new(experiment(tmp_path, "surrogate"), tmp_path / "out")
    simulation.run()
    (engine,) = simulation.system.engines
    assert isinstance(engine, Surrogate)
    said = json.loads((tmp_path / "out" / "summary.json").read_text())["validity_counts"][engine.name]
    outside = said["outside"]
    assert 0 < outside["total"] <= 60 and outside["sites"] == {"busy": outside["total"]}
    assert outside["total"] == engine.outside.sum() and said["limited"]["total"] == engine.limited.sum()


def test_an_adaptive_site_adds_up_what_its_engines_say(tmp_path: Path) -> None:
    """The rule keeps the surrogate: what it says is what the site says; then it is left, and nothing is added."""
    (tmp_path / "rules.py").write_text("def choose(now):\n    return 'surrogate' if now.time < 3 else 'ode'\n")
    options = {"engines": ["surrogate", "ode"], "rule": f"{tmp_path / 'rules.py'}:choose", "dwell": "0 ms"}
    simulation = Simulation.in_memory(experiment(tmp_path, "adaptive", adaptive=options))
    simulation.run(until=3.0)
    (engine,) = simulation.system.engines
    assert isinstance(engine, Adaptive)
    before = validity_counts_of([engine])[engine.name]["outside"]
    assert before["sites"] == {"busy": before["total"]} and before["total"] > 0
    summary = simulation.run()
    assert summary["validity_counts"][engine.name]["outside"] == before


def test_engines_that_count_nothing_say_nothing(tmp_path: Path) -> None:
    assert "validity_counts" not in Simulation.in_memory(experiment(tmp_path, "ode")).run()


def test_limited_draws_are_counted() -> None:
    """By site, those without any left out."""

    class Counting(CountsValidity):
        name = "sites"
        sites = [type("S", (), {"name": n})() for n in ("a", "b", "c")]

        def validity_counts(self) -> dict[str, np.ndarray]:
            return {"outside": np.array([0, 0, 0]), "limited": np.array([0, 2, 5])}

    found = validity_counts_of([Counting()])["sites"]  # type: ignore[list-item]
    assert found == {"outside": {"total": 0, "sites": {}}, "limited": {"total": 7, "sites": {"b": 2, "c": 5}}}


def test_ranks_are_joined() -> None:
    parts = [{"head": {"outside": {"total": n, "sites": {name: n}}}} for name, n in (("a", 3), ("b", 4))]
    assert joined(parts) == {"head": {"outside": {"total": 7, "sites": {"a": 3, "b": 4}}}}


@pytest.mark.parametrize("part", [{}, {"head": {}}])
def test_nothing_to_join(part: dict[str, Any]) -> None:
    assert joined([part]) == {}
