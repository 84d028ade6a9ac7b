"""Whole molecules that move at random: each by the propagator of its pool over a step."""

from __future__ import annotations

import math

from numba import njit

from adapters.surrogate.layout import INLINE, JIT
from couple.base.arrays import Floats, Words
from couple.rng.binomial import binomial
from couple.rng.streams import exponential, uniform

FEW = 10.0
"""Expected moves below which molecules are followed from one move to the next."""


@njit(**INLINE)
def draw(words: Words, mixed: Floats, m: int, s: int, n: int, p: Floats, new: Floats, wait: float) -> float:
    """Each of p[s : s + n] molecules moves by the propagator [to, from] at m: multinomial numbers into `new`.

    After the propagator follow hazards: minus the logarithm of the probability to stay. wait: integrated hazard until
    the next move; returns what is left of it.
    """
    total, at = 0.0, m + n * n
    for i in range(n):
        new[s + i] = p[s + i]
        total += p[s + i] * mixed[at + i]
    if total < FEW:
        wait = hop(words, mixed, m, s, n, p, new, wait)
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


@njit(**JIT)
def hop(words: Words, mixed: Floats, m: int, s: int, n: int, p: Floats, new: Floats, wait: float) -> float:
    """The same for few moves: from one molecule that moves to the next, over those that stay.

    What is left of an exponential wait is one again, so it may be kept for the next step.
    """
    for j in range(n):
        left, each = p[s + j], mixed[m + n * n + j]
        while wait < left * each:
            left -= math.floor(wait / each) + 1.0
            u, to = uniform(words) * (1.0 - mixed[m + j * n + j]), j
            for i in range(n):
                q = mixed[m + i * n + j]
                if i != j and q > 0.0:
                    to = i
                    u -= q
                    if u <= 0.0:
                        break
            new[s + j] -= 1.0
            new[s + to] += 1.0
            wait = exponential(words)
        wait -= left * each
    return wait
