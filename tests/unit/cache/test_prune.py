"""Old entries of the cache go, those in use and what is not ours stay."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from couple.cache import prune as pruning
from couple.cache.entry import DAY, read_entry, write_entry
from couple.cache.library import find, obtain
from couple.cache.prune import MARK, RECENT, UNUSED, prune
from couple.cache.turns import LOCKS

NAME = "couple.exchange.kernels.deliver-{:032x}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "kernels").mkdir(parents=True, mode=0o700)
    (tmp_path / "cache").chmod(0o700)
    return tmp_path / "cache" / "kernels"


def build(folder: Path) -> None:
    (folder / "made.so").write_bytes(bytes(1000))


def age(path: Path, days: float) -> None:
    os.utime(path, (time.time() - days * DAY,) * 2)


def kernel(cache: Path, number: int, days: float, size: int = 100) -> Path:
    path = cache / NAME.format(number)
    write_entry(path, bytes(size))
    age(path, days)
    return path


def test_what_nobody_used_for_long_goes(cache: Path) -> None:
    library = obtain("kernels", "0.9-machine-ab12", build)
    old, used, new = (kernel(cache, k, days) for k, days in enumerate((1.01 * UNUSED / DAY, 1.01 * UNUSED / DAY, 1)))
    age(library, 1.01 * UNUSED / DAY)
    age(cache / "0.9-machine-ab12.lock", 1 + RECENT / DAY)
    assert read_entry(used) == bytes(100)
    (cache / MARK).unlink()
    prune(cache)
    assert sorted(p.name for p in cache.iterdir()) == sorted([used.name, new.name, MARK])
    assert not old.exists() and find("kernels", library.name) is None


def test_beyond_a_size_what_was_used_least_lately_goes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST", 3500)
    kept = [kernel(cache, k, 3 + k, 1000) for k in range(3)]
    gone = [kernel(cache, k, 3 + k, 1000) for k in range(3, 6)]
    prune(cache)
    assert all(p.exists() for p in kept) and not any(p.exists() for p in gone)
    (cache / MARK).unlink()
    recent = [kernel(cache, k, 0.5, 1000) for k in range(10, 16)]
    prune(cache)
    assert all(p.exists() for p in recent) and not any(p.exists() for p in kept)


def test_once_a_day(cache: Path) -> None:
    prune(cache)
    old = kernel(cache, 1, 2 * UNUSED / DAY)
    prune(cache)
    assert old.exists()
    for days in (1.01, -30):  # also where the clock was wrong
        age(cache / MARK, days)
        old = kernel(cache, 1, 2 * UNUSED / DAY)
        prune(cache)
        assert not old.exists()


def test_what_is_not_ours_or_held_stays_and_what_the_killed_left_goes(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("x")
    strangers = ["notes.txt", NAME.format(7), ".hidden", "folder", "thesis.new", LOCKS, "mine.lock", "gone.lock"]
    for name in strangers:
        (cache / name).mkdir() if name == "folder" else (cache / name).touch()
    (cache / "mine.lock").write_text("of another program")
    (cache / "folder" / "thesis").touch()
    (cache / f"{NAME.format(8)}").symlink_to(tmp_path / "thesis")
    left = [cache / f".{NAME.format(9)}.123", cache / "key.new"]
    left[0].touch()
    left[1].mkdir()
    (cache / "key.lock").touch()
    (cache / "held.lock").touch()
    for path in cache.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    with (cache / "held.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.utime(cache / "held.lock", (0, 0))
        prune(cache)
    stays = {*strangers, NAME.format(8), "held.lock", MARK} - {"gone.lock"}
    assert {p.name for p in cache.iterdir()} == stays
    assert (cache / "folder" / "thesis").exists() and (tmp_path / "thesis").read_text() == "x"


def test_a_folder_that_refuses_is_left(cache: Path, tmp_path: Path) -> None:
    prune(tmp_path / "none")
    (cache / MARK).symlink_to(tmp_path / "victim")
    old = kernel(cache, 1, 2 * UNUSED / DAY)
    prune(cache)
    assert old.exists() and not (tmp_path / "victim").exists()
