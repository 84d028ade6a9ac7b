"""The extrapolated scheme: each window once, the model with what straight lines promise for its middle.

The electrical model has the averages that are expected of the window, and the sites the ions of the same window: of
second order in the exchange interval, at the price of the staggered scheme.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.components.component import State
from couple.components.state import fitting
from couple.exchange.exchange import Exchange
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.middle_voltage import MiddleVoltage
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import WindowPass


class Extrapolated(Scheme):
    """See Scheme. Numbers of `handed` are those of the last window: its averages and values at its start."""

    def __init__(
        self, handed: HandedOver, exchange: Exchange, middle: MiddleVoltage, passing: WindowPass, ticks: int
    ) -> None:
        self._handed, self._exchange, self._middle, self._pass = handed, exchange, middle, passing
        self._ticks = ticks
        self._found = np.zeros(len(handed.targets))
        self._before = np.zeros(len(handed.targets))

    def clear(self) -> None:
        """See Scheme: as if it had always been as it is."""
        self._found[:] = self._before[:] = self._exchange.memory[self._handed.targets]

    def step(self, rows: Floats, row: int) -> None:
        """See Scheme."""
        memory, targets, passing = self._exchange.memory, self._handed.targets, self._pass
        start = memory.copy()
        memory[targets] = self._handed.expected(self._found, self._before)
        t = self._middle.run(passing, self._ticks, start)
        self._found[:] = self._handed.averages(start)
        self._before[:] = start[targets]
        self._handed.close(start, rows, row)
        passing.charge(t)

    def save(self) -> State:
        """See Scheme."""
        return {"found": self._found.copy(), "before": self._before.copy()}

    def restore(self, state: State) -> None:
        """See Scheme."""
        self._found[:] = fitting(state, "found", self._found)
        self._before[:] = fitting(state, "before", self._before)
