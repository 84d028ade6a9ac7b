"""One pass over a window: all components advance once, what crosses is delivered between them."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from couple.components.component import Component
from couple.exchange.exchange import Exchange

EXCHANGE = "exchange and record"


class WindowPass:
    """What is advanced before anything is delivered, what after; the time that each takes goes into `seconds`."""

    def __init__(
        self, first: Sequence[Component], second: Sequence[Component], exchange: Exchange, seconds: dict[str, float]
    ) -> None:
        self.first, self.second, self.exchange, self._seconds = tuple(first), tuple(second), exchange, seconds

    def run(self, ticks: int) -> float:
        """Carry it out; perf_counter at its end. Raises RunError if a part of it cannot go on."""
        return self.advance(self.second, ticks, self.deliver(self.advance(self.first, ticks, perf_counter())))

    def advance(self, components: Sequence[Component], ticks: int, t: float) -> float:
        """Advance some; perf_counter at the end. t: perf_counter at the start."""
        seconds = self._seconds
        for component in components:
            component.advance(ticks)
            t, before = perf_counter(), t
            seconds[component.name] += t - before
        return t

    def deliver(self, t: float) -> float:
        """Deliver what crosses; perf_counter at the end."""
        self.exchange.deliver()
        return self.charge(t)

    def charge(self, t: float) -> float:
        """Count the time since t as that of the exchange; perf_counter now."""
        now = perf_counter()
        self._seconds[EXCHANGE] += now - t
        return now
