"""examples/hoc: runs, goes on after a checkpoint to the bit, and notices when any file of the model has changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from adapters.neuron import channel_path
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import wire
from support.paths import EXAMPLES

EXAMPLE = EXAMPLES / "hoc"

pytestmark = pytest.mark.skipif(channel_path() != "MOD", reason="the MOD files of the example need a compiler")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "hoc")
    return tmp_path / "hoc" / "hoc.toml"


def test_three_spikes_fill_both_sites(example: Path, tmp_path: Path) -> None:
    summary = Simulation.new(Experiment.load(example), tmp_path / "out").run()
    assert summary["status"] == "complete"
    with Results(tmp_path / "out") as results:
        soma = results.voltages()["Cell[0].soma(0.5)"]
        assert ((soma[1:] > -20) & (soma[:-1] <= -20)).sum() >= 3
        trunk, branch = results.micromolar("trunk", "Ca"), results.micromolar("branch", "Ca")
        drift, rise = np.abs(trunk[:200] - 0.1).max(), trunk.max() - 0.1
        assert drift < 0.01 * rise, "the pumps do not balance at rest"
        assert branch.max() > trunk.max() > 0.2, "the thinner branch has more membrane for its volume"
        assert branch[-1] < branch.max()


def test_check_says_who_does_what(example: Path) -> None:
    text = "\n".join(wire(Experiment.load(example)).describe)
    for line in (
        "compiled from MOD files: cadecay (cadecay.mod), cahva (cahva.mod), kca (kca.mod)",
        "cadecay reads ica, cai, writes cai in Cell[0].dend[0..2]",
        "kca reads ek, writes ik; reads cai in",
        "cadecay taken out of Cell[0].dend[2] (it wrote cai)",
        "ica into Cell[0].dend[0](0.5), Cell[0].dend[2](0.5) through cahva",
        "celsius 32 (the experiment's), v_init -65 mV (the model's",
        "not used: tstop = 150 ms",
    ):
        assert line in text, text


@pytest.mark.parametrize("policy", [pytest.param("remove", marks=pytest.mark.acceptance), "ignore"])
def test_resuming_is_exact(example: Path, tmp_path: Path, policy: str) -> None:
    experiment = Experiment.load(example, [f"neuron.cai_writers={policy}", "experiment.duration=40 ms"])
    for name, stops in (("whole", []), ("parts", [12.3, 25.0])):
        simulation = Simulation.new(experiment, tmp_path / name)
        for stop in stops:
            simulation.run(until=stop)
            simulation = Simulation.resumed(tmp_path / name)
        simulation.run()
    with Results(tmp_path / "whole") as whole, Results(tmp_path / "parts") as parts:
        for name in ("neuron/v", "neuron/cai", "neuron/charge", "ode/counts"):
            assert np.array_equal(whole.file[name][:], parts.file[name][:]), name


@pytest.mark.parametrize("file", ["cell.hoc", "mod/cadecay.mod", "mod/cahva.mod"])
def test_a_changed_file_of_the_model_is_noticed(example: Path, tmp_path: Path, file: str) -> None:
    Simulation.new(Experiment.load(example), tmp_path / "out").run(until=0.2)
    path = example.parent / file
    path.write_text(path.read_text() + "\n")
    with pytest.raises(InputError, match=rf"{path.name} of the model changed since this checkpoint"):
        Simulation.resumed(tmp_path / "out")
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name} of the model is gone"):
        Simulation.resumed(tmp_path / "out")
