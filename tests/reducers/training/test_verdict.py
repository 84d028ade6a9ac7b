"""A trained model is judged against a baseline on what was held out, and a bad one is called bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from couple.cli.main import main
from reducers.dbd.model.model import ReducedModel
from reducers.training.verdict import Verdict, judge
from support.small_dbd_training import place_files


@pytest.mark.parametrize(
    ("errors", "allowed", "good"),
    [
        ({"A": 0.1, "B": 0.2}, 0.5, True),
        ({"A": 0.6, "B": 0.6}, 0.5, False),  # more than half of the baseline's mean
        ({"A": 0.6, "B": 0.6}, 0.7, True),
        ({"A": 0.0, "B": 0.9}, 0.5, False),  # one quantity worse than the baseline has it
        ({"A": np.nan, "B": 0.1}, 0.5, False),
        ({"A": np.inf, "B": 0.1}, 0.5, False),
    ],
)
def test_a_model_is_good_if_it_leaves_half_and_nothing_is_worse(
    errors: dict[str, float], allowed: float, good: bool
) -> None:
    found = judge(errors, {"A": 1.0, "B": 0.8}, "a baseline", "held-out runs", "Do more.", allowed)
    assert found.good == good
    assert found.line.startswith("verdict: good (" if good else "this model is no good: mean error on held-out runs")
    assert Verdict.from_json(found.to_json()) == found or not np.isfinite(found.error)
    if not good:
        assert "a baseline" in found.line and "worst " in found.line and found.line.endswith("Do more.")


def test_what_the_baseline_has_within_chance_is_not_judged() -> None:
    """A quantity that does not change, and one that is never there (an infinite relative error)."""
    baselines = {"A": 1.0, "still": 0.02, "never": np.inf}
    errors = {"A": 0.2, "still": 0.05, "never": np.inf}
    assert judge(errors, baselines, "b", "o", "a", 0.5, {"still": 0.01}).good
    assert not judge(errors, baselines, "b", "o", "a", 0.5, {"still": 0.001}).good
    assert judge({"still": 0.025}, {"still": 0.02}, "b", "o", "a", 0.5, {"still": 0.01}).good
    assert not judge({"still": 0.05}, {"still": 0.02}, "b", "o", "a", 0.5, {"still": 0.01}).good


def trained(place: Path, *changes: str) -> int:
    """Exit code of a small training."""
    options = [word for change in changes for word in ("--set", change)]
    with pytest.raises(SystemExit) as stop:
        main(["train", str(place / "train.toml"), "--out", str(place / "out"), "--force", "--no-figure", *options])
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_a_bad_model_is_written_and_marked_and_ends_with_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = place_files(tmp_path)
    assert trained(place, "train.allowed=0.01") == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("this model is no good: mean error on held-out runs")
    found = ReducedModel.read(place / "out/model.h5").verdict
    assert found is not None and not found.good and found.against == "moments held at their start"
    summary = json.loads((place / "out/summary.json").read_text())
    assert summary["verdict"]["text"] == found.line and summary["verdict"]["good"] is False
    with pytest.raises(SystemExit):
        main(["model", str(place / "out")])
    assert "this model is no good" in capsys.readouterr().out


def test_the_control_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = place_files(tmp_path)
    assert trained(place) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("verdict: good (") and not said.err
