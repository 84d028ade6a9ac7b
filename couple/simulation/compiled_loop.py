"""Many windows at once: the electrical model steps, and calls what else belongs to a window, in compiled code.

The orchestrator's own loop does the same one call of Python after the other, which finds its code and data out of the
processor's caches in each window: some 40 us beside a model of a thousand segments. What has no compiled call is called
in Python, in its turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from couple.components.calls import Windows
from couple.exchange import calls
from couple.simulation.schemes.window_pass import EXCHANGE, WindowPass
from couple.storage.records.recorder import Recorder
from couple.wiring import System

PAUSE = 0.05
"""Seconds after which Python is to have its turn: signals, progress."""


class CompiledLoop:
    """Carries out windows of a system to the bit as the orchestrator's `step` does.

    seconds: by component, to which the time of each call is added.
    """

    def __init__(self, windows: Windows, names: Sequence[str], recorder: Recorder, counters: calls.Counters) -> None:
        self._windows, self._names, self._recorder, self._counters = windows, names, recorder, counters
        self.done = 0

    @classmethod
    def of(cls, system: System, passing: WindowPass, recorder: Recorder) -> CompiledLoop | None:
        """The loop of a system, None where it has no electrical model that can carry it."""
        electrics, clock = system.electrics, system.plan.clock
        if electrics is None or system.together:
            return None
        counters = calls.counters(clock.record)
        exchange = passing.exchange
        ends = exchange.collect_calls(recorder.rows, counters)
        parts = [(c.name, [] if c is electrics else c.calls(clock.window)) for c in passing.first]
        parts.append((EXCHANGE, exchange.deliver_calls()))
        parts += [(c.name, [] if c is electrics else c.calls(clock.window)) for c in passing.second]
        parts.append((EXCHANGE, ends))
        at = [name for name, _ in parts].index(electrics.name)
        before, after = ([(name, call) for name, some in parts for call in some] for parts in (parts[:at], parts[at:]))
        windows = electrics.windows([call for _, call in before], [call for _, call in after], clock.window)
        if windows is None:
            return None
        own = [electrics.name] * (windows.own.stop - windows.own.start)
        return cls(windows, [*(n for n, _ in before), *own, *(n for n, _ in after)], recorder, counters)

    @property
    def ready(self) -> bool:
        """See Windows."""
        return self._windows.ready

    def run(self, window: int, most: int, seconds: dict[str, float]) -> None:
        """Carry out at most so many windows from `window` on, not for long; `done` says how many.

        Raises RunError if a part of one cannot go on; those before it stand.
        """
        windows, recorder, counters = self._windows, self._recorder, self._counters
        every = int(counters[calls.EVERY])
        room = every * (len(recorder.rows) - recorder.next_row) - window % every
        counters[calls.WINDOW], counters[calls.NEXT_ROW] = window, recorder.next_row
        before = windows.seconds
        try:
            windows.run(min(most, room), PAUSE)
        finally:
            self.done = windows.done
            for name, spent in zip(self._names, (windows.seconds - before).tolist(), strict=True):
                seconds[name] += spent
            recorder.written(int(counters[calls.NEXT_ROW]) - recorder.next_row)
