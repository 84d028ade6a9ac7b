"""Checkpoints of a run over ranks: OUT/checkpoint/NUMBER-rank0000.h5, ..., and OUT/checkpoint.h5, which names them.

The set is valid at any instant: parts of a new number are written beside the old ones, and these are removed only when
the file that names the new ones is on the disk.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError, RunError
from couple.components.component import State
from couple.components.state import text, whole
from couple.parallel.communicator import SingleProcess
from couple.storage import checkpoint

PARTS = "checkpoint"


def part(folder: Path, number: int, rank: int) -> Path:
    """Where the state of a rank is."""
    return folder / PARTS / f"{number:06d}-rank{rank:04d}.h5"


def write(path: Path, states: Mapping[str, State], run: State, number: int, ranks: SingleProcess) -> None:
    """Write a set; all ranks together. path: of OUT/checkpoint.h5. Raises RunError if the disk refuses."""
    mine = part(path.parent, number, ranks.rank)
    try:
        mine.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{mine.parent}: cannot be made: {error.strerror}") from error
    checkpoint.write(mine, states)
    digests = ranks.gather(hashlib.sha256(mine.read_bytes()).hexdigest())
    if ranks.first:
        named: State = {"ranks": ranks.size, "number": number, "digests": json.dumps(digests)}
        checkpoint.write(path, {"run": {**run, **named}})
    ranks.gather(None)  # it is on the disk
    for old in mine.parent.glob(f"*-rank{ranks.rank:04d}.h5"):
        if old != mine:
            old.unlink(missing_ok=True)
    if ranks.first:
        for old in mine.parent.glob("*.h5"):
            if not old.name.startswith(f"{number:06d}-"):
                old.unlink(missing_ok=True)


def read(path: Path, run: State, rank: int) -> dict[str, State]:
    """The state of a rank of a set. Raises InputError if it is missing or not the one that belongs there."""
    mine = part(path.parent, whole(run, "number"), rank)
    found = checkpoint.read(mine)
    if hashlib.sha256(mine.read_bytes()).hexdigest() != json.loads(text(run, "digests"))[rank]:
        raise InputError(f"does not belong to {path.name}: use another checkpoint or run again", where=str(mine))
    return found


def clear_others(folder: Path, place: str, size: int) -> None:
    """Remove what a run with another number of ranks has left. place: of its recorded rows."""
    shutil.rmtree(folder / place, ignore_errors=True)
    if size == 1:
        shutil.rmtree(folder / PARTS, ignore_errors=True)
    for file in folder.glob("rank[0-9][0-9][0-9][0-9]*.h5"):
        if size == 1 or int(file.stem.removeprefix("rank")) >= size:
            file.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove all that ranks have left in a folder."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    for file in folder.glob("rank[0-9][0-9][0-9][0-9]*.h5"):
        with suppress(OSError):
            file.unlink()
