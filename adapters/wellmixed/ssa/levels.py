"""Choosing one of many with a chance proportional to its weight, in a time that does not grow with their number.

Composition and rejection (Slepoy, Thompson & Plimpton, J Chem Phys 128:205101, 2008): weights between the same two
powers of two share a level; a level is chosen by its sum, one of its members at random, and kept with the chance
weight / upper end of the level, above 1/2. A weight that changes moves its owner between levels by a swap.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints, Words
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.components.state import fitting, refuse_outside
from couple.rng.streams import below, uniform

LEVELS = 64
"""Powers of two above the smallest weight that matters; smaller ones share the lowest level."""

_BIAS = 1023


class Levels(NamedTuple):
    """The weights of n things and the order in which they lie in their levels.

    members is not initialised: memory is taken only where levels are filled.
    """

    value: Floats  # (n,) weights
    bits: Ints  # the same memory: the exponent of a weight is its level
    level: npt.NDArray[np.int32]  # (n,) -1 where the weight is 0
    place: npt.NDArray[np.int32]  # (n,) row in its level
    members: npt.NDArray[np.int32]  # (LEVELS, n)
    length: Ints  # (LEVELS,)
    sums: Floats  # (LEVELS,) of the weights in a level, and behind them of all
    bound: Floats  # (LEVELS,) upper end of a level
    head: Ints  # exponent of the lowest level, highest level in use


def empty_levels(n: int, smallest: float) -> Levels:
    """Levels of n things of weight 0; `smallest` is the least weight that is chosen without many rejections."""
    base = _BIAS + (math.frexp(smallest)[1] - 1 if smallest > 0 else -20)
    value = np.zeros(n)
    return Levels(
        value,
        value.view(np.int64),
        np.full(n, -1, dtype=np.int32),
        np.zeros(n, dtype=np.int32),
        np.empty((LEVELS, n), dtype=np.int32),
        np.zeros(LEVELS, dtype=np.int64),
        np.zeros(LEVELS + 1),
        np.ldexp(1.0, np.arange(LEVELS) + base - _BIAS + 1),
        np.array([base, 0]),
    )


@njit(cache=True, _nrt=False, inline="always")
def put(s: Levels, i: int, weight: float) -> None:
    """Give number i another weight (0 or above, finite)."""
    old, from_level = s.value[i], s.level[i]
    s.value[i] = weight
    to_level = -1
    if weight > 0.0:
        to_level = min(max((s.bits[i] >> 52) - s.head[0], 0), LEVELS - 1)
    s.sums[LEVELS] += weight - old
    if to_level == from_level:
        if to_level >= 0:
            s.sums[to_level] += weight - old
    else:
        if from_level >= 0:
            last = s.length[from_level] - 1
            moved = s.members[from_level, last]
            s.members[from_level, s.place[i]] = moved
            s.place[moved] = s.place[i]
            s.length[from_level] = last
            s.sums[from_level] = s.sums[from_level] - old if last > 0 else 0.0
        s.level[i] = to_level
        if to_level >= 0:
            s.place[i] = s.length[to_level]
            s.members[to_level, s.place[i]] = i
            s.length[to_level] += 1
            s.sums[to_level] += weight
            if to_level > s.head[1]:
                s.head[1] = to_level


@njit(cache=True, _nrt=False)
def clear(s: Levels) -> None:
    """All weights 0."""
    s.value[:] = 0.0
    s.level[:] = -1
    s.length[:] = 0
    s.sums[:] = 0.0
    s.head[1] = 0


@njit(cache=True, _nrt=False)
def resum(s: Levels) -> None:
    """Sums anew from the weights, without what rounding has left."""
    s.sums[LEVELS] = 0.0
    for k in range(LEVELS):
        total = 0.0
        for j in range(s.length[k]):
            total += s.value[s.members[k, j]]
        s.sums[k] = total
        s.sums[LEVELS] += total


@njit(cache=True, _nrt=False, inline="always")
def choose(s: Levels, words: Words) -> tuple[int, float]:
    """One of them and a number that is uniform between 0 and its weight; (-1, inf) if rounding pointed at none."""
    top = s.head[1]
    while top > 0 and s.length[top] == 0:
        top -= 1
    s.head[1] = top
    target, k = uniform(words) * s.sums[LEVELS], top
    while k > 0 and target > s.sums[k]:
        target -= s.sums[k]
        k -= 1
    i, x = -1, math.inf
    while s.length[k] > 0 and (i < 0 or x > s.value[i]):
        i = s.members[k, below(words, s.length[k])]
        x = uniform(words) * s.bound[k]
    return i, x


def saved_levels(s: Levels) -> dict[str, npt.NDArray[np.generic]]:
    """Copies of what choices depend on."""
    order = [s.members[k, : s.length[k]] for k in range(LEVELS)]
    return {
        "order": np.concatenate(order),
        "length": s.length.copy(),
        "value": s.value.copy(),
        "sums": s.sums.copy(),
        "head": s.head.copy(),
    }


def refuse_unfit(s: Levels, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Raise InputError for what is not of such levels: kernels do not look at their indices."""
    for key in ("length", "value", "sums", "head"):
        fitting(saved, key, getattr(s, key))
    order, length = np.asarray(saved["order"]), np.asarray(saved["length"])
    refuse_outside(length, 0, len(s.value), "length")
    refuse_outside(np.asarray(saved["head"])[1], 0, LEVELS - 1, "head")
    refuse_outside(order, 0, len(s.value) - 1, "order")
    if not len(order) == len(np.unique(order)) == length.sum():
        raise InputError(f"a state holds {len(order)} places for {length.sum()} in levels", where="order")
    value, largest = np.asarray(saved["value"]), np.finfo(np.float64).max
    refuse_outside(value, -largest, largest, "value")
    refuse_outside(value[order], np.nextafter(0, 1), largest, "value")  # rounding leaves some below 0 outside of levels


def restore_levels(s: Levels, saved: dict[str, npt.NDArray[np.generic]]) -> None:
    """Take up what `saved_levels` gave; where levels were of other powers of two, their weights alone."""
    if saved["head"][0] != s.head[0]:
        clear(s)
        for i in saved["order"]:
            put(s, int(i), float(saved["value"][i]))
        return
    for key in ("length", "value", "sums", "head"):
        getattr(s, key)[...] = saved[key]
    s.level[:] = -1
    end = 0
    for k in range(LEVELS):
        start, end = end, end + int(s.length[k])
        here = saved["order"][start:end]
        s.members[k, : end - start] = here
        s.level[here] = k
        s.place[here] = np.arange(end - start)
