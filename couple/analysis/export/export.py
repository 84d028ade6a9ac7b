"""Which forms there are, and where a file goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from couple.analysis.export.cellblender import write_cellblender
from couple.analysis.export.nwb import write_nwb
from couple.analysis.export.sonata import write_sonata
from couple.analysis.export.tables import write_csv, write_parquet
from couple.analysis.export.vtkhdf import write_particles
from couple.base.errors import InputError, nearest
from couple.base.paths.whole_file import guarded, temporary_for
from couple.storage.folder.given_file import take_given
from couple.storage.records.record_file import Recording
from couple.storage.scratch import scratch_folder

Writer = Callable[[Recording, Path], None]

FORMS: dict[str, Writer] = {
    "csv": write_csv, "parquet": write_parquet, "nwb": write_nwb, "sonata": write_sonata, "vtkhdf": write_particles,
}  # fmt: skip
FOLDERS: dict[str, Writer] = {"cellblender": write_cellblender}
"""Forms that are a folder of files."""
SUFFIXES = {"sonata": ".sonata.h5", "cellblender": ".cellblender"}
"""Of names, where it is another one than that of the form."""


def export(recording: Recording, form: str, path: Path | None = None) -> Path:
    """Write all records over time into a file, whole or not at all; returns where it is.

    form: "csv", "parquet" (needs pyarrow), "nwb" (of one run; needs pynwb), "sonata" (voltages and spikes), "vtkhdf"
    (particles, for ParaView) or "cellblender" (a folder). path: results.csv or the like beside the file by default.
    Raises InputError for another form, MissingDependencyError, and RunError if the disk refuses.

    >>> with Results("OUT") as results:
    ...     print(export(results, "csv", Path("calcium.csv")))
    calcium.csv
    """
    if form not in FORMS and form not in FOLDERS:
        raise InputError(f'"{form}" is not written; {nearest(form, [*FORMS, *FOLDERS])}', where="--to")
    path = recording.path.with_suffix(SUFFIXES.get(form, f".{form}")) if path is None else path
    if form in FOLDERS:
        return _folder(recording, form, path)
    with guarded(path), temporary_for(path) as temporary:
        FORMS[form](recording, temporary)
        take_given(temporary, path)
    return path


def _folder(recording: Recording, form: str, path: Path) -> Path:
    """A new folder, whole or not at all. Raises InputError if something is there."""
    if path.exists():
        raise InputError("is there already: give another --out", where=str(path))
    with guarded(path), scratch_folder(form, path.parent) as scratch:
        made = scratch / "made"
        made.mkdir()
        FOLDERS[form](recording, made)
        made.rename(path)
    return path
