"""Whole molecules that move at random: each by the propagator of its pool over a step."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from adapters.surrogate.kernels.layout import INLINE
from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from couple.rng.binomial import binomial
from couple.rng.streams import exponential, uniform

FEW = 10.0
"""Expected moves below which molecules are followed from one move to the next."""


class PropagatorRow(NamedTuple):
    """A row of `tables.propagators` at c: numbers from `below` on + weight × (numbers from `above` on - those)."""

    numbers: Floats
    below: np.uint64
    above: np.uint64
    weight: float


@njit(**INLINE)
def number(row: PropagatorRow, at: int) -> float:
    """Number `at` of a row."""
    k = np.uint64(at)
    low = row.numbers[row.below + k]
    return float(low + row.weight * (row.numbers[row.above + k] - low))


@njit(**INLINE)
def draw(
    words: Words, mixed: Floats, m: int, s: int, n: int, p: Floats, new: Floats, holds: Floats, wait: float
) -> float:
    """Each of p[s : s + n] molecules moves by the propagator [to, from] at m: multinomial numbers into `new`.

    After the propagator follow hazards: minus the logarithm of the probability to stay. holds, wait: see `hop`; returns
    what is left of the wait.
    """
    total, at = 0.0, m + n * n
    for i in range(n):
        new[s + i] = p[s + i]
        total += p[s + i] * mixed[at + i]
    if total < FEW:
        wait, _ = hop(words, PropagatorRow(mixed, np.uint64(0), np.uint64(0), 0.0), m, s, n, p, new, holds, wait, 0.0)
        return wait
    for j in range(n):
        left, rest = p[s + j], 1.0
        new[s + j] -= left
        for k in range(n):
            if left <= 0.0:
                break
            i = j + k if j + k < n else j + k - n  # those that stay first: mostly all
            q = mixed[m + i * n + j]
            moved = left if k == n - 1 or q >= rest else binomial(words, left, q / rest)
            new[s + i] += moved
            left -= moved
            rest -= q
    return wait


@njit(**INLINE)
def hop(
    words: Words,
    row: PropagatorRow,
    m: int,
    s: int,
    n: int,
    p: Floats,
    new: Floats,
    holds: Floats,
    wait: float,
    drawn: float,
) -> tuple[float, float]:
    """The same for few moves: from one molecule that moves to the next, over those that stay.

    wait: integrated hazard until the next move. What is left of an exponential wait is one again, so it may be kept for
    the next step. holds: molecules of the drive in one of each state. Returns the wait, and `drawn` with what the
    molecules that moved took from the drive.
    """
    for j in range(n):
        left, each = p[s + j], number(row, m + n * n + j)
        while wait < left * each:
            left -= math.floor(wait / each) + 1.0
            u, to = uniform(words) * (1.0 - number(row, m + j * n + j)), j
            for i in range(n):
                q = number(row, m + i * n + j)
                if i != j and q > 0.0:
                    to = i
                    u -= q
                    if u <= 0.0:
                        break
            new[s + j] -= 1.0
            new[s + to] += 1.0
            drawn += holds[s + to] - holds[s + j]
            wait = exponential(words)
        wait -= left * each
    return wait, drawn
