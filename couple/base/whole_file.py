"""Files that are there whole or not at all: written beside their place, flushed to the disk, renamed over it."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` at `path` in one step; what was there stays until then. mode: rights of a new file, less the umask.

    Raises OSError if the disk refuses; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        flush_and_rename(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def flush_and_rename(temporary: Path, path: Path) -> None:
    """Flush a file to the disk and rename it over `path`; the rename is on the disk when this returns."""
    _flush(temporary)
    temporary.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
