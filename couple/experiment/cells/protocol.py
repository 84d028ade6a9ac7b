"""[[protocol]]: stimulation as experimenters name it, in one table: pairings of spikes (STDP), theta bursts."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import Block
from couple.base.units import ElectricCurrent, Rate, Time
from couple.experiment.sites.placement import Names

MOST = 100_000
"""Events; more is a slip."""

Count = Annotated[int, Field(strict=True, ge=1, le=MOST)]


class Protocol(Block):
    """Synaptic events of spines and current pulses, repeated at a rate, as times written out by hand would be.

    kind: "stdp": pairs of one event and one pulse; "theta": bursts of events, with a pulse for each if an amplitude is
    given. dt: from an event to the onset of its pulse (ms), below 0 for the pulse first. rate: of pairs, or of bursts.
    pairs: how many, of stdp. bursts: how many, of theta. spikes: events of a burst. within: rate of the events in a
    burst. start: of the first event. spines: [[spine]] blocks whose synapses get the events, by name; all that have
    synapses if not given. at: the segment that the pulses go into. amplitude: of a pulse, depolarising above 0.
    duration: of a pulse.
    """

    kind: Literal["stdp", "theta"]
    rate: Annotated[Rate, Field(gt=0, le=10)]
    dt: Time | None = None
    pairs: Count | None = None
    bursts: Count | None = None
    spikes: Count = 4
    within: Annotated[Rate, Field(gt=0, le=10)] = 0.1
    start: Annotated[Time, Field(ge=0)] = 0.0
    spines: Names = ()
    at: str = "soma(0.5)"
    amplitude: ElectricCurrent | None = None
    duration: Annotated[Time, Field(gt=0)] = 2.0

    @model_validator(mode="after")
    def _meant(self) -> Self:
        stdp = self.kind == "stdp"
        wanted = ("pairs", "dt", "amplitude") if stdp else ("bursts",)
        for key in wanted:
            if getattr(self, key) is None:
                raise ValueError(f'{key}: is missing; kind = "{self.kind}" needs {", ".join(wanted)} and rate')
        others = {"bursts", "spikes", "within"} if stdp else {"pairs"}
        if given := sorted(others & self.model_fields_set):
            raise ValueError(f'{given[0]}: kind = "{self.kind}" has none; leave it out')
        pulse = {"dt", "at", "duration"} & self.model_fields_set
        if self.amplitude is None and pulse:
            raise ValueError(f'{min(pulse)}: there is no pulse; give amplitude = "1 nA" too')
        self._in_time()
        return self

    def _in_time(self) -> None:
        """Raise ValueError for events or pulses that would be before 0 or run into the next ones."""
        period, between = 1 / self.rate, 1 / self.within
        if not self.start + self._events * (period + between) < math.inf:
            raise ValueError("rate: the last event would never come; give more than that")
        if self._events > MOST:
            raise ValueError(f"bursts: {self.bursts} of {self.spikes} events are more than {MOST}; give fewer")
        lag = self.dt or 0.0
        if self.start + lag < 0:
            raise ValueError(f"dt: the first pulse would be at {self.start + lag:g} ms; give a start of {-lag:g} ms")
        if self.kind == "stdp" and abs(lag) >= period:
            raise ValueError(f"dt: {lag:g} ms reaches the next pair, {period:g} ms later; lower rate or dt")
        if self.kind == "theta" and (self.spikes - 1) * between >= period:
            raise ValueError(f"spikes: a burst of {self.spikes} reaches the next one, {period:g} ms later")
        shortest = between if self.kind == "theta" and self.spikes > 1 else period
        if self.amplitude is not None and self.duration > shortest:
            raise ValueError(f"duration: {self.duration:g} ms reaches the next pulse, {shortest:g} ms later")

    @property
    def _events(self) -> int:
        """How many there are."""
        return self.pairs or (self.bursts or 0) * self.spikes

    @property
    def events(self) -> tuple[float, ...]:
        """Times of the synaptic events in ms."""
        each = [k / self.within for k in range(self.spikes)] if self.kind == "theta" else [0.0]
        # to a picosecond: the numbers that one would write
        return tuple(
            round(self.start + k / self.rate + t, 9) for k in range(self.pairs or self.bursts or 0) for t in each
        )

    @property
    def pulses(self) -> tuple[float, ...]:
        """Onsets of the current pulses in ms."""
        return () if self.amplitude is None else tuple(round(t + (self.dt or 0.0), 9) for t in self.events)
