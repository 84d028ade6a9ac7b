"""[network]: populations of cells, what connects them, and what drives them from outside."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.errors import InputError, nearest, quoted
from couple.base.schema import NAME, Block, repeated
from couple.base.units import Conductance, Rate, Time, Voltage, interval, quantity, with_unit
from couple.experiment.cells.neuron import Model
from couple.experiment.sites.placement import SEED, Names

MOST = 10_000_000
"""Cells of a population; more is a slip."""

RECEPTORS: tuple[Literal["AMPA", "NMDA", "GABA"], ...] = ("AMPA", "NMDA", "GABA")


def between(value: object, dimension: str) -> tuple[float, float]:
    """(least, most) in ms of "1.5 ms" or "1 .. 3 ms". Raises InputError for anything else."""
    try:
        if isinstance(value, str) and ".." in value:
            low, high = interval(value, dimension)
        else:
            low = high = quantity(value, dimension)
    except InputError as error:
        raise InputError(f'{error.message}; give a delay like "1.5 ms" or "1 .. 3 ms"') from None
    if not low <= high:
        raise InputError(f'{quoted(value)} is empty; give a delay like "1.5 ms" or "1 .. 3 ms"')
    return low, high


Delay = Annotated[tuple[float, float], with_unit("time", between, " .. ")]


class Population(Block):
    """Cells NAME_0, NAME_1, ... of one model: "cell.py:function" or "cell.hoc:Template".

    The builder is called once per cell, with `arguments` and, if it takes one of that name, the cell's number `gid`.
    spikes: the segment whose voltage, crossing `threshold` upwards, is a spike.
    name: of the cells: NAME_0, NAME_1, ... model: file and builder of one cell. count: of cells. arguments: of the
    builder. threshold: of spikes.
    """

    name: str = Field(pattern=NAME)
    model: Model
    count: Annotated[int, Field(strict=True, ge=1, le=MOST)]
    arguments: dict[str, Any] | tuple[Any, ...] = ()
    spikes: str = "soma(0.5)"
    threshold: Voltage = 0.0


class Receptors(Block):
    """Peak conductances (pS) of one event, and where: `at` segments of the cell, by name or pattern, one per contact.

    AMPA: 0.2 and 2 ms, 0 mV. GABA: 0.5 and 5 ms, -75 mV. NMDA: `adapters.neuron.NMDA`.
    to: population that gets them. at: segments, by name or pattern. name: keys the random numbers.
    """

    target: str = Field(alias="to")
    at: Names = Field(default=("soma(0.5)",), min_length=1)
    AMPA: Annotated[Conductance, Field(ge=0)] = 0.0
    NMDA: Annotated[Conductance, Field(ge=0)] = 0.0
    GABA: Annotated[Conductance, Field(ge=0)] = 0.0
    name: str | None = Field(default=None, pattern=NAME)
    """Keys the random numbers; needed where two blocks join the same populations."""

    @property
    def label(self) -> str:
        """Name, or what stands for it."""
        return self.name or self.target

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not any(getattr(self, receptor) for receptor in RECEPTORS):
            raise ValueError('give AMPA = "0.5 nS", NMDA, GABA, or several of them')
        return self


class Connection(Receptors):
    """Every cell of `to` gets contacts from cells of `from`: `inputs` of them, or each with a `probability`.

    delay: (least, most), ms, drawn uniformly between.
    from: population that they come from. inputs: cells that each cell of `to` hears. probability: of each pair.
    """

    source: str = Field(alias="from")
    inputs: Annotated[int, Field(strict=True, ge=1)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    delay: Delay

    @model_validator(mode="after")
    def _how_many(self) -> Self:
        if (self.inputs is None) == (self.probability is None):
            raise ValueError("give inputs = 8 (per cell) or probability = 0.1")
        return self

    @property
    def label(self) -> str:
        """Name, or both populations."""
        return self.name or f"{self.source}_to_{self.target}"


class Stimulus(Receptors):
    """Every cell of `to` gets `count` trains of its own: at a mean `rate` (/ms) at random from `start` (ms) on, or
    spikes at `times`.

    rate: mean, of random trains. times: "20 40 ms", of given ones. start: of random ones. count: trains for each
    cell.
    """

    rate: Annotated[Rate, Field(gt=0, le=100)] | None = None
    times: str | None = None
    start: Annotated[Time, Field(ge=0)] = 0.0
    count: Annotated[int, Field(strict=True, ge=1)] = 1

    @model_validator(mode="after")
    def _driven(self) -> Self:
        if (self.times is None) == (self.rate is None):
            raise ValueError('give times = "20 40 ms" or rate = "500 /s"')
        if self.times is not None and "start" in self.model_fields_set:
            raise ValueError("start: only with rate")
        return self

    @property
    def label(self) -> str:
        """Name, or the population that it drives."""
        return self.name or f"into_{self.target}"


class Network(Block):
    """Many cells. seed: of connections, not that of the experiment: all runs of an ensemble have the same ones.

    population: kinds of cells. connection: between them. stimulus: trains from outside.
    """

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = SEED
    population: tuple[Population, ...] = Field(min_length=1)
    connection: tuple[Connection, ...] = ()
    stimulus: tuple[Stimulus, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = dict.fromkeys(p.name for p in self.population)
        if (name := repeated(p.name for p in self.population)) is not None:
            raise ValueError(f'two populations are named "{name}"')
        ends = [(f"connection[{i}].from", c.source) for i, c in enumerate(self.connection)]
        ends += [(f"connection[{i}].to", c.target) for i, c in enumerate(self.connection)]
        ends += [(f"stimulus[{i}].to", s.target) for i, s in enumerate(self.stimulus)]
        for key, name in ends:
            if name not in names:
                raise ValueError(f'{key}: no population "{name}"; {nearest(name, names)}')
        sizes = {p.name: p.count for p in self.population}
        for i, c in enumerate(self.connection):
            others = sizes[c.source] - (c.source == c.target)
            if c.inputs is not None and c.inputs > others:
                raise ValueError(f"connection[{i}].inputs: {c.inputs} of {others} cells; give at most that many")
        blocks: list[Receptors] = [*self.connection, *self.stimulus]
        if (label := repeated(block.label for block in blocks)) is not None:
            raise ValueError(f'two connections or stimuli are "{label}": give each a name of its own')
        return self
