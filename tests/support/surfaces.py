"""Closed surfaces whose content is known, and files of them in every format."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from couple.base.arrays import Floats

Regions = Mapping[str, Floats]
"""Name → (m, 3, 3) corners of its triangles."""


def sphere(radius: float, times: int, cap: float | None = None) -> dict[str, Floats]:
    """An octahedron whose triangles are cut in four so many times, on a sphere; `north`: what is all above z = cap."""
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    corners = points[np.array(faces)]
    for _ in range(times):
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        ab, bc, ca = (np.array(x) for x in (a + b, b + c, c + a))
        for x in (ab, bc, ca):
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        corners = np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    corners = corners * radius
    if cap is None:
        return {"membrane": corners}
    north = (corners[:, :, 2] >= cap).all(axis=1)
    return {"membrane": corners[~north], "north": corners[north]}


def capped_cylinder(radius: float, length: float, n: int, rings: int) -> dict[str, Floats]:
    """A prism of n sides along z with fans at its ends: volume n/2 r² sin(2π/n) L."""
    angle = 2 * np.pi * np.arange(n) / n
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    levels = np.linspace(-length / 2, length / 2, rings + 1)
    side, ends = [], []
    for k in range(n):
        p, q = ring[k], ring[(k + 1) % n]
        for z, w in itertools.pairwise(levels):
            a, b, c, d = (*p, z), (*q, z), (*q, w), (*p, w)
            side += [(a, b, c), (a, c, d)]
        ends += [((0, 0, levels[-1]), (*p, levels[-1]), (*q, levels[-1]))]
        ends += [((0, 0, levels[0]), (*q, levels[0]), (*p, levels[0]))]
    return {"side": np.array(side), "ends": np.array(ends)}


def indexed(regions: Regions) -> tuple[Floats, dict[str, np.ndarray]]:
    """Points, and rows of them by region."""
    every = np.concatenate(list(regions.values())).reshape(-1, 3)
    points, rows = np.unique(every, axis=0, return_inverse=True)
    ends = np.cumsum([0, *(len(t) for t in regions.values())])
    triangles = rows.reshape(-1, 3)
    return points, {n: triangles[a:b] for n, a, b in zip(regions, ends, ends[1:], strict=False)}


def stl(path: Path, regions: Regions) -> Path:
    """In text, a solid for each region, every digit of the numbers."""
    lines = []
    for name, corners in regions.items():
        lines.append(f"solid {name}")
        for t in corners.tolist():
            lines += ["  facet normal 0 0 0", "    outer loop"]
            lines += [f"      vertex {x!r} {y!r} {z!r}" for x, y, z in t]
            lines += ["    endloop", "  endfacet"]
        lines.append(f"endsolid {name}")
    path.write_text("\n".join(lines) + "\n")
    return path


def binary_stl(path: Path, regions: Regions) -> Path:
    corners = np.concatenate(list(regions.values())).astype("<f4")
    rows = [struct.pack("<12fH", 0, 0, 0, *t.ravel().tolist(), 0) for t in corners]
    path.write_bytes(b"solid looks like text".ljust(80) + struct.pack("<I", len(rows)) + b"".join(rows))
    return path


def obj(path: Path, regions: Regions) -> Path:
    points, faces = indexed(regions)
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in points.tolist()]
    for name, rows in faces.items():
        lines += [f"g {name}", *(f"f {a + 1} {b + 1} {c + 1}" for a, b, c in rows.tolist())]
    path.write_text("# a surface\n" + "\n".join(lines) + "\n")
    return path


def off(path: Path, regions: Regions) -> Path:
    points, faces = indexed(regions)
    rows = np.concatenate(list(faces.values()))
    lines = [f"{x!r} {y!r} {z!r}" for x, y, z in points.tolist()] + [f"3 {a} {b} {c}" for a, b, c in rows.tolist()]
    path.write_text(f"OFF\n{len(points)} {len(rows)} 0\n" + "\n".join(lines) + "\n")
    return path


def ply(path: Path, regions: Regions) -> Path:
    points, faces = indexed(regions)
    rows = np.concatenate(list(faces.values()))
    number = np.repeat(np.arange(1, len(faces) + 1), [len(f) for f in faces.values()])
    head = [
        "ply", "format ascii 1.0", f"element vertex {len(points)}", *(f"property double {c}" for c in "xyz"),
        f"element face {len(rows)}", "property list uchar int vertex_indices", "property int region", "end_header",
    ]  # fmt: skip
    lines = [f"{x!r} {y!r} {z!r}" for x, y, z in points.tolist()]
    lines += [f"3 {a} {b} {c} {k}" for (a, b, c), k in zip(rows.tolist(), number.tolist(), strict=True)]
    path.write_text("\n".join(head + lines) + "\n")
    return path


def vtk(path: Path, regions: Regions) -> Path:
    points, faces = indexed(regions)
    rows = np.concatenate(list(faces.values()))
    number = np.repeat(np.arange(1, len(faces) + 1), [len(f) for f in faces.values()])
    lines = ["# vtk DataFile Version 3.0", "a surface", "ASCII", "DATASET UNSTRUCTURED_GRID"]
    lines += [f"POINTS {len(points)} double", *(f"{x!r} {y!r} {z!r}" for x, y, z in points.tolist())]
    lines += [f"CELLS {len(rows)} {4 * len(rows)}", *(f"3 {a} {b} {c}" for a, b, c in rows.tolist())]
    lines += [f"CELL_TYPES {len(rows)}", *["5"] * len(rows), f"CELL_DATA {len(rows)}"]
    lines += ["SCALARS region int 1", "LOOKUP_TABLE default", *map(str, number.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


def msh(path: Path, regions: Regions, solid: bool = False) -> Path:
    """MSH 2.2 with physical surfaces; solid: with tetrahedra from the origin, and `membrane` left without a name."""
    points, faces = indexed(regions)
    if solid:
        points = np.concatenate([points, np.zeros((1, 3))])
    named = [n for n in faces if not (solid and n == "membrane")]
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat", "$PhysicalNames", str(len(named) + solid)]
    lines += [f'2 {k} "{name}"' for k, name in enumerate(named, 1)] + (['3 9 "inside"'] if solid else [])
    lines += ["$EndPhysicalNames", "$Nodes", str(len(points))]
    lines += [f"{k} {x!r} {y!r} {z!r}" for k, (x, y, z) in enumerate(points.tolist(), 1)]
    cells = [(2, k, (t + 1).tolist()) for k, name in enumerate(named, 1) for t in faces[name]]
    if solid:
        cells += [(4, 9, [len(points), *(t + 1).tolist()]) for rows in faces.values() for t in rows]
    lines += ["$EndNodes", "$Elements", str(len(cells))]
    lines += [f"{k} {kind} 2 {tag} {tag} {' '.join(map(str, c))}" for k, (kind, tag, c) in enumerate(cells, 1)]
    path.write_text("\n".join([*lines, "$EndElements"]) + "\n")
    return path


WRITERS = {"stl": stl, "obj": obj, "off": off, "ply": ply, "vtk": vtk, "msh": msh}
"""Format → writer of it with every digit."""
