"""Where the disk, the folder or another run is in the way: one line, and nothing lost that was on the disk."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import RunError
from couple.files.safe_file import SafeFile
from couple.files.write_hdf5 import replacing
from support.command_line import assert_equal_results, couple
from support.stopped_commands import ForkedCommand, in_child
from support.warm import python

OPEN = """
[experiment]
name = "open"
duration = "{duration} ms"
exchange = "0.1 ms"

[chemistry]
species.A = {}
reactions = [{ equation = "0 -> A", forward = "1e-4 mM/ms" }, { equation = "A -> 0", forward = "0.1 /ms" }]

[[site]]
name = "box"
engine = "ssa"
geometry.sphere = { diameter = "1 um" }

[record]
species = "all"

[checkpoint]
every = "100 ms"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "open.toml"
    path.write_text(OPEN.replace("{duration}", "2000"))
    return path


def full_disk() -> None:
    """From now on this process writes no files of more than 20 kB."""
    sys.dont_write_bytecode = True  # Python would cut what tests share, and take it for whole afterwards
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def refused(arguments: tuple[object, ...], errors: Path) -> str:
    """What a command says whose disk is full."""
    code, stderr = in_child(arguments, errors, full_disk), errors.read_text()
    assert code == 1, stderr
    lines = stderr.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1 and "Traceback" not in stderr, stderr
    return next(line for line in lines if line.startswith("error: "))


def test_a_full_disk_leaves_what_was_there(file: Path, tmp_path: Path) -> None:
    """Files of more than 20 kB fail as on a full disk; afterwards the run goes on as if nothing had been."""
    straight, out = tmp_path / "straight", tmp_path / "out"
    assert couple("run", str(file), "--quiet", "--no-figure", "--out", str(straight)) == 0
    assert couple("run", str(file), "--quiet", "--no-figure", "--out", str(out), "--until", "300 ms") == 0
    before = (out / "checkpoint.h5").read_bytes()
    line = refused(("resume", out, "--quiet"), tmp_path / "errors")
    assert str(out) in line and "cannot be written" in line
    assert not [p.name for p in out.rglob(".*")], "left-overs"
    assert before[:512] == (out / "checkpoint.h5").read_bytes()[:512] or len(before) < 20_000
    assert couple("resume", str(out), "--quiet", "--no-figure") == 0
    assert_equal_results(straight / "results.h5", out / "results.h5")


def test_a_full_disk_while_sampling(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ("sample", file, "--runs", 3, "--quiet", "--out", out, "--jobs", 1)
    assert "cannot be written" in refused(arguments, tmp_path / "errors")
    assert couple(*map(str, arguments)) == 0
    capsys.readouterr()
    assert couple("sample", str(file), "--runs", "4", "--json", "--out", str(out), "--jobs", "1") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == 4 and found["status"] == "complete" and found["rows"] == 20001
    assert couple("resume", str(out), "--until", "1 ms") == 2
    assert couple("resume", str(out)) == 0
    assert "4 of 2000 ms" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("run", str(file)), ("sample", str(file), "--runs", "2")):
        assert couple(*command, "--quiet", "--out", "/proc/couple") == 2
    from couple.storage.folder import lock as folder_lock

    out, opened = tmp_path / "read-only", os.open

    def refuse(path: str | Path, *more: int) -> int:
        if Path(path).is_relative_to(out):
            raise OSError(30, "Read-only file system")
        return opened(path, *more)

    monkeypatch.setattr(folder_lock.os, "open", refuse)
    for command in (("run", str(file)), ("sample", str(file), "--runs", "2")):
        assert couple(*command, "--quiet", "--out", str(out)) == 2
    monkeypatch.undo()
    assert list(out.iterdir()) == []


def test_a_picture_on_a_full_disk(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("run", str(file), "--quiet", "--no-figure", "--out", str(tmp_path / "out"), "--until", "10 ms") == 0
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    (tmp_path / "figure.png").symlink_to(full)
    assert couple("plot", str(tmp_path / "out"), "--out", str(tmp_path / "figure.png")) == 2
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("--version",), ("schema",), ("show", "out")])
def test_what_cannot_be_printed_is_one_line(arguments: tuple[str, ...], file: Path, tmp_path: Path) -> None:
    """Standard output goes to a file on a disk that is full."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    assert couple("run", str(file), "--quiet", "--no-figure", "--out", str(tmp_path / "out"), "--until", "10 ms") == 0
    with Path("/dev/full").open("w") as full:
        command = python("-m", "couple", *arguments)
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    said = done.stderr.splitlines()
    assert done.returncode == 1 and len(said) == 1 and said[0].startswith("error: cannot be written: No space"), said


def test_two_runs_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While one runs, no other may replace, resume or sample there; when it was killed, the folder is free."""
    file, out = tmp_path / "long.toml", tmp_path / "out"
    file.write_text(OPEN.replace("{duration}", "10000000"))
    running = ForkedCommand(("run", file, "--quiet", "--out", out), tmp_path / "errors")
    running.wait_for((out / "checkpoint.h5").exists)
    for command in (
        ("run", str(file), "--force", "--out", str(out)),
        ("resume", str(out)),
        ("sample", str(file), "--runs", "2", "--out", str(out)),
    ):
        assert couple(*command, "--quiet") == 2
        error = capsys.readouterr().err
        assert f"another run (process {running.pid})" in error and error.count("\n") == 1
    running.send(signal.SIGKILL)
    running.wait()
    assert (out / ".lock").exists()
    assert couple("run", str(file), "--force", "--quiet", "--no-figure", "--out", str(out), "--until", "100 ms") == 0
    assert not (out / ".lock").exists()


def test_a_file_that_was_cut_does_not_replace_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that says nothing, and has lost the end of what was written: HDF5 is asked before the rename."""
    path = tmp_path / "results.h5"
    with replacing(path, "couple test 1") as file:
        file["x"] = np.arange(10_000)
    before, leave = path.read_bytes(), SafeFile.__exit__

    def cut(self: SafeFile, *error: Any) -> None:
        self.truncate(self.seek(0, 2) - 1000)
        leave(self, *error)

    monkeypatch.setattr(SafeFile, "__exit__", cut)
    with (
        pytest.raises(RunError, match=r"results\.h5: cannot be written: .*truncated"),
        replacing(path, "couple test 1") as file,
    ):
        file["x"] = np.arange(20_000)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["results.h5"]
