"""[[site]]: places with chemistry, their shape and their engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from couple.base import registry
from couple.base.errors import InputError, brief, nearest
from couple.base.schema import SITE_NAME, Block, UnknownKey
from couple.base.units import Length, Voltage, quantities, with_unit
from couple.components.electrics import CaiWriters
from couple.experiment.placement import Names, Placement
from couple.geometry.geometry import Geometry

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

    def build(self) -> Geometry:
        """The geometry, lengths in µm. Raises InputError for a size that no part of a cell has."""
        if self.cylinder is not None:
            return Geometry.cylinder(self.cylinder.diameter, self.cylinder.length, caps=self.cylinder.caps)
        if self.sphere is not None:
            return Geometry.sphere(self.sphere.diameter)
        assert self.box is not None
        return Geometry.box(*self.box.size)


class GeometryBlock(SolidBlock):
    """The shape of a site where it is not that of its NEURON segment: exactly one of the keys.

    cylinder: diameter and length. sphere: diameter. box: edges. shell: depth below the membrane of its segments.
    """

    shell: Shell | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of cylinder, sphere, box, shell")
        return self

    def build(self) -> Geometry:
        """See SolidBlock; a shell is no body of its own."""
        if self.shell is not None:
            raise InputError(
                'a shell lies below the membrane of segments: give segment = "dend(0.5)", or place.on = "dend*"'
            )
        return super().build()

    def in_segments(self, segments: Sequence[Geometry]) -> Geometry:
        """The geometry of a site in segments of these shapes, lengths in µm."""
        if self.shell is None:
            return self.build()
        return Geometry.joined([Geometry.shell(segment.area, self.shell.depth) for segment in segments])


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
