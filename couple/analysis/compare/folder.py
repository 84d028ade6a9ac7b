"""The folder of a comparison: an ensemble for each side that was run, and the figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from couple.ensemble.folder import SAMPLING
from couple.storage.folder.contents import FolderKind, is_picture, refuse_taken
from couple.storage.folder.lock import locked
from couple.storage.run.run_folder import claim_folder

COMPARISON = FolderKind("comparison", {r"compare\.png": is_picture}, {"[A-H]": SAMPLING})


@contextmanager
def comparison_folder(folder: Path | None) -> Iterator[Path]:
    """A folder, claimed; for None results/compare-001 or the next number that is free.

    If nothing is put into it, it is removed again. Raises InputError if it cannot be made, if another process writes
    into it, and if somebody else's file stands where a comparison writes.
    """
    made = folder is None or not folder.exists()
    at = claim_folder("compare", folder)
    try:
        with locked(at):
            refuse_taken(at, COMPARISON).sweep()
            yield at
    finally:
        if made:
            with suppress(OSError):  # something is in it
                at.rmdir()
