"""What has currents added up at every step of NEURON: a mechanism of ours, or a function of Python where it cannot be.

The mechanism (`couple_sums`) runs through memory itself. Python called at every step finds its code out of the
processor's caches, which NEURON's step has filled with the model: some 5 µs a step however little is to be added.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from adapters.neuron.hoc.h import cvode, h
from adapters.neuron.mechanisms.builtin import loaded_library
from adapters.neuron.memory.direct_access import DirectAccess
from couple.base.arrays import Floats

_OTHERWISE = ctypes.CFUNCTYPE(ctypes.c_int)


class _Table(ctypes.Structure):
    """As in couple_sums.mod."""

    _fields_ = (
        ("memory", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
        ("factor", ctypes.c_double),
        ("flags", ctypes.c_void_p * 3),
        ("changes", ctypes.c_int64),
        ("runs", ctypes.c_void_p),
        ("n_runs", ctypes.c_int64),
        ("otherwise", _OTHERWISE),
    )


def _nothing() -> None:
    """In place of a callback."""


class SumsByPython:
    """Adds `currents` times dt to `sums` by a callback of NEURON's step, until it is closed."""

    def __init__(self, currents: DirectAccess, sums: Floats) -> None:
        self._sums, self._callback = sums, _nothing
        self.follow(currents)

    def follow(self, currents: DirectAccess) -> None:
        """Add these from now on."""
        add_to, sums, dt = currents.add_to, self._sums, float(h.dt)

        def accumulate() -> None:
            add_to(sums, dt)

        self.close()
        cvode.extra_scatter_gather(0, accumulate)
        self._callback = accumulate

    def refresh(self) -> None:
        """After the currents have refreshed their addresses."""

    def close(self) -> None:
        """Stop."""
        if self._callback is not _nothing:
            cvode.extra_scatter_gather_remove(self._callback)
            self._callback = _nothing


class SumsByMechanism:
    """Adds `currents` times dt to `sums` as `SumsByPython` does, by a point process in `segment`.

    Where the addresses of currents do not hold, they are followed by NEURON's own references, from Python. The library
    has one table: of two of these the one that was refreshed last sums.
    """

    def __init__(self, segment: Any, currents: DirectAccess, sums: Floats) -> None:
        self._process = h.couple_sums(segment)
        self._currents, self._sums, self._dt = currents, sums, float(h.dt)
        self._otherwise = _OTHERWISE(self._add)
        self._set = loaded_library().couple_sums_table
        self._set.restype, self._set.argtypes = None, [ctypes.c_void_p]
        self.refresh()

    def follow(self, currents: DirectAccess) -> None:
        """Add these from now on."""
        self._currents = currents

    def refresh(self) -> None:
        """After the currents have refreshed their addresses."""
        runs = self._currents.runs()
        table = _Table(sums=self._sums.ctypes.data, factor=self._dt, otherwise=self._otherwise)
        if runs is not None:
            memory, flags, at = runs
            self._kept = memory, flags, np.ascontiguousarray(at[4:])
            table.memory, table.changes = memory.ctypes.data, int(at[3])
            table.flags = (ctypes.c_void_p * 3)(*(flags.ctypes.data + flags.itemsize * int(i) for i in at[:3]))
            table.runs, table.n_runs = self._kept[2].ctypes.data, self._kept[2].size // 3
        self._set(ctypes.byref(table))

    def _add(self) -> int:
        """What the mechanism calls where addresses do not hold; 0, or 1 if a segment is gone."""
        try:
            self._currents.add_to(self._sums, self._dt)
        except (RuntimeError, ValueError):  # which of them depends on how many there are
            return 1
        self.refresh()
        return 0

    def close(self) -> None:
        """Stop."""
        if self._process is not None:
            self._set(None)
            self._process = None
