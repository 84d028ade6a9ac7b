"""Compiled libraries are loaded whole and from folders of ours, or built anew; no place to keep them is needed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from couple.cache import library
from couple.cache.library import compiler_identity, find, is_whole, obtain
from couple.cache.prune import MARK
from support.cache_damage import DAMAGES, spoil

KIND, KEY = "mechanisms", "key"


class Compiler:
    """Writes two files, and counts how often."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, folder: Path) -> None:
        self.runs += 1
        (folder / "made.so").write_bytes(b"machine code")
        (folder / "made.c").write_text("text")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COUPLE_CACHE_WARNED", raising=False)
    return tmp_path / "cache"


def test_what_was_built_is_kept_with_its_digest(cache: Path) -> None:
    compiler = Compiler()
    assert find(KIND, KEY) is None
    entry = obtain(KIND, KEY, compiler)
    assert entry == cache / KIND / KEY == find(KIND, KEY) == obtain(KIND, KEY, compiler) and compiler.runs == 1
    assert "made.so" in (entry / "SHA256SUMS").read_text()
    assert sorted(path.name for path in entry.parent.iterdir()) == [KEY, f"{KEY}.lock", MARK], "something is left"


@pytest.mark.parametrize("how", DAMAGES)
def test_what_is_damaged_or_of_others_is_built_anew(cache: Path, how: str) -> None:
    compiler = Compiler()
    spoil(obtain(KIND, KEY, compiler), how)
    assert find(KIND, KEY) is None
    assert (obtain(KIND, KEY, compiler) / "made.so").read_bytes() == b"machine code"
    assert compiler.runs == 2 and obtain(KIND, KEY, compiler) == find(KIND, KEY) and compiler.runs == 2


def test_what_a_killed_process_left_is_built_anew(cache: Path) -> None:
    left = cache / KIND / f"{KEY}.new"
    left.mkdir(parents=True, mode=0o700)
    cache.chmod(0o700)
    (left / "made.so").write_text("half")
    assert is_whole(obtain(KIND, KEY, Compiler())) and not left.exists()


def test_a_failed_build_leaves_nothing(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise ValueError("no such reaction")

    with pytest.raises(ValueError, match="no such reaction"):
        obtain(KIND, KEY, fail)
    assert [path.name for path in (cache / KIND).iterdir()] == [f"{KEY}.lock"]


@pytest.mark.parametrize("how", ["file", "full", "full, says the compiler"])
def test_no_place_is_one_warning_and_a_folder_of_this_process(
    cache: Path, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiler = Compiler()
    if how == "file":
        cache.write_text("")

    def build(folder: Path) -> None:
        if how.startswith("full") and folder.is_relative_to(cache):
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python would cut what tests share
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
                (folder / "made.so").write_bytes(bytes(1000))
            except OSError as error:
                if how == "full":
                    raise
                raise ValueError("the linker failed") from error
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        compiler(folder)

    if how == "full, says the compiler":
        monkeypatch.setattr(library, "temporary_for", _refused)
    with caplog.at_level(logging.WARNING):
        entries = [obtain(KIND, KEY, build) for _ in range(2)]
    assert all(is_whole(entry) and not entry.is_relative_to(cache) for entry in entries) and compiler.runs == 1
    assert [r.message.startswith("compiled code cannot be kept") for r in caplog.records] == [True]


def _refused(path: Path) -> Any:
    raise OSError(28, "No space left on device", str(path))


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of this process, for each test a new one."""
    (tmp_path / "own").mkdir(mode=0o700)
    monkeypatch.setattr(library, "temporary_folder", lambda: tmp_path / "own")


def test_many_at_once_build_once(cache: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    together, results = context.Barrier(6), context.Queue()

    def build(folder: Path) -> None:
        with (tmp_path / "runs").open("a") as runs:
            runs.write("x")
        time.sleep(0.2)
        Compiler()(folder)

    def start() -> None:
        together.wait()
        results.put(is_whole(obtain(KIND, KEY, build)))

    processes = [context.Process(target=start) for _ in range(6)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [True] * 6
    for process in processes:
        process.join()
    assert (tmp_path / "runs").read_text() == "x"


def test_a_compiler_is_known_by_its_program(tmp_path: Path) -> None:
    program, link = tmp_path / "g++-12", tmp_path / "c++"
    program.write_text("12")
    link.symlink_to(program)
    before = compiler_identity(str(link))
    assert before == compiler_identity(str(program)) and compiler_identity(None) == ""
    program.write_text("13")
    os.utime(program, (1, 1))
    assert compiler_identity(str(link)) != before
