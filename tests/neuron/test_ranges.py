"""Range variables and spikes of single cells: recorded by name, resumed and in ensembles to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from couple.analysis.features import features
from couple.base.errors import InputError
from couple.cli.main import main
from couple.ensemble import Ensemble
from couple.experiment import Experiment
from couple.experiment.features import FeatureBlock
from couple.storage.records.results import Results
from couple.wiring import make_plan

HOC = """
load_file("stdrun.hoc")
create soma, dend[2], axon
soma { L = 20  diam = 20  insert hh }
for i = 0, 1 dend[i] { L = 50  diam = 2  nseg = 3  insert pas }
axon { L = 20  diam = 1 }
for i = 0, 1 { connect dend[i](0), soma(1) }
connect axon(0), soma(0)
dend[1] e_pas = -60
"""
EXPERIMENT = """
[experiment]
name = "ranges"
duration = "6 ms"
exchange = "0.1 ms"
[neuron]
model = "cell.hoc"
dt = "0.025 ms"
[[neuron.current]]
at = "soma(0.5)"
start = "1 ms"
duration = "1 s"
amplitude = "0.5 nA"
[chemistry]
species.A = {}
[[site]]
name = "box"
engine = "ode"
geometry.sphere = { diameter = "1 um" }
[checkpoint]
every = "3 ms"
[record]
voltages = ["soma(0.5)"]
"""
RANGES = 'ranges = ["soma(0.5).m_hh", "soma.ek", "*.e_pas"]\n'
QUIET = ["--quiet", "--no-figure"]


def couple(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert not end.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs: with ranges, without, in two halves, as an ensemble."""
    place = tmp_path_factory.mktemp("ranges")
    (place / "cell.hoc").write_text(HOC)
    (place / "run.toml").write_text(EXPERIMENT + RANGES)
    (place / "without.toml").write_text(EXPERIMENT)
    file, out = str(place / "run.toml"), {name: str(place / name) for name in ("whole", "half", "without", "ensemble")}
    couple("run", file, "--out", out["whole"], *QUIET)
    couple("run", str(place / "without.toml"), "--out", out["without"], *QUIET)
    couple("run", file, "--out", out["half"], "--until", "3 ms", *QUIET)
    couple("resume", out["half"], *QUIET)
    couple("sample", file, "--runs", "2", "--jobs", "1", "--out", out["ensemble"], "--quiet")
    return place


def test_range_variables_stand_in_the_results_with_their_units(folder: Path) -> None:
    with Results(folder / "whole") as results, Results(folder / "without") as without:
        m = results["neuron.soma(0.5).m_hh"]
        assert m[0] < 0.1 and m.max() > 0.9 and m.shape == results.time.shape
        assert np.all(results["neuron.soma(0.5).ek"] == -77) and results.file["neuron/range_ek"].attrs["unit"] == "mV"
        assert results.file["neuron/range_e_pas"].shape == (61, 6)
        assert np.all(results["neuron.dend[1](0.5).e_pas"] == -60)
        assert np.array_equal(results["neuron.soma(0.5)"], without["neuron.soma(0.5)"])
        with pytest.raises(InputError, match="was not recorded"):
            results["neuron.axon(0.5).e_pas"]


def test_spikes_of_a_soma_are_counted_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Results(folder / "whole") as results:
        times, trains = results.spikes()
        v = results["neuron.soma(0.5)"]
        after = int(np.searchsorted(results.time, times[0]))
    assert len(times) >= 1 and list(trains) == ["soma(0.5)"]
    assert v[after - 1] < -20 <= v[after]
    summary = json.loads((folder / "whole" / "summary.json").read_text())
    assert summary["spikes"] == {"threshold_mV": -20.0, "count": {"soma(0.5)": len(times)}}
    couple("show", str(folder / "whole"))
    couple("show", str(folder / "ensemble"))
    shown = capsys.readouterr().out
    assert shown.count("spikes soma(0.5)") == 2 and f"{times[0]:.6g}" in shown


def test_of_rows_too_far_apart_none_are_counted_and_it_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coarse, out = "record.every=1 ms", tmp_path / "coarse"
    couple("run", str(folder / "without.toml"), "--set", coarse, "--out", str(out), *QUIET)
    capsys.readouterr()
    couple("show", str(out))
    assert "not counted: rows are 1 ms apart, spikes need 0.5 ms or less" in " ".join(capsys.readouterr().out.split())
    with Results(out) as results:
        assert not results.spikes()[1]
        with pytest.raises(InputError, match="rows are 1 ms apart"):
            features(results, {"n": FeatureBlock(of="neuron.soma(0.5)", measure="spikes")})


def test_resumed_and_in_an_ensemble_they_are_the_same(folder: Path) -> None:
    with Results(folder / "whole") as whole, Results(folder / "half") as half, Ensemble(folder / "ensemble") as many:
        for name in ("neuron/range_m_hh", "neuron/range_ek", "neuron/range_e_pas", "neuron/v"):
            assert np.array_equal(whole.file[name], half.file[name])
        assert np.array_equal(whole["neuron.soma(0.5).m_hh"], many["neuron.soma(0.5).m_hh"][1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("soma(0.5).mm_hh", r"record.ranges\[0\].*m_hh"),
        ("dend*.m_hh", r"record.ranges\[0\].*no range variable"),
        ("some(0.5).m_hh", r"record.ranges\[0\].*soma"),
        ("soma(0.5)", "place and variable"),
        ("soma(0.5).v", "record.voltages"),
    ],
)
def test_what_is_not_there_is_said(folder: Path, given: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_plan(Experiment.load(folder / "run.toml", [f'record.ranges=["{given}"]']))
