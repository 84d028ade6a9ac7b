"""The folder that a run writes into: found or made, claimed, never another run's.

One run at a time has it (`folder.lock`), and what was written by a run is known by its content (`folder.contents`). A
process that is killed at any instant leaves a folder that the next one takes: with a checkpoint, `couple resume`;
before the first, the same command; and with --force any that holds nothing but what a run wrote.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError, RunError
from couple.storage.folder.contents import (
    FolderKind,
    has_format,
    has_group,
    has_keys,
    is_picture,
    is_report,
    listed,
    refuse_taken,
    survey,
)
from couple.storage.folder.lock import FolderLock, lock_folder
from couple.storage.records.recorder import SEGMENTS
from couple.storage.records.results import FORMAT
from couple.storage.run.rank_checkpoints import PARTS, PARTS_KIND
from couple.storage.run.watched_folder import LIVE, LIVE_KIND

CHECKPOINT, RESULTS, SUMMARY, FIGURE = "checkpoint.h5", "results.h5", "summary.json", "figure.png"
COSTS = "costs.json"

RUN = FolderKind(
    "run",
    {
        r"checkpoint\.h5": has_group("run"),
        r"results\.h5": has_format(FORMAT),
        r"rank[0-9]{4,}\.h5": has_format(FORMAT),
        r"summary\.json": has_keys("simulated_ms", "exchanges", "versions"),
        r"costs\.json": has_keys("unit", "cells"),
        r"figure\.png": is_picture,
        r"report\.html": is_report,
    },
    {
        r"segments(-[0-9]+)*": FolderKind("run", SEGMENTS.files, {r"rank[0-9]{4,}": SEGMENTS}, useful=False),
        PARTS: PARTS_KIND,
        LIVE: LIVE_KIND,
    },
)


def check_free(folder: Path, force: bool) -> None:
    """Raise InputError if a run in `folder` would overwrite something."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file; the output is a folder", where=str(folder))
    if not folder.is_dir():
        return
    found = survey(folder, RUN)
    if not force and (found.useful or found.strangers):
        held = listed(folder, [*found.strangers, *found.ours])
        raise InputError(f"the output folder is not empty ({held}): give another, or --force", where=str(folder))
    if found.strangers:
        raise InputError(
            f"--force only replaces an earlier run, and no run wrote {listed(folder, found.strangers)}: move it away, "
            "or give another folder",
            where=str(folder),
        )


def empty_folder(name: str, folder: str | Path | None, force: bool) -> tuple[Path, FolderLock]:
    """The folder of a new run, claimed, without what an earlier run left in it."""
    folder = claim_folder(name, folder)
    lock = lock_folder(folder)
    try:
        check_free(folder, force)  # again: another run may have come and gone while this one was wired
        survey(folder, RUN).clear()
        return folder, lock
    except InputError:
        lock.release()
        raise
    except OSError as error:
        lock.release()
        raise InputError(f"cannot be emptied: {error.strerror}", where=str(folder)) from None


def reopen_folder(checkpoint: Path) -> FolderLock:
    """The lock of the folder of a run that goes on, without what killed processes have left in it.

    Raises InputError if there is no such checkpoint, or if somebody else's file stands where a run writes.
    """
    folder = checkpoint.parent
    if not checkpoint.exists():
        if checkpoint.name == CHECKPOINT and folder.is_dir():
            found = survey(folder, RUN)
            if (found.ours or found.dead) and not (found.useful or found.strangers):
                raise InputError(
                    "the run in it was killed before its first checkpoint: run it again, into this folder",
                    where=str(folder),
                )
        raise InputError("no such file; give the checkpoint.h5 of a run", where=str(checkpoint))
    lock = lock_folder(folder)
    try:
        refuse_taken(folder, RUN).sweep()
        return lock
    except BaseException:
        lock.release()
        raise


def clear_others(folder: Path, place: str, size: int) -> None:
    """Remove what the run has left when it had another number of ranks. place: of its recorded rows."""
    with suppress(OSError):
        found = survey(folder, RUN)
        for path in found.ours:
            first = path.relative_to(folder).parts[0]
            of_rank = first.startswith("rank") and (size == 1 or int(path.stem.removeprefix("rank")) >= size)
            if first == place or of_rank or (first == PARTS and size == 1):
                path.unlink(missing_ok=True)
        for inner in found.folders:
            first = inner.relative_to(folder).parts[0]
            if first == place or (first == PARTS and size == 1):
                inner.rmdir()


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


def _fresh_folder(name: str) -> Path:
    """results/NAME-001, or the next number; whoever makes the folder has it."""
    for number in itertools.count(1):
        folder = Path("results") / f"{name}-{number:03d}"
        folder.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise RunError("results: has no free number left")
