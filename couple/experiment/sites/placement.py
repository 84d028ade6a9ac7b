"""Blocks that say where many sites or spines are: on which branches, how far out, how many."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from couple.base.errors import InputError, quoted
from couple.base.schema import Block
from couple.base.units import Length, LineDensity, interval, with_unit
from couple.geometry.geometry import LONGEST

MOST = 100_000
"""Sites or spines of one block; more is a slip of a unit."""
SEED = 1
"""Of places and sizes, if none is given."""


def listed(value: Any) -> Any:
    """A single name as a list of one."""
    return [value] if isinstance(value, str) else value


def distances(value: object, dimension: str) -> tuple[float, float]:
    """(least, most) in µm of "50 .. 200 um". Raises InputError for anything else."""
    low, high = interval(value, dimension)
    if not 0 <= low < high:
        raise InputError(f'{quoted(value)} is empty; give two lengths, the smaller one first, like "50 .. 200 um"')
    return low, high


Extent = Annotated[Length, Field(ge=1e-4, le=LONGEST)]
"""From the size of an atom to that of a cell."""

Names = Annotated[tuple[str, ...], BeforeValidator(listed, json_schema_input_type=str | tuple[str, ...])]
Interval = Annotated[tuple[float, float], with_unit("length", distances, " .. ")]


class Placement(Block):
    """Places on the branches of a model: one on every segment, or `count`, or `density` per length of branch.

    on:       sections or segments by name or pattern ("apical*", "dend(0.3)"); in patterns * and ? stand for anything.
    except:   those of them to leave out.
    density:  per µm of branch, which `count` replaces.
    distance: "50 .. 200 um", path distance of segments (their middles) from the soma, or from the segment `from`.
    spread:   "random" places are uniform along the branches, "even" ones equally far apart.
    seed:     of the random places, which do not change with the seed of the experiment.
    from: the segment that `distance` counts from, instead of the soma. count: of places.
    """

    on: Names = Field(min_length=1)
    without: Names = Field(default=(), alias="except")
    distance: Interval | None = None
    origin: str | None = Field(default=None, alias="from")
    count: Annotated[int, Field(strict=True, ge=1, le=MOST)] | None = None
    density: Annotated[LineDensity, Field(gt=0)] | None = None
    spread: Literal["random", "even"] = "random"
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] | None = None

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.count is not None and self.density is not None:
            raise ValueError("give count or density, not both")
        if self.origin is not None and self.distance is None:
            raise ValueError('from: it is where distance is counted from; give distance = "50 .. 200 um" too')
        chosen = {"spread", "seed"} & self.model_fields_set
        if chosen and self.count is None and self.density is None:
            raise ValueError(
                f"{', '.join(sorted(chosen))}: only with count or density; without, every segment is taken"
            )
        if self.spread == "even" and self.seed is not None:
            raise ValueError('seed: places with spread = "even" are not random')
        return self


class Neck(Block):
    """What joins two sites: a cylinder (µm), NEURON sections by name, or a diffusive conductance ("0.01 um^3/ms").

    ends: how many of its two ends open into something wide, where the access resistance 1/(4 D a) adds to that of the
    neck (Hall 1975, J Gen Physiol 66:531; Rayleigh): L_eff = L + ends · π/8 · diameter.
    diameter: of a cylinder. length: of it. section: of NEURON, "neck" or "spine_*.neck", whose size it has.
    conductance: for diffusion, instead.
    """

    TEXT = True

    diameter: Extent | None = None
    length: Annotated[Length, Field(ge=0, le=LONGEST)] | None = None
    section: str | None = None
    conductance: str | None = None
    ends: Annotated[int, Field(strict=True, ge=0, le=2)] = 2

    @model_validator(mode="before")
    @classmethod
    def _text(cls, data: Any) -> Any:
        return {"section": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = {k for k in ("diameter", "length", "section", "conductance") if getattr(self, k) is not None}
        if given not in ({"diameter", "length"}, {"section"}, {"conductance"}):
            raise ValueError(
                'give diameter and length, or the name of a section (through = "neck"), or conductance = "0.01 um^3/ms"'
            )
        if "conductance" in given and "ends" in self.model_fields_set:
            raise ValueError("ends: a conductance holds its ends already")
        if self.length == 0 and self.ends == 0:
            raise ValueError("length 0 without ends has no resistance at all")
        return self
