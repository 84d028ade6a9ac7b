"""Old entries go: what was not used for long, and beyond a size what was used least lately.

An entry notes by its time of change that it is used, once a day. Only what is ours by its name and content is removed,
once a day by a process that adds something, and nothing that was used a short time ago: whoever reads an entry has
noted that before.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from couple.cache.entry import DAY, SEAL, is_entry, remove
from couple.cache.turns import LOCKS

UNUSED = 60 * DAY
"""Seconds after which an entry that nobody used goes."""

RECENT = 2 * DAY
"""Seconds in which an entry stays, however much there is."""

MOST = 2 * 10**9
"""Bytes of a kind of entries that are kept."""

LOCK, NEW = ".lock", ".new"
"""Ends of names: of the lock of a library's entry, and of what is being built."""

MARK = "pruned"
"""The file whose time says when a folder was looked through."""

_KERNEL = re.compile(r"[\w.]+-[0-9a-f]{32}")
_HALF = re.compile(r"\.[\w.]+-[0-9a-f]{32}\.[0-9]+(-[0-9]+)?")
"""A kernel that a process was writing when it was killed."""


class _Found(NamedTuple):
    used: float
    size: int
    path: Path


def prune(folder: Path) -> None:
    """Remove what is not used any more from the folder of a kind, if nobody has looked for a day. Never raises."""
    with suppress(OSError):
        now = time.time()
        if not _is_due(folder, now):
            return
        total = 0
        for found in sorted(_entries(folder), reverse=True):
            total += found.size
            age = now - found.used
            if age > UNUSED or (total > MOST and age > RECENT):
                total -= found.size
                remove(found.path)
        _remove_left(folder, now)


def _is_due(folder: Path, now: float) -> bool:
    """Whether nobody has looked for a day; then it is noted that this process does."""
    mark = folder / MARK
    with suppress(FileNotFoundError):
        if abs(now - mark.lstat().st_mtime) < DAY:
            return False
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    os.utime(mark, follow_symlinks=False)
    return True


def _entries(folder: Path) -> Iterator[_Found]:
    """Kernels and libraries, by name and content."""
    for path in folder.iterdir():
        with suppress(OSError):
            there = path.lstat()
            if stat.S_ISREG(there.st_mode) and _KERNEL.fullmatch(path.name) and is_entry(path):
                yield _Found(there.st_mtime, there.st_size, path)
            elif stat.S_ISDIR(there.st_mode) and path.suffix != NEW and (path / SEAL).is_file():
                yield _Found(there.st_mtime, sum(f.lstat().st_size for f in path.rglob("*")), path)


def _remove_left(folder: Path, now: float) -> None:
    """What processes that were killed have left, and the locks of entries that are gone."""
    for path in sorted(folder.iterdir(), reverse=True):  # KEY.new before KEY.lock
        with suppress(OSError):
            there = path.lstat()
            if now - there.st_mtime < RECENT:
                continue
            if _HALF.fullmatch(path.name) or (path.suffix == NEW and path.with_suffix(LOCK).is_file()):
                remove(path)
            elif path.suffix == LOCK and path.name != LOCKS and there.st_size == 0 and not _is_needed(path):
                _remove_free(path)


def _is_needed(lock: Path) -> bool:
    return any(lock.with_suffix(end).exists() for end in ("", NEW))


def _remove_free(lock: Path) -> None:
    """Remove a lock that nobody holds; whoever waits for it looks whether it is still there (`library`)."""
    descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.unlink()
    finally:
        os.close(descriptor)
