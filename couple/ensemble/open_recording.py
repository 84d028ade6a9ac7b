"""Opening a file of records without knowing whether it is of one run or of many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from couple.base.regular_file import real_path
from couple.ensemble.ensemble import FORMAT, Ensemble
from couple.files.open_hdf5 import reading
from couple.files.seal import sealed_kind
from couple.storage.atomic_file import beginning
from couple.storage.records.results import Results


@contextmanager
def open_recording(path: Path) -> Iterator[Results | Ensemble]:
    """The results in a file or folder, or the ensemble if it holds one, for a `with` statement in which all is read.

    Raises InputError if it holds neither, is damaged, or is not as couple writes it.
    """
    ensemble = (path / Ensemble.FILE).exists() if path.is_dir() else _is_ensemble(path)
    with (Ensemble if ensemble else Results)(path) as recording, reading(recording.path, recording.KIND.words):
        yield recording


def _is_ensemble(path: Path) -> bool:
    return path.name == Ensemble.FILE or sealed_kind(beginning(real_path(path)) or b"") == FORMAT
