"""Opening a file of records without knowing whether it is of one run or of many."""

from __future__ import annotations

from pathlib import Path

import h5py

from couple.ensemble.ensemble import Ensemble
from couple.storage.results import Results


def open_recording(path: Path) -> Results | Ensemble:
    """The results in a file or folder, or the ensemble if it holds one. Raises InputError if it holds neither."""
    if path.is_dir() and (path / Ensemble.FILE).exists():
        return Ensemble(path)
    return (Ensemble if path.name == Ensemble.FILE or _is_ensemble(path) else Results)(path)


def _is_ensemble(path: Path) -> bool:
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(file.attrs.get("format", "") == Ensemble.FORMAT)
