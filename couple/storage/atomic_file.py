"""Files of a run: whole or not at all, refusals in one line, and what killed processes have left."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Buffer
from pathlib import Path

from couple.base.paths.whole_file import flush_and_rename, guarded, temporary_for

_TEMPORARY = re.compile(r"\.(?P<name>.+?)\.(?P<pid>[0-9]+)(-[0-9]+)?")

_BEGINNINGS = (b"couple ", b"\x89HDF", b"\x93NUMPY", b"\x89PNG", b"%PDF", b"<?xml", b"{", bytes(8))
"""How a file that is written by us begins, also one whose first bytes are still to come."""


def replace(path: Path, *parts: Buffer) -> None:
    """Put `parts`, one after the other, at `path` in one step: whole or not at all. Raises RunError if the disk
    refuses."""
    with guarded(path), temporary_for(path) as temporary:
        with temporary.open("wb") as file:
            for part in parts:
                file.write(part)
        flush_and_rename(temporary, path)


def replace_soon(path: Path, content: bytes) -> None:
    """As `replace`, for what is worthless after a power failure: nobody waits for the disk."""
    with guarded(path), temporary_for(path) as temporary:
        temporary.write_bytes(content)
        temporary.replace(path)


def name_of_temporary(path: Path) -> str | None:
    """The name of the file that a temporary file was to become, by its own name and beginning; None for other files."""
    match = _TEMPORARY.fullmatch(path.name)
    return match["name"] if match is not None and _begins_as_ours(path) else None


def is_abandoned(path: Path) -> bool:
    """Whether the process that wrote a temporary file is gone (or is this one, which is not writing it)."""
    match = _TEMPORARY.fullmatch(path.name)
    return match is not None and (int(match["pid"]) == os.getpid() or not is_alive(int(match["pid"])))


def is_alive(process: int) -> bool:
    """Whether a process of that number runs on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def is_regular(path: Path) -> bool:
    """Whether it is a file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def beginning(path: Path, size: int = 512) -> bytes | None:
    """The first bytes of a file; None for links, for what is no file, and for one that cannot be read."""
    if not is_regular(path):
        return None
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return None


def _begins_as_ours(path: Path) -> bool:
    first = beginning(path)
    return first is not None and (not first or first.startswith(_BEGINNINGS))
