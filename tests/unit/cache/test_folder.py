"""Compiled code is loaded only from folders and files that nobody else can have written."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from couple.cache import folder as cache
from couple.cache.entry import read_entry, write_entry
from couple.cache.folder import CHOSEN, KERNELS, Unusable, cache_folders, look, private_folder, roots

STRANGER = 65534


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice of whoever runs the tests, and a warning that is not out yet."""
    for name in ("COUPLE_CACHE_DIR", "COUPLE_CACHE_WARNED", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)


def give_away(path: Path) -> None:
    """To another user, where the tests may do that."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.lchown(path, STRANGER, STRANGER)


def spoil(root: Path, how: str) -> None:
    """Make a root, or what is in it, one that others can write to."""
    inner = root / KERNELS
    if how == "is no folder":
        root.write_text("")
        return
    if how == "links":
        (root.parent / "elsewhere").mkdir(mode=0o700)
        root.symlink_to(root.parent / "elsewhere")
        return
    inner.mkdir(mode=0o700, parents=True)
    root.chmod(0o700)
    spoilt = inner if how.startswith("inner") else root
    if how.endswith("of another user"):
        give_away(spoilt)
    elif how.endswith("of a group"):
        spoilt.chmod(0o770)
    elif how.endswith("of everybody"):
        spoilt.chmod(0o707)
    elif how == "inner link":
        inner.rmdir()
        (root.parent / "elsewhere").mkdir(mode=0o700)
        inner.symlink_to(root.parent / "elsewhere")
    elif how == "below a folder of everybody":
        root.parent.chmod(0o777)


KINDS = (
    *("of another user", "inner of another user", "of a group", "inner of a group", "of everybody"),
    *("inner of everybody", "links", "inner link", "is no folder", "below a folder of everybody"),
)


@pytest.mark.parametrize("how", KINDS)
def test_a_folder_of_others_does_not_serve(how: str, tmp_path: Path) -> None:
    root = tmp_path / "above" / "couple"
    root.parent.mkdir()
    spoil(root, how)
    assert isinstance(private_folder(root, KERNELS), Unusable)


@pytest.mark.parametrize("chosen", ["~nobody-of-that-name/x", "/dev/null", "/dev/null/x", "/" + "x" * 300])
def test_what_no_folder_can_be_is_a_reason(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOSEN, chosen)
    usable, (refused,) = look(KERNELS)
    assert not usable and CHOSEN in str(refused)


def test_a_folder_of_ours_serves_and_is_made(tmp_path: Path) -> None:
    """The control."""
    found = private_folder(tmp_path / "new" / "couple", KERNELS)
    assert isinstance(found, Path) and stat.S_IMODE(found.stat().st_mode) == 0o700
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    assert private_folder(tmp_path / "new" / "couple", KERNELS) == found
    (tmp_path / "sticky").mkdir(mode=0o700)
    (tmp_path / "sticky").chmod(0o1777)
    assert isinstance(private_folder(tmp_path / "sticky" / "couple-7", KERNELS), Path)


@pytest.mark.parametrize("how", ["owner", "mode", "link", "folder", "pipe", "good"])
def test_an_entry_of_others_is_not_read(how: str, tmp_path: Path) -> None:
    path = tmp_path / "entry"
    write_entry(path, b"code")
    if how == "owner":
        give_away(path)
    elif how == "mode":
        path.chmod(0o666)
    elif how == "link":
        path.rename(tmp_path / "target")
        path.symlink_to(tmp_path / "target")
    elif how in ("folder", "pipe"):
        path.unlink()
        path.mkdir() if how == "folder" else os.mkfifo(path)
    assert read_entry(path) == (b"code" if how == "good" else None)
    write_entry(path, b"made anew")
    assert read_entry(path) == b"made anew"


def test_a_damaged_entry_is_none(tmp_path: Path) -> None:
    path = tmp_path / "entry"
    write_entry(path, b"some code")
    whole = path.read_bytes()
    for spoilt in (
        b"",
        whole[:-1],
        whole + b"x",
        *(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))),
    ):
        path.write_bytes(spoilt)
        assert read_entry(path) is None and not path.exists()
    write_entry(path, b"some code")
    assert read_entry(path) == b"some code" and [p.name for p in tmp_path.iterdir()] == ["entry"]


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    own = tmp_path / "home/.cache/couple"
    assert roots(KERNELS)[0] == own and roots(KERNELS)[-1].name == f"couple-{os.geteuid()}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert roots(KERNELS)[0] == tmp_path / "xdg/couple"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert roots(KERNELS)[0] == tmp_path / "numba/couple" and roots("mechanisms")[0] == tmp_path / "xdg/couple"
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "chosen"))
    assert roots(KERNELS) == [tmp_path / "chosen"]


def test_no_home_and_no_folder_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere(*_: object) -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.setattr(cache.tempfile, "gettempdir", nowhere)
    with caplog.at_level(logging.WARNING):
        assert cache_folders(KERNELS) == cache_folders(KERNELS) == []
    assert [r.message for r in caplog.records] and len(caplog.records) == 1


def test_a_folder_that_can_only_be_read_is_read_and_another_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    first = private_folder(tmp_path / "kept/couple", KERNELS)
    access = os.access
    monkeypatch.setattr(cache.os, "access", lambda path, mode: path != first and access(path, mode))
    assert cache_folders(KERNELS) == [first, tmp_path / f"couple-{os.geteuid()}" / KERNELS]
