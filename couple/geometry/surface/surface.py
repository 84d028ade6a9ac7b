"""A closed surface of triangles in named regions, and what it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Bools, Floats, Ints

MEMBRANE, OPENING = "membrane", "opening"
"""Names of regions: of triangles without a name, and of those that are no membrane, where a neck opens."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles that enclose a volume, each in a region; two of the same content are equal.

    points:     (n, 3) corners, µm. triangles: (m, 3) rows of `points`, seen from outside against the clock.
    region:     (m,) the place of each one's region in `regions`, which are names.
    tetrahedra: (k, 4) rows of `points` of a mesh of the volume, where the file had one; none otherwise.
    """

    points: Floats
    triangles: Ints
    region: Ints
    regions: tuple[str, ...] = (MEMBRANE,)
    tetrahedra: Ints | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Surface) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Surface({len(self.triangles)} triangles, {', '.join(self.regions)})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that it is."""
        parts = (self.points, self.triangles, self.region, self.tetrahedra)
        content = hashlib.sha256(repr(self.regions).encode())
        for array in parts:
            content.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        return content.hexdigest()

    @cached_property
    def low(self) -> Floats:
        """(3,) lower corner of the bounding box, µm."""
        return np.asarray(self.points[np.unique(self.triangles)].min(axis=0))

    @cached_property
    def high(self) -> Floats:
        """(3,) upper corner of the bounding box, µm."""
        return np.asarray(self.points[np.unique(self.triangles)].max(axis=0))

    @cached_property
    def corners(self) -> Floats:
        """(m, 3, 3) corners of each triangle, µm."""
        return np.asarray(self.points[self.triangles])

    @cached_property
    def normals(self) -> Floats:
        """(m, 3) outward normals, as long as twice the area, µm²."""
        a, b, c = (self.corners[:, k] for k in range(3))
        return np.asarray(np.cross(b - a, c - a))

    @cached_property
    def areas(self) -> Floats:
        """(m,) of the triangles, µm²."""
        return np.asarray(np.linalg.norm(self.normals, axis=1) / 2)

    @cached_property
    def volume(self) -> float:
        """Of the polyhedron, µm³: a sixth of Σ a · (b × c), with the middle of its box as the origin (Gauss)."""
        a, b, c = (self.corners[:, k] - (self.low + self.high) / 2 for k in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)

    @cached_property
    def area(self) -> float:
        """Of its membrane, µm²: all of the polyhedron's but that of the region `opening`."""
        return float(self.areas[self.is_membrane].sum())

    @cached_property
    def is_membrane(self) -> Bools:
        """(m,) whether each triangle is membrane."""
        names = np.array([name != OPENING for name in self.regions])
        return np.asarray(names[self.region])

    @cached_property
    def region_areas(self) -> dict[str, float]:
        """Area of every region, µm²."""
        found = np.bincount(self.region, weights=self.areas, minlength=len(self.regions))
        return dict(zip(self.regions, found.tolist(), strict=True))

    def flipped(self) -> Surface:
        """The same with every triangle seen from the other side."""
        return Surface(self.points, self.triangles[:, ::-1], self.region, self.regions, self.tetrahedra)


def joined_surface(
    parts: Sequence[tuple[str, Floats]], points: Floats | None = None, tetrahedra: Ints | None = None
) -> Surface:
    """A surface of loose triangles: corners at one place, to the bit, are one.

    parts: name of a region → (m, 3, 3) corners of its triangles, µm; parts of one name are one region. Triangles with
    two corners at one place have no area and are left out.
    points, tetrahedra: (n, 3) and (k, 4) of a mesh of the volume, whose corners the triangles have.
    """
    regions = tuple(dict.fromkeys(name for name, _ in parts))
    loose = np.concatenate([corners for _, corners in parts]) + 0.0  # -0 is 0
    region = np.repeat([regions.index(name) for name, _ in parts], [len(corners) for _, corners in parts])
    every = loose.reshape(-1, 3) if points is None else np.concatenate([loose.reshape(-1, 3), points + 0.0])
    unique, rows = np.unique(every, axis=0, return_inverse=True)
    rows = rows.reshape(-1)
    triangles = rows[: 3 * len(loose)].reshape(-1, 3)
    cells = None if tetrahedra is None else rows[3 * len(loose) :][tetrahedra].astype(np.int64)
    a, b, c = triangles.T
    kept = (a != b) & (b != c) & (c != a)
    return Surface(unique, triangles[kept].astype(np.int64), region[kept].astype(np.int64), regions, cells)


def boundary_of(tetrahedra: Ints, points: Floats) -> npt.NDArray[np.int64]:
    """(m, 3) the faces of one tetrahedron alone, seen from outside against the clock."""
    corners = points[tetrahedra]
    signed = np.linalg.det(corners[:, 1:] - corners[:, :1])
    cells = np.where((signed < 0)[:, None], tetrahedra[:, [0, 2, 1, 3]], tetrahedra)
    faces = np.concatenate([cells[:, list(f)] for f in ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(faces[np.sort(first[count == 1])], dtype=np.int64)
