"""The iterated scheme: each window again and again from the saved state, until what crosses agrees with itself.

The electrical model has the averages that the sites give for this very window, the sites its ions: an implicit method
of second order, whose error is several times below that of extrapolation and which stays stable where the parts act on
each other quickly. Each pass draws the same random numbers, so that a window with whole ions has its solution, too,
except where one ion more opens a channel that keeps it out: then passes go to and fro between two.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.components.component import State
from couple.components.state import fitting
from couple.exchange.exchange import Exchange
from couple.simulation.schemes.convergence import Convergence
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.repeated_window import RepeatedWindow
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import WindowPass


class Iterated(Scheme):
    """See Scheme. ticks: of a window."""

    def __init__(
        self,
        exchange: Exchange,
        handed: HandedOver,
        window: RepeatedWindow,
        passing: WindowPass,
        convergence: Convergence,
        ticks: int,
    ) -> None:
        self._exchange, self._handed, self._window, self._pass = exchange, handed, window, passing
        self._convergence, self._ticks = convergence, ticks
        n = len(handed.targets)
        self._found, self._before = np.zeros(n), np.zeros(n)

    def clear(self) -> None:
        """See Scheme: as if it had always been as it is."""
        self._found[:] = self._before[:] = self._exchange.memory[self._handed.targets]
        self._convergence.clear()

    def step(self, rows: Floats, row: int) -> None:
        """See Scheme."""
        handed, window = self._handed, self._window
        now = self._exchange.memory[handed.targets]
        guess = handed.guess(self._found, self._before)
        window.begin()
        self._found[:] = self._convergence.carry_out(self._ticks, guess)
        self._before[:] = now
        handed.close(window.start, rows, row)
        self._pass.charge(window.end)

    def save(self) -> State:
        """See Scheme."""
        return {"found": self._found.copy(), "before": self._before.copy(), **self._convergence.save()}

    def restore(self, state: State) -> None:
        """See Scheme."""
        for key, mine in (("found", self._found), ("before", self._before)):
            mine[:] = fitting(state, key, mine)
        self._convergence.restore(state)

    def passes(self) -> dict[int, int]:
        """See Scheme."""
        return self._convergence.passes()

    def validity_counts(self) -> dict[str, int]:
        """See Scheme."""
        return self._convergence.validity_counts()
