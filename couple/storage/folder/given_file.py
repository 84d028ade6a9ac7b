"""Files at paths that users give for what is written for other programs: nothing of another kind is replaced."""

from __future__ import annotations

from pathlib import Path

from couple.base.errors import InputError
from couple.base.formats import recognise
from couple.base.paths.whole_file import flush_and_rename, guarded, temporary_for
from couple.files.seal import seems_sealed
from couple.storage.atomic_file import beginning


def put_given(path: Path, content: bytes) -> None:
    """Put `content` at a path, whole or not at all. Raises as `take_given`, and RunError if the disk refuses."""
    with guarded(path), temporary_for(path) as temporary:
        temporary.write_bytes(content)
        take_given(temporary, path)


def take_given(temporary: Path, path: Path) -> None:
    """Let what was written be the file at `path`; one of the same kind that was there is replaced.

    Raises InputError if another kind of file stands there, or one of ours, and OSError if the disk refuses.
    """
    first = beginning(path)
    if first and (seems_sealed(first) or recognise(path) != recognise(temporary)):
        raise InputError("is there already, and is another kind of file: give another name", where=str(path))
    flush_and_rename(temporary, path)
