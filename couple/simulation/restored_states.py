"""States that no run has ever written: refused before anything goes on from them.

A seal finds damage, not malice: whoever forges a content can forge its seal. A checkpoint that a user was sent may
hold a clock far in the past, books that do not balance, or molecules without end, with which a run would never end.
What only an engine knows of its own state, it refuses itself in `restore`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from couple.base.errors import InputError
from couple.components.component import State
from couple.components.drive import MOST
from couple.components.engine import SiteEngine
from couple.components.state import whole
from couple.exchange.exchange import Exchange
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.wiring import System

ROUNDING = 1e-6
"""Relative to an amount: far above what sums are off by, far below what would be noticed."""


def refuse_impossible(system: System, exchange: Exchange, states: Mapping[str, State]) -> None:
    """Raise InputError for what cannot be in states that were just taken up."""
    for where, reason in _impossible(system, exchange, states):
        raise InputError(f"{where}: {reason}: no run has written this, run again")


def _impossible(system: System, exchange: Exchange, states: Mapping[str, State]) -> Iterator[tuple[str, str]]:
    """Places and what is wrong there."""
    clock = system.plan.clock
    window, last = whole(states["clock"], "window"), clock.windows
    if not 0 <= window <= last:
        yield "clock", f"window {window} of {last}"
    if system.drive is not None and whole(states["component.drive"], "window") * clock.played != window * clock.window:
        yield "drive", "it is in another window than the clock"
    if not (np.abs(exchange.accounts) <= MOST * (window + 2)).all():  # of each window, and what waits
        yield "exchange", "more ions have crossed than can"
    for site, off in exchange.unbalanced(ROUNDING):
        yield "exchange", f"the books of site {site} are off by {off:.6g}"
    for engine in system.engines:
        yield from _of_engine(engine)


def _of_engine(engine: SiteEngine) -> Iterator[tuple[str, str]]:
    counts = engine.read("counts")
    if not (np.abs(counts) <= MOST_MOLECULES).all():
        yield engine.name, f"not all counts are molecules up to {MOST_MOLECULES:.0e} in a site"
    elif engine.integer and not (counts[:, : len(engine.network.species)] >= -ROUNDING).all():  # reservoirs may be
        yield engine.name, "not all counts are at least 0"
