"""Options of the lattice engine: the keys `lattice.*` of a site."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from adapters.lattice.common.domain import BOUNDARIES, Boundary
from couple.base.errors import InputError, brief, nearest
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block
from couple.base.units import Length, Permeability, quantities, with_unit
from couple.components.engine import Options
from couple.experiment.sites.site import SolidBlock

Faces = tuple[Boundary, Boundary]
_AXES = ("x", "y", "z")


def _boundary(value: object) -> object:
    """One word for all faces, or a table { x = "periodic", y = ["reflecting", "absorbing"] }."""
    if isinstance(value, str):
        value = dict.fromkeys(_AXES, value)
    if not isinstance(value, Mapping):
        raise ValueError(f'{brief(value)} is no boundary; give one like "periodic" or {{ x = "periodic" }}')
    faces: dict[str, tuple[str, str]] = {}
    for axis, given in value.items():
        if axis not in _AXES:
            raise ValueError(f'unknown axis "{axis}"; {nearest(str(axis), _AXES)}')
        pair = (given, given) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else ()
        if len(pair) != 2 or any(word not in BOUNDARIES for word in pair):
            raise ValueError(
                f"{axis} = {brief(given)}: give one of {', '.join(BOUNDARIES)}, or two of them, low end first"
            )
        faces[axis] = pair
    return tuple(faces.get(axis, ("reflecting", "reflecting")) for axis in _AXES)


Boundaries = Annotated[
    tuple[Faces, Faces, Faces], BeforeValidator(_boundary, json_schema_input_type=str | dict[str, Any])
]
_CLOSED: tuple[Faces, Faces, Faces] = (("reflecting", "reflecting"),) * 3


class ShapeBlock(SolidBlock):
    """One of the shapes of a union; at: its centre."""

    at: Annotated[tuple[float, float, float], with_unit("length", quantities)] = (0.0, 0.0, 0.0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set - {"at"}) != 1:
            raise ValueError("give exactly one of cylinder, sphere, box")
        return self


class Couplings(Block):
    """Couplings of an open chain: h Σ s + J Σ ss' + K Σ ss's'' over its sites.

    h: of one site. J: of two neighbours. K: of three in a row.
    """

    h: Annotated[float, Field(ge=-20, le=20)]
    J: Annotated[float, Field(ge=-20, le=20)] = 0.0
    K: Annotated[float, Field(ge=-20, le=20)] = 0.0


class ReservoirBlock(Block):
    """A cell that exchanges particles with the outside: a source, a sink, or an end of the row held at a density.

    species: of the particles. at: the cell, a number for each axis from 0. fill: probability per step of an empty cell
    to get a particle. drain: of a particle of the species that stands there to leave.
    """

    species: str
    at: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = Field(min_length=1, max_length=3)
    fill: Annotated[float, Field(ge=0, lt=1)] = 0.0
    drain: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.fill == 0 and self.drain == 0:
            raise ValueError("give fill = 0.1, drain = 0.1 or both: probabilities per step")
        return self


class LatticeOptions(Options):
    """Options of a lattice: its cells and how it runs.

    mode:      "physical" (lengths, times, calibrated rates) or "paper" (one hop a step, see adapters.lattice.paper).
    spacing:   edge of a lattice cell, a length such as "10 nm"; above 1 µm it is no lattice any more. Physical mode.
    shape:     cells along each of one to three axes, instead of the site's geometry.
    mask:      a .npy file with an array of one to three axes, cells where it is not 0, instead of a shape.
    shapes:    a union of shapes, instead of a shape: { sphere = { diameter = "0.4 um" }, at = "0 0 0.4 um" }.
    boundary:  of all faces of the box, or per axis, or per face; "absorbing" lets molecules out for good. Physical
               walls are membrane. permeability: of absorbing walls, such as "10 um/s"; without, whatever comes to them
               leaves. selection: how the paper mode chooses.
    couplings: the paper mode's row of sites for one species starts as a draw of this chain, and not with a number of
               molecules: the state that a reduced model begins with.
    reservoirs: cells that exchange particles with the outside in the paper mode, before each sweep.
    moments:   record pairs of neighbours. snapshots: record the species of every cell.
    """

    mode: Literal["physical", "paper"] = "physical"
    spacing: Length | None = Field(default=None, gt=0, le=1)
    shape: tuple[Annotated[int, Field(ge=1, strict=True)], ...] | None = Field(default=None, min_length=1, max_length=3)
    mask: Annotated[str, ReadsFile("mask")] | None = None
    shapes: tuple[ShapeBlock, ...] = ()
    boundary: Boundaries = _CLOSED
    permeability: Permeability = Field(default=math.inf, gt=0)
    selection: Literal["uniform", "row_first"] = "uniform"
    couplings: Couplings | None = None
    reservoirs: tuple[ReservoirBlock, ...] = ()
    moments: bool = False
    snapshots: bool = False

    @model_validator(mode="after")
    def _of_the_mode(self) -> Self:
        if self.mode == "paper":
            if self.spacing is not None:
                raise ValueError('spacing: lattice.mode = "paper" has no lengths, leave it out')
            if self.shape is None:
                raise ValueError('lattice.mode = "paper" needs a shape, like lattice.shape = [40, 40]')
            if self.mask is not None or self.shapes:
                raise ValueError('lattice.mode = "paper" takes a shape only')
        elif sum((self.shape is not None, self.mask is not None, bool(self.shapes))) > 1:
            raise ValueError("give one of shape, mask, shapes")
        elif self.shapes and self.boundary != _CLOSED:
            raise ValueError("boundary: a union of shapes is closed; give a mask, or shape, for other boundaries")
        if "permeability" in self.model_fields_set and not any("absorbing" in pair for pair in self.boundary):
            raise ValueError('permeability: no wall absorbs; give boundary = { x = "absorbing" }')
        for key in ("selection", "couplings", "reservoirs"):
            if self.mode != "paper" and key in self.model_fields_set:
                raise ValueError(f'{key}: only for lattice.mode = "paper"')
        if self.couplings is not None and len(self.shape or ()) != 1:
            raise ValueError("couplings are those of a row of sites, like lattice.shape = [1000]")
        return self

    def faces(self, dimension: int) -> tuple[Faces, ...]:
        """(low, high) boundary of each axis in use: x, then y, then z."""
        return self.boundary[:dimension]


def spacing_of(options: LatticeOptions) -> float:
    """The spacing in µm, or InputError if it was not given."""
    if options.spacing is None:
        raise InputError('the lattice engine needs a spacing: lattice.spacing = "10 nm"')
    return options.spacing
