"""An entry of the cache: a file that says whether it is whole, read only if it is ours alone."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from couple.base.whole_file import write_whole
from couple.cache.folder import not_ours

_MAGIC = b"couple cache entry 1\n"
_DIGEST = 32


def read_entry(path: Path) -> bytes | None:
    """The content; None if there is no entry, it is damaged (then it is removed), or others can have written it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not_ours(os.fstat(file.fileno())):
                remove(path)
                return None
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
