"""What a mesh is like, in numbers that a user can judge."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.fem.mesh.sources.build import nodes_of

_NAMES = {"interval": "cells", "triangle": "triangles", "tetrahedron": "tetrahedra", "hexahedron": "cubes"}
POOR = 0.1
"""Shape of a simplex below which errors and condition grow visibly."""


@dataclass(frozen=True)
class Quality:
    """kind: of cell. cells: how many. shortest, longest: edges, µm.

    worst: smallest shape of a simplex, its volume over that of the regular one with the same root mean square edge: 1
    at best, 0 of a flat one; 1 of lines and cubes.
    """

    kind: str
    cells: int
    shortest: float
    longest: float
    worst: float

    def __str__(self) -> str:
        shape = f", worst shape {self.worst:.2g}" if self.kind in ("triangles", "tetrahedra") else ""
        return f"{self.cells} {self.kind}, edges {self.shortest * 1e3:.4g} to {self.longest * 1e3:.4g} nm{shape}"


def quality_of(mesh: Any) -> Quality:
    """The quality of a DOLFINx mesh of straight cells."""
    name, d = str(mesh.topology.cell_name()), int(mesh.topology.dim)
    corners = mesh.geometry.x[nodes_of(mesh)]
    if name == "hexahedron":
        pairs: list[tuple[int, int]] = [(0, 1), (0, 2), (0, 4)]  # DOLFINx: tensor product order
    else:
        pairs = list(itertools.combinations(range(d + 1), 2))
    edges = np.stack([np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in pairs], axis=1)
    worst = 1.0
    if d > 1 and name != "hexahedron":
        sides = (corners[:, 1 : d + 1] - corners[:, :1])[:, :, :d]
        volume = abs(np.linalg.det(sides)) / math.factorial(d)
        regular = math.sqrt(d + 1) / (math.factorial(d) * math.sqrt(2**d))
        worst = float((volume / (regular * np.sqrt((edges**2).mean(axis=1)) ** d)).min())
    return Quality(_NAMES.get(name, name), len(corners), float(edges.min()), float(edges.max()), worst)
