"""Reactions at the nodes, molecule by molecule: Gillespie's direct method at each node over a short time."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from adapters.fem.solver.field_layout import Rules
from couple.base.arrays import Floats, Ints, Words
from couple.rng.streams import exponential, uniform


class Books(NamedTuple):
    """What follows the events. totals: (n_states,) molecules; column: (n,) of the states, for each value at a node;
    means: (n_states,) what events add to the integral of the totals over time."""

    totals: Floats
    column: Ints
    means: Floats


@njit(cache=True)
def react(
    rules: Rules, size: Floats, measure: float, n: Floats, trust: Floats, span: float, books: Books,
    species: int, words: Words, propensity: Floats,
) -> int:  # fmt: skip
    """One node over `span` ms; returns the number of events.

    n: values at the node: molecules, then held densities times `size`, then 1. size: what turns a value into a density
    (volume or membrane area of the node; 1 for the constant). measure: volume or area in which the reactions happen.
    trust: (n,) factors of the values in propensities: where noise left holes below zero, what is above it is too much.
    An event for which the whole site has too few molecules does not happen: values at a node may be fractions, or below
    zero by noise, totals may not.
    """
    t, events = 0.0, 0
    while True:
        everything = 0.0
        for r in range(len(rules.rate)):
            a, b = rules.first[r], rules.second[r]
            va = max(n[a], 0.0) * trust[a]
            vb = max(n[b] - 1.0 if a == b and size[a] != 0.0 else n[b], 0.0) * trust[b]
            p = rules.rate[r] * measure
            if size[a] != 0.0:
                p *= va / size[a]
            if size[b] != 0.0:
                p *= vb / size[b]
            if p > 0.0:
                for i in range(rules.start[r], rules.start[r + 1]):
                    c = books.column[rules.what[i]]
                    if c < species and books.totals[c] + rules.by[i] < 0.0:
                        p = 0.0
            propensity[r] = p
            everything += p
        if not everything > 0.0:
            return events if everything == 0.0 else -1
        if everything == math.inf:
            return -1
        t += exponential(words) / everything
        if t >= span:
            return events
        target, chosen = uniform(words) * everything, 0
        while chosen < len(rules.rate) - 1 and (target > propensity[chosen] or propensity[chosen] == 0.0):
            target -= propensity[chosen]
            chosen += 1
        if propensity[chosen] == 0.0:
            continue  # rounding pointed behind the last reaction
        for i in range(rules.start[chosen], rules.start[chosen + 1]):
            c = books.column[rules.what[i]]
            n[rules.what[i]] += rules.by[i]
            books.totals[c] += rules.by[i]
            books.means[c] += rules.by[i] * (span - t)
        events += 1


@njit(cache=True)
def react_inside(
    rules: Rules, volumes: Floats, share: Floats, moving: Floats, resting: Floats, held: Floats, span: float,
    books: Books, species: int, words: Words,
) -> int:  # fmt: skip
    """All nodes of the volume. moving (m, N), resting (r, N): molecules; held: densities; share: (m,) of what is moving
    that is trusted. Returns 0, -1 if broken."""
    m, r = len(moving), len(resting)
    n, size = np.empty(m + r + len(held) + 1), np.zeros(m + r + len(held) + 1)
    propensity, trust = np.empty(len(rules.rate)), np.ones(len(n))
    trust[:m] = share
    for j in range(len(volumes)):
        for a in range(m):
            n[a] = moving[a, j]
        for a in range(r):
            n[m + a] = resting[a, j]
        size[: m + r] = volumes[j]
        for a in range(len(held)):
            n[m + r + a], size[m + r + a] = held[a] * volumes[j], volumes[j]
        n[-1] = 1.0
        if react(rules, size, volumes[j], n, trust, span, books, species, words, propensity) < 0:
            return -1
        for a in range(m):
            moving[a, j] = n[a]
        for a in range(r):
            resting[a, j] = n[m + a]
    return 0


@njit(cache=True)
def react_wall(
    rules: Rules, nodes: Ints, volumes: Floats, areas: Floats, share: Floats, moving: Floats, resting: Floats,
    fixed: Floats, held: Floats, wall_held: Floats, span: float, books: Books, species: int, words: Words,
) -> int:  # fmt: skip
    """All nodes of the membrane; as react_inside, with fixed (f, G) molecules on it."""
    m, r, f = len(moving), len(resting), len(fixed)
    width = m + r + f + len(held) + len(wall_held) + 1
    n, size, propensity = np.empty(width), np.zeros(width), np.empty(len(rules.rate))
    trust = np.ones(width)
    trust[:m] = share
    for k in range(len(nodes)):
        j = nodes[k]
        for a in range(m):
            n[a] = moving[a, j]
        for a in range(r):
            n[m + a] = resting[a, j]
        for a in range(f):
            n[m + r + a] = fixed[a, k]
        size[: m + r] = volumes[j]
        size[m + r : m + r + f] = areas[k]
        at = m + r + f
        for a in range(len(held)):
            n[at + a], size[at + a] = held[a] * volumes[j], volumes[j]
        at += len(held)
        for a in range(len(wall_held)):
            n[at + a], size[at + a] = wall_held[a] * areas[k], areas[k]
        n[-1] = 1.0
        if react(rules, size, areas[k], n, trust, span, books, species, words, propensity) < 0:
            return -1
        for a in range(m):
            moving[a, j] = n[a]
        for a in range(f):
            fixed[a, k] = n[m + r + a]
    return 0
