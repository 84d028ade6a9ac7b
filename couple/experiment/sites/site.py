"""[[site]]: places with chemistry, their shape and their engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from couple.base import registry
from couple.base.errors import InputError, brief, nearest
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import SITE_NAME, Block, UnknownKey
from couple.base.units import Length, Voltage, factor, quantities, with_unit
from couple.components.model_spec import CaiWriters
from couple.experiment.sites.placement import Names, Placement
from couple.experiment.sites.size import Size
from couple.geometry.geometry import Geometry
from couple.geometry.surface.read import read_surface

RESERVED = ("neuron", "drive", "exchange", "time", "ledger", "timing", "versions")
"""Names that no site may have."""


class Cylinder(Block):
    """A cylinder (µm); its end caps reflect and carry no membrane proteins unless `caps`.

    diameter: of it. length: of it. caps: whether its ends are membrane.
    """

    diameter: Length = Field(gt=0)
    length: Length = Field(gt=0)
    caps: bool = False


class Sphere(Block):
    """A sphere (µm).

    diameter: of it.
    """

    diameter: Length = Field(gt=0)


class Box(Block):
    """A box: `size` as "1 1 2 um", its edges along x, y, z (µm).

    size: edges along x, y, z.
    """

    size: Annotated[tuple[float, float, float], with_unit("length", quantities)]


class Shell(Block):
    """What lies below the membrane of each segment of a site, its volume being membrane × depth, as in calcium pools.

    depth: of it.
    """

    depth: Length = Field(gt=0)


class SolidBlock(Block):
    """A body of its own: exactly one of the keys.

    cylinder: diameter and length. sphere: diameter. box: edges.
    """

    cylinder: Cylinder | None = None
    sphere: Sphere | None = None
    box: Box | None = None

    def build(self, folder: Path = Path()) -> Geometry:
        """The geometry, lengths in µm. Raises InputError for a size that no part of a cell has.

        folder: where paths of files start.
        """
        if self.cylinder is not None:
            return Geometry.cylinder(self.cylinder.diameter, self.cylinder.length, caps=self.cylinder.caps)
        if self.sphere is not None:
            return Geometry.sphere(self.sphere.diameter)
        assert self.box is not None
        return Geometry.box(*self.box.size)


class GeometryBlock(SolidBlock):
    """The shape of a site where it is not that of its NEURON segment: exactly one of the keys.

    cylinder: diameter and length. sphere: diameter. box: edges. shell: depth below the membrane of its segments.
    mesh: file of a closed surface of triangles (STL, PLY, OBJ, OFF, VTK, MSH), or of several that close together, as
    { membrane = "spine.stl", psd = "psd.stl" }: volume, membrane and regions are those of the polyhedron. mesh_unit: of
    its coordinates ("nm", "um"), which no file says.
    """

    shell: Shell | None = None
    mesh: Annotated[str | dict[str, str], ReadsFile("mesh")] | None = None
    mesh_unit: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = self.model_fields_set - {"mesh_unit"}
        if len(given) != 1:
            raise ValueError("give exactly one of cylinder, sphere, box, shell, mesh")
        if self.mesh is None:
            if self.mesh_unit is not None:
                raise ValueError("mesh_unit: goes with mesh")
            return self
        if self.mesh_unit is None:
            raise ValueError('mesh_unit: is missing: no file of a mesh says its unit; give mesh_unit = "um", or "nm"')
        for name in self.mesh if isinstance(self.mesh, dict) else ():
            if not name.isidentifier():
                raise ValueError(f'mesh: "{name}" is no name of a region: letters, digits and _')
        try:
            factor(self.mesh_unit, "length")
        except InputError as error:
            raise ValueError(f"mesh_unit: {error.message}") from None
        return self

    def build(self, folder: Path = Path()) -> Geometry:
        """See SolidBlock; a shell is no body of its own."""
        if self.shell is not None:
            raise InputError(
                'a shell lies below the membrane of segments: give segment = "dend(0.5)", or place.on = "dend*"'
            )
        if self.mesh is not None and self.mesh_unit is not None:
            named = self.mesh
            files = folder / named if isinstance(named, str) else {name: folder / f for name, f in named.items()}
            return Geometry.mesh(read_surface(files, factor(self.mesh_unit, "length"), self.mesh_unit))
        return super().build()

    def in_segments(self, segments: Sequence[Geometry], folder: Path = Path()) -> Geometry:
        """The geometry of a site in segments of these shapes, lengths in µm.

        Raises InputError for a mesh that holds, or has the membrane of, something else than the segments.
        """
        if self.shell is not None:
            return Geometry.joined([Geometry.shell(segment.area, self.shell.depth) for segment in segments])
        made = self.build(folder)
        if made.surface is not None:
            _check_segments(made, segments)
        return made


SAME = 0.01
"""Relative difference of volume or membrane up to which a segment of NEURON stands for a mesh."""


def _check_segments(mesh: Geometry, segments: Sequence[Geometry]) -> None:
    """Raise InputError, with the segment that would fit, if volume or membrane of the segments are not the mesh's."""
    volume, area = sum(s.volume for s in segments), sum(s.area for s in segments)
    if abs(volume / mesh.volume - 1) <= SAME and abs(area / mesh.area - 1) <= SAME:
        return
    diameter = 4 * mesh.volume / mesh.area
    length = mesh.area / (math.pi * diameter)
    raise InputError(
        f"the mesh holds {mesh.volume:.6g} um^3 in {mesh.area:.6g} um^2, its segment"
        f"{'s' if len(segments) > 1 else ''} {volume:.6g} um^3 in {area:.6g} um^2: what NEURON computes would be of "
        f"another place; a segment with L = {length:.6g} and diam = {diameter:.6g} um has both of the mesh's"
    )


