"""Where compiled code is kept: a folder of this user alone, or nowhere.

What lies in the cache is executed, so a folder serves only if nobody else can have put anything there: it, and the
folder of each kind in it, belong to this user (or to root), are no links, and cannot be written by group or others;
and no folder above can be renamed by everybody. A cache is never necessary: where there is none, one warning says
so and code is compiled anew.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from couple.base.paths.whole_file import temporary_root
from couple.base.regular_file import real_path
from couple.parallel.communicator import is_first_launched

log = logging.getLogger(__name__)

CHOSEN = "COUPLE_CACHE_DIR"
"""Environment variable: the folder of the cache, instead of $XDG_CACHE_HOME/couple or ~/.cache/couple."""

KERNELS = "kernels"
"""The folder in it of numba's kernels."""

MECHANISMS = "mechanisms"
"""The folder in it of compiled MOD files."""

FORMS = "forms"
"""The folder in it of compiled weak forms."""

_TOLD = "COUPLE_CACHE_WARNED"
"""Set once the warning is out, for processes that this one starts."""

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Unusable:
    """Why a folder does not serve, with what to do about it."""

    folder: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.folder} {self.reason}"


def cache_folders(kind: str) -> list[Path]:
    """Folders of a kind to look in, made if need be; to write to is the last. Of none, `warn_once` has said why."""
    usable, refused = look(kind)
    if not usable:
        warn_once("; ".join(map(str, refused)))
    return usable


def look(kind: str) -> tuple[list[Path], list[Unusable]]:
    """Folders of a kind that serve, as far as the first that can be written to, and what does not serve."""
    usable: list[Path] = []
    refused: list[Unusable] = []
    for root in roots(kind):
        found = private_folder(root, kind)
        if isinstance(found, Unusable):
            refused.append(found)
            continue
        usable.append(found)
        if os.access(found, os.W_OK | os.X_OK):
            break
    return usable, refused


def roots(kind: str) -> list[Path]:
    """Folders that may hold the cache, best first. What the user has chosen is the only one."""
    chosen = os.environ.get(CHOSEN)
    if chosen:
        return [Path(chosen)]  # whatever it is: `private_folder` says what is wrong with it
    numba = os.environ.get("NUMBA_CACHE_DIR") if kind == KERNELS else None
    return [*([Path(numba).absolute() / "couple"] if numba else []), *_own_roots()]


def _own_roots() -> Iterator[Path]:
    """In the user's cache, as the XDG specification has it, and in the temporary folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if cache.is_absolute():
        yield cache / "couple"
    else:  # relative ones are to be ignored
        home = _home()
        if home is not None:
            yield home / ".cache" / "couple"
    temporary = temporary_root()
    if temporary is not None:
        yield temporary / f"couple-{os.geteuid()}"


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no HOME, and the user is in no list of users
        return None


def private_folder(root: Path, kind: str) -> Path | Unusable:
    """The folder of a kind in `root`, made if it is not there; or why it does not serve."""
    try:
        root = root.expanduser().absolute()
        parent = real_path(root.parent)
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for above in (parent, *parent.parents):
            mode = above.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return Unusable(above, f"can be changed by everybody: chmod o-w {above}, or set {CHOSEN}")
        folder = parent / root.name
        for part in (folder, folder / kind):
            part.mkdir(mode=0o700, exist_ok=True)
            trouble = not_ours(part.lstat(), folder=True)
            if trouble:
                return Unusable(part, f"{trouble}; remove it or set {CHOSEN} to a folder of yours")
        return folder / kind
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, or ~ of an unknown user
        reason = getattr(error, "strerror", None) or error
        return Unusable(root, f"cannot be used ({reason}); set {CHOSEN} to a folder of yours")


def not_ours(found: os.stat_result, *, folder: bool = False) -> str:
    """Why a file or folder of the cache is not to be used; "" if it is this user's (or root's) alone."""
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
        return f"is no {'folder' if folder else 'file'}"
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to another user ({found.st_uid})"
    if found.st_mode & _WRITABLE_BY_OTHERS:
        return "can be written to by others (chmod go-w)"
    return ""


def warn_once(reason: str) -> None:
    """Say that compiled code is not kept: once, however many processes and kernels meet it."""
    if os.environ.get(_TOLD) or not is_first_launched():
        return
    os.environ[_TOLD] = "1"
    log.warning("compiled code cannot be kept, so every start compiles anew and is slower: %s", reason)


@functools.cache
def temporary_folder() -> Path:
    """A folder for this process, where there is no cache; gone when it ends. Raises OSError if there is no place.

    What a killed process leaves is swept by its name (couple/storage/scratch.py).
    """
    global _kept
    made = tempfile.TemporaryDirectory(prefix=f"couple-cache-{os.getpid()}-", ignore_cleanup_errors=True)
    lock = os.open(Path(made.name, ".lock"), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # where there are no locks, the number of the process says whether it lives
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _kept = made, lock
    return Path(made.name)


_kept: tuple[tempfile.TemporaryDirectory[str], int] | None = None
"""The folder, and the lock that is held as long as it is used."""
