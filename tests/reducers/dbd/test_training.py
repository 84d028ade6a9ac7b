"""`couple train` and `couple model`: files, resuming, models on disk, figures, bad input."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from couple.base.errors import InputError
from couple.base.toml import read_toml
from couple.cli.main import main
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.mixture import Mixture
from reducers.dbd.fit.fit import Fit
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.model.settings import TrainingFile
from reducers.dbd.training import DistributionTraining
from reducers.fields.command import is_field
from support.paths import ROOT
from support.small_dbd_training import TRAINING, place_files


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return place_files(tmp_path)


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
    training = DistributionTraining.resumed(place / "out")
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
    whole = DistributionTraining.new(place / "follow.toml", place / "whole")
    whole.run()
    model = ReducedModel.read(place / "whole" / "model.h5")
    assert np.array_equal(model.trajectory(), whole.fit.trajectory())
    assert np.ptp(model.trajectory(), axis=0).max() > 0
    half = DistributionTraining.new(place / "follow.toml", place / "half")
    for _ in range(5):
        half.fit.step()
    half.save()
    assert not (place / "half" / "model.h5").exists()  # there is none before the end
    resumed = DistributionTraining.resumed(place / "half")
    resumed.run()
    assert np.array_equal(resumed.fit.trajectory(), whole.fit.trajectory())


def test_a_mixture_is_followed_checked_and_drawn(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs without hunters are a class; errors from all starts and those of closures by hand are in the report."""
    states = Trajectories.load(place / "ensemble.h5").snapshots
    assert states is not None
    states[:5, 4:] = np.where(states[:5, 4:] == 1, 0, states[:5, 4:])
    Trajectories.of_snapshots(np.arange(9.0), ("H", "P"), states, (5, 5)).write(place / "ensemble.h5")
    follow = """
        [follow]
        chains = 8
        starts = ["empty", "P"]
        sweeps = 3
        draws = 2
        settle = 3
        least = 1
        smooth = 1.0
        [report]
        checked = [2, 4]
        distances = [1, 2]
        predator_prey = { birth = 0.03, death = 0.06 }
    """
    text = TRAINING.replace("[report]", follow).replace('family = "dbm"', 'family = "dbm"\nabsent = ["H"]')
    (place / "mixed.toml").write_text(text.replace('["a0_H", "W01_PP"]', '["a0_H", "noH"]'))
    training = DistributionTraining.new(place / "mixed.toml", place / "mixed")
    for _ in range(5):
        training.fit.step()
    training.save()
    training = DistributionTraining.resumed(place / "mixed")
    training.run()
    model = ReducedModel.read(place / "mixed" / "model.h5")
    assert isinstance(model.model, Mixture) and np.array_equal(model.trajectory(), training.fit.trajectory())
    assert 0.1 < model.model.split(model.trajectory()[-1, 0])[0][1] < 0.8
    assert len(model.checked) == 8 and "4 sweeps, full of P" in model.checked
    assert {key.split(",")[0] for key in model.peers} == {"mean field", "pair approximation"}
    assert "PP m2" in model.held_out
    with pytest.raises(SystemExit):
        call("model", str(place / "mixed"))
    told = capsys.readouterr().out
    assert "mean NRMSE, 2 sweeps, empty" in told and "closure of P" in told and "pair approximation, k3" in told
    assert (place / "mixed" / "model.png").stat().st_size > 10_000


