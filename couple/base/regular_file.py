"""Files as users have them: real paths, whatever links say, and reading that no pipe or device can hold up."""

from __future__ import annotations

import io
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_FILE = "is no regular file"
PATIENCE = 2.0
"""Seconds in which somebody has to open the other end of a pipe."""


def real_path(path: Path) -> Path:
    """The absolute path without links; of links in a circle, which `Path.resolve` fails on, as far as they lead."""
    return Path(os.path.realpath(path))


@contextmanager
def open_regular(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file. Raises OSError if it cannot be read, and for what is no file: a pipe would be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, NO_FILE)
        yield file


def read_regular(path: Path) -> bytes:
    """All of them. Raises OSError likewise."""
    with open_regular(path) as file:
        return file.read()


@contextmanager
def open_device(path: Path) -> Iterator[io.BufferedWriter]:
    """A device or pipe, to be written to. Raises OSError if it cannot be, and for a pipe that nobody reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        yield file


def read_file_or_pipe(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file, or of a pipe such as a shell's <(...).

    Raises OSError if it cannot be read, and for a pipe that nobody opens to write.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode):
            return _read_pipe(descriptor, most)
        if not stat.S_ISREG(mode) and not file.isatty():
            raise OSError(0, NO_FILE)
        return file.read(most)


def _read_pipe(descriptor: int, most: int) -> bytes:
    found, opened, end = bytearray(), False, time.monotonic() + PATIENCE
    while len(found) < most:
        try:
            chunk = os.read(descriptor, min(most - len(found), 1 << 16))
        except BlockingIOError:  # somebody has it open, and has not written yet
            opened = True
            select.select([descriptor], [], [])
            continue
        if not chunk and not opened and time.monotonic() < end:
            time.sleep(0.02)
        elif not chunk:
            break
        found += chunk
        opened = opened or bool(chunk)
    if not opened:
        raise OSError(0, "is a pipe that nobody writes to")
    return bytes(found)
