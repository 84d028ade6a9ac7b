"""Temporary folders outside of the output: named by the process that has them, swept when it is gone."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from couple.base.errors import RunError
from couple.storage.atomic_file import is_alive

_NAME = re.compile(r"couple-[a-z]+-(?P<pid>[0-9]+)-\w+")
_LOCK = ".held"
"""Not the name of the lock of an output folder: what is written in here may take that."""


@contextmanager
def scratch_folder(purpose: str, inside: Path | None = None) -> Iterator[Path]:
    """A new folder of this process alone, removed at the end.

    purpose: a word for its name. inside: where (default: TMPDIR, or what the system has for it). What killed processes
    of this user have left there is removed first. Raises RunError if the disk refuses, also for OSError inside.
    """
    try:
        root = Path(tempfile.gettempdir()) if inside is None else inside
        sweep(root)
        with _made(purpose, root) as folder:
            yield folder
    except OSError as error:
        place = error.filename or inside or "the temporary folder"
        advice = "" if inside is not None else "; set TMPDIR to a folder that has room"
        raise RunError(f"{place}: cannot be written: {error.strerror or error}{advice}") from error


@contextmanager
def _made(purpose: str, root: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=f"couple-{purpose}-{os.getpid()}-", dir=root))
    try:
        with (folder / _LOCK).open("x") as lock:
            with suppress(OSError):  # without locks the number of the process alone says whether it lives
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove temporary folders in `root` that are this user's and whose process is gone."""
    with suppress(OSError):
        for path in sorted(root.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match is not None and not is_alive(int(match["pid"])) and _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    """Whether it is a folder of this user that nobody holds: a process of another container has another number here."""
    try:
        there = folder.lstat()
        if there.st_uid != os.getuid() or folder.is_symlink() or not folder.is_dir():
            return False
        with os.fdopen(os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # killed before it was locked
        return folder.is_dir()
    except OSError:
        return False
    return True