def test_a_killed_training_goes_on_to_the_bit(place: Path) -> None:
    whole = DistributionTraining.new(place / "train.toml", place / "whole")
    whole.run()
    half = DistributionTraining.new(place / "train.toml", place / "half")
    half.fit.run(until=7)
    half.save()
    resumed = DistributionTraining.resumed(place / "half")
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
    "classes by windows": (["--set", 'model.absent=["H"]'], ["model.absent", "[follow]"]),
    "unknown class": (["--set", 'model.absent=["Q"]'], ["species", '"Q"', "H"]),
    "no closed form": (["--set", 'law={family="reactions",reactions=[{equation="H -> 0"}]}'], ["law.family", "chains"]),
    "unknown rate": (["--set", 'fit.rates={"V*"=1.0}'], ["fit.rates", "V*"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line(mistake: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, words = MISTAKES[mistake]
    line = fails(capsys, "train", str(place / "train.toml"), "--out", str(place / "out"), *arguments)
    assert all(word in line for word in words), line


def test_data_that_are_no_numbers_or_of_two_lattices_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with h5py.File(place / "ensemble.h5") as file:
        counts = np.asarray(file["counts"])
    other = Trajectories.of_snapshots(np.arange(9.0), ("H", "P"), np.ones((12, 9, 16), dtype=np.uint8), (4, 4))
    other.write(place / "other.h5")
    made = ["--out", str(place / "made"), "--set", 'data.files=["ensemble.h5","other.h5"]']
    assert "must have the same times, species and lattice" in fails(capsys, "train", str(place / "train.toml"), *made)
    assert not (place / "made").exists()
    counts[3, 2, 0] = np.nan
    with h5py.File(place / "ensemble.h5") as ours, h5py.File(place / "theirs.h5", "w") as file:
        for name in ours:
            ours.copy(name, file)
        file["counts"][...] = counts
    (place / "theirs.h5").replace(place / "ensemble.h5")
    line = fails(capsys, "train", str(place / "train.toml"), "--out", str(place / "out"))
    assert "ensemble.h5" in line and "not a number" in line


@pytest.mark.parametrize("law", ['{family="polynomial"}', '{family="hermite",domain=["a0_H"],side=0.1}'])
@pytest.mark.parametrize("rate", ["1e3", "1e9"])
def test_no_rate_makes_a_training_diverge(law: str, rate: str, place: Path) -> None:
    """Steps are cut to what moves no parameter of the path by more than fit.trust."""
    changes = [f"fit.rate={rate}", f"law={law}", "fit.trust=0.2", "fit.truncate=false"]
    training = DistributionTraining.new(place / "train.toml", place / "out", changes)
    assert isinstance(training.fit, Fit)
    path = training.fit.trajectory()
    for _ in range(8):
        training.fit.step()
        moved = training.fit.trajectory()
        assert 0 < np.abs(moved - path).max() <= 0.2 * (1 + 1e-9)
        path = moved


def test_files_that_are_no_models_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a reduced model" in fails(capsys, "model", str(place / "ensemble.h5"))
    assert "no such file" in fails(capsys, "model", str(place / "none.h5"))
    assert "either a training file or --resume" in fails(capsys, "train")
    with pytest.raises(InputError, match="such file"):
        DistributionTraining.resumed(place)


EXAMPLES = sorted(  # those of fields have tests of their own
    p for p in (ROOT / "examples/reduce").glob("*.toml") if "[train]" in p.read_text() and not is_field(read_toml(p))
)
FEW = ["train.allowed=1e6", "data.runs=4", "train.held_out=2", "fit.steps=3", "train.checkpoint=2"]
SMALL = [*FEW, "data.until=12", "report.chains=2", "report.sweeps=2"]
ONE = 'data.conditions=[["site.chain.lattice.couplings.h=0.5"]]'
FOLLOWED = ["follow.chains=8", "follow.sweeps=2", "follow.draws=2", "follow.settle=2"]
ROW = [*(s for s in FEW if "data.runs" not in s), "data.runs=60", "data.until=32"]
SHORT = {
    "annihilation": [*SMALL, ONE, "model.static=5", "report.likelihood=[12]"],
    "annihilation_full": [*SMALL, ONE, "model.static=5", "report.likelihood=[12]"],
    "decay": FEW,
    "enzyme": [*(s for s in FEW if "data.runs" not in s), "data.runs=30", "data.until=20"],
    "gradient": ROW,
    "ising": FEW,
    "lotka_volterra": SMALL,
    "lotka_volterra_followed": [*SMALL, *FOLLOWED, "model.absent=[]", "law.domain.4=a1_P"],
    "lotka_volterra_visible": [*SMALL, *FOLLOWED, "model.absent=[]", "law.domain.4=J0_HP"],
    "rossler": SMALL,
    "rossler_adam": SMALL,
    "source": ROW,
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_valid(path: Path) -> None:
    file, _ = TrainingFile.load(path)
    assert file.train.name and (path.parent / str(file.data.experiment)).exists()


VARIANTS = ("annihilation_full", "gradient", "ising", "lotka_volterra", "lotka_volterra_followed",
            "lotka_volterra_visible", "rossler", "rossler_adam", "source")  # fmt: skip
"""Examples that train as another does (a longer data window, another optimiser, other particles), or as small cases of
`test_inhomogeneous` and `test_planes`."""


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[pytest.mark.acceptance] if p.stem in VARIANTS else [], id=p.stem) for p in EXAMPLES],
)
def test_examples_run_end_to_end(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From their own data to a figure, shortened."""
    short = SHORT.get(path.stem, [*SMALL, *FOLLOWED])
    changes = (o for s in short for o in ("--set", s))
    with pytest.raises(SystemExit) as stop:
        call("train", str(path), "--out", str(tmp_path / "out"), "--no-figure", *changes)
    assert not stop.value.code
    said = capsys.readouterr().out
    assert "on held-out runs" in said and f"model in {tmp_path / 'out' / 'model.h5'}" in said
    with pytest.raises(SystemExit) as stop:
        call("model", str(tmp_path / "out"))
    assert not stop.value.code and "law" in capsys.readouterr().out
    assert (tmp_path / "out" / "model.png").stat().st_size > 10_000
