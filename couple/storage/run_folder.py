"""The folder that a run writes into: found or made, claimed, never another run's."""

from __future__ import annotations

import itertools
import shutil
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError
from couple.storage.folder_lock import NAME as LOCK
from couple.storage.folder_lock import FolderLock
from couple.storage.rank_checkpoints import clear

CHECKPOINT, RESULTS, SUMMARY, FIGURE = "checkpoint.h5", "results.h5", "summary.json", "figure.png"
COSTS = "costs.json"


def check_free(folder: Path, force: bool) -> None:
    """Raise InputError if a run in `folder` would overwrite something."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file; the output is a folder", where=str(folder))
    if not folder.is_dir() or all(path.name == LOCK for path in folder.iterdir()):
        return
    if not force:
        raise InputError("the output folder exists and is not empty: give another, or --force", where=str(folder))
    if not any((folder / name).exists() for name in (CHECKPOINT, RESULTS, SUMMARY)):
        raise InputError("--force only replaces an earlier run, and this folder holds none", where=str(folder))


def empty_folder(name: str, folder: str | Path | None, force: bool) -> tuple[Path, FolderLock]:
    """The folder of a new run, claimed, without what an earlier run left in it."""
    folder = claim_folder(name, folder)
    lock = lock_folder(folder)
    try:
        check_free(folder, force)  # again: another run may have come and gone while this one was wired
        for file in (CHECKPOINT, RESULTS, SUMMARY, FIGURE, COSTS):
            (folder / file).unlink(missing_ok=True)
        shutil.rmtree(folder / "segments", ignore_errors=True)
        clear(folder)
        return folder, lock
    except InputError:
        lock.release()
        raise
    except OSError as error:
        raise InputError(f"cannot be emptied: {error.strerror}", where=str(folder)) from None


def claim_folder(name: str, folder: str | Path | None) -> Path:
    """`folder`, made if it is not there; for None results/NAME-001, or the next number that is free.

    Raises InputError if it cannot be made or written to.
    """
    try:
        if folder is None:
            return _fresh_folder(name)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", where=str(folder or "results")) from None
    return folder


def lock_folder(folder: Path) -> FolderLock:
    """The lock of a folder, taken. Raises InputError if it is not there, not writable, or another process has it."""
    try:
        return FolderLock(folder)
    except FileNotFoundError:
        raise InputError("no such folder; give that of a run", where=str(folder)) from None
    except OSError as error:
        raise InputError(f"cannot be written to: {error.strerror}; give another --out", where=str(folder)) from None


def _fresh_folder(name: str) -> Path:
    """results/NAME-001, or the next number; whoever makes the folder has it."""
    for number in itertools.count(1):
        folder = Path("results") / f"{name}-{number:03d}"
        folder.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError
