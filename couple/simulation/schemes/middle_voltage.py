"""Rates of sites by voltage: that in the middle of the window, not at its end."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from couple.base.arrays import Floats
from couple.exchange.exchange import Exchange
from couple.simulation.schemes.window_pass import WindowPass
from couple.wiring import System


class MiddleVoltage:
    """Hands sites the mean of V at both ends of a window, of second order, where any of them reads V."""

    def __init__(self, system: System, exchange: Exchange) -> None:
        handed = {i for link in system.connections.before for i, _ in link.sources}
        every = () if system.electrics is None else system.memory.all_of(system.electrics, "v")
        self._places = np.array([i for i in every if i in handed], dtype=np.intp)
        self._memory = exchange.memory

    def run(self, passing: WindowPass, ticks: int, start: Floats) -> float:
        """A pass over a window from the memory `start`; perf_counter at its end."""
        t = self.deliver(passing, ticks, start)
        return passing.advance(passing.second, ticks, t)

    def deliver(self, passing: WindowPass, ticks: int, start: Floats) -> float:
        """The part of the pass before the sites are advanced."""
        memory, places = self._memory, self._places
        t = passing.advance(passing.first, ticks, perf_counter())
        if not places.size:
            return passing.deliver(t)
        ends = memory[places]
        memory[places] = 0.5 * (start[places] + ends)
        t = passing.deliver(t)
        memory[places] = ends
        return t
