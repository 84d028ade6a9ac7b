"""What stands beside a chemistry file: one rule for all formats, key by key, as `--set` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couple.base.errors import InputError
from couple.base.toml import read_toml, refuse_replaced
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


INCLUDED = {"include": {"camkii": {"topology": "monomer"}}}


def test_what_is_included_is_the_lowest_layer(tmp_path: Path) -> None:
    """`--set` and tables change what they say of an included species, and leave the rest."""
    plain = chemistry(tmp_path, INCLUDED)
    name = next(name for name, species in plain.species.items() if species.contains and name not in ("Ca", "CaB"))
    beside = chemistry(tmp_path, {**INCLUDED, "species": {name: {"D": "7 um^2/s"}}})
    assert beside.species[name].contains == plain.species[name].contains and beside.species[name].D == 0.007
    assert beside == chemistry(tmp_path, INCLUDED, f"chemistry.species.{name}.D=7 um^2/s")
    assert len(beside.reactions) == len(plain.reactions)


def test_layers_are_chosen_before_they_are_read(tmp_path: Path) -> None:
    """`--set chemistry.file` takes another file; what is set of its content wins over it."""
    (tmp_path / "other.toml").write_text('file = "chemistry.toml"\ninitial.B = "9 uM"\nrounding = "nearest"\n')
    set_, value = "chemistry.file=other.toml", 'chemistry.initial.Ca="3 uM"'
    for overrides in ((set_, value), (value, set_)):
        found = chemistry(tmp_path, {}, *overrides)
        assert (found.initial["B"].total, found.initial["Ca"].total, found.rounding) == ("9 uM", "3 uM", "nearest")
    content = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {"file": "chemistry.toml"},
        "site": [{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    }
    first = Experiment.parse(content, path=tmp_path / "x.toml")
    assert first.changed(set_).changed(value).chemistry == found
    assert [p.name for p in Experiment.from_stored(first.changed(set_).stored()).read_from] == [
        "other.toml",
        "chemistry.toml",
    ]


@pytest.mark.parametrize(
    ("text", "own", "said"),
    [
        ('file = "chemistry.toml"', {}, r"loop\.toml: file: .* leads back to itself"),
        ('file = "none.toml"', {}, r"loop\.toml: file: 'none.toml': no such file"),
        ("file = 3", {}, r"loop\.toml: file: 3 is no path"),
        ("", {"units": {"time": "s"}}, "chemistry.units: .* TOML, whose quantities have units"),
    ],
)
def test_layers_that_cannot_be_are_one_line(tmp_path: Path, text: str, own: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        content = {"file": "loop.toml", **own}
        (tmp_path / "loop.toml").write_text(text.replace("chemistry.toml", "loop.toml"))
        chemistry(tmp_path, content)


@pytest.mark.parametrize(
    "overrides", [("a.b=1", "a.b=2"), ("a.b.c=1", "a.b={}"), ("a=1", "x=2", " a = 3")], ids=lambda o: o[-1]
)
def test_what_is_set_and_replaced_is_an_error(overrides: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=f'--set: "{overrides[0]}" has no effect, since "{overrides[-1]}" replaces it'):
        refuse_replaced(overrides)
    refuse_replaced(("a={}", "a.b=1", "a.bc=2", "a.b=1"))
