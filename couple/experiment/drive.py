"""[[drive]]: prescribed inputs of a site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import END, Block
from couple.base.units import Concentration, Time


class Influx(Block):
    """Molecules per time (/ms): piecewise linear through (times, rate), zero outside; a single rate holds
    throughout.

    times: "0 1 2 ms". rate: "0 200 0 /ms", one for each time, or a single one.
    """

    times: str
    rate: str


class ClampCourse(Block):
    """A concentration (mM) over time (ms), piecewise linear, held beyond its ends; both as text with units.

    times: "0 10 20 ms". values: "0.1 1 0.1 uM", one for each time.
    """

    times: str
    values: str


class Events(Block):
    """Molecules that come at once with each of a train of events, such as transmitter that a vesicle releases.

    molecules: of one event of weight 1. times: of the events, "10 20 ms"; if not given, those of the synapse on the
    site's spine, from its `times` and every [[protocol]]. weight: factor of `molecules`, of all events, or one for
    each of `times`, "1 0.5". delay: from an event to its molecules.
    """

    molecules: float = Field(gt=0, le=1e6, strict=True)
    times: str | None = None
    weight: Annotated[float, Field(ge=0, le=1e6, strict=True)] | str = 1.0
    delay: Time = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _weights(self) -> Self:
        if isinstance(self.weight, str) and self.times is None:
            raise ValueError("weight: one for each event only beside times; give a single number")
        return self


def _kind_of_clamp(value: object) -> str:
    return "course" if isinstance(value, Mapping | ClampCourse) else "constant"


Clamp = Annotated[
    Annotated[Concentration, Tag("constant")] | Annotated[ClampCourse, Tag("course")], Discriminator(_kind_of_clamp)
]


class DriveBlock(Block):
    """A prescribed input of a site: an influx, a clamped concentration, or a recorded run.

    to: "SITE.SPECIES", what is driven. influx: molecules per time. clamp: a concentration that is held, or its
    course. replay: "results.h5" or "results.h5:SITE.SPECIES", what entered in an earlier run. events: molecules at
    each of a train of events.
    """

    target: str = Field(alias="to", pattern=END)
    influx: Influx | None = None
    clamp: Clamp | None = None
    replay: Annotated[str, ReadsFile("replay", behind="[^:]*")] | None = None
    events: Events | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.influx, self.clamp, self.replay, self.events)) != 1:
            raise ValueError("give exactly one of influx, clamp, replay, events")
        if isinstance(self.clamp, float) and self.clamp < 0:
            raise ValueError("clamp: a concentration cannot be negative")
        return self
