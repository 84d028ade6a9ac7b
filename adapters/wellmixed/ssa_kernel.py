"""Kernel of the direct method: all sites over one window in one call.

Gillespie, J Phys Chem 81:2340 (1977). Every sum is rebuilt from the counts at the start of a window, and every
`REFRESH` events, so that rounding cannot drift and nothing but counts and random words carries over.
"""

from __future__ import annotations

import math

from numba import njit

from adapters.wellmixed import grouping as g
from adapters.wellmixed.codes import BAD_CLAMP, BAD_INFLUX, BAD_PROPENSITY, OK, TOO_FEW
from adapters.wellmixed.grouping import BLOCK
from adapters.wellmixed.packing import table
from couple.base.arrays import Floats, Ints, Words
from couple.rng.streams import exponential, uniform

REFRESH = 1024
GRID = float(1 << 24)
"""Clamped counts are multiples of 1/GRID: what is booked against them then adds up without rounding."""


@njit(cache=True, inline="always")
def partners(n: Floats, column: int, self_pair: int) -> float:
    """Partners of one molecule of the shared reactant; a clamped count below 1 leaves none of its own kind."""
    partners = n[column] - self_pair
    return 0.0 if partners < 0.0 < n[column] else partners


@njit(cache=True)
def _rebuild(
    tables: Ints, rates: Floats, n: Floats, weight: Floats, group: Floats, total: Floats, block: Floats
) -> None:
    """Weights of members, of groups, group propensities and block sums from the counts."""
    start, column = table(tables, g.GROUP_START), table(tables, g.GROUP_COLUMN)
    second, self_pair = table(tables, g.SECOND), table(tables, g.SELF_PAIR)
    block[:] = 0.0
    for k in range(len(column)):
        w = 0.0
        for m in range(start[k], start[k + 1]):
            weight[m] = rates[m] * partners(n, second[m], self_pair[m])
            w += weight[m]
        group[k] = w
        total[k] = n[column[k]] * w
        block[k // BLOCK] += total[k]


@njit(cache=True, inline="always")
def next_entry(influx: Floats, entered: Floats, span: float) -> tuple[int, float]:
    """Species and time of the next molecule to enter: (i + 1/2) / n of the window; (-1, span) if none is left."""
    which, when = -1, span
    for j in range(len(influx)):
        if entered[j] < influx[j]:
            time = (entered[j] + 0.5) / influx[j] * span
            if time < when:
                which, when = j, time
    return which, when


@njit(cache=True, inline="always")
def member_at(weight: Floats, first: int, end: int, target: float) -> int:
    """The member of a group into whose weight `target` falls; -1 if rounding pointed behind the last."""
    for m in range(first, end):
        if target <= weight[m] and weight[m] > 0.0:
            return m
        target -= weight[m]
    return -1


@njit(cache=True, inline="always")
def effects(tables: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """What `happen` needs to know of events, looked up once per window."""
    return (
        table(tables, g.CHANGE_START),
        table(tables, g.CHANGE_COLUMN),
        table(tables, g.CHANGE_BY),
        table(tables, g.WEIGHT_START),
        table(tables, g.WEIGHT_MEMBER),
        table(tables, g.WEIGHT_GROUP),
        table(tables, g.SECOND),
        table(tables, g.SELF_PAIR),
    )


@njit(cache=True, inline="always")
def happen(
    effects: tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, Ints],
    rates: Floats,
    n: Floats,
    weight: Floats,
    group: Floats,
    event: int,
) -> None:
    """Counts after an event, and the weights that depend on them."""
    change_start, change_column, change_by, weight_start, weight_member, weight_group, second, self_pair = effects
    for i in range(change_start[event], change_start[event + 1]):
        n[change_column[i]] += change_by[i]
    for i in range(weight_start[event], weight_start[event + 1]):
        m = weight_member[i]
        w = rates[m] * (n[second[m]] - self_pair[m])
        group[weight_group[i]] += w - weight[m]
        weight[m] = w


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
    total: Floats,
    block: Floats,
    span: float,
) -> int:
    """One site over one window. Returns the number of events, -1 for a propensity that is no number."""
    start, column = table(tables, g.GROUP_START), table(tables, g.GROUP_COLUMN)
    touched_start, touched = table(tables, g.TOUCHED_START), table(tables, g.TOUCHED)
    seen_start, seen, seen_by = table(tables, g.SEEN_START), table(tables, g.SEEN), table(tables, g.SEEN_BY)
    effect = effects(tables)
    n_groups, n_members, n_blocks = len(column), len(weight), len(block)

    entered[:] = 0.0
    entering, entry_time = next_entry(influx, entered, span)
    _rebuild(tables, rates, n, weight, group, total, block)
    t, events, fresh, per_span = 0.0, 0, 0, 1.0 / span
    while True:
        if fresh >= REFRESH:
            _rebuild(tables, rates, n, weight, group, total, block)
            fresh = 0
        everything = block[0]
        for b in range(1, n_blocks):
            everything += block[b]
        if not 0.0 <= everything < math.inf:
            if fresh == 0:
                return -1
            fresh = REFRESH  # rounding may leave a sum below zero; look again
            continue

        t_event = t + exponential(words) / everything if everything > 0.0 else math.inf
        if t_event >= entry_time:
            # the exponential is without memory: what was drawn is dropped at the boundary
            t = entry_time
            if entering < 0:
                return events
            event = n_members + entering
            entered[entering] += 1.0
            entering, entry_time = next_entry(influx, entered, span)
        else:
            target = uniform(words) * everything
            b = 0
            while b < n_blocks - 1 and target > block[b]:
                target -= block[b]
                b += 1
            k, last = b * BLOCK, min(b * BLOCK + BLOCK, n_groups) - 1
            while k < last and target > total[k]:
                target -= total[k]
                k += 1
            event = -1
            if n[column[k]] > 0.0:
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
            new = n[column[k]] * group[k]
            block[k // BLOCK] += new - total[k]
            total[k] = new
        for i in range(seen_start[event], seen_start[event + 1]):
            means[seen[i]] += seen_by[i] * ((span - t) * per_span)


@njit(cache=True, inline="always")
def begin(tables: Ints, n: Floats, counts: Floats, influx: Floats, clamp: Floats, means: Floats) -> int:
    """Counts and means at the start of a window of one site; returns a code."""
    watched_start, watched = table(tables, g.WATCHED_START), table(tables, g.WATCHED)
    n[: len(counts)] = counts
    n[len(counts)] = 1.0
    code: int = _prepare(tables, n, influx, clamp)
    for o in range(len(means)):
        means[o] = 0.0
        for i in range(watched_start[o], watched_start[o + 1]):
            means[o] += n[watched[i]]
    return code


@njit(cache=True)
def _prepare(tables: Ints, n: Floats, influx: Floats, clamp: Floats) -> int:
    """Set clamped counts and take out what leaves; returns a code."""
    clamped, book, injected = table(tables, g.CLAMPED), table(tables, g.CLAMP_BOOK), table(tables, g.INJECTED)
    for k in range(len(clamped)):
        if not 0.0 <= clamp[k] < math.inf:
            return BAD_CLAMP
        target = math.floor(clamp[k] * GRID + 0.5) / GRID
        n[book[k]] -= target - n[clamped[k]]
        n[clamped[k]] = target
    for j in range(len(injected)):
        if not -math.inf < influx[j] < math.inf or influx[j] != math.floor(influx[j]):
            return BAD_INFLUX
        if influx[j] < 0.0:
            n[injected[j]] += influx[j]
            if n[injected[j]] < 0.0 and injected[j] not in book:
                return TOO_FEW
    return OK


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
) -> int:
    """All sites over one window of `span` ms.

    rates: (n_sites, n_members) in the order of the members. work: scratch of `work_size`. events: (n_sites,) is
    counted on. Returns code + 8 × site, 0 if all went well.
    """
    n_states, n_injected = counts.shape[1], influx.shape[1]
    n_groups = len(table(tables, g.GROUP_COLUMN))
    a = n_states + 1
    b, c = a + n_injected, a + n_injected + rates.shape[1]
    n, entered, weight = work[:a], work[a:b], work[b:c]
    group, total, block = work[c : c + n_groups], work[c + n_groups : c + 2 * n_groups], work[c + 2 * n_groups :]
    for site in range(len(counts)):
        code: int = begin(tables, n, counts[site], influx[site], clamp[site], means[site])
        if code != OK:
            return code + 8 * site
        done = _window(
            tables, rates[site], n, influx[site], means[site], words[site], entered, weight, group, total, block, span
        )
        counts[site] = n[:n_states]
        if done < 0:
            return BAD_PROPENSITY + 8 * site
        events[site] += done
    return OK


def work_size(n_states: int, n_injected: int, n_members: int, n_groups: int) -> int:
    """Length of the scratch array of `advance`."""
    return n_states + 1 + n_injected + n_members + 2 * n_groups + max(1, -(-n_groups // BLOCK))
