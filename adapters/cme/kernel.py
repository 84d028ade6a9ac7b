"""Kernels of the master equation: a hash table of states, their neighbours, and the flow of probability.

A target is the number of the state that a reaction leads to: UNKNOWN if that state is not held, NOWHERE if the reaction
changes no count. What flows to unknown states is lost, and is the error of finite state projection (Munsky & Khammash,
J Chem Phys 124:044104, 2006).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from couple.base.arrays import Floats, Ints

Ints32 = npt.NDArray[np.int32]
UNKNOWN, NOWHERE = -1, -2
TAIL = 1e-15
"""Poisson weight at which the series of uniformisation ends."""


@njit(cache=True)
def _slot(states: Ints32, table: Ints32, row: Ints32) -> np.int64:
    """Where a state is in the hash table, or the free slot where it belongs."""
    key = np.uint64(1469598103934665603)
    for x in row:
        key = (key ^ np.uint64(x + 1)) * np.uint64(1099511628211)
    key ^= key >> np.uint64(29)
    at = np.int64(key & np.uint64(len(table) - 1))
    while table[at] >= 0:
        same, held = True, table[at]
        for k in range(len(row)):
            if states[held, k] != row[k]:
                same = False
                break
        if same:
            return at
        at = np.int64(at + 1)
        if at == len(table):
            at = np.int64(0)
    return at


@njit(cache=True)
def find(states: Ints32, table: Ints32, row: Ints32) -> int:
    """Number of a state, UNKNOWN if it is not held."""
    return table[_slot(states, table, row)]  # type: ignore[no-any-return]


@njit(cache=True)
def add(states: Ints32, table: Ints32, n: int, row: Ints32) -> int:
    """Number of a state, which is n if it is new; the caller then counts it. -1 if there is no room."""
    at = _slot(states, table, row)
    if table[at] < 0:
        if n >= len(states):
            return -1
        states[n] = row
        table[at] = n
    return table[at]  # type: ignore[no-any-return]


@njit(cache=True)
def index(states: Ints32, table: Ints32, n: int) -> None:
    """The hash table of n states anew."""
    table[:] = -1
    for i in range(n):
        table[_slot(states, table, states[i])] = i


@njit(cache=True)
def describe(states: Ints32, comb: Floats, target: Ints32, reactants: Ints, moves: Ints, a: int, b: int) -> None:
    """Combinations of reactants of states a to b; their targets become unknown.

    reactants: (n_reactions, 2) columns of `states`, -1 for none or one that is held.
    """
    for i in range(a, b):
        for r in range(len(moves)):
            first, second = reactants[r, 0], reactants[r, 1]
            c = 1.0
            if first >= 0:
                c *= states[i, first]
            if second >= 0:
                c *= states[i, second] - (1 if first == second else 0)
            comb[i, r] = c
            target[i, r] = UNKNOWN if moves[r] else NOWHERE


@njit(cache=True)
def connect(states: Ints32, table: Ints32, comb: Floats, target: Ints32, change: Ints32, row: Ints32, n: int) -> None:
    """Look for the targets that are not known yet."""
    for i in range(n):
        for r in range(len(change)):
            if target[i, r] == UNKNOWN and comb[i, r] > 0.0:
                for k in range(len(row)):
                    row[k] = states[i, k] + change[r, k]
                target[i, r] = find(states, table, row)


@njit(cache=True)
def grow(
    states: Ints32,
    table: Ints32,
    comb: Floats,
    target: Ints32,
    change: Ints32,
    rate: Floats,
    row: Ints32,
    marked: npt.NDArray[np.bool_],
    n: int,
    a: int,
    b: int,
) -> int:
    """Add the unknown targets of the states a to b that are marked; returns the number of states, -1 without room."""
    for i in range(a, b):
        if marked[i]:
            for r in range(len(change)):
                if target[i, r] == UNKNOWN and comb[i, r] * rate[r] > 0.0:
                    for k in range(len(row)):
                        row[k] = states[i, k] + change[r, k]
                    j = add(states, table, n, row)
                    if j < 0:
                        return -1
                    n = max(n, j + 1)
    return n


@njit(cache=True)
def out_rates(comb: Floats, target: Ints32, rate: Floats, out: Floats, n: int) -> float:
    """out (n,) summed rate of leaving each state, per ms; returns the largest."""
    largest = 0.0
    for i in range(n):
        total = 0.0
        for r in range(len(rate)):
            if target[i, r] != NOWHERE:
                total += comb[i, r] * rate[r]
        out[i] = total
        largest = max(largest, total)
    return largest


@njit(cache=True)
def flow(
    comb: Floats,
    target: Ints32,
    rate: Floats,
    out: Floats,
    p: Floats,
    later: Floats,
    held: Floats,
    v: Floats,
    w: Floats,
    n: int,
    span: float,
    fastest: float,
) -> None:
    """later = exp(A span) p and held = ∫ exp(A t) p dt over the span, by uniformisation (Jensen, 1953).

    Only sums of positive terms; `fastest` × span should not be above some hundred.
    """
    x = fastest * span
    weight = math.exp(-x)
    tail = 1.0 - weight
    for i in range(n):
        v[i] = p[i]
        later[i] = weight * p[i]
        held[i] = tail / fastest * p[i]
    k = 0
    while tail > TAIL and k < x + 14.0 * math.sqrt(x) + 60.0:
        for i in range(n):
            w[i] = v[i] * (1.0 - out[i] / fastest)
        for i in range(n):
            if v[i] > 0.0:
                share = v[i] / fastest
                for r in range(len(rate)):
                    j = target[i, r]
                    if j >= 0:
                        w[j] += share * (comb[i, r] * rate[r])
        k += 1
        weight *= x / k
        tail = max(tail - weight, 0.0)
        for i in range(n):
            v[i] = w[i]
            later[i] += weight * w[i]
            held[i] += tail / fastest * w[i]


@njit(cache=True)
def spills(comb: Floats, target: Ints32, rate: Floats, held: Floats, spill: Floats, n: int) -> float:
    """spill (n,) probability that each state loses to unknown states while `held`; returns the sum."""
    total = 0.0
    for i in range(n):
        unknown = 0.0
        for r in range(len(rate)):
            if target[i, r] == UNKNOWN:
                unknown += comb[i, r] * rate[r]
        spill[i] = held[i] * unknown
        total += spill[i]
    return total


@njit(cache=True)
def shift(
    states: Ints32, table: Ints32, p: Floats, new: Floats, row: Ints32, n: int, column: int, by: int, more: float
) -> int:
    """`by` molecules enter, and one more with probability `more`; returns the number of states, -1 without room."""
    total = n
    for i in range(n):
        if p[i] > 0.0:
            for extra in range(2):
                part = more if extra else 1.0 - more
                if part > 0.0:
                    for k in range(len(row)):
                        row[k] = states[i, k]
                    row[column] += by + extra
                    j = add(states, table, total, row)
                    if j < 0:
                        return -1
                    total = max(total, j + 1)
                    new[j] += part * p[i]
    return total


@njit(cache=True)
def thin(states: Ints32, table: Ints32, p: Floats, new: Floats, row: Ints32, n: int, column: int, part: float) -> int:
    """Each molecule leaves with probability `part`; returns how many states there are, -1 without room."""
    total = n
    for i in range(n):
        if p[i] > 0.0:
            here = int(states[i, column])
            for k in range(len(row)):
                row[k] = states[i, k]
            weight, left = (1.0 - part) ** here if part < 1.0 else 0.0, 1.0
            for gone in range(here + 1):
                if part >= 1.0:
                    weight = 1.0 if gone == here else 0.0
                share = left if gone == here else weight
                if share > 0.0:
                    row[column] = here - gone
                    j = add(states, table, total, row)
                    if j < 0:
                        return -1
                    total = max(total, j + 1)
                    new[j] += share * p[i]
                left = max(left - weight, 0.0)
                if part < 1.0:
                    weight *= (here - gone) / (gone + 1.0) * (part / (1.0 - part))
                    if left < 1e-17:
                        break
    return total
