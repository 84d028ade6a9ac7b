"""A window that can be carried out again and again from where it began."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from couple.base.arrays import Floats
from couple.components.component import Component, State
from couple.exchange.exchange import Exchange
from couple.simulation.schemes.handed_over import HandedOver
from couple.simulation.schemes.middle_voltage import MiddleVoltage
from couple.simulation.schemes.window_pass import WindowPass
from couple.wiring import System

Marks = list[tuple[Component, object]]


class RepeatedWindow:
    """The window that begins where `begin` is called.

    start: the memory there. end: perf_counter after the last pass.
    """

    def __init__(
        self, system: System, exchange: Exchange, handed: HandedOver, middle: MiddleVoltage, passing: WindowPass
    ) -> None:
        self._exchange, self._handed, self._middle, self._pass = exchange, handed, middle, passing
        self._inputs = _places(system, passing.second, inputs=True)
        self._outputs = _places(system, passing.second, inputs=False)
        self._first: Marks = []
        self._second: Marks = []
        self._books: State = {}
        self._last: Floats | None = None
        self.start: Floats = exchange.memory.copy()
        self.end = 0.0

    def begin(self) -> None:
        """Keep everything as it is now."""
        self._books = self._exchange.save()
        self._first = [(c, c.mark()) for c in self._pass.first]
        self._second = [(c, c.mark()) for c in self._pass.second]
        self.start[:], self._last = self._exchange.memory, None

    def go_back(self) -> None:
        """Be all that was kept again."""
        _go_back([*self._first, *self._second])
        self._exchange.restore(self._books)
        self._last = None

    def carry_out(self, ticks: int, tried: Floats) -> Floats:
        """(n,) averages that the sites give where the model has had the averages that are tried.

        Sites that get the same as in the last pass, with the same random numbers, do the same: they are not asked.
        """
        memory, last = self._exchange.memory, self._last
        if last is not None:
            _go_back(self._first)
            self._exchange.restore(self._books)
        memory[self._handed.targets] = tried
        self.end = self._middle.deliver(self._pass, ticks, self.start)
        if last is not None and np.array_equal(memory[self._inputs], last[self._inputs]):
            memory[self._outputs] = last[self._outputs]
        else:
            if last is not None:
                kept = memory.copy()
                _go_back(self._second)
                memory[:] = kept
            self.end = self._pass.advance(self._pass.second, ticks, self.end)
        self._last = memory.copy()
        return self._handed.averages(self.start)


def _go_back(marks: Marks) -> None:
    for component, mark in marks:
        component.go_back(mark)


def _places(
    system: System, components: Iterable[Component], *, inputs: bool
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Where the inputs of components are in memory, or their outputs."""
    ports = [(c, port) for c in components for port in (c.inputs if inputs else c.outputs)]
    return np.array([i for c, port in ports for i in system.memory.all_of(c, port)], dtype=np.intp)
