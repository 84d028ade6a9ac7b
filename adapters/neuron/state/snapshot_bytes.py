"""NEURON's SaveState as bytes: NEURON writes and reads files only, and does not look whether the system took them.

On Linux the file is one in memory, so that no disk can be full; elsewhere it is a temporary one. A cut file ends the
process that reads it, inside of NEURON. It is therefore found when it is written: where the system refused what NEURON
wrote, it refuses what is written behind it too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.neuron.hoc.h import h
from couple.base.errors import RunError
from couple.storage.scratch import scratch_folder

_BEHIND = 2**16
"""Bytes that are written behind NEURON's: more than the rest of a block that a full disk may still have."""


def to_bytes(snapshot: Any) -> bytes:
    """What an h.SaveState writes. Raises RunError if the system does not take all of it."""
    with _file() as path:
        file = h.File(str(path))
        snapshot.fwrite(file)
        file.close()
        try:
            content = path.read_bytes()
            with path.open("ab", buffering=0) as behind:
                if behind.write(bytes(_BEHIND)) != _BEHIND:
                    raise OSError(0, "no space is left behind it")
        except OSError as error:
            raise RunError(f"the state of NEURON cannot be written: {error.strerror}") from error
    if not content:
        raise RunError("the state of NEURON cannot be written: the file that NEURON made is empty")
    return content


def from_bytes(content: bytes) -> Any:
    """A new h.SaveState that holds what `to_bytes` gave. Raises RunError if the system does not take it."""
    with _file() as path:
        try:
            path.write_bytes(content)
        except OSError as error:
            raise RunError(f"the state of NEURON cannot be handed to it: {error.strerror}") from error
        snapshot, file = h.SaveState(), h.File(str(path))
        snapshot.fread(file)
        file.close()
    return snapshot


@contextmanager
def _file() -> Iterator[Path]:
    """An empty file, in memory where the system has such."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("couple-neuron")
        try:
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        with scratch_folder("neuron") as folder:
            path = folder / "state"
            path.touch()
            yield path
