"""examples/sir: a system of a user's own, trained as its files say (shortened)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from couple.cli.main import main
from support.paths import EXAMPLES

SIR = EXAMPLES / "sir"
SMALL = ",".join(
    f'"{change}"'
    for change in (
        "site.town.lattice.shape=[16,16]",
        "chemistry.initial.S.count=96",
        "chemistry.initial.I.count=8",
        "experiment.duration=40 steps",
    )
)
SHORT = ["data.runs=16", "train.held_out=4", f"data.conditions=[[{SMALL}]]"]


def trained(name: str, out: Path, *changes: str) -> tuple[int, dict[str, object]]:
    """Exit code and summary of `couple train`, with what the file says changed."""
    options = [word for change in (*SHORT, *changes) for word in ("--set", change)]
    with pytest.raises(SystemExit) as stop:
        main(["train", str(SIR / name), "--out", str(out), "--force", "--no-figure", "--quiet", *options])
    assert isinstance(stop.value.code, int)
    return stop.value.code, json.loads((out / "summary.json").read_text())


def test_the_lattice_runs(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", str(SIR / "town.toml"), "--out", str(tmp_path / "out"), "--until", "10 steps", "--quiet"])
    assert not stop.value.code


def test_a_boltzmann_machine_learns_an_epidemic_whose_recovered_are_absent_at_the_start(tmp_path: Path) -> None:
    few = ("follow.chains=32", "follow.settle=20", "report.chains=20")
    code, found = trained("train.toml", tmp_path / "out", *few)
    assert code == 0, found["verdict"]


def test_its_rates_are_learned_of_a_well_mixed_town(tmp_path: Path) -> None:
    code, found = trained("wellmixed.toml", tmp_path / "out", "model.largest=150", "fit.steps=2")
    assert code == 0, found["verdict"]
    rates = found["rates"]
    assert isinstance(rates, dict)
    rate, error = rates["I -> R"]
    assert abs(rate - 0.03) < 6 * error + 0.003, "0.03 per step, but for what a well-mixed model leaves out"


@pytest.mark.parametrize("law", ['{family="polynomial"}', '{family="hermite",domain=["a0_S","a0_I","a0_R"],side=0.25}'])
def test_the_defaults_of_a_training_do_not_diverge(law: str, tmp_path: Path) -> None:
    """As a user wrote it: no table [follow], no rate. It ends, with a verdict."""
    text = (SIR / "train.toml").read_text().partition("[follow]")[0].replace('"town.toml"', f'"{SIR / "town.toml"}"')
    (tmp_path / "train.toml").write_text(text)
    quick = ["fit.steps=6", "fit.chains=2", "fit.wake=2", "fit.sleep=2", "report.chains=4", "report.sweeps=4"]
    code, found = trained(str(tmp_path / "train.toml"), tmp_path / "out", f"law={law}", *quick)
    verdict = found["verdict"]
    assert isinstance(verdict, dict) and code == (0 if verdict["good"] else 1)
