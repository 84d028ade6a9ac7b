"""Windows whose length follows from their error: `experiment.exchange = "auto"`.

What straight lines promised of a window is held against what the sites then gave in it. The difference is what a scheme
of second order leaves out, up to a factor near 1; it falls with the square of the length, so that

    next length = length · SAFETY · (tolerance / difference)^(1/2),

as for embedded pairs of Runge-Kutta methods (Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I,
II.4). A window that is off by more than the tolerance, or in which a part cannot go on, is undone and carried out
again, shorter. Lengths are whole steps of the electrical model and end where rows are recorded.
"""

from __future__ import annotations

import math

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.components.component import State
from couple.components.state import fitting, refuse_outside, whole
from couple.exchange.exchange import Exchange
from couple.simulation.schemes.convergence import Convergence
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.repeated_window import RepeatedWindow
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import WindowPass

SAFETY, SHRINK, GROW = 0.85, 0.25, 2.0


class Adaptive(Scheme):
    """See Scheme; a step is all windows up to the next moment at which rows may be recorded, `ticks` later.

    convergence: what repeats windows until they agree with themselves; None: once is enough. limits: ticks of the
    shortest window and of a step.
    """

    def __init__(
        self,
        exchange: Exchange,
        handed: HandedOver,
        window: RepeatedWindow,
        passing: WindowPass,
        convergence: Convergence | None,
        limits: tuple[int, int],
    ) -> None:
        self._exchange, self._handed, self._window, self._pass = exchange, handed, window, passing
        self._convergence, (self._shortest, self._ticks) = convergence, limits
        self._carry_out = window.carry_out if convergence is None else convergence.carry_out
        self._look_ahead = handed.expected if convergence is None else handed.guess
        n = len(handed.targets)
        self._found, self._before = np.zeros(n), np.zeros(n)
        self._wanted = self._last = self._one_before = limits[0]
        self._rejected = self._beyond = 0
        self._lengths: list[int] = []

    def clear(self) -> None:
        """See Scheme: as if it had always been as it is."""
        self._found[:] = self._before[:] = self._exchange.memory[self._handed.targets]
        self._wanted = self._last = self._one_before = self._shortest
        self._rejected = self._beyond = 0
        self._lengths.clear()
        if self._convergence is not None:
            self._convergence.clear()

    def step(self, rows: Floats, row: int) -> None:
        """See Scheme."""
        left = self._ticks
        while left:
            ticks = math.ceil(left / math.ceil(left / self._wanted))  # no short rest at the end
            if self._try(ticks):
                left -= ticks
                self._handed.close(self._window.start, rows, -1 if left else row)
                self._pass.charge(self._window.end)

    def _try(self, ticks: int) -> bool:
        """Carry out one window; whether it stands. If not, everything is as before."""
        handed = self._handed
        now = self._exchange.memory[handed.targets]
        middles = (ticks + self._last) / (self._last + self._one_before)
        expected = self._look_ahead(self._found, self._before, ticks / self._last, middles)
        self._exchange.set_length(ticks / self._ticks)
        self._window.begin()
        try:
            found = self._carry_out(ticks, expected)
        except RunError:
            if ticks <= self._shortest:
                raise
            return self._undo(self._length(SHRINK * ticks))
        off = handed.off(expected, found)
        factor = SAFETY / math.sqrt(off) if off > 0.0 else GROW
        self._wanted = self._length(ticks * min(max(factor, SHRINK), GROW))
        if off > 1.0 and ticks > self._shortest:
            return self._undo(self._wanted)
        self._beyond += off > 1.0
        self._one_before, self._last = self._last, ticks
        self._found[:], self._before[:] = found, now
        self._lengths.append(ticks)
        return True

    def _undo(self, wanted: int) -> bool:
        """Be as before the window, of which the next try has this length."""
        self._window.go_back()
        self._wanted = wanted
        self._rejected += 1
        return False

    def _length(self, ticks: float) -> int:
        return min(max(int(ticks), self._shortest), self._ticks)

    def save(self) -> State:
        """See Scheme."""
        return {
            "found": self._found.copy(),
            "before": self._before.copy(),
            "lengths": np.array(self._lengths, dtype=np.int64),
            **{key: getattr(self, f"_{key}") for key in _COUNTS},
            **({} if self._convergence is None else self._convergence.save()),
        }

    def restore(self, state: State) -> None:
        """See Scheme."""
        for key, mine in (("found", self._found), ("before", self._before)):
            mine[:] = fitting(state, key, mine)
        lengths = np.asarray(state.get("lengths", 0))
        refuse_outside(lengths, 1, self._ticks, "lengths")
        self._lengths = lengths.astype(np.int64).ravel().tolist()
        for key in _COUNTS:
            value = whole(state, key)
            most = self._ticks if key in _COUNTS[:3] else np.inf
            refuse_outside(value, 1 if key in _COUNTS[:3] else 0, most, key)
            setattr(self, f"_{key}", value)
        if self._convergence is not None:
            self._convergence.restore(state)

    def passes(self) -> dict[int, int]:
        """See Scheme."""
        return {} if self._convergence is None else self._convergence.passes()

    def lengths(self) -> list[int]:
        """See Scheme."""
        return self._lengths

    def rejected(self) -> int:
        """See Scheme."""
        return self._rejected

    def validity_counts(self) -> dict[str, int]:
        """See Scheme."""
        found = {} if self._convergence is None else self._convergence.validity_counts()
        return found | ({"windows off by more at the shortest interval": self._beyond} if self._beyond else {})


_COUNTS = ("wanted", "last", "one_before", "rejected", "beyond")
