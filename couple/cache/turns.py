"""One process compiles, the others wait for it: ranks of a job, workers, and runs that are started together.

Locks of ranges of one file in the cache's folder, a byte for each entry: they end with their process, forks do not
inherit them, and nothing is left over. Where a disk has no locks everyone compiles.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from pathlib import Path

from couple.cache.folder import not_ours

LOCKS = "compiling.lock"
LONGEST = 600.0
"""Seconds that are waited for another process; no kernel takes so long."""

_PAUSE = 0.02

_files: dict[tuple[int, Path], int] = {}
_held: set[tuple[int, Path, str]] = set()


def take(folder: Path, entry: str) -> None:
    """Wait until no other process makes this entry; then it is ours to make, until `give`."""
    key = (os.getpid(), folder, entry)
    file = _file(folder)
    if file is None or key in _held:
        return
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(entry))
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:
            return
        else:
            _held.add(key)
            return


def give(folder: Path, entry: str) -> None:
    """The entry is there, or will not be: whoever waits goes on."""
    key = (os.getpid(), folder, entry)
    file = _file(folder)
    if file is not None and key in _held:
        _held.discard(key)
        fcntl.lockf(file, fcntl.LOCK_UN, 1, _place(entry))


def _file(folder: Path) -> int | None:
    """The open file of locks; None if there can be none."""
    key = (os.getpid(), folder)
    if key not in _files:
        try:
            opened = os.open(folder / LOCKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return None
        if not_ours(os.fstat(opened)):
            os.close(opened)
            return None
        _files[key] = opened
    return _files[key]


def _place(entry: str) -> int:
    """The byte of an entry."""
    return int.from_bytes(hashlib.sha256(entry.encode()).digest()[:7], "little")
