"""Kernels of the master equation: a hash table of states, their neighbours, and the flow of probability.

A target is the number of the state that a reaction leads to: UNKNOWN if that state is not held, NOWHERE if the reaction
changes no count. What flows to unknown states is lost, and is the error of finite state projection (Munsky & Khammash,
J Chem Phys 124:044104, 2006).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit

Ints32 = npt.NDArray[np.int32]


class StateTable(NamedTuple):
    """The states that are held and how they are found; arrays have room for `capacity` of them.

    states: (capacity, n_columns) counts. slots: hash table of numbers of states, -1 where free; its size is a power of
    two. row: (n_columns,) scratch.
    """

    states: Ints32
    slots: Ints32
    row: Ints32


class ReactionTable(NamedTuple):
    """Constants of the network.

    reactants: (n_reactions, 2) columns of the states, -1 for none or one that is held. moves: (n_reactions,) whether a
    reaction changes a count. change: (n_reactions, n_columns).
    """

    reactants: Ints
    moves: Ints
    change: Ints32


class Transitions(NamedTuple):
    """Effects of reactions on the states: (capacity, n_reactions) each.

    combinations: of reactant molecules; times the rate it is the propensity. target: see the module.
    """

    combinations: Floats
    target: Ints32


class FlowBuffers(NamedTuple):
    """Results and scratch of a flow of probability, (capacity,) each.

    out_rate: of leaving a state, per ms. later: probability at the end. held: ∫ p dt. spill: what is lost to unknown
    states. v, w: scratch of the series.
    """

    out_rate: Floats
    later: Floats
    held: Floats
    spill: Floats
    v: Floats
    w: Floats


UNKNOWN, NOWHERE = -1, -2
TAIL = 1e-15
"""Poisson weight at which the series of uniformisation ends."""


@njit(cache=True, nogil=True)
def _slot(states: Ints32, slots: Ints32, row: Ints32) -> np.int64:
    """Where a state is in the hash table, or the free slot where it belongs."""
    key = np.uint64(1469598103934665603)
    for x in row:
        key = (key ^ np.uint64(x + 1)) * np.uint64(1099511628211)
    key ^= key >> np.uint64(29)
    at = np.int64(key & np.uint64(len(slots) - 1))
    while slots[at] >= 0:
        same, held = True, slots[at]
        for k in range(len(row)):
            if states[held, k] != row[k]:
                same = False
                break
        if same:
            return at
        at = np.int64(at + 1)
        if at == len(slots):
            at = np.int64(0)
    return at


@njit(cache=True, nogil=True)
def find(states: Ints32, slots: Ints32, row: Ints32) -> int:
    """Number of a state, UNKNOWN if it is not held."""
    return slots[_slot(states, slots, row)]  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def add(states: Ints32, slots: Ints32, n: int, row: Ints32) -> int:
    """Number of a state, which is n if it is new; the caller then counts it. -1 if there is no room."""
    at = _slot(states, slots, row)
    if slots[at] < 0:
        if n >= len(states):
            return -1
        states[n] = row
        slots[at] = n
    return slots[at]  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def index_states(table: StateTable, n: int) -> None:
    """The hash table of the first n states, anew."""
    states, slots = table.states, table.slots
    slots[:] = -1
    for i in range(n):
        slots[_slot(states, slots, states[i])] = i


@njit(cache=True, nogil=True)
def count_combinations(
    table: StateTable, reactions: ReactionTable, transitions: Transitions, first: int, end: int
) -> None:
    """Combinations of reactants of the states from `first` to `end`; their targets become unknown."""
    states, reactants, moves = table.states, reactions.reactants, reactions.moves
    comb, target = transitions.combinations, transitions.target
    for i in range(first, end):
        for r in range(len(moves)):
            one, two = reactants[r, 0], reactants[r, 1]
            c = 1.0
            if one >= 0:
                c *= states[i, one]
            if two >= 0:
                c *= states[i, two] - (1 if one == two else 0)
            comb[i, r] = c
            target[i, r] = UNKNOWN if moves[r] else NOWHERE


@njit(cache=True, nogil=True)
def find_targets(table: StateTable, reactions: ReactionTable, transitions: Transitions, n: int) -> None:
    """Look for the targets of the first n states that are not known yet."""
    states, slots, row, change = table.states, table.slots, table.row, reactions.change
    comb, target = transitions.combinations, transitions.target
    for i in range(n):
        for r in range(len(change)):
            if target[i, r] == UNKNOWN and comb[i, r] > 0.0:
                for k in range(len(row)):
                    row[k] = states[i, k] + change[r, k]
                target[i, r] = find(states, slots, row)


@njit(cache=True, nogil=True)
def add_targets(
    table: StateTable, reactions: ReactionTable, transitions: Transitions, rate: Floats, marked: npt.NDArray[np.bool_],
    n: int, first: int, end: int,
) -> int:  # fmt: skip
    """The number of states, of n before, with the unknown targets of those from `first` to `end` that are `marked`
    added; -1 without room."""
    states, slots, row, change = table.states, table.slots, table.row, reactions.change
    comb, target = transitions.combinations, transitions.target
    for i in range(first, end):
        if marked[i]:
            for r in range(len(change)):
                if target[i, r] == UNKNOWN and comb[i, r] * rate[r] > 0.0:
                    for k in range(len(row)):
                        row[k] = states[i, k] + change[r, k]
                    j = add(states, slots, n, row)
                    if j < 0:
                        return -1
                    n = max(n, j + 1)
    return n


@njit(cache=True, nogil=True)
def sum_out_rates(transitions: Transitions, rate: Floats, out: Floats, n: int) -> float:
    """The largest of the rates out (n,) of leaving each state, per ms, which it sums."""
    comb, target = transitions.combinations, transitions.target
    largest = 0.0
    for i in range(n):
        total = 0.0
        for r in range(len(rate)):
            if target[i, r] != NOWHERE:
                total += comb[i, r] * rate[r]
        out[i] = total
        largest = max(largest, total)
    return largest


@njit(cache=True, nogil=True)
def uniformise(
    transitions: Transitions, rate: Floats, p: Floats, buffers: FlowBuffers, n: int, span: float, fastest: float
) -> None:
    """later = exp(A span) p and held = ∫ exp(A t) p dt over the span, by uniformisation (Jensen, 1953).

    Only sums of positive terms; `fastest` × span should not be above some hundred.
    """
    comb, target = transitions.combinations, transitions.target
    out, later, held, v, w = buffers.out_rate, buffers.later, buffers.held, buffers.v, buffers.w
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


@njit(cache=True, nogil=True)
def sum_spills(transitions: Transitions, rate: Floats, held: Floats, spill: Floats, n: int) -> float:
    """The sum of `spill` (n,), the probability that each state loses to unknown states while `held`."""
    comb, target = transitions.combinations, transitions.target
    total = 0.0
    for i in range(n):
        unknown = 0.0
        for r in range(len(rate)):
            if target[i, r] == UNKNOWN:
                unknown += comb[i, r] * rate[r]
        spill[i] = held[i] * unknown
        total += spill[i]
    return total


@njit(cache=True, nogil=True)
def add_molecules(table: StateTable, p: Floats, new: Floats, n: int, column: int, by: int, more: float) -> int:
    """The number of states after `by` molecules entered, and one more with probability `more`; -1 without room."""
    states, slots, row = table.states, table.slots, table.row
    total = n
    for i in range(n):
        if p[i] > 0.0:
            for extra in range(2):
                part = more if extra else 1.0 - more
                if part > 0.0:
                    for k in range(len(row)):
                        row[k] = states[i, k]
                    row[column] += by + extra
                    j = add(states, slots, total, row)
                    if j < 0:
                        return -1
                    total = max(total, j + 1)
                    new[j] += part * p[i]
    return total


@njit(cache=True, nogil=True)
def remove_molecules(table: StateTable, p: Floats, new: Floats, n: int, column: int, part: float) -> int:
    """The number of states after each molecule of a column left with probability `part`; -1 without room."""
    states, slots, row = table.states, table.slots, table.row
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
                    j = add(states, slots, total, row)
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
