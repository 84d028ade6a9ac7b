"""The whole exchange of a window in two calls on one block of memory, whose cost does not depend on how many components
there are. The columns of their tables are named in `couple.exchange.tables`.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats, Indices
from couple.cache.kernels import njit
from couple.components.drive import MOST
from couple.exchange.tables import (
    AuditColumns,
    Place,
    RecordColumns,
    ValueColumns,
    ion_columns,
    record_columns,
    value_columns,
    window_end_columns,
)

CARRIED, OWED, SENT, RECEIVED = 0, 1, 2, 3  # columns of `accounts`
HELD_AT_START, TAKEN_UP, MOVED, IMBALANCE = 0, 1, 2, 3  # columns of `balance`


@njit(cache=True, python=True)
def deliver(
    memory: Floats, integers: Indices, floats: Floats, accounts: Floats, balance: Floats, max_debt: float
) -> np.int64:
    """Hand the ions of the last window to their sites; returns a link whose debt is above `max_debt`, or that
    brings more than can enter in a window, or -1.

    integers, floats: of IonColumns. accounts: (n_links, 4). balance: (n_holdings, 4).
    Whole-number sites get the floor and the fraction is carried; what an outward charge cannot find is owed and paid
    from the next influx.
    """
    at = ion_columns(integers)
    over = np.int64(-1)
    if not integers[at.single]:
        for k in range(at.n_links):
            memory[integers[at.influx + k]] = 0.0
    for k in range(at.n_links):
        influx, free = integers[at.influx + k], integers[at.free + k]
        ions, before = 0.0, 0.0
        if integers[at.single]:
            ions = floats[at.ions + k] * memory[integers[at.source + k]]
        else:
            before = memory[influx]
            for j in range(integers[at.source_start + k], integers[at.source_stop + k]):
                ions += floats[at.ions + j] * memory[integers[at.source + j]]
        due = ions + accounts[k, CARRIED] - accounts[k, OWED]
        given = np.floor(due) if integers[at.whole + k] else due
        available = memory[free] + min(before, 0.0)
        if given < -available:
            given = -available
        rest = due - given
        accounts[k, CARRIED] = rest if rest > 0.0 else 0.0
        accounts[k, OWED] = -rest if rest < 0.0 else 0.0
        accounts[k, SENT] += ions
        accounts[k, RECEIVED] += given
        memory[influx] = before + given
        if integers[at.single]:
            _enter(balance, integers[at.holding + k], given * floats[at.content + k])
        else:
            for j in range(integers[at.content_start + k], integers[at.content_stop + k]):
                _enter(balance, integers[at.holding + j], given * floats[at.content + j])
        # `not (<=)` also catches a NaN that came with the charge
        if not (accounts[k, OWED] <= max_debt and abs(due) <= MOST):
            over = np.int64(k)
    return over


@njit(cache=True)
def _enter(balance: Floats, holding: np.uint32, amount: float) -> None:
    balance[holding, TAKEN_UP] += amount
    balance[holding, MOVED] += abs(amount)


@njit(cache=True)
def hand_over(memory: Floats, integers: Indices, floats: Floats, state: Floats) -> None:
    """Set each target to its weighted sum of sources, at least `least`.

    integers, floats, state: of ValueColumns, the last its running values.
    """
    _set_values(memory, integers, floats, value_columns(integers, Place(0)), state)


@njit(cache=True)
def _set_values(memory: Floats, integers: Indices, floats: Floats, at: ValueColumns, state: Floats) -> None:
    extrapolates = integers[at.extrapolates] != 0
    for k in range(at.n_links):
        value = 0.0
        for j in range(integers[at.source_start + k], integers[at.source_stop + k]):
            value += floats[at.weight + j] * memory[integers[at.source + j]]
        ahead = value
        if extrapolates:
            ahead += floats[at.beyond + k] * (value - state[at.last + k])
            state[at.last + k] = value
        if ahead < floats[at.least + k]:
            ahead = floats[at.least + k]
            state[at.raised + k] += 1.0
        memory[integers[at.target + k]] = ahead


@njit(cache=True)
def _audit(
    memory: Floats, integers: Indices, floats: Floats, at: AuditColumns, balance: Floats, tolerance: float
) -> np.int64:
    """Check that every site holds what it held at the start plus what it took up; returns a bad holding or -1.

    The imbalance of whole-number sites must be 0, that of others at most tolerance × max(moved, held at start, all that
    is there now, whatever its sign): what clamps and reservoirs have exchanged with a site that began empty.
    """
    bad = np.int64(-1)
    kind, start, stop = np.uint32(0), np.uint32(0), np.uint32(0)
    for r in range(at.n_holdings):
        first = integers[at.first + r]
        if r == 0 or integers[at.kind + r] != kind:
            kind = integers[at.kind + r]
            start, stop = integers[at.column_start + kind], integers[at.column_stop + kind]
        held = 0.0
        for j in range(start, stop):
            held += floats[at.content + j] * memory[first + integers[at.column + j]]
        off = held - balance[r, HELD_AT_START] - balance[r, TAKEN_UP]
        if off == 0.0:
            continue
        if abs(off) > balance[r, IMBALANCE] or off != off:
            balance[r, IMBALANCE] = abs(off)
        there = 0.0
        for j in range(start, stop):
            there += abs(floats[at.content + j] * memory[first + integers[at.column + j]])
        scale = max(balance[r, MOVED], balance[r, HELD_AT_START], there)
        allowed = 0.0 if integers[at.whole + r] else tolerance * scale
        if not abs(off) <= allowed or off - off != 0.0:  # the last: an infinite amount allows everything
            bad = np.int64(r)
    return bad


@njit(cache=True)
def note(memory: Floats, integers: Indices, sums: Floats, rows: Floats, row: int) -> None:
    """Add this window to the `sums`; if `row` >= 0 also write a row: sampled values, then sums, which restart at 0.

    integers, sums: of RecordColumns.
    """
    _record(memory, integers, record_columns(integers, Place(0), Place(0)), sums, rows, row)


@njit(cache=True)
def _record(memory: Floats, integers: Indices, at: RecordColumns, state: Floats, rows: Floats, row: int) -> None:
    for j in range(at.n_summed):
        state[at.sums + j] += memory[integers[at.summed + j]]
    if row >= 0:
        for j in range(at.n_sampled):
            rows[row, j] = memory[integers[at.sampled + j]]
        for j in range(at.n_summed):
            rows[row, at.n_sampled + j] = state[at.sums + j]
            state[at.sums + j] = 0.0


@njit(cache=True, python=True)
def collect(
    memory: Floats,
    integers: Indices,
    floats: Floats,
    state: Floats,
    balance: Floats,
    tolerance: float,
    rows: Floats,
    row: int,
) -> np.int64:
    """The end of a window: set values, audit, record. Returns a holding that does not balance, or -1.

    integers, floats, state: of WindowEndColumns.
    """
    at = window_end_columns(integers)
    _set_values(memory, integers, floats, at.values, state)
    bad = _audit(memory, integers, floats, at.audit, balance, tolerance)
    _record(memory, integers, at.record, state, rows, row)
    return bad  # type: ignore[no-any-return]
