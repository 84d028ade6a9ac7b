"""What stands beside a chemistry file: one rule for all formats, key by key, as `--set` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couple.base.toml import read_toml
from couple.experiment import Experiment

FILE = """
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = {}
species.CaB = { contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
observables.bound = ["CaB"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca -> Ca_out", forward = "1 /s" },
]
initial.Ca = "0.1 uM"
initial.B = { total = "50 uM", at = "steady" }
"""


def chemistry(folder: Path, own: dict[str, Any], *overrides: str) -> Any:
    (folder / "chemistry.toml").write_text(FILE)
    content = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {"file": "chemistry.toml", **own},
        "site": [{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    }
    return Experiment.parse(content, path=folder / "x.toml", overrides=overrides).chemistry


@pytest.mark.parametrize("key", ["initial.Ca", "initial.B", "species.B.D", "species.Ca.D", "rounding"])
def test_beside_is_as_set(tmp_path: Path, key: str) -> None:
    value = {"initial.Ca": "0.2 uM", "initial.B": "3 uM", "rounding": "nearest"}.get(key, "5 um^2/s")
    own: dict[str, Any] = {}
    *path, last = key.split(".")
    at = own
    for part in path:
        at = at.setdefault(part, {})
    at[last] = value
    assert chemistry(tmp_path, own) == chemistry(tmp_path, {}, f"chemistry.{key}={value}")
    assert chemistry(tmp_path, own) != chemistry(tmp_path, {}), "control: it changes something"


def test_nothing_of_the_file_is_dropped(tmp_path: Path) -> None:
    own = {
        "species": {"D": {}, "CaB": {"D": "1 um^2/s"}},
        "initial": {"D": "1 uM"},
        "reservoirs": ["gone", "Ca_out"],
        "observables": {"free": ["Ca"]},
        "reactions": [{"equation": "D -> gone", "forward": "1 /s"}, {"equation": "Ca  -> Ca_out", "forward": "7 /s"}],
    }
    found = chemistry(tmp_path, own)
    assert {*found.species} == {"Ca", "B", "CaB", "D"} and {*found.initial} == {"Ca", "B", "D"}
    assert found.species["CaB"].contains == {"Ca": 1} and found.species["CaB"].D > 0
    assert {*found.observables} == {"bound", "free"} and sorted(found.reservoirs) == ["Ca_out", "gone"]
    assert [r.equation for r in found.reactions] == ["Ca + B <-> CaB", "D -> gone", "Ca  -> Ca_out"]
    assert found.network().reactions[-1].rate == pytest.approx(7e-3)
    assert {**read_toml(tmp_path / "chemistry.toml")}["initial"].keys() <= found.initial.keys()
