"""An entry of the cache: a file that says whether it is whole, read only if it is ours alone."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from couple.base.paths.whole_file import write_whole
from couple.cache.folder import not_ours

SEAL = "SHA256SUMS"
"""The file of digests in an entry that is a folder (couple/cache/library.py)."""

_MAGIC = b"couple cache entry 1\n"
_DIGEST = 32

DAY = 86400.0
"""Seconds between two notes that an entry is used."""


def read_entry(path: Path) -> bytes | None:
    """The content; None if there is no entry, it is damaged (then it is removed), or others can have written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            there = os.fstat(file.fileno())
            if not_ours(there):
                remove(path)
                return None
            note_use(there, path)
            content = file.read()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EACCES, errno.ENOTDIR):
            remove(path)
        return None
    begin = len(_MAGIC) + _DIGEST
    body = content[begin:]
    if content[:begin] != _MAGIC + hashlib.sha256(body).digest():
        remove(path)
        return None
    return body


def is_entry(path: Path) -> bool:
    """Whether a file begins as an entry does. Raises OSError if it cannot be read."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def note_use(found: os.stat_result, path: Path) -> None:
    """Let an entry be one that is used, by its time of change. found: what `stat` says of it."""
    if time.time() - found.st_mtime > DAY:
        with suppress(OSError):  # of a cache that is only read
            os.utime(path, follow_symlinks=False)


def write_entry(path: Path, body: bytes) -> None:
    """Keep `body`, whole or not at all. Raises OSError if the disk refuses."""
    if path.is_dir():
        remove(path)
    write_whole(path, _MAGIC + hashlib.sha256(body).digest() + body, 0o600)


def remove(path: Path) -> None:
    """Take what cannot be used out of the way, as far as that can be done."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
