"""The two ends of an exchange as functions that a compiled loop calls; see couple.components.calls."""

from __future__ import annotations

import numpy as np

from couple.cache.kernels import njit
from couple.cache.native import Table, floats, integers, rows, short_integers
from couple.exchange import kernels

WINDOW, EVERY, NEXT_ROW = 0, 1, 2
"""Of the counters of a record: windows so far, windows from row to row, and where the next row goes."""

Counters = Table


@njit(cache=True)
def deliver(context: int) -> int:
    """`kernels.deliver` of a context (memory, integers, floats, accounts, balance, max_debt); 1 + what it returns."""
    t = integers(context, 14)
    most = floats(t[12], 1)[0]
    memory, table, numbers = floats(t[0], t[1]), short_integers(t[2], t[3]), floats(t[4], t[5])
    bad = kernels.deliver(memory, table, numbers, rows(t[6], t[7], t[8]), rows(t[9], t[10], t[11]), most)
    return bad + 1  # type: ignore[no-any-return]


@njit(cache=True)
def collect(context: int) -> int:
    """`kernels.collect` of a context (memory, integers, floats, state, balance, tolerance, rows, counters).

    It records a row where one is due by the counters, and counts; 1 + what it returns.
    """
    t = integers(context, 18)
    memory, table, numbers, state = (
        floats(t[0], t[1]),
        short_integers(t[2], t[3]),
        floats(t[4], t[5]),
        floats(t[6], t[7]),
    )
    count = integers(t[16], t[17])
    due = (count[WINDOW] + 1) % count[EVERY] == 0
    row = count[NEXT_ROW] if due else np.int64(-1)
    tolerance, record = floats(t[11], 1)[0], rows(t[13], t[14], t[15])
    bad = kernels.collect(memory, table, numbers, state, rows(t[8], t[9], t[10]), tolerance, record, row)
    if bad < 0:
        count[WINDOW] += 1
        count[NEXT_ROW] += due
    return bad + 1  # type: ignore[no-any-return]


def counters(every: int) -> Counters:
    """Of a record with a row every so many windows."""
    return np.array([0, every, 0], dtype=np.int64)
