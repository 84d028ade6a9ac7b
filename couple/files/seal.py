"""The seal of a file of ours: 512 bytes in front of HDF5's content, by which a single flipped bit is found.

    couple sealed 1
    KIND                 what the file is: "couple results 1"
    SIZE                 bytes behind the seal
    DIGEST               SHA-256 of "KIND\nSIZE\n" and all that is behind the seal

and zeros to the end. HDF5 calls these bytes the user block and looks behind them, so that h5py alone opens the file.
The seal is written last. It finds damage, not malice: who forges the content can forge the seal.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path
from typing import NamedTuple

from couple.base.regular_file import open_regular

SIZE = 512
"""Bytes of the seal."""

MAGIC = b"couple sealed 1\n"
SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""How HDF5's own content begins."""

OTHERS = (SIGNATURE, b"MATLAB 7.3 MAT-file")
"""How HDF5 files of others begin."""

_LIKE = 12
"""Bytes of MAGIC that are left in a seal that is damaged itself."""
_SETTLED = 2.0
"""Seconds after which a change of a file shows in its times, however coarse the clock of the file system."""


class SealError(Exception):
    """A seal that does not fit what is behind it; says what is wrong."""


class Stamp(NamedTuple):
    """What changes whenever a file does: device, number, size, and times of the last change, ns."""

    device: int
    number: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Of what `stat` found."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    @property
    def settled(self) -> bool:
        """Whether a change from now on will be seen."""
        return time.time() - max(self.changed, self.modified) / 1e9 > _SETTLED


_checked: dict[Stamp, str] = {}


def put_seal(path: Path, kind: str) -> None:
    """Write the seal into the empty block in front of a file. Raises OSError if the disk refuses."""
    with path.open("rb") as file:
        block = _block(file, kind)
    with path.open("r+b") as out:
        out.write(block)


def checked_kind(path: Path) -> str | None:
    """The kind of a file whose seal fits; None for a file without a seal.

    Every byte is read, once for as long as the file stays as it is. Raises SealError, and OSError if it cannot be read.
    """
    with open_regular(path) as file:
        stamp = Stamp.of(os.fstat(file.fileno()))
        if stamp in _checked:
            return _checked[stamp]
        head = file.read(SIZE)
        if not seems_sealed(head) and not _lost(head, file):
            return None
        kind = _kind(head)
        if stamp.size < SIZE or kind is None or int(_fields(head)[1]) > stamp.size - SIZE:
            raise SealError("is damaged (it is cut short)" if kind is not None else "is damaged: its seal is")
        if head != _block(file, kind):
            raise SealError("is damaged: its content does not match its seal")
        if stamp.settled:
            _checked[stamp] = kind
        return kind


def begins_as_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files of others do."""
    with open_regular(path) as file:
        return file.read(SIZE).startswith(OTHERS)


def sealed_kind(head: bytes) -> str | None:
    """What the seal at the beginning of a file says that it is, unchecked; None without a seal that can be read."""
    return _kind(head[:SIZE]) if head.startswith(MAGIC) else None


def sealed_digest(path: Path) -> str:
    """The digest that the seal of a file says, unchecked; "" without a seal. Raises OSError if it cannot be read."""
    with open_regular(path) as file:
        head = file.read(SIZE)
    return _fields(head)[2] if sealed_kind(head) is not None else ""


def seems_sealed(head: bytes) -> bool:
    """Whether a file was sealed once, by its first bytes: a few of them may be damaged."""
    return sum(a == b for a, b in zip(head, MAGIC, strict=False)) >= min(_LIKE, max(len(head), 1))


def _lost(head: bytes, file: io.BufferedReader) -> bool:
    """Whether HDF5's content stands where it does behind a seal, and there is none: never written, or overwritten."""
    return not head.startswith(OTHERS) and file.read(len(SIGNATURE)) == SIGNATURE


def _fields(head: bytes) -> list[str]:
    return head[len(MAGIC) :].rstrip(b"\0").decode("ascii", "replace").split("\n")


def _kind(head: bytes) -> str | None:
    fields = _fields(head)
    whole = len(fields) == 4 and fields[1].isascii() and fields[1].isdigit() and len(fields[1]) < 20
    return fields[0] if whole else None


def _block(file: io.BufferedReader, kind: str) -> bytes:
    """The seal that fits the content of an open file."""
    size = os.fstat(file.fileno()).st_size - SIZE
    named = f"{kind}\n{size}\n".encode()
    file.seek(SIZE)
    digest = hashlib.file_digest(file, lambda: hashlib.sha256(named)).hexdigest()
    return (MAGIC + named + digest.encode() + b"\n").ljust(SIZE, b"\0")
