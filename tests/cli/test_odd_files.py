"""Paths that are no file to read: links in a circle, pipes and devices, folders, names that are no text."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from couple.base.regular_file import read_file_or_pipe, real_path
from support.command_line import couple
from support.paths import ROOT
from support.writing_commands import BOX

COMMANDS = {
    **{name: [name] for name in ("show", "plot", "resume", "branch", "report", "features", "model", "posterior")},
    **{name: [name] for name in ("run", "check", "train", "infer", "population")},
    "export": ["export", "--to", "csv"],
    "compare": ["compare", "box.toml"],
    "train on": ["train", "--resume"],
    "repack": ["repack"],
}
"""Commands that read a file, but for its name."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fails what waits."""

    def stop(*_: object) -> None:
        raise AssertionError(f"waits for more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def make(kind: str, path: Path) -> None:
    """What stands at a path."""
    if kind == "circle":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "sparse":
        with path.open("wb") as file:
            file.write(b"\x89HDF\r\n\x1a\n")
            file.truncate(2**36)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box.toml").write_text(BOX)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["circle", "pipe"])
def test_what_is_no_file_is_one_line(
    command: str, kind: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("couple.base.regular_file.PATIENCE", 0.05)
    make(kind, here / "odd")
    more = ["new.h5"] if command == "repack" else []
    with at_most(20):
        code = couple(*COMMANDS[command], "odd", *more)
    errors = capsys.readouterr().err
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert code in (1, 2) and len(lines) == 1 and "odd" in lines[0], errors
    assert sorted(p.name for p in here.iterdir()) == ["box.toml", "odd"]


@pytest.mark.parametrize("command", ["branch", "check", "show"])
@pytest.mark.parametrize("kind", ["device", "sparse"])
def test_what_has_no_end_is_one_line(
    command: str, kind: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    test_what_is_no_file_is_one_line(command, kind, here, capsys, monkeypatch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "box.toml").write_text(BOX)
    assert couple("run", str(folder / "box.toml"), "--quiet", "--no-figure", "--out", str(folder / "out")) == 0
    return folder / "out"


@pytest.mark.parametrize("command", [["show"], ["plot"], ["report"], ["export", "--to", "csv"], ["compare", "out"]])
def test_a_name_that_is_no_text_is_read(
    command: list[str], run: Path, here: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    odd = os.fsdecode(b"\xff\xfe.h5")
    (here / odd).write_bytes((run / "results.h5").read_bytes())
    (here / "out").symlink_to(run)
    assert couple(*command, odd) == 0, capsysbinary.readouterr().err


@pytest.mark.parametrize("kind", ["circle", "pipe", "device"])
@pytest.mark.parametrize("name", ["summary.json", "figure.png"])
def test_what_stands_beside_results_is_not_waited_for(kind: str, name: str, run: Path, here: Path) -> None:
    (here / "results.h5").write_bytes((run / "results.h5").read_bytes())
    make(kind, here / name)
    with at_most(20):
        for command in ("report", "plot"):
            assert couple(command, ".") in (0, 2)


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("chemistry.file", "species.A = {}", 'file = "odd.xml"'),
        ("drive[0].replay", "[record]", '[[drive]]\nto = "box.A"\nreplay = "odd.xml:neuron.ica"\n[record]'),
    ],
)
def test_inputs_that_are_no_files_are_named_by_their_key(
    kind: str, key: str, old: str, new: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(kind, here / "odd.xml")
    (here / "box.toml").write_text(BOX.replace(old, new))
    with at_most(20):
        assert couple("check", "box.toml") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"box.toml: {key}: " in line and "is no regular file" in line and "odd.xml" in line


def test_a_pipe_that_somebody_writes_to_is_read(here: Path) -> None:
    """As a shell's <(...)."""
    os.mkfifo(here / "pipe")
    writer = threading.Thread(target=lambda: (here / "pipe").write_text(BOX))
    writer.start()
    assert couple("check", "pipe") == 0
    writer.join()
    end, begin = os.pipe()
    os.write(begin, b"0123456789")
    os.close(begin)
    assert read_file_or_pipe(Path(f"/dev/fd/{end}"), 8) == b"01234567"
    os.close(end)


def test_marked_utf8_is_read(here: Path) -> None:
    """As some editors of Windows write it."""
    (here / "box.toml").write_bytes(b"\xef\xbb\xbf" + BOX.encode())
    assert couple("check", "box.toml") == 0
    assert couple("check", ".") == 0


WRITTEN = {
    "export": ["export", "out", "--to", "csv", "--out"],
    "export chemistry": ["export", "box.toml", "--to", "net", "--out"],
    "report": ["report", "out", "--out"],
    "features": ["features", "out", "--from", "features.toml", "--out"],
    "schema": ["schema", "--out"],
}


@pytest.mark.parametrize("command", WRITTEN)
def test_what_is_written_replaces_its_own_kind_alone(
    command: str, run: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The results themselves, a text and a stranger's picture stay."""
    shutil.copytree(run, here / "out")
    (here / "features.toml").write_text('features.top = { of = "box.A", measure = "peak" }\n')
    (here / "notes").write_text("mine\n")
    (here / "cell.swc").write_text("1 1 0 0 0 1 -1\n")
    for name in ("out/results.h5", "out/checkpoint.h5", "notes", "cell.swc"):
        before = (here / name).read_bytes()
        assert couple(*WRITTEN[command], name) == 2
        assert (here / name).read_bytes() == before
        (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error: ")]
        assert name in line
    new = "new.html" if command == "report" else "new"
    for _ in range(2):
        assert couple(*WRITTEN[command], new) == 0, capsys.readouterr().err
    assert (here / new).stat().st_size > 0


def test_features_of_the_experiment_are_those_that_results_hold(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a run and of many: nothing else has to be given."""
    (here / "box.toml").write_text(f'{BOX}\n[features.top]\nof = "box.A"\nmeasure = "peak"\n')
    assert couple("run", "box.toml", "--quiet", "--no-figure", "--out", "one") == 0
    assert couple("sample", "box.toml", "--runs", "2", "--jobs", "1", "--quiet", "--out", "many") == 0
    for folder in ("one", "many"):
        capsys.readouterr()
        assert couple("features", folder) == 0
        assert "top" in capsys.readouterr().out


def test_a_run_without_features_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("features", str(run)) == 2
    assert "has no [features]" in capsys.readouterr().err


def test_paths_are_resolved_in_one_place(tmp_path: Path) -> None:
    """`Path.resolve` fails on links in a circle."""
    (tmp_path / "a").symlink_to("a")
    assert real_path(tmp_path / "a") == tmp_path / "a"
    found = [
        str(path.relative_to(ROOT))
        for package in ("couple", "adapters", "reducers")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\.resolve\((strict=\w+)?\)", path.read_text())
    ]
    assert not found
