"""What in an output folder was written by us: known by the content of each file, never by its name alone.

A `FolderKind` says which names a command writes and how what it writes under each is recognised. `survey` sorts what is
in a folder by it. An empty file under a name of ours counts as ours (there is nothing in it to lose), as does a
temporary file of a process that was killed. Links are strangers: nothing is looked at, written or removed behind one.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from couple.base.errors import InputError, RunError
from couple.base.paths.whole_file import guarded
from couple.base.regular_file import open_regular, read_regular
from couple.files.open_hdf5 import read_hdf5
from couple.files.seal import sealed_kind, seems_sealed
from couple.storage import checkpoint
from couple.storage.atomic_file import beginning, is_abandoned, is_regular, name_of_temporary

Recogniser = Callable[[Path], bool]
"""Whether a regular file, which is not empty, has the content that we write under its name."""

LOCK = ".lock"

SEGMENT_END = b"couple segment 1\n"
"""The last bytes of recorded rows, behind what NumPy reads."""

PICTURE = "couple figure 1"
"""What the metadata of a picture say of who drew it."""

_PICTURES = re.compile(r".+\.(png|pdf|svg|gif|mp4)")
_LARGEST_PICTURE = 2**26
_SHOWN = 3
_OF_THE_SYSTEM = re.compile(r"\.nfs[0-9a-f]+|\.DS_Store")
"""What file systems put into every folder."""


@dataclass(frozen=True)
class FolderKind:
    """What a command leaves in a folder.

    what: of the folder, in messages ("run"). files, folders: pattern of a name → how its content is known.
    useful: whether what is found here is worth keeping by itself, as rows without a checkpoint are not.
    Pictures that other commands have drawn are ours too, whatever they are called.
    """

    what: str
    files: Mapping[str, Recogniser]
    folders: Mapping[str, FolderKind] = field(default_factory=dict)
    useful: bool = True

    def recogniser(self, name: str) -> Recogniser | None:
        """Of files of that name; None for a name that is not written."""
        return next((known for pattern, known in self.files.items() if re.fullmatch(pattern, name)), None)

    def owns(self, path: Path) -> bool:
        """Whether a file was written by us."""
        known = self.recogniser(path.name) or (is_picture if _PICTURES.fullmatch(path.name) else None)
        return known is not None and is_regular(path) and (path.stat().st_size == 0 or known(path))

    def folder(self, name: str) -> FolderKind | None:
        """Of folders of that name; None for a name that is not made."""
        return next((kind for pattern, kind in self.folders.items() if re.fullmatch(pattern, name)), None)


@dataclass
class Survey:
    """What is in a folder. All are paths.

    ours: files that were written by us. folders: ours, the innermost first. dead: temporary files of killed processes.
    strangers: all else. taken: those of them that stand where we write. useful: whether `ours` holds more than what a
    process leaves that is killed before its first checkpoint.
    """

    ours: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    dead: list[Path] = field(default_factory=list)
    strangers: list[Path] = field(default_factory=list)
    taken: list[Path] = field(default_factory=list)
    useful: bool = False

    def clear(self) -> None:
        """Remove all that is ours, checkpoints before the rows that they name. Raises OSError if the system refuses."""
        for path in sorted([*self.ours, *self.dead], key=lambda path: len(path.parts)):
            path.unlink(missing_ok=True)
        for folder in self.folders:
            with suppress(OSError):  # somebody still has something in it
                folder.rmdir()

    def sweep(self) -> None:
        """Remove what killed processes have left of their writes."""
        for path in self.dead:
            with suppress(OSError):
                path.unlink()


def survey(folder: Path, kind: FolderKind) -> Survey:
    """What is in `folder`, as one of that kind. Raises InputError if it cannot be read."""
    found = Survey()
    try:
        _look(folder, kind, found)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(folder)) from None
    return found


def _look(folder: Path, kind: FolderKind, found: Survey) -> None:
    for path in sorted(folder.iterdir()):
        if not _OF_THE_SYSTEM.fullmatch(path.name) and not (path.name == LOCK and is_lock(path)):
            with suppress(FileNotFoundError):  # gone meanwhile
                _sort(path, kind, found)


def _sort(path: Path, kind: FolderKind, found: Survey) -> None:
    inner = kind.folder(path.name)
    target = name_of_temporary(path)
    if inner is not None and _is_folder(path):
        _look(path, inner, found)
        found.folders.append(path)
    elif kind.owns(path):
        found.ours.append(path)
        found.useful |= kind.useful and path.stat().st_size > 0
    elif target is not None and kind.recogniser(target) is not None:
        if is_abandoned(path):
            found.dead.append(path)
    else:
        found.strangers.append(path)
        if inner is not None or kind.recogniser(path.name) is not None:
            found.taken.append(path)


def _is_folder(path: Path) -> bool:
    """Whether it is one, and no link to one."""
    return stat.S_ISDIR(path.lstat().st_mode)


def refuse_taken(folder: Path, kind: FolderKind) -> Survey:
    """The survey of a folder in which something of that kind goes on.

    Raises InputError if somebody else's file stands where it writes.
    """
    found = survey(folder, kind)
    if found.taken:
        raise InputError(
            f"{listed(folder, found.taken)} {'was' if len(found.taken) == 1 else 'were'} not written by a {kind.what} "
            "of couple, which writes there: move it away",
            where=str(folder),
        )
    return found


def listed(folder: Path, paths: list[Path]) -> str:
    """The first few of them, as seen from the folder."""
    names = ", ".join(str(path.relative_to(folder)) + ("/" if path.is_dir() else "") for path in paths[:_SHOWN])
    return names + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def own_folder(top: Path, *names: str) -> Path:
    """top/NAME/NAME..., made if it is not there. `top` has to be.

    Raises RunError if it cannot be made, or if one of the names is a link or a file.
    """
    path = top
    for name in names:
        path = path / name
        with guarded(path, "made"), suppress(FileExistsError):
            path.mkdir()
        refuse_link(path)
    return path


def refuse_link(*paths: Path) -> None:
    """Raise RunError for a path that is there and no folder, but a link or a file."""
    for path in paths:
        with suppress(FileNotFoundError):
            if not _is_folder(path):
                raise RunError(f"{path}: is {'a link' if path.is_symlink() else 'a file'}, not a folder: remove it")


def files_of(folder: Path, kind: FolderKind) -> Iterator[Path]:
    """Files in a folder itself that were written by us, by name; none if the folder is a link or not there."""
    paths: list[Path] = []
    with suppress(OSError):
        paths = sorted(folder.iterdir()) if _is_folder(folder) else []
    yield from (path for path in paths if kind.recogniser(path.name) is not None and kind.owns(path))


# -- how a content is known --------------------------------------------------------------------------------------------


REPORT = '<meta name="generator" content="couple report">'
"""Near the beginning of every report."""


def is_lock(path: Path) -> bool:
    """Whether a file holds nothing but the number of a process."""
    content = beginning(path, 32)
    return content is not None and re.fullmatch(rb"\s*[0-9]*\s*", content) is not None


def is_segment(path: Path) -> bool:
    """Whether a file holds recorded rows."""
    with suppress(OSError), open_regular(path) as file:
        first = file.read(6)
        file.seek(-len(SEGMENT_END), os.SEEK_END)
        return first == b"\x93NUMPY" and file.read() == SEGMENT_END
    return False


def is_picture(path: Path) -> bool:
    """Whether a picture was drawn by us."""
    try:
        return path.stat().st_size < _LARGEST_PICTURE and PICTURE.encode() in read_regular(path)
    except OSError:
        return False


def is_report(path: Path) -> bool:
    """Whether a page was written by `couple report`."""
    return REPORT.encode() in (beginning(path) or b"")


def has_format(*formats: str) -> Recogniser:
    """Whether the seal of a file says one of these; what is damaged is ours if the seal still looks like one."""

    def look(path: Path) -> bool:
        head = beginning(path) or b""
        return seems_sealed(head) and sealed_kind(head) in (*formats, None)

    return look


def has_group(*names: str) -> Recogniser:
    """Whether a file is a checkpoint that holds one of these groups, or a damaged one."""
    sealed = has_format(checkpoint.FORMAT)

    def look(path: Path) -> bool:
        if not sealed(path):
            return False
        with suppress(InputError), read_hdf5(path, checkpoint.KIND) as file:
            return any(name in file for name in names)
        return True

    return look


def has_keys(*keys: str) -> Recogniser:
    """Whether a JSON file is an object with these keys."""

    def look(path: Path) -> bool:
        try:
            content = json.loads(read_regular(path))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(content, dict) and content.keys() >= {*keys}

    return look
