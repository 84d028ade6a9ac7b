"""Many windows in one call of NEURON: its own steps, and functions of others between them (couple_windows.mod)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.python_exit import python_exits
from adapters.neuron.mechanisms.builtin import loaded_library
from adapters.neuron.stepping.stepper import Stepper
from couple.base.arrays import Floats
from couple.components.calls import Call, Windows


class _Call(ctypes.Structure):
    """As in couple_windows.mod."""

    _fields_ = (("function", ctypes.c_void_p), ("context", ctypes.c_int64), ("seconds", ctypes.c_double))


class _Table(ctypes.Structure):
    """As in couple_windows.mod."""

    _fields_ = (
        ("calls", ctypes.c_void_p),
        ("n_calls", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("length", ctypes.c_double),
        ("pause", ctypes.c_double),
        ("ticks", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("exit", ctypes.c_void_p),
        ("done", ctypes.c_int64),
        ("at", ctypes.c_int64),
        ("said", ctypes.c_int64),
    )


class NeuronWindows(Windows):
    """See Windows.

    clear: has charge summed from nothing, before the first window. before, after: calls of a window around NEURON's
    own. own: which of all calls are the model's.
    """

    def __init__(
        self,
        stepper: Stepper,
        clear: Callable[[], None],
        ticks: int,
        before: Sequence[Call],
        after: Sequence[Call],
        own: slice,
    ) -> None:
        self._stepper, self._clear, self._steps_at = stepper, clear, len(before)
        self._kept, self.own, self.done = (*before, *after), own, 0
        self._answers = [*(c.answer for c in before), lambda _: stepper.refuse_time(), *(c.answer for c in after)]
        functions = [*((c.function, c.context) for c in before), (0, 0), *((c.function, c.context) for c in after)]
        self._calls = (_Call * len(functions))(*(_Call(*pair) for pair in functions))
        self._table = _Table(
            calls=ctypes.addressof(self._calls),
            n_calls=len(functions),
            length=stepper.dt,
            ticks=ticks,
            exit=ctypes.addressof(python_exits.flag),
        )
        self._use = loaded_library().couple_windows_table
        self._use.restype, self._use.argtypes = None, [ctypes.c_void_p]

    @property
    def ready(self) -> bool:
        """See Windows."""
        return self._stepper.ready

    @property
    def seconds(self) -> Floats:
        """See Windows."""
        return np.array([call.seconds for call in self._calls])

    def run(self, windows: int, pause: float) -> None:
        """See Windows. Raises RunError as the component's `advance` does, and what other calls raise."""
        stepper, table, own = self._stepper, self._table, self._calls[self._steps_at]
        self._use(ctypes.byref(table))  # there may be the loop of another model
        self._clear()
        table.first, table.steps, table.pause, self.done = 0, stepper.steps, pause, 0
        while True:
            before = own.seconds
            try:
                with stepper.calling():
                    h.couple_windows(windows - self.done)
            finally:
                stepper.steps = table.steps
                stepper.seconds += own.seconds - before
                self.done += table.done
            if not table.said:
                return
            with stepper.attached():
                self._answers[table.at](table.said)
            table.first = table.at + 1
            if table.first == table.n_calls:
                table.first, self.done = 0, self.done + 1
