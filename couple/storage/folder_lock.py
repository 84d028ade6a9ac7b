"""One writer per output folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError

NAME = ".lock"


class FolderLock:
    """A claim on a folder, given up by `release` and, by the system, when the process ends however it ends.

    Raises InputError, with the number of the other process, if another run has it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._descriptor: int | None = None
        self.acquire()

    def acquire(self) -> None:
        """Nothing if it is held already."""
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(descriptor, 20).decode(errors="replace").strip()
                os.close(descriptor)
                raise InputError(
                    f"another run (process {owner or 'unknown'}) is writing into this folder: wait for it, or give "
                    "another --out",
                    where=str(self.path.parent),
                ) from None
            except OSError:  # a file system without locks: better to run than to refuse
                self._descriptor = descriptor
                return
            if self._is_there(descriptor):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                self._descriptor = descriptor
            else:  # its owner removed it between our two calls
                os.close(descriptor)

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Nothing if it is not held."""
        if self._descriptor is not None:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()
