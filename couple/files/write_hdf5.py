"""Writing HDF5: whole or not at all, and sealed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from couple.base.paths.whole_file import flush_and_rename, guarded, temporary_for
from couple.files.safe_file import SafeFile
from couple.files.seal import SIZE, put_seal


@contextmanager
def replacing(path: Path, kind: str, version: str | None = None, *, flush: bool = True) -> Iterator[h5py.File]:
    """A new HDF5 file that takes its place at the end, whole, with a seal, or not at all.

    kind: what the file is, for its seal ("couple results 1"). version: the oldest HDF5 format that holds what is put
    in. flush: whether it has to outlive a power failure; without, nobody waits for the disk.
    Raises RunError if the disk refuses; what was at `path` stays.
    """
    with guarded(path), temporary_for(path) as temporary:
        with SafeFile(temporary) as disk:
            with h5py.File(disk, "w", libver=version, userblock_size=SIZE) as file:
                yield file
            if disk.error is not None:
                raise disk.error
        check_length(temporary)
        put_seal(temporary, kind)
        flush_and_rename(temporary, path) if flush else temporary.replace(path)


def check_length(path: Path) -> None:
    """Raise OSError if a file that was just written is shorter than HDF5 made it."""
    with h5py.File(path, "r"):
        pass


def new_in_memory(buffer: io.BytesIO) -> h5py.File:
    """An HDF5 file that no disk sees, for writing."""
    return h5py.File(buffer, "w")


def new_for_others(path: Path) -> h5py.File:
    """A new HDF5 file in the form of another program, for writing: without a seal, which only our own files have."""
    return h5py.File(path, "w")
