"""Kernel of the direct method for networks with many groups of reactions: the group by composition and rejection.

The cost of an event does not grow with the number of reactions. As in ssa_kernel, every sum is rebuilt at the start of
a window, so that nothing but counts and random words carries over.
"""

from __future__ import annotations

import math

from numba import njit

from adapters.wellmixed import grouping as g
from adapters.wellmixed.codes import BAD_PROPENSITY, OK
from adapters.wellmixed.levels import LEVELS, Levels, choose, clear, put, resum
from adapters.wellmixed.packing import table
from adapters.wellmixed.ssa_kernel import begin, effects, happen, member_at, next_entry, partners
from couple.base.arrays import Floats, Ints, Words
from couple.rng.streams import exponential

REFRESH = 1 << 16


@njit(cache=True)
def _rebuild(tables: Ints, rates: Floats, n: Floats, weight: Floats, group: Floats, levels: Levels) -> None:
    """Weights of members and of groups, and the levels of group propensities, from the counts."""
    start, column = table(tables, g.GROUP_START), table(tables, g.GROUP_COLUMN)
    second, self_pair = table(tables, g.SECOND), table(tables, g.SELF_PAIR)
    clear(levels)
    for k in range(len(column)):
        w = 0.0
        for m in range(start[k], start[k + 1]):
            weight[m] = rates[m] * partners(n, second[m], self_pair[m])
            w += weight[m]
        group[k] = w
        put(levels, k, max(n[column[k]] * w, 0.0))
    resum(levels)


@njit(cache=True)
def _window(
    tables: Ints,
    rates: Floats,
    n: Floats,
    influx: Floats,
    means: Floats,
    words: Words,
    entered: Floats,
    weight: Floats,
    group: Floats,
    levels: Levels,
    span: float,
) -> int:
    """One site over one window. Returns the number of events, -1 for a propensity that is no number."""
    start, column = table(tables, g.GROUP_START), table(tables, g.GROUP_COLUMN)
    touched_start, touched = table(tables, g.TOUCHED_START), table(tables, g.TOUCHED)
    seen_start, seen, seen_by = table(tables, g.SEEN_START), table(tables, g.SEEN), table(tables, g.SEEN_BY)
    effect = effects(tables)
    n_members = len(weight)

    entered[:] = 0.0
    entering, entry_time = next_entry(influx, entered, span)
    _rebuild(tables, rates, n, weight, group, levels)
    t, events, fresh, per_span = 0.0, 0, 0, 1.0 / span
    while True:
        everything = levels.sums[LEVELS]
        if fresh >= REFRESH or not 0.0 <= everything < math.inf:
            if fresh == 0:
                return -1
            _rebuild(tables, rates, n, weight, group, levels)
            fresh = 0
            continue
        t_event = t + exponential(words) / everything if everything > 0.0 else math.inf
        if t_event >= entry_time:
            t = entry_time
            if entering < 0:
                return events
            event = n_members + entering
            entered[entering] += 1.0
            entering, entry_time = next_entry(influx, entered, span)
        else:
            k, target = choose(levels, words)
            event = -1
            if k >= 0 and n[column[k]] > 0.0:
                event = member_at(weight, start[k], start[k + 1], target / n[column[k]])
            if event < 0:
                fresh = REFRESH  # rounding pointed behind the last reaction: rebuild and draw again
                continue
            t = t_event
            events += 1

        fresh += 1
        happen(effect, rates, n, weight, group, event)
        for i in range(touched_start[event], touched_start[event + 1]):
            k = touched[i]
            put(levels, k, max(n[column[k]] * group[k], 0.0))
        for i in range(seen_start[event], seen_start[event + 1]):
            means[seen[i]] += seen_by[i] * ((span - t) * per_span)


@njit(cache=True)
def advance(
    tables: Ints,
    counts: Floats,
    influx: Floats,
    clamp: Floats,
    means: Floats,
    rates: Floats,
    words: Words,
    events: Ints,
    work: Floats,
    span: float,
    levels: Levels,
) -> int:
    """As ssa_kernel.advance; levels: scratch for the groups."""
    n_states, n_injected = counts.shape[1], influx.shape[1]
    a = n_states + 1
    b, c = a + n_injected, a + n_injected + rates.shape[1]
    n, entered, weight, group = work[:a], work[a:b], work[b:c], work[c : c + len(levels.value)]
    for site in range(len(counts)):
        code: int = begin(tables, n, counts[site], influx[site], clamp[site], means[site])
        if code != OK:
            return code + 8 * site
        done = _window(
            tables, rates[site], n, influx[site], means[site], words[site], entered, weight, group, levels, span
        )
        counts[site] = n[:n_states]
        if done < 0:
            return BAD_PROPENSITY + 8 * site
        events[site] += done
    return OK
