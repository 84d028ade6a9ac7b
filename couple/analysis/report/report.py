"""The report of whatever is in a folder: a run, an ensemble, or what another package has put there."""

from __future__ import annotations

from pathlib import Path

from couple.analysis.report.page import page_of
from couple.base import registry
from couple.base.errors import InputError
from couple.ensemble.open_recording import open_recording
from couple.storage.atomic_file import beginning, replace
from couple.storage.folder.contents import is_report
from couple.storage.records.record_file import Recording

FILE = "report.html"

GROUP = "couple.reports"
"""Entry points: name → function of a path that returns the page of what is there, None if that is not of its kind."""


def report(recording: Recording, path: Path | None = None) -> Path:
    """Write the report of a result or ensemble file; returns where it is (report.html beside the file by default).

    Raises MissingDependencyError without plotly, and RunError if the disk refuses.

    >>> with Results("OUT") as results:
    ...     print(report(results, Path("report.html")))
    report.html
    """
    return _write(page_of(recording), recording.path, path)


def write_report(given: Path, path: Path | None = None) -> Path:
    """As `report`, of a file or folder; raises InputError too if nothing in it can be shown."""
    return _write(page_at(given), given / FILE if given.is_dir() else given, path)


def page_at(given: Path) -> str:
    """The report of a file or folder, as HTML. Raises as `write_report`."""
    for name in registry.names(GROUP):
        page: str | None = registry.load(GROUP, name)(given)
        if page is not None:
            return page
    with open_recording(given) as recording:
        return page_of(recording)


def _write(page: str, beside: Path, path: Path | None) -> Path:
    path = beside.with_name(FILE) if path is None else path / FILE if path.is_dir() else path
    if beginning(path) and not is_report(path):
        raise InputError("is there already, and no report of couple: give another name", where=str(path))
    replace(path, page.encode())
    return path
