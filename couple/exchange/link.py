"""Links: what crosses, from where to where, through which function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from couple.exchange.response import Response

Sources = tuple[tuple[int, float], ...]
"""Pairs (index into the common memory, weight): every link is a weighted sum."""


@dataclass(frozen=True)
class IonLink:
    """Molecules that enter one species of one site; what is sent is a total over the window.

    influx: index of the site's influx. free: index of its free molecules. whole: whether the site takes whole ions.
    contains: conserved substances in one molecule. function: name of the pure function that gave the weights.
    """

    name: str
    site: str
    influx: int
    free: int
    whole: bool
    sources: Sources
    contains: Mapping[str, int]
    function: str
    per_charge: float = 0.0
    """Ions per fC, where the link is one of charge."""


@dataclass(frozen=True)
class ValueLink:
    """A concentration, a conductance or a held count that one component sets in another, at least `least`."""

    name: str
    target: int
    sources: Sources
    function: str
    least: float = 0.0
    beyond: float = 0.0
    """Hands over x_n + beyond (x_n - x_(n-1)): 1 brings window means, 1/2 values at a window's end, to the middle of
    the window for which they are used."""
    tolerance: float | None = None
    """What of it may be left open where windows are repeated; None for what the experiment says of all."""


@dataclass(frozen=True)
class ResponseLink:
    """A parameter that the electrical model gets by an amount of molecules, a weighted sum; those of one target add up.

    response: what it is by that amount. keep: the part of its distance to that which is left after a window,
    exp(-window / tau); 0 follows at once. start: its value at the start, None for what the response gives then.
    tolerance: see ValueLink.
    """

    name: str
    target: int
    sources: Sources
    response: Response
    keep: float = 0.0
    start: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class Holding:
    """One conserved substance of one site: where its counts lie and how much of it each state contains."""

    site: str
    substance: str
    first: int
    states: tuple[str, ...]
    contents: tuple[int, ...]
    free: tuple[int, ...] = ()
    """Columns in which the substance moves freely: species that links fill."""
    outside: tuple[int, ...] = field(default=())
    """Columns of reservoirs."""
    whole: bool = True
