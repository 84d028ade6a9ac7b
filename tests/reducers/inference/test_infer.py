"""`couple infer` and `couple posterior` from a file to a posterior, and what is wrong with what they are given."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from couple import InputError
from couple.base.errors import Interrupted
from couple.base.signals import note
from reducers.inference.density.file import read_posterior
from reducers.inference.density.flow import new_flow
from reducers.inference.diagnostics.simulation_based_calibration import calibrate
from reducers.inference.inference import Inference
from reducers.inference.problem.settings import FlowBlock
from reducers.inference.simulation.simulations import Simulations
from support.command_line import couple

NOISE = 0.5
SIMULATOR = f"""
import numpy as np

def simulate(theta, seed):
    if theta[0] > 2:
        raise ValueError("does not start")
    return theta + {NOISE} * np.random.default_rng(seed).standard_normal(2)

def three(theta, seed):
    return [1.0, 2.0, 3.0]

def nothing(theta, seed):
    return [np.nan, 1.0]
"""
FILE = """
[infer]
name = "line"
simulator = "model.py:simulate"
simulations = 1500
seed = 3

[prior]
a = "normal 0 1 mV"
b = "normal 0 1"

[features]
x = "mV"
y = "1"

[observation]
values = { x = "0.8 mV", y = -0.4 }

[flow]
layers = 2
width = 16
depth = 1
epochs = 40
rate = 5e-3

[diagnostics]
predictive = 20
truths = 200
draws = 200
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(SIMULATOR)
    (tmp_path / "infer.toml").write_text(FILE)
    return tmp_path / "infer.toml"


def test_from_a_file_to_a_posterior(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Moments of the exact posterior; calibration, which a shift of half a standard deviation spoils; the file alone
    draws, holds and scores; the same command learns nothing again.
    """
    out = tmp_path / "out"
    assert couple("infer", str(file), "--out", str(out), "--quiet") == 0
    assert {p.name for p in out.glob("*.png")} == {
        f"{n}.png" for n in ("pairs", "training", "calibration", "predictive")
    }
    found = read_posterior(out)
    assert found.posterior is not None and 0.95 < found.simulations.valid.mean() < 1
    assert any("does not start" in reason for reason in found.simulations.reasons or ["does not start"])
    mean, sd = np.array([0.8, -0.4]) / (1 + NOISE**2), NOISE / np.sqrt(1 + NOISE**2)
    theta = found.posterior.draw(4000, 1)
    assert np.abs(theta.mean(axis=0) - mean).max() < 0.25 * sd  # 1350 simulations: the flow itself is off by 0.1 sd
    assert np.abs(theta.std(axis=0) / sd - 1).max() < 0.2
    truths = Simulations.read(out / "rounds" / "truths.h5")
    truths = truths.where(truths.valid)

    def uniform(shift: float) -> bool:
        made = calibrate(
            found.posterior, truths.theta, truths.features, 200, change=lambda t: t + shift * t.std(axis=0)
        )  # type: ignore[arg-type]
        return made.uniform(0.001)

    assert uniform(0.0) and not uniform(0.5)

    again = Inference.load(file, out).run()
    assert [one.seconds for one in again.losses] == [one.seconds for one in found.losses], "learned again"

    capsys.readouterr()
    assert couple("posterior", str(out), "--condition", "a=0.5", "-n", "500", "--json") == 0
    held = json.loads(capsys.readouterr().out)
    assert held["a"]["sd"] < 1e-6 and held["b"]["mean"] == pytest.approx(mean[1], abs=0.3 * sd)
    assert couple("posterior", str(out), "-n", "50", "--out", str(tmp_path / "draws.csv")) == 0
    assert (tmp_path / "draws.csv").read_text().startswith("a [mV],b\n")
    capsys.readouterr()
    assert couple("posterior", str(out), "--score", str(tmp_path / "draws.csv"), "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 50
    (tmp_path / "far.csv").write_text("x [V],y\n800,0\n")
    assert couple("posterior", str(out), "--observation", str(tmp_path / "far.csv")) == 0
    assert "outside of what was simulated (x)" in capsys.readouterr().err


def test_a_changed_prior_is_refused_and_simulations_are_kept(
    file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Killed between simulations it goes on to the same numbers, to the bit, and not with another prior."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    few = ["infer.simulations=200", "infer.method=abc", "diagnostics={}"]

    def stopping(_what: str, done: int, n: int, _more: str) -> None:
        if n == 200 and done >= 60:
            note("SIGTERM")

    with pytest.raises(Interrupted, match=r"stopped by SIGTERM with \d+ of 200 simulations"):
        Inference.load(file, out, few, 1, stopping).run()
    parts = sorted((out / "rounds" / "001").iterdir())
    assert parts
    options = [word for change in few for word in ("--set", change)]
    assert couple("infer", str(file), "--out", str(out), *options, "--set", "prior.b=normal 0 2", "--quiet") == 2
    said = capsys.readouterr().err
    assert "another prior (b: normal 0 1 -> normal 0 2)" in said and "what was simulated is kept" in said
    assert sorted((out / "rounds" / "001").iterdir()) == parts
    ours, theirs = (Inference.load(file, place, few, 1).run() for place in (out, whole))
    np.testing.assert_array_equal(ours.simulations.features, theirs.simulations.features)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        (["infer.simulator=model.py:three"], 2, "gives an array of shape (3,), [features] names 2"),
        (["infer.simulator=model.py:nothing"], 1, "none of 50 simulations gives all features"),
        (["infer.simulator=model.py:simulat"], 2, 'has no function "simulat"'),
        (["infer.method=nep"], 2, "infer.method: must be 'npe', 'tsnpe', 'apt', 'abc' or 'cma'"),
        (["infer.rounds=3", "infer.method=abc"], 2, "rounds has no effect on abc"),
        (["prior.a=uniform 3 .. 1"], 2, 'prior."a": from 3 to 1 is nothing'),
        (["observation.values.x=3 mA"], 2, 'observation.x: "3 mA" is not in mV'),
        (["truth.c=1"], 2, 'truth: there is no parameter "c"'),
        (["features.z=mV"], 2, "observation: 2 of 3 features are given, z is missing"),
    ],
)
def test_what_is_wrong_is_one_line(
    changes: list[str], code: int, says: str, file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = [word for change in ("infer.simulations=50", *changes) for word in ("--set", change)]
    assert couple("infer", str(file), "--out", str(tmp_path / "out"), *options, "--quiet") == code
    said = capsys.readouterr().err.strip()
    assert says in said and said.count("\n") == 0


def test_without_the_extra_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'flowjax'", name="flowjax")

    monkeypatch.setattr("importlib.metadata.EntryPoint.load", missing)
    with pytest.raises(InputError, match=re.escape("uv pip install 'couple[infer]'")):
        new_flow(2, 2, FlowBlock(), 0)
