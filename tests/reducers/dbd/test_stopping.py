"""A training that is killed, or asked to stop, in a process of its own: it goes on to the bit."""

import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from couple.storage import checkpoint
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.training import DistributionTraining
from support.small_dbd_training import place_files
from support.stopped_commands import ForkedCommand

LONGER = [
    "train.checkpoint=10",
    "fit.steps=400",
    "fit.slide=50",
    "fit.truncate=false",
    "fit.optimiser=adam",
    "fit.rate=1e-4",
    "report.closure=[]",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs, a training file, and that training without a stop in `whole`."""
    folder = place_files(tmp_path_factory.mktemp("stopping"))
    DistributionTraining.new(folder / "train.toml", folder / "whole", LONGER).run()
    return folder


def begin(place: Path, *arguments: str) -> ForkedCommand:
    """The training from its start, or with `--resume` from where it is, in a process of its own."""
    changes = [] if "--resume" in arguments else [f"--set={change}" for change in LONGER]
    return ForkedCommand(("train", "--quiet", "--no-figure", *arguments, *changes), place / "errors")


def done(folder: Path) -> int:
    path = folder / "checkpoint.h5"
    return int(str(checkpoint.read(path)["fit"]["done"])) if path.exists() else -1


def wait_for_progress(process: ForkedCommand, folder: Path) -> None:
    """Until a checkpoint of more than the steps there were is written, or the process ends."""
    before = done(folder)
    process.wait_for(lambda: done(folder) > max(before, 0))


def same_as_whole(place: Path, folder: Path) -> bool:
    a, b = (ReducedModel.read(f / "model.h5") for f in (place / "whole", folder))
    tables = zip(a.law.tables, b.law.tables, strict=True)
    return (
        all(np.array_equal(s.values, t.values) for s, t in tables)
        and np.array_equal(a.trajectory(), b.trajectory())
        and np.array_equal(a.history, b.history)
        and a.held_out == b.held_out
    )


def test_a_training_killed_at_random_goes_on_to_the_bit(place: Path, tmp_path: Path) -> None:
    folder, moments, kills = tmp_path / "out", random.Random(7), 0
    process = begin(tmp_path, str(place / "train.toml"), "--out", str(folder))
    for _ in range(2):
        wait_for_progress(process, folder)
        time.sleep(moments.uniform(0.0, 0.1))
        process.send(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process = begin(tmp_path, "--resume", str(folder))
    assert process.wait() == 0, (tmp_path / "errors").read_text()
    assert kills and done(folder) == 400
    assert same_as_whole(place, folder)
    assert not list(folder.glob(".*"))  # nothing is left of writes that were killed


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.acceptance)])
def test_a_training_asked_to_stop_keeps_its_state(number: signal.Signals, place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    process = begin(tmp_path, str(place / "train.toml"), "--out", str(folder))
    wait_for_progress(process, folder)
    process.send(number)
    code, errors = process.wait(), (tmp_path / "errors").read_text()
    lines = errors.splitlines()
    assert code == 128 + number and len(lines) == 1, errors
    assert lines[0].startswith("error: stopped by " + number.name) and f"couple train --resume {folder}" in lines[0]
    assert f"at step {done(folder)} of 400" in lines[0] and 0 < done(folder) < 400
    assert begin(tmp_path, "--resume", str(folder)).wait() == 0, (tmp_path / "errors").read_text()
    assert same_as_whole(place, folder)
