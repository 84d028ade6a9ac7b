"""Files that are there whole or not at all: written beside their place, flushed to the disk, renamed over it.

A temporary file is called .NAME.PID, is new (nothing is ever opened through a link), and is gone when the write fails.
A rename replaces a link itself, never what it points to. Refusals of the disk are OSError here; `guarded` makes one
line of them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from couple.base.errors import RunError

_LONGEST = 200
"""Characters of a file's name in that of its temporary: NAME_MAX is 255."""


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` at `path` in one step; what was there stays until then. mode: rights of a new file, less the umask.

    Raises OSError if the disk refuses; nothing is left behind.
    """
    with temporary_for(path, mode) as temporary:
        temporary.write_bytes(content)
        flush_and_rename(temporary, path)


def temporary_root() -> Path | None:
    """The folder for temporary files, absolute; None where none can be written to, as on a system that is read only."""
    try:
        return Path(tempfile.gettempdir()).absolute()
    except FileNotFoundError:
        return None


@contextmanager
def guarded(path: Path, doing: str = "written") -> Iterator[None]:
    """Whatever the system refuses inside becomes one RunError that names `path`."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be {doing}: {error.strerror or error}") from error


@contextmanager
def temporary_for(path: Path, mode: int = 0o666) -> Iterator[Path]:
    """A new, empty file beside `path`, to be filled and renamed; what is left of it at the end is removed.

    Raises OSError if it cannot be made.
    """
    made = _new_beside(path, mode)
    try:
        yield made
    finally:
        with suppress(OSError):
            made.unlink(missing_ok=True)


def flush_and_rename(temporary: Path, path: Path) -> None:
    """Flush a file to the disk and rename it over `path`; the rename is on the disk when this returns."""
    _flush(temporary)
    temporary.replace(path)
    _flush(path.parent)


def _new_beside(path: Path, mode: int) -> Path:
    stem, number = f".{path.name[:_LONGEST]}.{os.getpid()}", 0
    while True:
        made = path.with_name(f"{stem}-{number}" if number else stem)
        try:
            made.touch(mode, exist_ok=False)  # O_EXCL: nobody's file, and no link
            return made
        except FileExistsError:  # of a process of the same number that was killed, or runs on another machine
            number += 1


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
