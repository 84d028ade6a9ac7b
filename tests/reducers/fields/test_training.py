"""`couple train` and `couple model` with fields: files, resuming, models on disk, figures, bad input, the example."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adapters.fem.field_basis.meshes import box
from couple.base.errors import InputError, Interrupted, RunError
from couple.base.signals import note
from couple.cli.main import main
from reducers.fields.density.particles import ParticleRuns
from reducers.fields.model import FieldModel
from reducers.fields.report import figure, report_lines
from reducers.fields.training import FieldTraining
from reducers.training.folder import MODEL
from support.field_cases import TRAINING, brownian, place_field_training
from support.paths import ROOT


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place_field_training(tmp_path)
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert stop.value.code and len(lines) == 1, lines
    return lines[0]


def test_a_field_is_trained_read_back_and_drawn(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", str(place / "field.toml"), "--out", str(place / "out")])
    assert not stop.value.code
    said = capsys.readouterr().out
    assert "A -> 0" in said and "±" in said and "law ahead of homogeneous" in said
    model = FieldModel.read(place / "out" / MODEL)
    path = model.trajectory()
    assert path == pytest.approx(model.nu[0], abs=1e-9)
    later = model.trajectory(np.array([model.time[0], model.time[-1], 2.5]))
    seen = path[-1] < 2  # other steps: the tails, where nobody is, differ most
    assert np.isfinite(later).all() and later[1][seen] == pytest.approx(path[-1][seen], abs=0.05)
    assert model.inside(model.nu[0, 0][:, [24]]) and not model.inside(np.full((1, 1), 99.0))
    summary = json.loads((place / "out" / "summary.json").read_text())
    k, error = summary["coefficients"]["A -> 0"]
    assert abs(k - 0.4) < 3.5 * error < 0.2
    assert (place / "out" / "model.png").stat().st_size > 10_000
    with pytest.raises(SystemExit):
        main(["model", str(place / "out"), "--out", str(place / "again.png")])
    assert "valid in [" in capsys.readouterr().out and (place / "again.png").exists()


def test_a_killed_training_goes_on_to_the_bit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = FieldTraining.new(place / "field.toml", place / "whole")
    whole.run()
    half = FieldTraining.new(place / "field.toml", place / "half")

    def stop(step: int, steps: int, promised: float) -> None:
        note("SIGINT")

    with pytest.raises(Interrupted, match=r"stopped by SIGINT at step 1 of \d+; go on with: couple train --resume"):
        half.run(stop)
    resumed = FieldTraining.resumed(place / "half")
    assert resumed.done == 1
    resumed.run()
    a, b = (FieldModel.read(place / k / MODEL) for k in ("whole", "half"))
    assert np.array_equal(a.values, b.values) and np.array_equal(a.nu, b.nu) and np.array_equal(a.history, b.history)
    ended = FieldTraining.resumed(place / "whole")  # as if killed after the last step
    assert ended.done == len(a.history)
    ended.run()
    assert np.array_equal(FieldModel.read(place / "whole" / MODEL).values, a.values) and ended.done == len(a.history)
    brownian(40, 10, np.linspace(0.5, 1.5, 4), 2).write(place / "particles.h5")
    with pytest.raises(InputError, match="data of this training have changed"):
        FieldTraining.resumed(place / "half")


def test_a_law_that_does_not_converge_leaves_a_checkpoint(place: Path) -> None:
    training = FieldTraining.new(place / "field.toml", place / "out", ["fit.steps=1"])
    with pytest.raises(RunError, match=r"not converged after 1 steps.*the law of step 1 is in .*checkpoint.h5"):
        training.run()
    assert FieldTraining.resumed(place / "out").done == 1


MISTAKES = {
    "key": (["law.F3=1"], ["field.toml", "law", '"F3"', '"F']),
    "empty law": (['law={form="plain"}'], ["law", "the law is empty"]),
    "mesh": (['model.mesh={disk=1,resolution=1}'], ["field.toml", "model.mesh", '"disk"', '"disc"']),
    "too small": (["model.mesh={interval=[-1,1],resolution=0.1}"], ["particles lie outside of the mesh", "units"]),
    "dimension": (['model.mesh={disc=30,resolution=2}'], ["needs finite points of 2 coordinates"]),
    "basis": (['model.basis="fme"'], ['unknown field "fme"', '"fem"']),
    "both": (['law.F1="constant"'], ["law.F1", "leave F1 out"]),
    "hermite": (['law.F0="hermite"'], ["fit", "ridge"]),
    "reaction": (['law.reactions=["Q -> 0"]'], ['"Q"', "known: A"]),
    "no file": (['data.particles=["none.h5"]'], ["none.h5", "no such file"]),
    "rows": (["data.first=9"], ["4 times", "9"]),
    "axes": (["data.axes=[2]"], ["axes"]),
    "held out": (["train.held_out=40"], ["40 of 40 runs"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(mistake: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, words = MISTAKES[mistake]
    arguments = [part for one in given for part in ("--set", one)]
    line = fails(capsys, "train", str(place / "field.toml"), "--out", str(place / "out"), *arguments)
    assert all(word in line for word in words), line


def test_what_is_no_model_of_a_field(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        FieldModel.read(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(InputError, match=r"text.h5: is not a reduced model"):
        FieldModel.read(tmp_path / "text.h5")


@pytest.mark.parametrize("dimension", [2, pytest.param(3, marks=pytest.mark.acceptance)])
def test_fields_of_two_species_on_surfaces_and_volumes(dimension: int, tmp_path: Path) -> None:
    """A reaction between fields, two initial conditions, a figure for each dimension."""
    rng = np.random.default_rng(1)
    edges, size = (1.0, 0.8, 0.6)[:dimension], 0.1 + 0.1 * dimension
    conditions = 4 - dimension
    for k in range(conditions):
        run, row, kind, _ = (x.ravel() for x in np.indices((8, 3, 2, 30)))
        x = rng.uniform(-0.5, 0.5, size=(len(run), dimension))
        x[:, 0] *= 0.4 + 0.3 * row
        places = np.clip(x, -0.5, 0.5) * edges
        ParticleRuns(np.array([0.0, 0.05, 0.1]), ("A", "B"), places, run, row, kind, 8).write(tmp_path / f"{k}.h5")
    text = TRAINING.replace('"particles.h5"', ", ".join(f'"{k}.h5"' for k in range(conditions))).replace(
        "held_out = 10", "held_out = 2"
    )
    text = text.replace("interval = [-12, 12], resolution = 0.5", f"box = {list(edges)}, resolution = {size}")
    text = text.replace("A -> 0", "A -> B")
    (tmp_path / "field.toml").write_text(text.replace("smooth = 3.0", "smooth = 0.3"))
    training = FieldTraining.new(tmp_path / "field.toml", tmp_path / "out")
    training.run()
    model = FieldModel.read(tmp_path / "out" / MODEL)
    assert model.law.names == ("D A", "D B", "A -> B") and model.nu.shape[:3] == (conditions, 3, 2)
    assert model.basis().size == box(edges, size).size
    assert (model.values[:2] > model.errors[:2]).all(), "they spread"
    assert figure(model, tmp_path / "picture.png").stat().st_size > 10_000
    assert dict(report_lines(model))["model"].startswith("small: fields of A, B on")


def test_the_example_runs(tmp_path: Path) -> None:
    """Shortened: fewer runs, a coarser lattice and box, no kernel estimate."""
    options = ["data.runs=12", "train.held_out=2", "report.kernel=false", "model.smooth=0.3", "data.until=6"]
    training = FieldTraining.new(ROOT / "examples" / "reduce" / "field.toml", tmp_path / "out", options)
    summary = training.run()
    for name, true in (("F0 A", 0.4), ("F1 A", -0.22), ("F2 A", 0.22)):
        value, error = summary["coefficients"][name]
        assert abs(value - true) < 4 * error, (name, value, error)  # errors of ten runs are themselves uncertain
    assert summary["likelihood"]["law ahead of homogeneous"] > 0
