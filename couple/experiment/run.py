"""[experiment], [run] and [checkpoint]: what is run, on how many threads, and when its state is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from couple.base.errors import InputError, quoted
from couple.base.schema import RUN_NAME, Block, Integer
from couple.base.units import SimulatedTime, Time, quantity, with_unit

LEAST_TOLERANCE = 1e-13
"""Of numbers that are exact to 2e-16 and are sums of some: less is below their rounding."""


def _time_or_auto(value: object, dimension: str) -> object:
    """ms of a time above 0, or "auto". Raises InputError for what is neither."""
    if value == "auto":
        return value
    time = quantity(value, dimension)
    if not time > 0:
        raise InputError(f"{quoted(value)} is not above 0")
    return time


class Run(Block):
    """What is run, for how long, and how often the parts exchange: the table [experiment].

    name: of results and their folder. duration, exchange: simulated time, and how often the parts exchange, or "auto",
    as often as the table [exchange] asks for. scheme:
    "staggered", the model first and its ions into the sites over the same window, or "parallel", both from the same
    moment and ions one window later; of second order: "extrapolated", the model with what is to be expected of the
    window, and "iterated", each window again until what crosses agrees. seed: of all random numbers. max_debt: ions
    that a site may owe before the run stops. celsius: temperature of reactions, where there is no [neuron].

    Quantities carry their units as text; a field holds them in ms and degrees Celsius. Raises pydantic's
    ValidationError alone, InputError that names the key in an Experiment.

    >>> from couple import Run
    >>> Run(name="spine", duration="0.3 s", exchange="0.1 ms").duration
    300.0
    """

    name: str = Field(pattern=RUN_NAME)
    duration: SimulatedTime = Field(gt=0)
    exchange: Annotated[float | Literal["auto"], with_unit("simulated time", _time_or_auto)]
    scheme: Literal["staggered", "parallel", "extrapolated", "iterated"] = "staggered"
    seed: Integer = Field(default=1, ge=0, lt=2**63)
    max_debt: Integer = Field(default=1000, ge=0, le=10**12)
    """Ions that a site may owe to an outward current before the run stops."""
    celsius: float | None = Field(default=None, gt=-273.15, lt=100, strict=True)
    """Temperature of the model and of reactions with a q10; neuron.celsius says the same."""


class ExchangeControl(Block):
    """How often the parts exchange with experiment.exchange = "auto": the table [exchange].

    tolerance: by how much what was expected of a window may differ from what was found, relative to it, or to what one
    molecule makes of it if that is more. shortest: interval, by default neuron.dt. longest: interval, by default
    record.every or a part of it, at most 1 ms; rows and checkpoints are multiples of it.
    """

    tolerance: float = Field(default=1e-3, ge=LEAST_TOLERANCE, lt=1, strict=True)
    shortest: Time | None = Field(default=None, gt=0)
    longest: Time | None = Field(default=None, gt=0)


class Iteration(Block):
    """How long a window is repeated with experiment.scheme = "iterated": the table [iteration].

    tolerance: what of a number that crosses may be left open, relative to it, or to what one molecule makes of it if
    that is more. most: passes over a window. acceleration: what is tried next, by a quasi-Newton method ("anderson"),
    by relaxation ("aitken"), or what the sites have given ("none").
    """

    tolerance: float = Field(default=1e-6, ge=LEAST_TOLERANCE, lt=1, strict=True)
    most: Integer = Field(default=20, ge=1, le=1000)
    acceleration: Literal["anderson", "aitken", "none"] = "anderson"


class Machine(Block):
    """What of the machine a run takes: the table [run]. Results do not depend on it, to the bit.

    threads: over which engines divide their sites, in each process; by default the cores that ranks leave.
    """

    threads: Integer | None = Field(default=None, ge=1, le=1024)


class Checkpoint(Block):
    """When to write a checkpoint: simulated time `every`, wall-clock time `wall` (both in ms), or both.

    every: simulated time between two. wall: wall-clock time between two.
    """

    every: SimulatedTime | None = Field(default=None, gt=0)
    wall: Time | None = Field(default=None, gt=0)
