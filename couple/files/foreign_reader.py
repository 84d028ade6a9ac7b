"""The process that reads a file of another program to its end, within limits, and says what is wrong with it.

python -m couple.files.foreign_reader FILE WHOLE SECONDS: prints a JSON string, "" for a file that can be read.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import h5py
import numpy as np

from couple.base.budget import available_memory
from couple.base.errors import InputError
from couple.files.hdf5_content import check_content, own_names

MEMORY = 2**32
"""Bytes of addresses that are enough to read a file in pieces."""
PIECE = 2**24
"""Bytes that are read at a time."""


def main(path: Path, whole: bool, seconds: int) -> str:
    """What is wrong with the file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        memory = MEMORY + (int(min(available_memory(), 2**40)) if whole else 0)
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        with h5py.File(path, "r") as file:
            check_content(file, path, None, whole)
            for item in (file, *(file[name] for name in own_names(file, path))):
                _read(item)
    except InputError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - h5py raises many kinds, and each is what is wrong with the file
        said = str(error).splitlines()
        return f"is damaged: {said[0] if said else type(error).__name__}"
    return ""


def _read(item: h5py.Group | h5py.Dataset) -> None:
    for value in item.attrs.values():
        np.asarray(value)
    if isinstance(item, h5py.Dataset):
        _read_data(item)


def _read_data(data: h5py.Dataset) -> None:
    """Piece by piece along the first axis."""
    if data.shape is None or not data.ndim:
        np.asarray(data)
        return
    row = max(data.dtype.itemsize * int(np.prod(data.shape[1:], dtype=float)), 1)
    rows = max(PIECE // row, 1)
    for start in range(0, data.shape[0], rows):
        np.asarray(data[start : start + rows])


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2] == "1", int(sys.argv[3]))))
