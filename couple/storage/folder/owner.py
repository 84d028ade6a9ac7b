"""Who writes into a folder now, known without touching its lock, and how that process is asked to stop."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError
from couple.storage.atomic_file import beginning
from couple.storage.folder.contents import LOCK, is_lock
from couple.storage.folder.lock import is_claimed

PROCESSES = Path("/proc")


def writer_of(folder: Path) -> int | None:
    """The process that has the lock of a folder: the one whose number is in it and that holds this very file open.

    None where nobody writes. A number alone proves nothing: the process may have ended, and another have its number.
    """
    lock = folder / LOCK
    try:
        there = lock.lstat()
    except OSError:
        return None
    content = (beginning(lock, 32) or b"").strip()
    if not is_lock(lock) or not content:
        return None
    process = int(content)
    try:
        descriptors = list((PROCESSES / str(process) / "fd").iterdir())
    except OSError:
        return None
    for one in descriptors:
        with suppress(OSError):  # closed meanwhile
            if os.path.samestat(there, one.stat()):
                return process
    return None


def is_being_written(folder: Path) -> bool:
    """Whether a process writes into a folder now. Without /proc its lock is tried, which a process that starts in
    that instant sees."""
    if PROCESSES.joinpath("self", "fd").is_dir():
        return writer_of(folder) is not None
    return is_claimed(folder)


def ask_to_stop(folder: Path) -> int:
    """Send SIGTERM to the process that writes into a folder, which saves what it has and ends; returns its number.

    Raises InputError if there is none that can be proved to be the one. The process is held by a descriptor while that
    is looked at, so that no other can have got its number when the signal is sent.
    """
    process = writer_of(folder)
    if process is None or process == os.getpid():
        raise InputError("no process of this machine that can be asked to stop writes into it", where=str(folder))
    try:
        held = os.pidfd_open(process)
    except OSError:
        raise InputError("the process that wrote into it has just ended", where=str(folder)) from None
    try:
        if writer_of(folder) != process:
            raise InputError("the process that wrote into it has just ended", where=str(folder))
        signal.pidfd_send_signal(held, signal.SIGTERM)
    except OSError as error:
        raise InputError(f"process {process} cannot be stopped: {error.strerror}", where=str(folder)) from None
    finally:
        os.close(held)
    return process
