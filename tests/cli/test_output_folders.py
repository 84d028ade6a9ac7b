"""Every command that writes, in folders of all kinds: strangers' files, leftovers of the dead, links, full disks.

Nothing that is not ours is removed or written to, whoever writes has the folder to itself, and an error is one line
after which the work goes on.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from couple.storage import atomic_file
from support.command_line import assert_equal_results, couple
from support.writing_commands import COMMANDS, WritingCommand, place_inputs

pytestmark = pytest.mark.usefixtures("blank_pictures")

DEAD = 2**22 + 1
"""No process has this number: it is above the most that Linux gives."""

PRECIOUS = b"a thesis\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> WritingCommand:
    return COMMANDS[request.param]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The error that was printed, alone."""
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def test_a_strangers_file_is_never_touched(
    command: WritingCommand, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever its name, and whether or not the command can do its work beside it."""
    names = (*command.writes, *(f"{f}/000000.npy" for f in command.folders), *(f"{f}/x.h5" for f in command.folders))
    for k, name in enumerate((*names, "notes.txt", ".lock")):
        out = tmp_path / str(k)
        command.prepare(inputs, out)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(PRECIOUS)
        code = command.call(inputs, out)
        assert (out / name).read_bytes() == PRECIOUS, name
        assert code == 0 or (code == 2 and name.split("/")[0] in one_line(capsys)), name
        capsys.readouterr()


def test_force_removes_what_a_run_wrote_and_nothing_else(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    strangers = ("segments/thesis.npy", "checkpoint/weights.pt", "summary.json", "results.h5", "segments/000001.npy")
    run = ("run", str(inputs / "box.toml"), "--quiet", "--force", "--out", str(out))
    for name in strangers:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".npy"):
            np.save(out / name, np.zeros((3, 2)))
        else:
            (out / name).write_text("{}")
        before = (out / name).read_bytes()
        assert couple(*run) == 2
        assert name in one_line(capsys) and (out / name).read_bytes() == before
        shutil.rmtree(out)
    shutil.copytree(inputs / "trained", out)
    assert couple(*run) == 2 and "checkpoint.h5" in one_line(capsys)
    shutil.rmtree(out)
    shutil.copytree(inputs / "half", out)
    assert couple(*run) == 0
    assert_equal_results(out / "results.h5", inputs / "drawn" / "results.h5")
    assert couple(*run) == 0, "its own picture is no stranger"
    assert couple(*run[:3], "--out", str(out)) == 2 and "--force" in one_line(capsys)


def test_what_the_dead_have_left_goes(command: WritingCommand, inputs: Path, tmp_path: Path) -> None:
    """Of any process that is no more, also of one that had our number; not that of one that lives."""
    out = tmp_path / "out"
    command.prepare(inputs, out)
    out.mkdir(exist_ok=True)
    living = subprocess.Popen(["sleep", "60"])
    try:
        for name in command.writes:
            for pid in (DEAD, os.getpid(), living.pid):
                (out / f".{name}.{pid}").write_bytes(b"couple checkpoint 1\n cut")
        (out / ".lock").write_text(f"{DEAD}\n")
        assert command.call(inputs, out) == 0
    finally:
        living.kill()
        living.wait()
    left = {path.name for path in out.glob(".*")}
    assert left >= {f".{name}.{living.pid}" for name in command.writes}
    if command.sweeps:
        assert left == {f".{name}.{living.pid}" for name in command.writes}


def test_a_run_that_was_killed_before_its_first_checkpoint_is_run_again(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("run", str(inputs / "box.toml"), "--quiet", "--no-figure", "--out")
    for force in ((), ("--force",)):
        out = tmp_path / f"out{len(force)}"
        shutil.copytree(inputs / "half" / "segments", out / "segments")
        (out / "segments" / "000099.npy").touch()
        (out / f".checkpoint.h5.{DEAD}").write_bytes((inputs / "half" / "checkpoint.h5").read_bytes()[:1000])
        assert couple("resume", str(out)) == 2 and "killed before its first checkpoint" in one_line(capsys)
        assert couple(*run, str(out), *force) == 0
        assert not list(out.glob(".*"))
        assert_equal_results(out / "results.h5", inputs / "drawn" / "results.h5")


LINKS = [("symlink", name) for name in COMMANDS] + [("hardlink", name) for name in ("run", "sample", "model")]
"""Each command, and each kind of file by which a command writes it; all pairs are in the long campaigns."""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *LINKS,
        *(
            pytest.param("hardlink", name, marks=pytest.mark.acceptance)
            for name in COMMANDS
            if ("hardlink", name) not in LINKS
        ),
    ],
)
def test_nothing_is_written_through_a_link(
    kind: str, name: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that came from elsewhere: each name that is written is a link to a file of the user."""
    command = COMMANDS[name]
    for k, name in enumerate((*command.writes, ".lock", *(f".{w}.{os.getpid()}" for w in command.writes))):
        out, victim = tmp_path / str(k), tmp_path / f"victim{k}"
        victim.write_bytes(b"4711\n" if name == ".lock" else PRECIOUS)
        before = victim.read_bytes(), victim.stat().st_mtime_ns
        command.prepare(inputs, out)
        out.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            (out / name).unlink()
        if kind == "symlink":
            (out / name).symlink_to(victim)
        else:
            (out / name).hardlink_to(victim)
        code = command.call(inputs, out)
        assert (victim.read_bytes(), victim.stat().st_mtime_ns) == before, name
        assert code == 0 or (code == 2 and one_line(capsys)), name
        capsys.readouterr()


def test_nothing_is_written_or_removed_behind_a_linked_folder(
    command: WritingCommand, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in dict.fromkeys(("segments", "data", *command.folders)):
        out, elsewhere = tmp_path / f"out-{name}", tmp_path / f"elsewhere-{name}"
        command.prepare(inputs, out)
        out.mkdir(exist_ok=True)
        if (out / name).is_dir():
            (out / name).rename(elsewhere)
        elsewhere.mkdir(exist_ok=True)
        for file in ("000099.npy", "000007-rank0000.h5", "000000000-1.h5", f".000001.npy.{DEAD}"):
            (elsewhere / file).write_bytes(PRECIOUS)
        before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
        (out / name).symlink_to(elsewhere)
        code = command.call(inputs, out)
        assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
        assert code == 0 or (code == 2 and name in one_line(capsys))
        capsys.readouterr()


HOLD = """
import sys
from pathlib import Path
from couple.storage.folder.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder that another process writes into, and the number of that."""
    out = tmp_path / "out"
    out.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    yield out, other.pid
    other.communicate("")


def test_every_command_takes_the_lock(
    command: WritingCommand, inputs: Path, held: tuple[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    out, pid = held
    if command.begun:
        shutil.copytree(inputs / command.begun, out, dirs_exist_ok=True)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert command.call(inputs, out) == 2
    assert f"another run (process {pid}) is writing into this folder" in one_line(capsys)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


class Full:
    """A disk that takes `writes` files, and then says that it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
        self.writes, self.number, flush = 10**9, number, atomic_file.flush_and_rename
        self.written: list[str] = []
        """Kinds of files in the order in which they were written: folder and suffix of those that are numbered."""

        def flush_and_rename(temporary: Path, path: Path) -> None:
            self.writes -= 1
            self.written.append(f"{path.parent.name}/{path.suffix}" if path.stem[:1].isdigit() else path.name)
            if self.writes == -1:
                self.refused = path
                raise OSError(self.number, os.strerror(self.number))
            flush(temporary, path)

        for module in ("couple.storage.atomic_file", "couple.files.write_hdf5"):
            monkeypatch.setattr(f"{module}.flush_and_rename", flush_and_rename)


REFUSALS = [(errno.ENOSPC, name, False) for name in COMMANDS] + [(errno.ENAMETOOLONG, "run", False)]


@pytest.mark.parametrize(
    ("number", "name", "every"),
    [
        *REFUSALS,
        *(
            pytest.param(number, name, True, marks=pytest.mark.acceptance)
            for number in (errno.ENOSPC, errno.ENAMETOOLONG)
            for name in COMMANDS
        ),
    ],
)
def test_a_disk_that_refuses_any_write_is_one_line_and_the_work_goes_on(
    number: int,
    name: str,
    every: bool,
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """every: at each write, and not only at the first of each file and at the last."""
    command, disk = COMMANDS[name], Full(monkeypatch, number)
    command.prepare(inputs, tmp_path / "whole")
    assert command.call(inputs, tmp_path / "whole") == 0
    writes = len(disk.written)
    assert writes >= len(command.writes)
    firsts = {disk.written.index(name) for name in disk.written} | {writes - 1}
    for k in range(writes) if every else sorted(firsts):
        out = tmp_path / str(k)
        command.prepare(inputs, out)
        capsys.readouterr()
        disk.writes = k
        assert command.call(inputs, out) in (1, 2)
        assert str(disk.refused.name) in (line := one_line(capsys)) and os.strerror(number) in line
        assert not list(out.rglob(".*")), "left-overs"
        disk.writes = 10**9
        if command is COMMANDS["run"] and (out / "checkpoint.h5").exists():
            assert couple("resume", str(out), "--quiet") == 0
        else:
            assert couple(*map(str, (command.again or command.arguments)(inputs, out))) == 0
        for name in command.writes:
            assert (out / name).stat().st_size > 0
        if (out / "results.h5").exists():
            assert_equal_results(out / "results.h5", inputs / "drawn" / "results.h5")


def test_a_folder_that_is_removed_meanwhile_is_one_line(
    command: WritingCommand,
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, flush = tmp_path / "out", atomic_file.flush_and_rename
    command.prepare(inputs, out)

    def gone(temporary: Path, path: Path) -> None:
        shutil.rmtree(out, ignore_errors=True)
        flush(temporary, path)

    for module in ("couple.storage.atomic_file", "couple.files.write_hdf5"):
        monkeypatch.setattr(f"{module}.flush_and_rename", gone)
    assert command.call(inputs, out) in (1, 2)
    assert "No such file or directory" in one_line(capsys)
    assert not out.exists(), "what the user removed is not made again"
