"""Surfaces from files: told by their content, never by their names, before any library opens them."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.base.formats import LOOKED_AT, complaint, recognise_content
from couple.base.regular_file import open_regular
from couple.geometry.surface.checks import checked_surface
from couple.geometry.surface.stl import Parts, is_binary_stl, read_stl
from couple.geometry.surface.surface import MEMBRANE, Surface, boundary_of, joined_surface

FOREIGN = ("ply", "obj", "off", "vtk", "gmsh")
"""Formats that libraries read, found by the entry points `couple.surface_readers`."""
SMALLEST, LARGEST = 1e-6, 1e6
"""µm³ that a site may hold: a cube of 10 nm, and of 100 µm, more than any soma."""
UNITS = {"nm": 1e-3, "um": 1.0, "mm": 1e3, "m": 1e6, "angstrom": 1e-4}
"""Units that meshes come in, µm."""

ForeignMesh = tuple[Parts, Floats | None, "np.ndarray | None"]
"""Triangles by region; points and tetrahedra of a mesh of the volume."""
ForeignReader = Callable[[io.BytesIO, Path], ForeignMesh]

_EXPECTED = "a mesh (STL, PLY, OBJ, OFF, VTK, or MSH of gmsh)"


def read_surface(files: Path | Mapping[str, Path], unit: float, unit_text: str = "") -> Surface:
    """The closed surface in a file, or in several, each a region by its name; coordinates are in `unit` µm.

    unit_text: the unit as it was given, for messages. Raises InputError for files that are none, that enclose nothing,
    or whose volume no place in a cell has; MissingDependencyError that says what to install.
    """
    named = {"": files} if isinstance(files, Path) else dict(files)
    stamps = tuple((name, path, _stamp(path)) for name, path in named.items())
    return _read(stamps, unit, unit_text)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        raise InputError("no such file: give a mesh, like spine.stl", where=str(path)) from None
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=16)
def _read(files: tuple[tuple[str, Path, tuple[int, int]], ...], unit: float, unit_text: str) -> Surface:
    where = str(files[0][1])
    parts: Parts = []
    points = tetrahedra = None
    for name, path, _ in files:
        own, points, tetrahedra = _parts(path)
        if tetrahedra is not None and len(files) > 1:
            raise InputError("is a mesh of a volume: give it alone", where=str(path))
        if name:
            own = [(name, corners) for _, corners in own]
        elif len({label for label, _ in own}) == 1:
            own = [(MEMBRANE, corners) for _, corners in own]  # what is all of it is called so by everybody
        else:
            own = [(_region_name(label), corners) for label, corners in own]
        parts += own
    if not any(len(corners) for _, corners in parts):
        raise InputError("holds no triangles", where=where)
    scaled = [(name, corners * unit) for name, corners in parts if len(corners)]
    surface = joined_surface(scaled, None if points is None else points * unit, tetrahedra)
    surface = checked_surface(surface, where)
    _check_volume(surface, unit, unit_text, where)
    return surface


def _region_name(label: str) -> str:
    """A name that a species can be said to be on."""
    return re.sub(r"\W", "_", label.strip()) or MEMBRANE


def _parts(path: Path) -> ForeignMesh:
    try:
        with open_regular(path) as file:
            content = file.read()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    if is_binary_stl(content):
        return read_stl(content, str(path)), None, None
    found = recognise_content(content[:LOOKED_AT])
    name = found.name if found is not None else ""
    if name == "stl":
        return read_stl(content, str(path)), None, None
    if name not in FOREIGN:
        raise InputError(complaint(path, _EXPECTED, otherwise=f"is no {_EXPECTED[2:]}"), where=str(path))
    reader: ForeignReader = registry.load("couple.surface_readers", name)
    parts, points, tetrahedra = reader(io.BytesIO(content), path)
    if tetrahedra is not None and points is not None:
        parts = _outer_parts(parts, points, tetrahedra, str(path))
    return parts, points, tetrahedra


def _outer_parts(parts: Parts, points: Floats, tetrahedra: np.ndarray, where: str) -> Parts:
    """The outer faces of a volume mesh, in the regions of the triangles that the file names."""
    faces = boundary_of(tetrahedra, points)
    key = {triple.tobytes(): k for k, triple in enumerate(_sorted_corners(points[faces]))}
    region = np.zeros(len(faces), dtype=np.int64)
    names = [MEMBRANE]
    for name, corners in parts:
        if not name or not len(corners):
            continue
        at = [key[t.tobytes()] for t in _sorted_corners(corners) if t.tobytes() in key]
        if not at:
            raise InputError(f'its surface "{name}" is no part of the outer surface', where=where)
        names.append(name)
        region[at] = len(names) - 1
    return [(n, points[faces[region == k]]) for k, n in enumerate(names) if (region == k).any()]


def _sorted_corners(corners: Floats) -> Floats:
    """(m, 3, 3) corners of each triangle in the order of their coordinates."""
    c = corners + 0.0
    order = np.lexsort((c[:, :, 2], c[:, :, 1], c[:, :, 0]))
    return np.ascontiguousarray(np.take_along_axis(c, order[:, :, None], axis=1))


def _check_volume(surface: Surface, unit: float, unit_text: str, where: str) -> None:
    """Raise InputError for a volume that no part of a cell has; the unit that would give one is named."""
    if SMALLEST <= surface.volume <= LARGEST:
        return
    edges = " x ".join(f"{x / unit:.4g}" for x in surface.high - surface.low)
    middle = {name: surface.volume * (f / unit) ** 3 for name, f in UNITS.items()}
    likely = [name for name, v in middle.items() if 1e-4 <= v <= 1e4]
    hint = f'it looks like {likely[0]}: give geometry.mesh_unit = "{likely[0]}"' if likely else "is it the right file?"
    raise InputError(
        f"holds {surface.volume:.4g} um^3 ({edges}{' ' + unit_text if unit_text else ''}), as no place in a cell does; "
        f"{hint}",
        where=where,
    )
