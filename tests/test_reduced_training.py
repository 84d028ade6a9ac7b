"""`couple train` and `couple model`: files, resuming, models on disk, figures, bad input."""

from pathlib import Path

import numpy as np
import pytest

from couple.cli import main
from couple.errors import InputError
from couple.toml import read_toml
from reducers.blocks import TrainingFile
from reducers.fields.blocks import FieldTrainingFile, is_field
from reducers.model import ReducedModel
from reducers.training import Training
from reducers.trajectories import Trajectories

ROOT = Path(__file__).parent.parent

TRAINING = """
[train]
name = "small"
held_out = 4
checkpoint = 5
[data]
files = ["ensemble.h5"]
[model]
family = "dbm"
hidden = [{ species = ["H", "P"] }]
links = [{ pairs = [["H", "H"], ["P", "P"]], width = 2 }]
[law]
family = "hermite"
domain = ["a0_H", "W01_PP"]
side = 0.1
[fit]
steps = 12
window = 3
truncate = true
rate = 1e-3
chains = 2
wake = 2
sleep = 2
[report]
chains = 4
sweeps = 3
closure = ["P"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    density = np.linspace(0.1, 0.25, 9)[None, :, None]
    draws = rng.uniform(size=(12, 9, 25))
    states = np.where(draws < density, 1, np.where(draws < 2 * density, 2, 0)).astype(np.uint8)
    Trajectories.of_snapshots(np.arange(9.0), ("H", "P"), states, (5, 5)).write(tmp_path / "ensemble.h5")
    (tmp_path / "train.toml").write_text(TRAINING)
    return tmp_path


def call(*arguments: str) -> None:
    main(list(arguments))


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert stop.value.code and len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def test_a_model_is_trained_read_back_and_drawn(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        call("train", str(place / "train.toml"), "--out", str(place / "out"))
    assert not stop.value.code
    model = ReducedModel.read(place / "out" / "model.h5")
    training = Training.resumed(place / "out")
    assert training.fit.done == 12
    assert np.array_equal(model.trajectory(), training.fit.trajectory())
    assert model.inside(model.trajectory()) and not model.inside(model.trajectory() + 10)
    assert set(model.held_out) == {"H", "P", "HH nn", "HP nn", "PP nn"}
    assert (place / "out" / "model.png").stat().st_size > 10_000
    assert "NRMSE of P on held-out runs" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call("model", str(place / "out"), "--out", str(place / "again.png"))
    assert "valid in [" in capsys.readouterr().out and (place / "again.png").exists()


def test_a_followed_model_is_read_back_and_resumes_to_the_bit(place: Path) -> None:
    text = TRAINING.replace(
        "[report]", "[follow]\nchains = 8\nsweeps = 3\ndraws = 2\nsettle = 3\nsmooth = 1.0\n[report]"
    )
    (place / "follow.toml").write_text(text.replace("checkpoint = 5", "checkpoint = 4"))
    whole = Training.new(place / "follow.toml", place / "whole")
    whole.run()
    model = ReducedModel.read(place / "whole" / "model.h5")
    assert np.array_equal(model.trajectory(), whole.fit.trajectory())
    assert np.ptp(model.trajectory(), axis=0).max() > 0
    half = Training.new(place / "follow.toml", place / "half")
    for _ in range(5):
        half.fit.step()
    half.save()
    assert not (place / "half" / "model.h5").exists()  # there is none before the end
    resumed = Training.resumed(place / "half")
    resumed.run()
    assert np.array_equal(resumed.fit.trajectory(), whole.fit.trajectory())


def test_a_killed_training_goes_on_to_the_bit(place: Path) -> None:
    whole = Training.new(place / "train.toml", place / "whole")
    whole.run()
    half = Training.new(place / "train.toml", place / "half")
    half.fit.run(until=7)
    half.save()
    resumed = Training.resumed(place / "half")
    resumed.run()
    assert (place / "half/model.h5").exists()
    a, b = (ReducedModel.read(place / k / "model.h5") for k in ("whole", "half"))
    assert np.array_equal(a.trajectory(), b.trajectory()) and np.array_equal(a.history, b.history)
    assert a.held_out == b.held_out


MISTAKES = {
    "misspelt key": (["--set", "fit.windw=3"], ["train.toml", "fit", "windw", "window"]),
    "window longer than the data": (["--set", "fit.window=30"], ["train.toml", "window of 30 steps", "data of 8"]),
    "empty batch": (["--set", "fit.batch=0"], ["fit.batch", "0"]),
    "unknown parameter": (["--set", 'law.domain=["a0_Q"]'], ["law.domain", "a0_Q", "a0_P"]),
    "unknown species": (["--set", 'model.hidden=[{species=["X"]}]'], ["species", '"H"', "layer 1", "X"]),
    "no data": (["--set", 'data.files=["none.h5"]'], ["none.h5", "no such ensemble file"]),
    "too many held out": (["--set", "train.held_out=12"], ["held out", "12"]),
    "another lattice": (["--set", 'model.family="chain"'], ["line", "(5, 5)"]),
    "no closed form": (["--set", 'law={family="reactions",reactions=[{equation="H -> 0"}]}'], ["law.family", "chains"]),
    "unknown rate": (["--set", 'fit.rates={"V*"=1.0}'], ["fit.rates", "V*"]),
    "exploding": (["--set", "fit.rate=1e9"], ["diverged", "step", "learning rate"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(mistake: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, words = MISTAKES[mistake]
    line = fails(capsys, "train", str(place / "train.toml"), "--out", str(place / "out"), *arguments)
    assert all(word in line for word in words), line


def test_the_last_good_model_survives_an_explosion(place: Path) -> None:
    training = Training.new(place / "train.toml", place / "out", ["fit.rate=1e9"])
    with pytest.raises(Exception, match="the model of the step before is in"):
        training.run()
    assert np.isfinite(ReducedModel.read(place / "out" / "model.h5").trajectory()).all()


def test_files_that_are_no_models_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a reduced model" in fails(capsys, "model", str(place / "ensemble.h5"))
    assert "no such file" in fails(capsys, "model", str(place / "none.h5"))
    assert "either a training file or --resume" in fails(capsys, "train")
    with pytest.raises(InputError, match="such file"):
        Training.resumed(place)


@pytest.mark.parametrize("path", sorted((ROOT / "examples/reduce").glob("*.toml")), ids=lambda p: p.stem)
def test_examples_are_valid(path: Path) -> None:
    if not path.stem.endswith("_site"):
        file, _ = (FieldTrainingFile if is_field(read_toml(path)) else TrainingFile).load(path)
        assert file.train.name
