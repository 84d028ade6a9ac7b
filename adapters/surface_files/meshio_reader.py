"""VTK and MSH by meshio, which parses them in Python: no interpreter of gmsh stands behind it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from meshio import Mesh, gmsh, vtk

from couple.base.errors import InputError
from couple.geometry.surface.read import ForeignMesh
from couple.geometry.surface.stl import Parts
from couple.storage.scratch import scratch_folder

_LABELS = ("gmsh:physical", "region", "material", "label", "CellEntityIds")
"""Data of cells by which they belong to a region."""


def read_vtk(file: io.BytesIO, path: Path) -> ForeignMesh:
    """Triangles and tetrahedra of a legacy VTK file; regions are numbers that cells have. Raises InputError."""
    return _found(_load(vtk.read, file, path, "write it as legacy .vtk in ASCII"), path)


def read_msh(file: io.BytesIO, path: Path) -> ForeignMesh:
    """Triangles and tetrahedra of an MSH file; regions are its physical surfaces, by name. Raises InputError."""
    return _found(_load(gmsh.read, file, path, "write it anew: gmsh FILE -save -format msh41 -o mesh.msh"), path)


def _load(reader: Callable[..., Mesh], file: io.BytesIO, path: Path, advice: str) -> Mesh:
    with scratch_folder("meshio") as scratch:
        copy = scratch / "mesh"
        copy.write_bytes(file.getvalue())
        try:
            return reader(str(copy))
        except Exception as error:
            said = str(error).replace(str(copy), path.name).strip().splitlines()
            raise InputError(
                f"meshio cannot read it ({said[0] if said else type(error).__name__}): {advice}", where=str(path)
            ) from error


def _found(mesh: Mesh, path: Path) -> ForeignMesh:
    points = np.asarray(mesh.points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise InputError("has points that are no three finite numbers", where=str(path))
    names = {int(tag): str(name) for name, (tag, dimension) in mesh.field_data.items() if int(dimension) == 2}
    label = next((key for key in _LABELS if key in mesh.cell_data), None)
    parts: Parts = []
    tetrahedra, curved = [], set()
    for k, block in enumerate(mesh.cells):
        cells = np.asarray(block.data, dtype=np.int64)
        if block.type == "tetra":
            tetrahedra.append(cells)
        elif block.type in ("triangle", "quad"):
            given = np.zeros(len(cells)) if label is None else np.asarray(mesh.cell_data[label][k])
            numbers = given.astype(int).ravel()
            for n in np.unique(numbers):
                name = names.get(int(n), f"region_{n}" if n and not names else "")
                parts.append((name, points[_triangles(cells[numbers == n])]))
        elif block.type not in ("vertex", "line"):
            curved.add(str(block.type))
    if curved:
        raise InputError(
            f"holds {', '.join(sorted(curved))}: triangles and tetrahedra of first order are needed (`gmsh -order 1`)",
            where=str(path),
        )
    if tetrahedra:
        return parts, points, np.concatenate(tetrahedra)
    return parts, None, None


def _triangles(cells: Any) -> Any:
    """(m, 3) of triangles, or of quadrangles in two each."""
    return cells if cells.shape[1] == 3 else np.concatenate([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]])
