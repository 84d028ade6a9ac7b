"""Checkpoint files: everything a run needs to go on to the bit, written so that no kill can spoil it.

The file is HDF5 (open it with h5py), sealed, and put in place whole: at any instant the old or the new one is there. A
flipped bit or a missing byte anywhere is found on reading. Names of states may be any text: what HDF5 would take for a
path ("CaMKII/found") is stored percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np

from couple.components.component import State, StateValue
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing

FORMAT = "couple checkpoint 1"
"""What the seal of a checkpoint says."""

KIND = FileKind((FORMAT,), "a checkpoint", "give the checkpoint.h5 of a run", "use an older one or run again")


def write(path: Path, states: Mapping[str, State]) -> None:
    """Write named states atomically. Raises RunError if the disk refuses; the file that was there stays."""
    with replacing(path, FORMAT) as file:
        for name, state in states.items():
            group = file.create_group(_stored(name))
            for key, value in state.items():
                _put(group, _stored(key), value)


def read(path: Path) -> dict[str, State]:
    """The states in a checkpoint. Raises InputError if the file is missing, no checkpoint, or damaged."""
    with read_hdf5(path, KIND) as file:
        return {
            unquote(name): {unquote(key): _get(item) for key, item in group.items()} for name, group in file.items()
        }


def _stored(name: str) -> str:
    """A name as HDF5 can hold it: to HDF5 "/" parts a path, "." is the group itself, and NUL ends a name."""
    if name == ".":
        return "%2E"
    return name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def _put(group: h5py.Group, key: str, value: object) -> None:
    if isinstance(value, str):
        value, kind = np.frombuffer(value.encode(), dtype=np.uint8), "text"
    elif isinstance(value, bytes):
        value, kind = np.frombuffer(value, dtype=np.uint8), "bytes"
    elif isinstance(value, (int, float)):
        value, kind = np.array(value), type(value).__name__
    else:
        kind = "array"
    group.create_dataset(key, data=value).attrs["kind"] = kind


def _get(item: h5py.Dataset) -> StateValue:
    value: StateValue = np.asarray(item[()])
    kind = item.attrs["kind"]
    if kind == "array":
        return value
    content = np.asarray(value)
    if kind == "text":
        return content.tobytes().decode()
    if kind == "bytes":
        return content.tobytes()
    return int(content) if kind == "int" else float(content)
