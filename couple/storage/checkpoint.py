"""Checkpoint files: everything a run needs to go on to the bit, written so that no kill can spoil it.

The file is HDF5 (open it with h5py) with a user block in front that holds a SHA-256 of all that follows. It is
written beside its place, flushed to disk and renamed over it: at any instant the old or the new one is there,
whole. A flipped bit or a missing byte anywhere is found on reading. Names of states may be any text: what HDF5 would
take for a path ("CaMKII/found") is stored percent-encoded.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import h5py
import numpy as np

from couple.base.errors import InputError
from couple.components.component import State, StateValue
from couple.storage.atomic_file import replace

_BLOCK = 512
_MAGIC = b"couple checkpoint 1\n"


def write(path: Path, states: Mapping[str, State]) -> None:
    """Write named states atomically. Raises RunError if the disk refuses; the file that was there stays."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=_BLOCK) as file:
        for name, state in states.items():
            group = file.create_group(_stored(name))
            for key, value in state.items():
                _put(group, _stored(key), value)
    body = buffer.getvalue()[_BLOCK:]
    header = (_MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n").ljust(_BLOCK, b"\0")
    replace(path, header + body)


def read(path: Path) -> dict[str, State]:
    """The states in a checkpoint. Raises InputError if the file is missing, no checkpoint, or damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file; give the checkpoint.h5 of a run", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    header, body = content[:_BLOCK], content[_BLOCK:]
    whole = (_MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n").ljust(_BLOCK, b"\0")
    if header != whole:
        if content[:8] == b"\x89HDF\r\n\x1a\n":
            raise InputError(
                "is not a checkpoint (an HDF5 file of another kind); give OUT/checkpoint.h5", where=str(path)
            )
        raise InputError(
            "is damaged or not a checkpoint (its checksum does not fit): use an older one or run again", where=str(path)
        )
    with h5py.File(io.BytesIO(content), "r") as file:
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
