"""Libraries that compilers make, kept in folders that say whether they are whole: checked before they are loaded.

An entry is a folder, named by the content of what it was compiled from, with a digest of each of its files (SHA256SUMS,
as sha256sum writes it). It is built beside its place and renamed into it, one process at a time. An entry that is
damaged, or that others can have written, is built anew; where there is no place to keep it, it is built in a folder
of this process alone, with one warning.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from couple.base.paths.whole_file import temporary_for, write_whole
from couple.base.regular_file import real_path
from couple.cache.entry import SEAL, note_use, remove
from couple.cache.folder import cache_folders, not_ours, temporary_folder, warn_once
from couple.cache.prune import LOCK, NEW, prune

_ROOM = 4 << 20
"""Bytes that a compiler may want: if they cannot be written, its failure is one of the disk."""


def obtain(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder of an entry: as it was kept, or built now.

    kind: folder of the cache. key: names what it is compiled from. build: fills the empty folder that it is given.
    Raises what `build` raises, and OSError if nothing can be written anywhere.
    """
    kept = find(kind, key)
    if kept is not None:
        return kept
    for folder in cache_folders(kind)[-1:]:
        try:
            with _refusals_of(folder):
                made = _built(folder, key, build)
            prune(folder)
            return made
        except OSError as error:
            warn_once(f"{folder} cannot be written to ({error.strerror or error})")
    own = temporary_folder() / kind
    own.mkdir(mode=0o700, exist_ok=True)
    return _built(own, key, build)


def find(kind: str, key: str) -> Path | None:
    """The folder of an entry that is there, whole and ours alone."""
    return next((folder / key for folder in cache_folders(kind) if is_whole(folder / key)), None)


def is_whole(entry: Path) -> bool:
    """Whether a folder holds what was sealed in it, all of it and nothing else, and only we can have put it there."""
    try:
        there = entry.lstat()
        if not_ours(there, folder=True):
            return False
        note_use(there, entry)
        names = sorted(path.name for path in entry.iterdir() if path.name != SEAL)
        return bool(names) and _read(entry / SEAL) == _digests(entry, names)
    except OSError:
        return False


def compiler_identity(command: str | None) -> str:
    """Which compiler a command is: the program behind its links, with size and time; "" of none."""
    if command is None:
        return ""
    program = real_path(Path(command))
    there = program.stat()
    return f"{program} {there.st_size} {there.st_mtime_ns}"


def _built(folder: Path, key: str, build: Callable[[Path], None]) -> Path:
    entry, new = folder / key, folder / f"{key}{NEW}"
    with _alone(folder / f"{key}{LOCK}"):
        if is_whole(entry):  # of the process that had the lock
            return entry
        remove(new)
        try:
            new.mkdir(mode=0o700)
            build(new)
            for path in new.iterdir():
                path.chmod(0o700 if path.is_dir() else 0o600)  # whatever the umask
            write_whole(new / SEAL, _digests(new, sorted(path.name for path in new.iterdir())), 0o600)
            remove(entry)
            new.rename(entry)
        finally:
            remove(new)
    return entry


@contextmanager
def _refusals_of(folder: Path) -> Iterator[None]:
    """Have what a compiler says of a full disk raised as the OSError that it is."""
    try:
        yield
    except OSError:
        raise
    except Exception:
        with temporary_for(folder / "room") as probe:
            probe.write_bytes(bytes(_ROOM))
        raise


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock between processes; it falls with the process."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_there(descriptor, lock):
                yield
                return
        finally:
            os.close(descriptor)


def _is_there(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at a path: locks of entries that are gone are removed."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _digests(entry: Path, names: list[str]) -> bytes:
    """Lines of a digest and a name. Raises OSError for what is no file of ours."""
    return "".join(f"{hashlib.sha256(_read(entry / name)).hexdigest()}  {name}\n" for name in names).encode()


def _read(path: Path) -> bytes:
    """A file's content. Raises OSError if it is none, or others can have written it."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        trouble = not_ours(os.fstat(file.fileno()))
        if trouble:
            raise PermissionError(f"{path} {trouble}")
        return file.read()
