"""One geometry object for a place in the cell; NEURON, every engine and the links take it from here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from couple.base.errors import InputError
from couple.geometry.surface.surface import Surface

SHORTEST, LONGEST = 1e-4, 1e5
"""µm: an atom, and more than any part of a cell."""

ShapeName = Literal["cylinder", "sphere", "box", "cells", "mesh"]


@dataclass(frozen=True)
class Geometry:
    """Volume and membrane of a site.

    shape:    "cylinder" (size = (diameter, length)), "sphere" (diameter,) or "box" (x, y, z), µm; "cells" for a
              lattice that the options of its engine describe (size: cells along each axis); "mesh" for a closed
              surface of triangles (size: edges of its bounding box, µm).
    volume:   µm³.
    area:     membrane area in µm², analytic, never a face count; of a cylinder the lateral area only, as in
              NEURON: its end caps reflect and carry no proteins unless `caps`. Of a mesh both are the polyhedron's.
    surface:  of a mesh.

    Raises InputError for a length that is not positive, from `cylinder`, `sphere` and `box`.

    >>> from couple import Geometry
    >>> head = Geometry.cylinder(0.5, 0.5)  # diameter and length, um
    >>> round(head.volume, 4), round(head.area, 4)
    (0.0982, 0.7854)
    """

    shape: ShapeName
    size: tuple[float, ...]
    volume: float
    area: float
    caps: bool = False
    surface: Surface | None = None

    @classmethod
    def cylinder(cls, diameter: float, length: float, *, caps: bool = False) -> Geometry:
        """A cylinder with its axis along z; lengths in µm."""
        _positive(diameter=diameter, length=length)
        lateral = math.pi * diameter * length
        ends = math.pi * diameter**2 / 2 if caps else 0.0
        return cls("cylinder", (diameter, length), math.pi * diameter**2 / 4 * length, lateral + ends, caps)

    @classmethod
    def shell(cls, area: float, depth: float) -> Geometry:
        """What lies below a membrane of `area` µm² down to `depth` µm, as calcium pools count it: area × depth.

        The shape is the cylinder that has this membrane and this volume; the membrane is not thought to be curved.
        """
        _positive(depth=depth)
        return cls.cylinder(4 * depth, area / (4 * math.pi * depth))

    @classmethod
    def joined(cls, parts: Sequence[Geometry]) -> Geometry:
        """Cylinders in a row as one: volumes, membranes and lengths add up. A single one is returned as it is."""
        if len(parts) == 1:
            return parts[0]
        volume, area, length = (sum(x) for x in zip(*((p.volume, p.area, p.size[1]) for p in parts), strict=True))
        return replace(cls.cylinder(2 * math.sqrt(volume / math.pi / length), length), volume=volume, area=area)

    @classmethod
    def sphere(cls, diameter: float) -> Geometry:
        """A sphere; all of its surface is membrane."""
        _positive(diameter=diameter)
        return cls("sphere", (diameter,), math.pi * diameter**3 / 6, math.pi * diameter**2)

    @classmethod
    def box(cls, x: float, y: float, z: float) -> Geometry:
        """A box; all six faces are membrane."""
        _positive(x=x, y=y, z=z)
        return cls("box", (x, y, z), x * y * z, 2 * (x * y + y * z + z * x))

    @classmethod
    def cells(cls, shape: Sequence[int], volume: float = 0.0, area: float = 0.0) -> Geometry:
        """A lattice of `shape` cells; volume 0 if it has no lengths."""
        return cls("cells", tuple(float(n) for n in shape), volume, area)

    @classmethod
    def mesh(cls, surface: Surface) -> Geometry:
        """What a closed surface encloses; its membrane is all of it but a region called `opening`."""
        edges = (surface.high - surface.low).tolist()
        return cls("mesh", tuple(edges), surface.volume, surface.area, surface=surface)


def _positive(**lengths: float) -> None:
    for key, value in lengths.items():
        if not SHORTEST <= value <= LONGEST:
            raise InputError(f"{key} = {value:g} um; give a length from {SHORTEST:g} um, an atom, to {LONGEST:g} um")
