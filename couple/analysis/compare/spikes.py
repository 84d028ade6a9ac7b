"""Spikes: when V crosses a threshold upwards, and how far two trains are apart."""

from __future__ import annotations

import math

import numpy as np

from couple.analysis.compare.two_groups import Flags, regrouped_p
from couple.base.arrays import Floats
from couple.storage.records.spike_trains import spike_times

__all__ = ["distance", "energy", "spike_times"]


def distance(a: Floats, b: Floats, within: float) -> tuple[float, list[tuple[int, int]]]:
    """Victor and Purpura's spike distance (J Neurophysiol 76:1310, 1996) and the pairs of spikes that are matched.

    Least cost of making one train of the other: 1 for a spike put in or taken out, 2 |Δt| / `within` for one that is
    moved: two spikes are matched if they are nearer than `within` ms. 0 for equal trains, at most len(a) + len(b).
    """
    cost = np.zeros((len(a) + 1, len(b) + 1))
    cost[:, 0], cost[0, :] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            moved = cost[i - 1, j - 1] + 2 * abs(a[i - 1] - b[j - 1]) / within
            cost[i, j] = min(cost[i - 1, j] + 1, cost[i, j - 1] + 1, moved)
    pairs, i, j = [], len(a), len(b)
    while i and j:
        if cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        elif cost[i, j] == cost[i, j - 1] + 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return float(cost[-1, -1]), pairs[::-1]


def energy(a: list[Floats], b: list[Floats], within: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """(mean distance between runs of two groups, mean within groups, p that they are of one kind).

    p: share of random regroupings of all runs in which the energy statistic 2 between - within a - within b (Székely &
    Rizzo 2013, J Stat Plan Inference 143:1249) is as large; NaN with fewer than two runs in a group, and if all
    trains are equal.
    """
    trains = [*a, *b]
    n, m = len(a), len(b)
    table = np.zeros((n + m, n + m))
    for i in range(n + m):
        for j in range(i):
            table[i, j] = table[j, i] = distance(trains[i], trains[j], within)[0]
    between = float(table[:n, n:].mean())
    inside = [float(t.sum() / (len(t) * (len(t) - 1))) for t in (table[:n, :n], table[n:, n:]) if len(t) > 1]
    if min(n, m) < 2:
        return between, float(np.mean(inside)) if inside else float("nan"), float("nan")

    def statistic(grouping: Flags) -> Floats:
        first = grouping.astype(float)
        second = 1 - first
        cross = np.einsum("ij,ij->i", first @ table, second) / (n * m)
        own = np.einsum("ij,ij->i", first @ table, first) / n**2 + np.einsum("ij,ij->i", second @ table, second) / m**2
        return np.asarray(2 * cross - own)

    equal = not table.any()
    return between, float(np.mean(inside)), math.nan if equal else regrouped_p(statistic, n, m, rng)
