"""The iterated scheme: each window again and again from the saved state, until what crosses agrees with itself.

The electrical model has the averages that the sites give for this very window, the sites its ions: an implicit method
of second order, whose error is several times below that of extrapolation and which stays stable where the parts act on
each other quickly. Each pass draws the same random numbers, so that a window with whole ions has its solution, too,
except where one ion more opens a channel that keeps it out: then passes go to and fro between two.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.components.component import State
from couple.components.state import fitting, refuse_outside
from couple.exchange.exchange import Exchange
from couple.fixed_point.iteration import Accelerator, iterate
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.repeated_window import RepeatedWindow
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import WindowPass

LEFT_OPEN = {"two-cycle": "windows between two numbers of ions", "limit": "windows not converged"}
"""How an iteration may end, but for the best → what a summary calls it."""


class Iterated(Scheme):
    """See Scheme. most: passes over a window, one more where an earlier one was the best. ticks: of a window."""

    def __init__(
        self,
        exchange: Exchange,
        handed: HandedOver,
        window: RepeatedWindow,
        passing: WindowPass,
        method: Accelerator,
        most: int,
        ticks: int,
    ) -> None:
        self._exchange, self._handed, self._window, self._pass = exchange, handed, window, passing
        self._method, self._most, self._ticks = method, most, ticks
        n = len(handed.targets)
        self._found, self._before = np.zeros(n), np.zeros(n)
        self._smooth = np.where(handed.whole, 0.0, 1.0)
        self._passed: Ints = np.zeros(most + 2, dtype=np.int64)
        self._open: Ints = np.zeros(len(LEFT_OPEN), dtype=np.int64)

    def clear(self) -> None:
        """See Scheme: as if it had always been as it is."""
        self._found[:] = self._before[:] = self._exchange.memory[self._handed.targets]
        self._passed[:] = self._open[:] = 0

    def step(self, rows: Floats, row: int) -> None:
        """See Scheme."""
        handed, window = self._handed, self._window
        now = self._exchange.memory[handed.targets]
        # A line through the noise of single channels says nothing of the next window.
        guess = np.where(handed.whole, now, handed.expected(self._found, self._before))
        window.begin()
        carry_out = partial(window.carry_out, self._ticks)
        out = iterate(carry_out, guess, handed.tolerated, self._method, self._most, self._smooth)
        self._passed[out.tries] += 1
        if out.end != "converged":
            self._open[[*LEFT_OPEN].index(out.end)] += 1
        self._found[:], self._before[:] = out.found, now
        handed.close(window.start, rows, row)
        self._pass.charge(window.end)

    def save(self) -> State:
        """See Scheme."""
        kept = {"found": self._found, "before": self._before, "passed": self._passed, "open": self._open}
        return {key: array.copy() for key, array in kept.items()}

    def restore(self, state: State) -> None:
        """See Scheme."""
        for key, mine in (("found", self._found), ("before", self._before)):
            mine[:] = fitting(state, key, mine)
        for key, counted in (("passed", self._passed), ("open", self._open)):
            refuse_outside(state.get(key, 0), 0, np.inf, key)
            counted[:] = fitting(state, key, counted)

    def passes(self) -> dict[int, int]:
        """See Scheme."""
        return {n: times for n, times in enumerate(self._passed.tolist()) if times}

    def validity_counts(self) -> dict[str, int]:
        """See Scheme."""
        return {what: n for what, n in zip(LEFT_OPEN.values(), self._open.tolist(), strict=True) if n}
