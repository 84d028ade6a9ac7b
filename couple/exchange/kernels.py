"""The whole exchange of a window in two calls on one block of memory.

All port values of all components lie in `memory`; links, ledger and record are tables of indices into it, so
the cost does not depend on how many components there are. Rows are in compressed form: row k reads
`memory[source[j]] * weight[j]` for j in [start[k], start[k+1]).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CARRIED, OWED, SENT, RECEIVED = 0, 1, 2, 3  # columns of `accounts`
HELD_AT_START, TAKEN_UP, MOVED, IMBALANCE = 0, 1, 2, 3  # columns of `balance`


@njit(cache=True)
def deliver(
    memory: Floats,
    target: Ints,
    free: Ints,
    whole: Bools,
    start: Ints,
    source: Ints,
    weight: Floats,
    accounts: Floats,
    part_start: Ints,
    part_row: Ints,
    part_content: Floats,
    balance: Floats,
    max_debt: float,
) -> int:
    """Hand the ions of the last window to their sites; returns a row whose debt is above `max_debt`, or -1.

    target, free: index of the influx and of the free molecules of each row's site. Whole-number sites get the
    floor and the fraction is carried; what an outward charge cannot find is owed and paid from the next influx.
    part_*: the conserved substances in one molecule of each row, for the ledger.
    """
    over = -1
    for k in range(target.size):
        memory[target[k]] = 0.0
    for k in range(target.size):
        ions = 0.0
        for j in range(start[k], start[k + 1]):
            ions += weight[j] * memory[source[j]]
        due = ions + accounts[k, CARRIED] - accounts[k, OWED]
        given = math.floor(due) if whole[k] else due
        available = memory[free[k]] + min(memory[target[k]], 0.0)
        if given < -available:
            given = -available
        rest = due - given
        accounts[k, CARRIED] = max(rest, 0.0)
        accounts[k, OWED] = -rest if rest < 0.0 else 0.0
        accounts[k, SENT] += ions
        accounts[k, RECEIVED] += given
        memory[target[k]] += given
        for j in range(part_start[k], part_start[k + 1]):
            balance[part_row[j], TAKEN_UP] += given * part_content[j]
            balance[part_row[j], MOVED] += abs(given) * part_content[j]
        # `not (<=)` also catches a NaN that came with the charge
        if not (accounts[k, OWED] <= max_debt and rest == rest):
            over = k
    return over


@njit(cache=True)
def hand_over(
    memory: Floats,
    target: Ints,
    start: Ints,
    source: Ints,
    weight: Floats,
    least: Floats,
    extrapolate: Bools,
    previous: Floats,
    hits: Ints,
) -> None:
    """Set each target to a weighted sum of sources, at least `least` (hits counted).

    Rows with `extrapolate` hand over 2 x_n - x_(n-1): the value expected in the middle of the next window.
    """
    for k in range(target.size):
        value = 0.0
        for j in range(start[k], start[k + 1]):
            value += weight[j] * memory[source[j]]
        if extrapolate[k]:
            value, previous[k] = 2.0 * value - previous[k], value
        if value < least[k]:
            value = least[k]
            hits[k] += 1
        memory[target[k]] = value


@njit(cache=True)
def audit(memory: Floats, first: Ints, contents: Floats, whole: Bools, balance: Floats, tolerance: float) -> int:
    """Check that every site holds what it held at the start plus what it took up; returns a bad row or -1.

    first: index of the site's counts; contents (n_rows, n_states): of the row's substance in each state.
    The imbalance of whole-number sites must be 0, that of others at most tolerance × max(moved, held at start).
    """
    bad = -1
    for r in range(first.size):
        held = 0.0
        for s in range(contents.shape[1]):
            if contents[r, s] != 0.0:
                held += contents[r, s] * memory[first[r] + s]
        off = held - balance[r, HELD_AT_START] - balance[r, TAKEN_UP]
        if abs(off) > balance[r, IMBALANCE] or off != off:
            balance[r, IMBALANCE] = abs(off)
        allowed = 0.0 if whole[r] else tolerance * max(balance[r, MOVED], balance[r, HELD_AT_START])
        if not abs(off) <= allowed:
            bad = r
    return bad


@njit(cache=True)
def note(memory: Floats, sampled: Ints, summed: Ints, sums: Floats, rows: Floats, row: int) -> None:
    """Add this window to the `sums`; if `row` >= 0 also write a row: sampled values, then sums, which restart at 0."""
    for j in range(summed.size):
        sums[j] += memory[summed[j]]
    if row >= 0:
        n = sampled.size
        for j in range(n):
            rows[row, j] = memory[sampled[j]]
        for j in range(summed.size):
            rows[row, n + j] = sums[j]
            sums[j] = 0.0


@njit(cache=True)
def collect(
    memory: Floats,
    target: Ints,
    start: Ints,
    source: Ints,
    weight: Floats,
    least: Floats,
    extrapolate: Bools,
    previous: Floats,
    hits: Ints,
    first: Ints,
    contents: Floats,
    whole: Bools,
    balance: Floats,
    tolerance: float,
    sampled: Ints,
    summed: Ints,
    sums: Floats,
    rows: Floats,
    row: int,
) -> int:
    """The end of a window: hand over concentrations and conductances, audit, record. Returns a bad ledger row or -1."""
    hand_over(memory, target, start, source, weight, least, extrapolate, previous, hits)
    bad = audit(memory, first, contents, whole, balance, tolerance)
    note(memory, sampled, summed, sums, rows, row)
    return bad  # type: ignore[no-any-return]
