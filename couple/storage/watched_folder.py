"""OUT/live: how somebody who looks at a run that goes on and the run itself know of each other.

    watched.json    written again and again by whoever looks
    results.h5      written by the run while that is fresh: the latest rows, thinned, as a result file

Neither is worth keeping, and both are put in place whole.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from couple.base.errors import CoupleError
from couple.storage.atomic_file import is_regular, replace_soon
from couple.storage.folder_contents import FolderKind, has_format, has_keys, own_folder
from couple.storage.results import FORMAT

LIVE = "live"
ROWS, WATCHED = "results.h5", "watched.json"

FRESH = 3.0
"""Seconds for which a look counts."""

LIVE_KIND = FolderKind(
    "run", {r"results\.h5": has_format(FORMAT), r"watched\.json": has_keys("watched_by")}, useful=False
)


def look(folder: Path, process: int) -> bool:
    """Say that somebody looks at the run in a folder; False where that cannot be written. process: who looks."""
    try:
        replace_soon(own_folder(folder, LIVE) / WATCHED, json.dumps({"watched_by": process}).encode())
    except (CoupleError, OSError):
        return False
    return True


def is_watched(folder: Path) -> bool:
    """Whether somebody has looked in the last seconds."""
    path = folder / LIVE / WATCHED
    try:
        return is_regular(path) and abs(time.time() - path.stat().st_mtime) < FRESH
    except OSError:
        return False


def leave(folder: Path, *names: str) -> None:
    """Remove these files of OUT/live, and it if it is empty then."""
    place = folder / LIVE
    if place.is_symlink():
        return
    with suppress(OSError):
        for name in names:
            (place / name).unlink(missing_ok=True)
        place.rmdir()
