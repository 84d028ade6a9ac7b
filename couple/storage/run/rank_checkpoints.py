"""Checkpoints of a run over ranks: OUT/checkpoint/NUMBER-rank0000.h5, ..., and OUT/checkpoint.h5, which names them.

The set is valid at any instant: parts of a new number are written beside the old ones, and these are removed only when
the file that names the new ones is on the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError
from couple.base.paths.whole_file import guarded
from couple.components.component import State
from couple.components.state import text, whole
from couple.parallel.communicator import SingleProcess
from couple.storage import checkpoint
from couple.storage.folder.contents import FolderKind, files_of, has_group, own_folder

PARTS = "checkpoint"
PARTS_KIND = FolderKind("run", {r"[0-9]{6,}-rank[0-9]{4,}\.h5": has_group("recorder")}, useful=False)
"""The folder of what each rank has written."""


def part(folder: Path, number: int, rank: int) -> Path:
    """Where the state of a rank is."""
    return folder / PARTS / f"{number:06d}-rank{rank:04d}.h5"


def write(path: Path, states: Mapping[str, State], run: State, number: int, ranks: SingleProcess) -> None:
    """Write a set; all ranks together. path: of OUT/checkpoint.h5. Raises RunError if the disk refuses."""
    mine = part(path.parent, number, ranks.rank)
    own_folder(path.parent, PARTS)
    checkpoint.write(mine, states)
    with guarded(mine, "read back"):
        digest = hashlib.sha256(mine.read_bytes()).hexdigest()
    digests = ranks.gather(digest)
    if ranks.first:
        named: State = {"ranks": ranks.size, "number": number, "digests": json.dumps(digests)}
        checkpoint.write(path, {"run": {**run, **named}})
    ranks.gather(None)  # it is on the disk
    for old in files_of(mine.parent, PARTS_KIND) if ranks.first else ():
        if int(old.stem.split("-")[0]) != number:
            with suppress(OSError):
                old.unlink(missing_ok=True)


def read(path: Path, run: State, rank: int) -> dict[str, State]:
    """The state of a rank of a set. Raises InputError if it is missing or not the one that belongs there."""
    mine = part(path.parent, whole(run, "number"), rank)
    found = checkpoint.read(mine)
    if hashlib.sha256(mine.read_bytes()).hexdigest() != json.loads(text(run, "digests"))[rank]:
        raise InputError(f"does not belong to {path.name}: use another checkpoint or run again", where=str(mine))
    return found
