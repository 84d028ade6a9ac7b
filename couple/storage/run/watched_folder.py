"""OUT/live: how somebody who looks at a run that goes on and the run itself know of each other.

    watched.json    written again and again by whoever looks
    results.h5      written by the run when somebody begins to look: what its rows are, a result file without any
    rows.npy        written again and again while watched.json is fresh: the latest rows, thinned, as of a segment

None is worth keeping, and each is put in place whole. `read_live` makes one result file of the last two.
"""

from __future__ import annotations

import io
import json
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import CoupleError
from couple.base.regular_file import read_regular
from couple.files.array_file import read_array
from couple.files.write_hdf5 import new_in_memory
from couple.storage.atomic_file import is_regular, replace_soon
from couple.storage.folder.contents import SEGMENT_END, FolderKind, has_format, has_keys, is_segment, own_folder
from couple.storage.records.results import FORMAT, Results

LIVE = "live"
DESCRIPTION, ROWS, WATCHED = "results.h5", "rows.npy", "watched.json"

FRESH = 3.0
"""Seconds for which a look counts."""

LIVE_KIND = FolderKind(
    "run",
    {r"results\.h5": has_format(FORMAT), r"rows\.npy": is_segment, r"watched\.json": has_keys("watched_by")},
    useful=False,
)


class LiveState(NamedTuple):
    """simulated, end, since: where the run is, ends, and began in this process, in its unit of time. elapsed: seconds
    that this took."""

    simulated: float
    end: float
    since: float
    elapsed: float


def write_rows(folder: Path, state: LiveState, times: Floats, rows: Floats) -> None:
    """Put (n, width) rows at (n,) times in place, below a first line with the state. Raises RunError if that fails."""
    whole = np.zeros((len(rows) + 1, max(1 + rows.shape[1], len(state))))
    whole[0, : len(state)] = state
    whole[1:, 0], whole[1:, 1 : 1 + rows.shape[1]] = times, rows
    buffer = io.BytesIO()
    np.save(buffer, whole)
    replace_soon(own_folder(folder, LIVE) / ROWS, buffer.getvalue() + SEGMENT_END)


def read_live(folder: Path) -> tuple[Results, LiveState] | None:
    """What a run shows now, as results in memory, and where it is; None without rows, or with some of another run.

    Raises InputError for a file that is damaged.
    """
    place = folder / LIVE
    if not is_segment(place / ROWS) or not (place / DESCRIPTION).is_file():
        return None
    try:
        whole = read_array(io.BytesIO(read_regular(place / ROWS)), str(place / ROWS))
    except (OSError, ValueError):
        return None
    buffer = io.BytesIO()
    with Results(place) as described, new_in_memory(buffer) as file:
        for name in described.file:
            described.file.copy(name, file)
        file.attrs.update(described.file.attrs)
        paths = [str(path) for path in described.file.attrs["columns"]]
        widths = [math.prod(file[path].shape[1:]) for path in paths]
        if whole.ndim != 2 or whole.shape[1] != max(1 + sum(widths), len(LiveState._fields)):
            return None
        rows, start = whole[1:], 1
        file["time"].resize(len(rows), axis=0)
        file["time"][:] = rows[:, 0]
        for path, width in zip(paths, widths, strict=True):
            file[path].resize(len(rows), axis=0)
            file[path][:] = rows[:, start : start + width].reshape(file[path].shape)
            start += width
    return Results(buffer), LiveState(*whole[0, : len(LiveState._fields)].tolist())


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
