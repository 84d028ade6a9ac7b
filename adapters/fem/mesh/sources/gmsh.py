"""Meshes from files that gmsh writes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.fem.mesh.library.dolfinx_import import dolfinx
from adapters.fem.mesh.library.gmsh_library import gmsh_library
from adapters.fem.mesh.sources.build import make_mesh
from couple.base.errors import InputError
from couple.base.formats import complaint
from couple.storage.scratch import scratch_folder

MEMBRANE, NECK_OPENING = "membrane", "opening"
"""Names of the physical surfaces that are membrane, and where a neck opens."""

_log = logging.getLogger(__name__)

Facets = npt.NDArray[np.int32] | None

_HEADER = b"$MeshFormat"
_NO_MESH = "is no mesh that gmsh wrote: such files begin with $MeshFormat; `gmsh -3 -order 1 -o head.msh` makes one"
_NAMES = {1: "lines", 2: "triangles", 3: "quadrangles", 4: "tetrahedra", 5: "hexahedra", 6: "prisms", 7: "pyramids"}


def read_gmsh(file: Path, unit: float) -> tuple[Any, Facets, Facets]:
    """Mesh of the tetrahedra in a file (coordinates in `unit` µm), facets of its membrane and of its opening, if named.

    gmsh sees a copy under a name of ours: it would run FILE.opt beside a file, and a script by the ending of its name.
    Raises InputError for a file that is missing, not gmsh's, or without tetrahedra, and MissingDependencyError.
    """
    if not file.is_file():
        raise InputError("no such file; give a mesh that gmsh wrote, like head.msh", where=str(file))
    content = _content(file)
    with gmsh_library(f"reading {file.name} needs") as gmsh:
        with scratch_folder("gmsh") as scratch:
            copy = scratch / "mesh.msh"
            copy.write_bytes(content)
            try:
                gmsh.merge(str(copy))
            except Exception as error:
                raise InputError(f"gmsh cannot read it: {str(error).strip()}", where=str(file)) from error
        return _mesh(gmsh, file, unit)


def _content(file: Path) -> bytes:
    """Of a mesh, and of nothing else: gmsh runs what it does not know as a script of its own, shell commands too."""
    with file.open("rb") as opened:
        if opened.read(len(_HEADER)) == _HEADER:
            return _HEADER + opened.read()
    raise InputError(complaint(file, "a mesh of gmsh (.msh)", otherwise=_NO_MESH), where=str(file))


def _mesh(gmsh: Any, file: Path, unit: float) -> tuple[Any, Facets, Facets]:
    types, _, nodes = gmsh.model.mesh.getElements(3)
    wrong = [_NAMES.get(int(t), f"elements of type {t}") for t in types if int(t) != 4]
    if not len(types) or wrong:
        found = sorted({_NAMES.get(int(t), f"type {t}") for t in gmsh.model.mesh.getElementTypes()} - {"type 15"})
        raise InputError(
            f"holds {', '.join(found) or 'no cells'}; tetrahedra of first order are needed: mesh the volume with "
            "`gmsh -3 -order 1`",
            where=str(file),
        )
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    row = np.full(int(tags.max()) + 1, -1, dtype=np.int64)
    cells = np.asarray(nodes[0], dtype=np.int64).reshape(-1, 4)
    used = np.unique(cells)
    row[used] = np.arange(len(used))
    order = np.full(int(tags.max()) + 1, -1, dtype=np.int64)
    order[np.asarray(tags, dtype=np.int64)] = np.arange(len(tags))
    points = np.asarray(xyz, dtype=np.float64).reshape(-1, 3)[order[used]] * unit
    _tell_unused(gmsh, file)
    mesh = make_mesh(points, row[cells], "tetrahedron")
    return mesh, _named(gmsh, MEMBRANE, mesh, row, file), _named(gmsh, NECK_OPENING, mesh, row, file)


def _tell_unused(gmsh: Any, file: Path) -> None:
    """Log the physical surfaces that have no meaning here."""
    names = [gmsh.model.getPhysicalName(2, tag) for _, tag in gmsh.model.getPhysicalGroups(2)]
    if unused := [name for name in names if name not in (MEMBRANE, NECK_OPENING)]:
        told = '", "'.join(unused)
        _log.warning(f'{file}: its surface "{told}" is no region here; geometry.mesh = "{file.name}" makes it one')


def _named(gmsh: Any, name: str, mesh: Any, row: npt.NDArray[np.int64], file: Path) -> Facets:
    """Facets of the physical surface of that name."""
    groups = {gmsh.model.getPhysicalName(2, tag): tag for _, tag in gmsh.model.getPhysicalGroups(2)}
    if name not in groups:
        return None
    corners = []
    for entity in gmsh.model.getEntitiesForPhysicalGroup(2, groups[name]):
        kinds, _, found = gmsh.model.mesh.getElements(2, entity)
        corners += [np.asarray(n, dtype=np.int64).reshape(-1, 3) for k, n in zip(kinds, found, strict=True) if k == 2]
    wanted = {tuple(sorted(t)) for t in row[np.concatenate(corners)].tolist()} if corners else set()
    mesh.topology.create_connectivity(2, 3)
    facets = np.asarray(dolfinx.mesh.exterior_facet_indices(mesh.topology), dtype=np.int32)
    at = dolfinx.mesh.entities_to_geometry(mesh, 2, facets)
    original = np.asarray(mesh.geometry.input_global_indices)[at]
    chosen = np.array([tuple(sorted(t)) in wanted for t in original.tolist()], dtype=bool)
    if not chosen.any():
        raise InputError('its physical surface "' + name + '" is no part of the outer surface', where=str(file))
    return np.asarray(facets[chosen])