class SiteBlock(Block):
    """A place with chemistry and the accuracy at which it is simulated, or many of them.

    segment: one site, in a segment, in several ("dend(0.1)", "dend(0.3)"), or in all of a section or pattern ("dend*").
    sections: one site along whole sections that hang together, resolved in space: every segment has its own
    concentrations, and necks open into it where they stand. Only some engines can.
    place: many sites, called NAME_0, NAME_1, ...; a * in the name takes what the * in `place.on` stands for.
    cells: in a [network], the same in every cell of a population ("E") or of a pattern ("E_1*"): CELL_NAME.
    Options of an engine stand under its name (`lattice.spacing = "10 nm"`) and may stay there when another is chosen.
    A block without a place of its own, under the name of one site that another block makes ("spine_0"), says only what
    differs at that site: engine, options, geometry.
    voltage: of its membrane, mV, for rates that depend on it, where no link hands over that of the model.
    name: of the site, by which links, drives and results call it. engine: ssa, ode, lattice, ...: the accuracy.
    entry: region of the membrane of its `geometry.mesh` through which what links and drives bring comes in, such as
    "psd"; by default all of the membrane. Engines of well-stirred sites know no places, and are the same with it.
    size: how its volume changes, by time or by molecules.
    geometry: its shape, where no segment gives it. cai_writers: in its segments, instead of neuron.cai_writers.
    """

    name: str = Field(pattern=SITE_NAME)
    engine: str = ""
    segment: Names | None = Field(default=None, min_length=1)
    sections: Names | None = Field(default=None, min_length=1)
    place: Placement | None = None
    cells: Names | None = Field(default=None, min_length=1)
    geometry: GeometryBlock | None = None
    cai_writers: CaiWriters | None = None
    voltage: Voltage | None = None
    entry: str | None = Field(default=None, min_length=1)
    size: Size | None = None
    options: dict[str, dict[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            engines = registry.names("couple.engines")
            options = {k: v for k, v in data.items() if k in engines}
            rest = {k: v for k, v in data.items() if k not in engines}
            known = [k for k in cls.model_fields if k != "options"]
            for key in rest:
                if key not in known:
                    raise UnknownKey(key, nearest(key, [*known, *engines]))
            for key, value in options.items():
                if not isinstance(value, Mapping):
                    raise ValueError(
                        f"{key} = {brief(value)}: options of an engine are a table, like {key}.KEY = VALUE"
                    )
            return {**rest, "options": options}
        return data

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f'"{self.name}" has another meaning in results; give the site another name')
        if self.segment is not None and self.place is not None:
            raise ValueError("give segment for one site, or place for many, not both")
        if self.sections is not None and (self.segment or self.place or self.geometry):
            raise ValueError("sections: they say where the site is and its shape; drop segment, place, geometry")
        if "*" in self.name and (self.place is None or len(self.place.on) != 1 or self.place.on[0].count("*") != 1):
            raise ValueError(f'"{self.name}" takes what a * stands for: give place.on = "..." with one *')
        return self

    @property
    def located(self) -> bool:
        """Whether it says where in the electrical model it is."""
        return any(x is not None for x in (self.segment, self.sections, self.place))
