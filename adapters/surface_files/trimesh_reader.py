"""PLY, OBJ and OFF by trimesh, from bytes: nothing that such a file names (materials, textures) is looked for."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from trimesh.exchange.obj import load_obj
from trimesh.exchange.off import load_off
from trimesh.exchange.ply import load_ply

from couple.base.errors import InputError
from couple.geometry.surface.read import ForeignMesh
from couple.geometry.surface.stl import Parts

_LABELS = ("region", "label", "material_index", "group")
"""Properties of a face in PLY by which it belongs to a region."""


def read_ply(file: io.BytesIO, path: Path) -> ForeignMesh:
    """Triangles of a PLY file; regions are numbers that faces have: region_1. Raises InputError."""
    head = file.getvalue()[: 1 << 16].split(b"end_header")[0]
    for n in re.findall(rb"element\s+\w+\s+(\d+)", head):
        if int(n) > len(file.getvalue()):
            raise InputError(f"claims {int(n)} elements in {len(file.getvalue())} bytes: it is cut", where=str(path))
    loaded = _load(load_ply, file, path, skip_materials=True)
    [(_, corners)] = _parts(loaded, path)
    data = loaded.get("metadata", {}).get("_ply_raw", {}).get("face", {}).get("data")
    names = getattr(getattr(data, "dtype", None), "names", None) or (data if isinstance(data, dict) else ())
    for label in _LABELS:
        if label in names and len(values := np.asarray(data[label]).ravel()) == len(corners):
            numbers = values.astype(np.int64)
            return [(f"region_{k}", corners[numbers == k]) for k in np.unique(numbers)], None, None
    return [("", corners)], None, None


def read_obj(file: io.BytesIO, path: Path) -> ForeignMesh:
    """Triangles of an OBJ file; regions are its groups, or its objects, or its materials. Raises InputError."""
    for split in ({"split_groups": True}, {"split_objects": True}, {"group_material": True}):
        options = {"group_material": False, "skip_materials": "group_material" not in split, **split}
        file.seek(0)
        found = _parts(_load(load_obj, file, path, **options), path)
        if len(found) > 1:
            break
    return sorted(found, key=lambda part: part[0]), None, None


def read_off(file: io.BytesIO, path: Path) -> ForeignMesh:
    """Triangles of an OFF file. Raises InputError."""
    return _parts(_load(load_off, file, path), path), None, None


def _load(loader: Callable[..., Mapping[str, Any]], file: io.BytesIO, path: Path, **options: Any) -> Mapping[str, Any]:
    try:
        return loader(file, **options)
    except Exception as error:
        said = str(error).splitlines()
        raise InputError(
            f"trimesh cannot read it: {said[0] if said else type(error).__name__}", where=str(path)
        ) from error


def _parts(loaded: Mapping[str, Any], path: Path) -> Parts:
    """The triangles of what trimesh hands over, by name. Raises InputError for corners that do not exist."""
    meshes = loaded.get("geometry", {"": loaded})
    found: Parts = []
    for name, mesh in meshes.items():
        points, faces = np.asarray(mesh["vertices"], dtype=np.float64), np.asarray(mesh.get("faces", ()))
        if faces.ndim != 2 or faces.shape[1] != 3:
            raise InputError("holds no faces, or none that can be cut into triangles", where=str(path))
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise InputError("has corners that are no three finite numbers", where=str(path))
        if faces.min() < 0 or faces.max() >= len(points):
            raise InputError(f"has faces of corners that it does not have ({len(points)} corners)", where=str(path))
        found.append((str(name), points[faces.astype(np.int64)]))
    return found
