"""The one way to open an HDF5 file: of ours with its seal checked before HDF5 sees a byte, of others with care.

A file that fails is never parsed in this process; it is one line. What HDF5, or a file that is not as we write it, says
while it is read is one line too (`reading`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import h5py

from couple.base.errors import InputError
from couple.base.formats import instead_of
from couple.files.foreign import check_foreign
from couple.files.hdf5_content import DIGESTS, check_content
from couple.files.seal import SealError, begins_as_hdf5, checked_kind, sealed_digest

_WRONG = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError) + (
    MemoryError,
    SystemError,
)
"""What reading a file raises that is not as it should be."""


UNSEALED = "couple repack FILE NEW takes over a file that an earlier version, or another program, made"


@dataclass(frozen=True)
class FileKind:
    """A kind of file that we write.

    formats: what its seal may say; none for any. words: in messages ("a checkpoint"). advice: what to give. remedy:
    what to do about a damaged one. parts: whether it may be made of files beside it. whole: whether it is read at once.
    missing: what is said where there is none.
    """

    formats: tuple[str, ...]
    words: str
    advice: str
    remedy: str = "run again"
    parts: bool = False
    whole: bool = True
    missing: str = "no such file"

    def takes(self, found: str) -> bool:
        """Whether a seal may say so."""
        return not self.formats or found in self.formats


def open_hdf5(path: Path, kind: FileKind) -> h5py.File:
    """A file of ours, open for reading, with a seal that fits and nothing that leads out of it.

    Raises InputError if it is missing, damaged, of another kind, or without a seal.
    """
    found = _kind_of(path, kind)
    if found is None:
        hdf5 = begins_as_hdf5(path)
        other = "an HDF5 file of another kind, without the seal of couple" if hdf5 else "nor any HDF5 file"
        strange, more = instead_of(path, "hdf5") or other, f"; {UNSEALED}" if hdf5 else ""
        raise InputError(f"is not {kind.words} ({strange.removeprefix('is ')}): {kind.advice}{more}", where=str(path))
    if not kind.takes(found):
        raise InputError(f"is not {kind.words} (a file of another kind, {found}): {kind.advice}", where=str(path))
    return _opened(path, kind, parts=kind.parts)


def open_given(path: Path, kind: FileKind) -> h5py.File:
    """A file as `open_hdf5` takes it, or one that another program made, which is tried in a process of its own first.

    Raises InputError if it is missing, damaged, no HDF5 file, or says that it is ours and has no seal.
    """
    found = _kind_of(path, kind)
    if found is not None and not kind.takes(found):
        raise InputError(f"is not {kind.words} (a file of another kind, {found}): {kind.advice}", where=str(path))
    if found is not None:
        return _opened(path, kind, parts=kind.parts)
    if strange := instead_of(path, "hdf5"):
        raise InputError(f"{strange}; {kind.words} (HDF5) is expected here", where=str(path))
    if not begins_as_hdf5(path):
        raise InputError(f"is not {kind.words}, nor any HDF5 file: {kind.advice}", where=str(path))
    check_foreign(path, whole=kind.whole)
    file = _opened(path, kind, parts=False)
    if kind.formats and str(file.attrs.get("format", "")).startswith("couple "):
        file.close()
        raise InputError(f"has no seal: {UNSEALED}", where=str(path))
    return file


def open_in_memory(buffer: io.BytesIO) -> h5py.File:
    """A file that no disk has seen, open for reading."""
    return h5py.File(buffer, "r")


@contextmanager
def reading(path: Path, words: str) -> Iterator[None]:
    """Whatever goes wrong while a file is read is one InputError that names it. words: what it should be."""
    try:
        yield
    except _WRONG as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"is not {words} as couple writes it, or damaged: {said}", where=str(path)) from error


@contextmanager
def _placed(path: Path) -> Iterator[None]:
    """What is wrong inside of a file is said with the file."""
    try:
        yield
    except InputError as error:
        raise error.inside(str(path)) from None


@contextmanager
def read_hdf5(path: Path, kind: FileKind) -> Iterator[h5py.File]:
    """`open_hdf5` for a `with` statement in which all is read; see `reading`."""
    with open_hdf5(path, kind) as file, _placed(path), reading(path, kind.words):
        yield file


@contextmanager
def read_given(path: Path, kind: FileKind) -> Iterator[h5py.File]:
    """`open_given` for a `with` statement in which all is read; see `reading`."""
    with open_given(path, kind) as file, _placed(path), reading(path, kind.words):
        yield file


def _kind_of(path: Path, kind: FileKind) -> str | None:
    """What a seal that fits says; None without a seal."""
    try:
        return checked_kind(path)
    except FileNotFoundError:
        raise InputError(f"{kind.missing}; {kind.advice}", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except SealError as error:
        raise InputError(f"{error}: {kind.remedy}", where=str(path)) from None


def _opened(path: Path, kind: FileKind, *, parts: bool) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"is damaged: {str(error).splitlines()[0]}", where=str(path)) from None
    try:
        with reading(path, kind.words):
            part = partial(_check_part, kind=kind, digests=_digests_of_parts(file), of=path.name) if parts else None
            check_content(file, path, part, kind.whole)
    except BaseException:
        file.close()
        raise
    return file


def _digests_of_parts(file: h5py.File) -> dict[str, str]:
    """Name → digest of the files that a result file was made of; nothing in one that does not say."""
    return {str(name): str(digest) for name, digest in json.loads(str(file.attrs.get(DIGESTS, "{}"))).items()}


def _check_part(path: Path, kind: FileKind, digests: Mapping[str, str], of: str) -> None:
    """Raise InputError unless a file that `of` is made of is ours, whole, made of no other, and the one that it was."""
    if path.is_symlink():
        raise InputError("is a link: the files of all ranks lie beside the results", where=str(path))
    found = _kind_of(path, kind)
    if found is None or not kind.takes(found):
        raise InputError(f"is not {kind.words}, or damaged: {kind.remedy}", where=str(path))
    if digests.get(path.name, "") not in ("", sealed_digest(path)):
        raise InputError(
            f"is not the file that {of} was made of, but one of another run, or of one that failed since: restore it, "
            f"or {kind.remedy}",
            where=str(path),
        )
    _opened(path, kind, parts=False).close()
