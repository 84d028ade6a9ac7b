"""The block [[spine]]: spines that grow on a model, with their sizes, channels and synapses."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from couple.base.schema import NAME, Block
from couple.base.units import Capacitance, Conductance, Length, Rate, Resistivity, Time, Voltage
from couple.experiment.sites.placement import SEED, Extent, Names, Placement
from couple.geometry.geometry import LONGEST

DRAWS = 1000
"""Attempts at a size between min and max before the distribution is refused."""


class Size(Block):
    """A length, or a distribution of lengths: mean and sd of a (log)normal, redrawn until between min and max.

    With kind = "uniform": min and max alone.
    mean: of the distribution, or the length. sd: standard deviation. min: the shortest. max: the longest. kind: of
    distribution.
    """

    TEXT = True

    mean: Extent | None = None
    sd: Annotated[Length, Field(ge=0, le=LONGEST)] = 0.0
    min: Extent | None = None
    max: Extent | None = None
    kind: Literal["lognormal", "normal", "uniform"] = "lognormal"

    @model_validator(mode="before")
    @classmethod
    def _text(cls, data: Any) -> Any:
        return {"mean": data} if not isinstance(data, dict) else data

    @model_validator(mode="after")
    def _whole(self) -> Self:
        uniform = self.kind == "uniform"
        if uniform and (self.min is None or self.max is None or self.mean is not None or self.sd):
            raise ValueError('kind = "uniform" takes min and max, and no mean or sd')
        if not uniform and self.mean is None:
            raise ValueError('give mean = "0.5 um" (with sd = "0.1 um" for a distribution)')
        low, high = self.min or 0.0, self.max or math.inf
        if not low <= high or (self.mean is not None and not low <= self.mean <= high):
            raise ValueError("min, mean and max are not in order")
        return self

    def draw(self, rng: np.random.Generator) -> float:
        """One length in µm. Raises ValueError if min and max leave (nearly) nothing of the distribution."""
        if self.kind == "uniform":
            assert self.min is not None and self.max is not None
            return float(rng.uniform(self.min, self.max))
        assert self.mean is not None
        if self.sd == 0:
            return self.mean
        low, high = self.min or 0.0, self.max or math.inf
        for _ in range(DRAWS):
            value = float(self._once(rng, self.mean))
            if max(low, 1e-6 * self.mean) <= value <= high:
                return value
        raise ValueError(f"{DRAWS} draws gave no length between min and max: widen them")

    def _once(self, rng: np.random.Generator, mean: float) -> float:
        if self.kind == "normal":
            return rng.normal(mean, self.sd)
        # mean and sd are those of the length itself, not of its logarithm
        variance = math.log1p((self.sd / mean) ** 2)
        return rng.lognormal(math.log(mean) - variance / 2, math.sqrt(variance))


class Part(Block):
    """A cylinder of a spine. channels: density mechanisms with their variables, { couple_cav = { gmax = "..." } }.

    diameter: one, or a distribution. length: one, or a distribution.
    """

    diameter: Size
    length: Size
    channels: dict[str, dict[str, str | float]] = {}


class Leak(Block):
    """A passive conductance `g`, with its unit, and its reversal `e` (mV), for spines on a section without `pas`.

    g: conductance, "2e-5 S/cm^2". e: reversal potential.
    """

    g: str
    e: Voltage


class Synapse(Block):
    """AMPA and NMDA receptors on the heads, and what drives them: spikes at `times`, or at random at a mean `rate`.
    A [[protocol]] drives them alone, or besides `times`.

    AMPA, NMDA: peak conductance of one event, pS. rate: /ms; start: ms.
    times are those of all these synapses; random trains differ between them.
    count: how many of the block's spines have a synapse, spread evenly over them; all if not given.
    times: "20 40 ms", of spikes.
    """

    AMPA: Annotated[Conductance, Field(ge=0)] = 0.0
    NMDA: Annotated[Conductance, Field(ge=0)] = 0.0
    times: str | None = None
    rate: Annotated[Rate, Field(gt=0, le=10)] | None = None
    start: Annotated[Time, Field(ge=0)] = 0.0
    count: Annotated[int, Field(strict=True, ge=1)] | None = None

    @model_validator(mode="after")
    def _driven(self) -> Self:
        if not (self.AMPA or self.NMDA):
            raise ValueError('give AMPA = "1.5 nS", NMDA = "0.03 nS", or both')
        if self.times is not None and self.rate is not None:
            raise ValueError('give times = "20 40 ms" or rate = "5 /s"')
        if self.times is not None and "start" in self.model_fields_set:
            raise ValueError("start: only with rate")
        return self


class SpineBlock(Block):
    """Spines NAME_0, NAME_1, ... of two sections each, NAME_0.neck and NAME_0.head, at the places `place`.

    seed: of sizes, and of places that have no seed of their own; not that of the experiment, so that all runs of an
    ensemble have the same spines. cells: of a [network], as for sites. Ra (ohm cm), cm (uF/cm^2) and leak are those of
    the branch if not given.
    name: of the spines. place: where they stand. head: the part that is a site. neck: the part that joins it to the
    branch. Ra: resistivity of the cytoplasm. cm: capacitance of the membrane. leak: passive conductance. synapse:
    receptors on the heads.
    """

    name: str = Field(pattern=NAME)
    place: Placement
    cells: Names | None = Field(default=None, min_length=1)
    head: Part
    neck: Part
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = SEED
    Ra: Annotated[Resistivity, Field(gt=0)] | None = None
    cm: Annotated[Capacitance, Field(gt=0)] | None = None
    leak: Leak | None = None
    synapse: Synapse | None = None
