"""A file of ours written anew, in one piece and with a seal."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from couple.base.errors import InputError
from couple.files.hdf5_content import DIGESTS, own_names
from couple.files.open_hdf5 import FileKind, open_given, reading
from couple.files.seal import checked_kind
from couple.files.write_hdf5 import replacing

ANY = FileKind((), "a file of couple", "give the HDF5 file of one", parts=True, whole=False)

PIECE = 2**24
"""Bytes that are read at a time."""


def repack(source: Path, target: Path) -> str:
    """Write `source` to `target` with a seal and without other files beside it; returns what it is.

    For results over ranks, and for files of ours that have no seal: made by an earlier version, or by another program
    from one of ours. Raises InputError for a damaged one, one that does not say what it is, and a target that is there.
    """
    if target.exists():
        raise InputError("is there already: give another name", where=str(target))
    with open_given(source, ANY) as file, reading(source, ANY.words):
        kind = checked_kind(source) or str(file.attrs.get("format", ""))
        if not kind.startswith("couple "):
            raise InputError('has no attribute "format" that says what it is', where=str(source))
        with replacing(target, kind, "v110") as out:
            out.attrs.update({key: value for key, value in file.attrs.items() if key != DIGESTS})
            for name in own_names(file, source):
                _copy(file, out, name)
    return kind


def _copy(file: h5py.File, out: h5py.File, name: str) -> None:
    item = file[name]
    if isinstance(item, h5py.Group):
        out.require_group(name).attrs.update(item.attrs)
    elif not item.is_virtual:
        file.copy(item, out, name)
    else:
        made = out.create_dataset(name, item.shape, item.dtype, chunks=True, compression="gzip", shuffle=True)
        made.attrs.update(item.attrs)
        row = max(item.dtype.itemsize * int(np.prod(item.shape[1:], dtype=float)), 1)
        rows = max(PIECE // row, 1)
        for start in range(0, len(item), rows):
            made[start : start + rows] = item[start : start + rows]
