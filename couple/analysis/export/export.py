"""Which forms there are, and where a file goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from couple.analysis.export.nwb import write_nwb
from couple.analysis.export.tables import write_csv, write_parquet
from couple.base.errors import InputError, nearest
from couple.base.whole_file import flush_and_rename, guarded, temporary_for
from couple.storage.record_file import Recording

FORMS: dict[str, Callable[[Recording, Path], None]] = {"csv": write_csv, "parquet": write_parquet, "nwb": write_nwb}


def export(recording: Recording, form: str, path: Path | None = None) -> Path:
    """Write all records over time into a file, whole or not at all; returns where it is.

    form: "csv", "parquet" (needs pyarrow) or "nwb" (of one run; needs pynwb). path: results.csv or the like beside the
    file by default. Raises InputError for another form, MissingDependencyError, and RunError if the disk refuses.

    >>> with Results("OUT") as results:
    ...     print(export(results, "csv", Path("calcium.csv")))
    calcium.csv
    """
    if form not in FORMS:
        raise InputError(f'"{form}" is not written; {nearest(form, FORMS)}', where="--to")
    path = recording.path.with_suffix(f".{form}") if path is None else path
    with guarded(path), temporary_for(path) as temporary:
        FORMS[form](recording, temporary)
        flush_and_rename(temporary, path)
    return path
