"""Windows repeated until what crosses agrees with itself, and how many of them it took how long."""

from __future__ import annotations

from functools import partial

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.components.component import State
from couple.components.state import fitting, refuse_outside
from couple.fixed_point.iteration import Accelerator, iterate
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.repeated_window import RepeatedWindow

LEFT_OPEN = {"two-cycle": "windows between two numbers of ions", "limit": "windows not converged"}
"""How an iteration may end, but for the best → what a summary calls it."""


class Convergence:
    """Repeats windows. most: passes over one, one more where an earlier one was the best."""

    def __init__(self, window: RepeatedWindow, handed: HandedOver, method: Accelerator, most: int) -> None:
        self._window, self._handed, self._method, self._most = window, handed, method, most
        self._smooth = np.where(handed.whole, 0.0, 1.0)
        self._passed: Ints = np.zeros(most + 2, dtype=np.int64)
        self._open: Ints = np.zeros(len(LEFT_OPEN), dtype=np.int64)

    def carry_out(self, ticks: int, guess: Floats) -> Floats:
        """(n,) averages with which the window that the RepeatedWindow has begun agrees with itself.

        guess: (n,) to try first. Raises RunError if a part of it cannot go on.
        """
        once = partial(self._window.carry_out, ticks)
        out = iterate(once, guess, self._handed.tolerated, self._method, self._most, self._smooth)
        self._passed[out.tries] += 1
        if out.end != "converged":
            self._open[[*LEFT_OPEN].index(out.end)] += 1
        return out.found

    def clear(self) -> None:
        """Forget all counts."""
        self._passed[:] = self._open[:] = 0

    def save(self) -> State:
        """Counts so far."""
        return {"passed": self._passed.copy(), "open": self._open.copy()}

    def restore(self, state: State) -> None:
        """Take up what `save` gave. Raises InputError for what does not fit."""
        for key, counted in (("passed", self._passed), ("open", self._open)):
            refuse_outside(state.get(key, 0), 0, np.inf, key)
            counted[:] = fitting(state, key, counted)

    def passes(self) -> dict[int, int]:
        """Passes over a window → windows that took so many."""
        return {n: times for n, times in enumerate(self._passed.tolist()) if times}

    def validity_counts(self) -> dict[str, int]:
        """What windows were left with → their number."""
        return {what: n for what, n in zip(LEFT_OPEN.values(), self._open.tolist(), strict=True) if n}
