"""The paper's lattice as an engine: experiments whose clock counts steps."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.lattice.common.image import configuration, draw
from adapters.lattice.paper.engine import PaperLattice
from couple.base.errors import CoupleError, InputError
from couple.components.component import State
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import wire
from support.lattice_cases import count_pairs
from support.paths import EXAMPLES

FOLDER = EXAMPLES / "lattice"


def content(name: str = "lotka_volterra") -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def engine(**options: object) -> PaperLattice:
    made = content()
    made["site"][0]["lattice"] |= {"shape": [20, 24], **options}
    (found,) = wire(Experiment.parse(made)).engines
    assert isinstance(found, PaperLattice)
    return found


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", ["lotka_volterra", "roessler", "annihilation"])
def test_the_examples_run(name: str, tmp_path: Path) -> None:
    experiment = Experiment.load(FOLDER / f"{name}.toml", ["experiment.duration=30 steps"])
    Simulation.new(experiment, tmp_path / "out").run()
    with Results(tmp_path / "out") as results:
        assert results.time.tolist() == list(range(31)) and results.time_unit == "step"
        (site,) = results.sites()
        group = results.file[site]
        counts = group["counts"][:, 0]
        assert list(group["counts"].attrs["species"]) == list(content(name)["chemistry"]["species"])
        assert group["nn"].shape == group["m2"].shape == (31, 1, counts.shape[1] * (counts.shape[1] + 1) // 2)
        if "snapshot" in group:
            assert group["snapshot"].dtype == np.uint8
            frames = group["snapshot"][:, 0].reshape(31, *group.attrs["shape"])
            for k in range(counts.shape[1]):
                assert np.array_equal((frames == k + 1).sum(axis=tuple(range(1, frames.ndim))), counts[:, k])
            periodic = name == "lotka_volterra"
            assert group["nn"][30, 0, 0] == count_pairs(frames[30], 1, 1, 1, periodic=periodic)
            assert group["m2"][30, 0, 0] == count_pairs(frames[30], 1, 1, 2, periodic=periodic)


@pytest.mark.parametrize("selection", ["uniform", "row_first"])
def test_windows_leave_no_trace_and_state_is_exact(selection: str) -> None:
    one, many, other = (engine(selection=selection) for _ in range(3))
    one.advance(24)
    for ticks in (1, 2, 7, 10):
        many.advance(ticks)
    state = many.save()
    many.advance(4)
    assert same(one.save(), many.save())
    other.advance(3)
    other.restore(state)
    other.advance(4)
    assert same(other.save(), one.save())
    for port in ("counts", "nn", "m2", "snapshot"):
        assert np.array_equal(other.read(port), one.read(port))


def test_means_are_those_of_the_steps() -> None:
    slow, quick = engine(), engine()
    rows = []
    for _ in range(12):
        slow.advance(1)
        rows.append(slow.read("counts")[0].copy())
        assert np.array_equal(slow.read("means")[0], rows[-1])
    quick.advance(12)
    assert np.allclose(quick.read("means")[0], np.mean(rows, axis=0), rtol=1e-14)


def test_counts_from_another_accuracy() -> None:
    made = engine()
    made.advance(5)
    made.write_counts([[11, 70]], np.random.default_rng(1))
    assert made.read_counts().tolist() == [[11, 70]]
    assert np.bincount(made.snapshot(0).ravel()).tolist() == [480 - 81, 11, 70]
    made.advance(5)
    with pytest.raises(InputError, match="481 particles for 480 lattice sites"):
        made.write_counts([[11, 470]], np.random.default_rng(1))


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"experiment": {"exchange": "1 ms"}}, "experiment.duration", 'give it in "ms"'),
        ({"experiment": {"exchange": "0.5 step"}}, "site[0]", "no whole number of steps"),
        (
            {"experiment": {"exchange": "1 ms", "duration": "5 ms"}, "record": {"every": "1 ms"}},
            "chemistry.reactions",
            "write times like",
        ),
        ({"site": {"engine": "ssa", "geometry": {"sphere": {"diameter": "1 um"}}}}, "site[0]", "rate per step"),
        ({"site": {"engine": "ssa"}}, "site[0]", "give segment"),
        ({"lattice": {"boundary": "absorbing"}}, "site[0]", "no absorbing walls"),
        ({"lattice": {"boundary": "open"}}, "site[0].lattice.boundary", "reflecting, periodic, absorbing"),
        ({"lattice": {"spacing": "10 nm"}}, "site[0].lattice", "no lengths"),
        ({"lattice": {"mode": "physical", "selection": "row_first"}}, "site[0].lattice", "selection: only for"),
        ({"lattice": {"shape": [12, 12]}}, "site[0]", "200 particles"),
        ({"initial": {"H": "1 uM"}}, "chemistry.initial.H", "no concentrations"),
        ({"rate": "1.5 per encounter"}, "chemistry.reactions[2].forward", "no probability"),
        ({"rate": "0.5 per step"}, "chemistry.reactions[2].forward", "per encounter"),
        ({"rate": "1e5 /M/s"}, "chemistry.reactions", "physical units"),
        ({"D": "1 um^2/s"}, "site[0]", "leave D out"),
        ({"drive": [{"to": "field.P", "influx": {"times": "0 1 ms", "rate": "1 /ms"}}]}, "site[0]", "no units"),
    ],
)
def test_bad_input(change: dict[str, Any], where: str, what: str) -> None:
    made = content()
    for key, value in change.items():
        if key in ("experiment", "record"):
            made[key] |= value
        elif key == "site":
            made["site"][0] = {**made["site"][0], **value}
        elif key == "lattice":
            made["site"][0]["lattice"] |= value
        elif key == "initial":
            made["chemistry"]["initial"] |= value
        elif key == "rate":
            made["chemistry"]["reactions"][2]["forward"] = value
        elif key == "D":
            made["chemistry"]["species"]["H"] = {"D": value}
        else:
            made[key] = value
    with pytest.raises(CoupleError) as caught:
        wire(Experiment.parse(made))
    assert where in str(caught.value) and what in str(caught.value), str(caught.value)


def test_a_picture_of_a_configuration(tmp_path: Path) -> None:
    experiment = Experiment.load(FOLDER / "lotka_volterra.toml", ["experiment.duration=2 steps"])
    Simulation.new(experiment, tmp_path / "out").run()
    file = tmp_path / "out" / "results.h5"
    codes, names = configuration(file, "field", 2)
    assert codes.shape == (40, 40) and names == ["", "H", "P"]
    assert draw(codes, names, tmp_path / "field.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="no snapshots"):
        configuration(file, "elsewhere", 0)
    with pytest.raises(InputError, match="row 3 of 3"):
        configuration(file, "field", 3)
