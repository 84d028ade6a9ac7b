"""What an HDF5 file may hold: nothing that leads out of it, and no more than a file of its size can have.

HDF5 follows links, external storage and virtual datasets into any file that the user can read, and believes any shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import h5py

from couple.base.budget import check_memory, size
from couple.base.errors import InputError

MOST_PACKED = 1100
"""Bytes that one byte of a file can stand for: deflate packs 1032 to one at most."""
SLACK = 2**20
"""Bytes of datasets that need no storage."""

PARTS = re.compile(r"rank[0-9]{4,}\.h5")
"""Files beside a result file over ranks, of which its datasets are made."""

DIGESTS = "parts"
"""Attribute of such a result file: JSON, the name of each of those files and the digest in its seal."""

Part = Callable[[Path], None]
"""Checks a file that another is made of; raises InputError."""


def check_content(file: h5py.File, path: Path, part: Part | None, whole: bool) -> None:
    """Raise InputError for what leads to other files, and for sizes that the file cannot have.

    part: what checks each file that virtual datasets are made of, which lies beside this one; None if they are refused.
    whole: whether the datasets will be read at once, so that they have to fit into memory.
    """
    found = {name: item for name in own_names(file, path) if isinstance(item := file[name], h5py.Dataset)}
    sources: set[Path] = set()
    for name, data in found.items():
        if data.external:
            raise InputError(f'has "{name}" in another file: not read', where=str(path))
        if data.is_virtual:
            sources |= _sources(name, data, path, part)
    for source in sorted(sources):
        assert part is not None
        part(source)
    _check_sizes(found, path, sources, whole)


def own_names(file: h5py.File, path: Path) -> list[str]:
    """Of all that is in the file itself. Raises InputError for a link to another file."""
    names: list[str] = []

    def look(name: str, link: object) -> str | None:  # it may not raise: h5py gets into disorder
        if isinstance(link, h5py.HardLink):
            names.append(name)
        return None if isinstance(link, h5py.HardLink | h5py.SoftLink) else name

    strange = file.visititems_links(look)
    if strange is not None:
        raise InputError(f'links to another file ("{strange}"): not followed', where=str(path))
    return names


def _sources(name: str, data: h5py.Dataset, path: Path, part: Part | None) -> set[Path]:
    """The files that a virtual dataset is made of."""
    names = {str(source.file_name) for source in data.virtual_sources()} - {"."}
    strange = sorted(n for n in names if part is None or not PARTS.fullmatch(n))
    if strange:
        raise InputError(f'has "{name}" in another file: not read', where=str(path))
    return {path.parent / n for n in names}


def _check_sizes(found: dict[str, h5py.Dataset], path: Path, sources: set[Path], whole: bool) -> None:
    stored = sum(one.stat().st_size for one in (path, *sources))
    total = 0
    for name, data in found.items():
        held = math.prod(map(int, data.shape or (1,))) * data.dtype.itemsize
        chunk = math.prod(map(int, data.chunks or (0,))) * data.dtype.itemsize
        total += max(held, chunk)
        if total > MOST_PACKED * stored + SLACK:
            raise InputError(
                f'says that "{name}" takes {size(held)}, which a file of {size(stored)} cannot hold', where=str(path)
            )
    if whole:
        check_memory(total, "what is in it", "give a smaller one", str(path))
