"""One writer per output folder."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from couple.base.errors import InputError
from couple.base.regular_file import real_path
from couple.storage.folder.contents import LOCK, is_lock

_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_held: set[Path] = set()
"""Folders that this process has."""


class FolderLock:
    """A claim on a folder, given up by `release` and, by the system, when the process ends however it ends.

    Raises InputError, with the number of the other process, if another run has it, and for a file .lock that is not
    ours: nothing is written through a link, nor into what somebody else wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._folder = real_path(folder)
        self._descriptor: int | None = None
        self.acquire()

    def acquire(self) -> None:
        """Nothing if it is held already."""
        while self._descriptor is None:
            descriptor = self._open()
            if descriptor is None:
                continue
            try:
                self._descriptor = self._claim(descriptor)
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
        _held.add(self._folder)

    def _open(self) -> int | None:
        """The file, made if it is not there; None if it came or went meanwhile. Raises InputError for another's."""
        try:
            there = self.path.lstat()
        except FileNotFoundError:
            with suppress(FileExistsError):
                return os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o644)
            return None
        if not stat.S_ISREG(there.st_mode):
            what = "a link" if stat.S_ISLNK(there.st_mode) else "no file"
            raise InputError(f"is {what}, not the lock of a run: remove it", where=str(self.path))
        if not is_lock(self.path) and self.path.exists():
            raise InputError(
                "is not the lock of a run, but somebody else's file: move it away, or give another --out",
                where=str(self.path),
            )
        with suppress(FileNotFoundError):
            return os.open(self.path, _FLAGS)
        return None

    def _claim(self, descriptor: int) -> int | None:
        """The descriptor, locked and with our number in it; None if the file is to be opened anew."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode(errors="replace").strip()
            raise InputError(
                f"another run (process {owner or 'unknown'}) is writing into this folder: wait for it, or give "
                "another --out",
                where=str(self.path.parent),
            ) from None
        except OSError:  # a file system without locks: better to run than to refuse
            return descriptor
        if not self._is_there(descriptor):  # its owner removed it between our two calls
            return None
        if os.fstat(descriptor).st_nlink > 1:  # the same file has another name, elsewhere
            self.path.unlink(missing_ok=True)
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.lstat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Nothing if it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        _held.discard(self._folder)
        with suppress(OSError):
            if self._is_there(descriptor):
                self.path.unlink()
        os.close(descriptor)

    def __del__(self) -> None:
        self.release()


def is_claimed(folder: Path) -> bool:
    """Whether a process writes into a folder now; looking at it changes nothing."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The lock of a folder is held inside, also if this process has it already. Raises as `lock_folder`."""
    if real_path(folder) in _held:
        yield
        return
    lock = lock_folder(folder)
    try:
        yield
    finally:
        lock.release()


def lock_folder(folder: Path) -> FolderLock:
    """The lock of a folder, taken. Raises InputError if it is not there, not writable, or another process has it."""
    try:
        return FolderLock(folder)
    except FileNotFoundError:
        raise InputError("no such folder; give that of a run", where=str(folder)) from None
    except OSError as error:
        raise InputError(f"cannot be written to: {error.strerror}; give another --out", where=str(folder)) from None
