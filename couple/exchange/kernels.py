"""The whole exchange of a window in two calls on one block of memory.

All port values of all components lie in `memory`; links, ledger and record are tables of indices into it, so the cost
does not depend on how many components there are. Tables come packed, one array of integers and one of floats, because
what a call costs is the number of its arguments (60 ns each); integers are unsigned and short, which halves the time of
a thousand links. Rows of sums are in compressed form: row k adds
`memory[source[j]] * weight[j]` for j in [start[k], start[k+1]).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from couple.base.arrays import Floats, Indices

CARRIED, OWED, SENT, RECEIVED = 0, 1, 2, 3  # columns of `accounts`
HELD_AT_START, TAKEN_UP, MOVED, IMBALANCE = 0, 1, 2, 3  # columns of `balance`


def pack(sizes: Sequence[int], *tables: npt.ArrayLike) -> Indices:
    """Sizes, then integer tables, in one array."""
    return np.concatenate([np.asarray(t, dtype=np.uint32).ravel() for t in (sizes, *tables)])


@njit(cache=True)
def deliver(memory: Floats, ints: Indices, floats: Floats, accounts: Floats, balance: Floats, max_debt: float) -> int:
    """Hand the ions of the last window to their sites; returns a row whose debt is above `max_debt`, or -1.

    ints:   n, n_sources, n_parts | target, free, whole (n each) | start (n+1) | source | part_start (n+1) | part_row
    floats: weight (n_sources) | part_content (n_parts)
    target, free: index of the influx and of the free molecules of each row's site. Whole-number sites get the floor
    and the fraction is carried; what an outward charge cannot find is owed and paid from the next influx. part_*: the
    conserved substances in one molecule of each row, for the ledger.
    """
    n, sources, parts = np.int64(ints[0]), ints[1], ints[2]
    target, free, whole = ints[3 : 3 + n], ints[3 + n : 3 + 2 * n], ints[3 + 2 * n : 3 + 3 * n]
    a = 3 + 3 * n
    start, source = ints[a : a + n + 1], ints[a + n + 1 : a + n + 1 + sources]
    a += n + 1 + sources
    part_start, part_row = ints[a : a + n + 1], ints[a + n + 1 : a + n + 1 + parts]
    weight, content = floats[:sources], floats[sources:]
    over = -1
    for k in range(n):
        memory[target[k]] = 0.0
    for k in range(n):
        ions = 0.0
        for j in range(start[k], start[k + 1]):
            ions += weight[j] * memory[source[j]]
        due = ions + accounts[k, CARRIED] - accounts[k, OWED]
        given = np.floor(due) if whole[k] else due
        available = memory[free[k]] + min(memory[target[k]], 0.0)
        if given < -available:
            given = -available
        rest = due - given
        accounts[k, CARRIED] = rest if rest > 0.0 else 0.0
        accounts[k, OWED] = -rest if rest < 0.0 else 0.0
        accounts[k, SENT] += ions
        accounts[k, RECEIVED] += given
        memory[target[k]] += given
        for j in range(part_start[k], part_start[k + 1]):
            balance[part_row[j], TAKEN_UP] += given * content[j]
            balance[part_row[j], MOVED] += abs(given) * content[j]
        # `not (<=)` also catches a NaN that came with the charge
        if not (accounts[k, OWED] <= max_debt and rest == rest):
            over = k
    return over


@njit(cache=True)
def hand_over(memory: Floats, ints: Indices, floats: Floats, state: Floats) -> None:
    """Set each target to a weighted sum of sources, at least `least`.

    ints:   n, n_sources, whether any row goes beyond | target (n) | start (n+1) | source (n_sources)
    floats: weight (n_sources) | least (n) | beyond (n)
    state:  previous value, if any row goes beyond (n) | how often a target was raised to its least (n)
    A row hands over x_n + beyond (x_n - x_(n-1)).
    """
    n, sources, extrapolates = np.int64(ints[0]), ints[1], ints[2]
    target, start, source = ints[3 : 3 + n], ints[3 + n : 4 + 2 * n], ints[4 + 2 * n : 4 + 2 * n + sources]
    weight, least, beyond = floats[:sources], floats[sources : sources + n], floats[sources + n : sources + 2 * n]
    for k in range(n):
        value = 0.0
        for j in range(start[k], start[k + 1]):
            value += weight[j] * memory[source[j]]
        ahead = value
        if extrapolates:
            ahead += beyond[k] * (value - state[k])
            state[k] = value
        if ahead < least[k]:
            ahead = least[k]
            state[n + k] += 1.0
        memory[target[k]] = ahead


@njit(cache=True)
def audit(memory: Floats, ints: Indices, contents: Floats, balance: Floats, tolerance: float) -> int:
    """Check that every site holds what it held at the start plus what it took up; returns a bad row or -1.

    ints:     n, n_kinds, n_entries | first, whole, kind (n each) | start (n_kinds + 1) | column (n_entries)
    contents: (n_entries) of the substance in one molecule of a state. first: index of the site's counts; rows of a kind
              add up the same states, column[j] and contents[j] for j in [start[kind], start[kind + 1]).
    The imbalance of whole-number sites must be 0, that of others at most tolerance × max(moved, held at start).
    """
    n, kinds, entries = np.int64(ints[0]), np.int64(ints[1]), np.int64(ints[2])
    start, column = ints[3 + 3 * n : 4 + 3 * n + kinds], ints[4 + 3 * n + kinds : 4 + 3 * n + kinds + entries]
    bad = -1
    for r in range(n):
        first, kind = ints[3 + r], ints[3 + 2 * n + r]
        held = 0.0
        for j in range(start[kind], start[kind + 1]):
            held += contents[j] * memory[first + column[j]]
        off = held - balance[r, HELD_AT_START] - balance[r, TAKEN_UP]
        if abs(off) > balance[r, IMBALANCE] or off != off:
            balance[r, IMBALANCE] = abs(off)
        allowed = 0.0 if ints[3 + n + r] else tolerance * max(balance[r, MOVED], balance[r, HELD_AT_START])
        if not abs(off) <= allowed:
            bad = r
    return bad


@njit(cache=True)
def note(memory: Floats, ints: Indices, sums: Floats, rows: Floats, row: int) -> None:
    """Add this window to the `sums`; if `row` >= 0 also write a row: sampled values, then sums, which restart at 0.

    ints: n_sampled, n_summed | sampled | summed
    """
    n, m = np.int64(ints[0]), np.int64(ints[1])
    for j in range(m):
        sums[j] += memory[ints[2 + n + j]]
    if row >= 0:
        for j in range(n):
            rows[row, j] = memory[ints[2 + j]]
        for j in range(m):
            rows[row, n + j] = sums[j]
            sums[j] = 0.0


@njit(cache=True)
def collect(
    memory: Floats,
    ints: Indices,
    floats: Floats,
    state: Floats,
    balance: Floats,
    tolerance: float,
    rows: Floats,
    row: int,
) -> int:
    """The end of a window: hand over, audit, note. Returns a bad ledger row or -1.

    ints:   where the tables of `audit` and `note` begin (2) and where the floats of `audit` do (1) | hand_over's |
            audit's | note's
    floats: hand_over's | audit's.  state: hand_over's | sums of note
    """
    values = ints[3:]
    hand_over(memory, values, floats, state)
    bad = audit(memory, ints[ints[0] :], floats[ints[2] :], balance, tolerance)
    note(memory, ints[ints[1] :], state[2 * values[0] :], rows, row)
    return bad  # type: ignore[no-any-return]
