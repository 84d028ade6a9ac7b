"""STL files: loose triangles, in text by solids with names, or in binary."""

from __future__ import annotations

import re

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError

Parts = list[tuple[str, Floats]]
"""Name of a region → (m, 3, 3) corners of its triangles."""

_HEAD, _ROW = 84, 50
_BINARY = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_SOLID = re.compile(r"^[ \t]*solid\b[ \t]*(.*?)[ \t\r]*$", re.M | re.I)
_END = re.compile(r"^[ \t]*endsolid\b", re.M | re.I)
_VERTEX = re.compile(r"^[ \t]*vertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)[ \t\r]*$", re.M | re.I)
_LOOP = re.compile(r"^[ \t]*endloop\b", re.M | re.I)


def is_binary_stl(content: bytes) -> bool:
    """Whether the number in its head is that of the triangles which the file has room for."""
    return len(content) >= _HEAD and len(content) == _HEAD + _ROW * int.from_bytes(content[80:84], "little")


def read_stl(content: bytes, where: str) -> Parts:
    """Triangles of an STL file, each solid with its name. Raises InputError for one that is cut or broken."""
    if is_binary_stl(content):
        rows = np.frombuffer(content, dtype=_BINARY, offset=_HEAD)
        return [("", _finite(rows["corners"].astype(np.float64), where))]
    text = content.decode("utf-8", errors="replace")
    starts, ends = list(_SOLID.finditer(text)), list(_END.finditer(text))
    if not starts or len(starts) != len(ends):
        raise InputError(
            f"is cut or broken: {len(starts)} solids begin and {len(ends)} end; export it again", where=where
        )
    return [
        (start[1].strip(), _finite(_corners(text[start.end() : end.start()], where), where))
        for start, end in zip(starts, ends, strict=True)
    ]


def _corners(text: str, where: str) -> Floats:
    rows = _VERTEX.findall(text)
    loops = len(_LOOP.findall(text))
    if len(rows) != 3 * loops:
        raise InputError(f"has {len(rows)} corners for {loops} triangles; export it again", where=where)
    try:
        return np.array(rows, dtype=np.float64).reshape(-1, 3, 3)
    except ValueError as error:
        raise InputError(f"has a corner that is no number: {error}", where=where) from None


def _finite(corners: Floats, where: str) -> Floats:
    if not np.isfinite(corners).all():
        raise InputError("has corners that are no finite numbers", where=where)
    return corners
