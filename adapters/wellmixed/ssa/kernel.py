"""Kernel of the exact stochastic simulation: all sites over one window in one call.

Gillespie, J Phys Chem 81:2340 (1977). Every sum is rebuilt from the counts at the start of a window, and every so many
events, so that rounding cannot drift and nothing but counts and random words carries over.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from adapters.wellmixed.common.codes import BAD_CLAMP, BAD_INFLUX, BAD_PROPENSITY, INLINE, JIT, OK, TOO_FEW
from adapters.wellmixed.common.law_tables import START, load_constants, run_laws
from adapters.wellmixed.ssa.grouping import BLOCK, GroupedReactions, unpack
from adapters.wellmixed.ssa.levels import Levels
from adapters.wellmixed.ssa.selection import (
    GroupSums,
    choose_group,
    clear_propensities,
    set_propensity,
    settle_sums,
    sum_propensities,
)
from couple.base.arrays import Floats, Ints, Words
from couple.base.budget import MOST_EVENTS
from couple.cache.kernels import njit
from couple.cache.native import floats, integers, rows, word_rows
from couple.rng.streams import exponential

REFRESH, REFRESH_LEVELS = 1024, 1 << 16
"""Events after which sums are rebuilt: of the direct method, and of levels."""
GRID = float(1 << 24)
"""Clamped counts are multiples of 1/GRID: what is booked against them then adds up without rounding."""


class SiteMolecules(NamedTuple):
    """One site within a window."""

    n: Floats  # (n_states + 1 + ...) counts, the constant 1, what rate laws work out
    entered: Floats  # (n_injected,) molecules of the influx that are in already
    weight: Floats  # (n_members,) rate × partners: propensity per molecule of the shared reactant, per ms
    group: Floats  # (n_groups,) sums of weights


@njit(cache=True, inline="always")
def partners(n: Floats, column: int, self_pair: int) -> float:
    """Partners of one molecule of the shared reactant; a clamped count below 1 leaves none of its own kind."""
    partners = n[column] - self_pair
    return 0.0 if partners < 0.0 < n[column] else partners


@njit(**INLINE)
def rebuild(
    reactions: GroupedReactions, rates: Floats, here: SiteMolecules, sums: GroupSums, levels: Levels | None
) -> None:
    """Weights of members and of groups, and propensities of groups, from the counts."""
    clear_propensities(sums, levels)
    if len(reactions.law_code) > 0:
        run_laws(reactions.law_code, reactions.law, here.n)
    for k in range(len(reactions.group_column)):
        w = 0.0
        for m in range(reactions.group_start[k], reactions.group_start[k + 1]):
            here.weight[m] = rates[m] * partners(here.n, reactions.second[m], reactions.self_pair[m])
            w += here.weight[m]
        here.group[k] = w
        set_propensity(sums, levels, k, here.n[reactions.group_column[k]] * w)
    settle_sums(levels)


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


@njit(**INLINE)
def choose_event(
    reactions: GroupedReactions,
    here: SiteMolecules,
    sums: GroupSums,
    levels: Levels | None,
    words: Words,
    everything: float,
) -> int:
    """The reaction that happens, by the direct method; -1 if rounding pointed behind the last."""
    k, target = choose_group(sums, levels, words, everything)
    if k < 0 or not here.n[reactions.group_column[k]] > 0.0:
        return -1
    target /= here.n[reactions.group_column[k]]
    for m in range(reactions.group_start[k], reactions.group_start[k + 1]):
        if target <= here.weight[m] and here.weight[m] > 0.0:
            return int(m)
        target -= here.weight[m]
    return -1


@njit(**INLINE)
def change_counts(
    reactions: GroupedReactions, rates: Floats, here: SiteMolecules, sums: GroupSums, levels: Levels | None, event: int
) -> None:
    """Counts after an event, and the weights and propensities that depend on them."""
    for i in range(reactions.change_start[event], reactions.change_start[event + 1]):
        here.n[reactions.change_column[i]] += reactions.change_by[i]
    if reactions.stirs[event]:
        run_laws(reactions.law_code, reactions.law, here.n)
    for i in range(reactions.weight_start[event], reactions.weight_start[event + 1]):
        m = reactions.weight_member[i]
        w = rates[m] * (here.n[reactions.second[m]] - reactions.self_pair[m])
        here.group[reactions.weight_group[i]] += w - here.weight[m]
        here.weight[m] = w
    for i in range(reactions.touched_start[event], reactions.touched_start[event + 1]):
        k = reactions.touched[i]
        set_propensity(sums, levels, k, here.n[reactions.group_column[k]] * here.group[k])


@njit(**INLINE)
def advance_site(
    reactions: GroupedReactions,
    rates: Floats,
    here: SiteMolecules,
    sums: GroupSums,
    levels: Levels | None,
    influx: Floats,
    means: Floats,
    words: Words,
    span: float,
) -> int:
    """One site over one window. Returns the number of reactions, -1 for propensities that are none or too large."""
    refresh = REFRESH if levels is None else REFRESH_LEVELS
    here.entered[:] = 0.0
    entering, entry_time = next_entry(influx, here.entered, span)
    rebuild(reactions, rates, here, sums, levels)
    t, happened, fresh, per_span = 0.0, 0, 0, 1.0 / span
    most = MOST_EVENTS * per_span
    while True:
        everything = sum_propensities(sums, levels)
        if fresh >= refresh or not 0.0 <= everything < most:  # rounding may leave a sum below zero: look again
            if fresh == 0:
                return -1
            rebuild(reactions, rates, here, sums, levels)
            fresh = 0
            continue
        t_event = t + exponential(words) / everything if everything > 0.0 else math.inf
        if t_event >= entry_time:
            # the exponential is without memory: what was drawn is dropped at the boundary
            t = entry_time
            if entering < 0:
                return happened
            event = len(here.weight) + entering
            here.entered[entering] += 1.0
            entering, entry_time = next_entry(influx, here.entered, span)
        else:
            event = choose_event(reactions, here, sums, levels, words, everything)
            if event < 0:
                fresh = refresh  # rounding pointed behind the last reaction: rebuild and draw again
                continue
            t = t_event
            happened += 1
        fresh += 1
        change_counts(reactions, rates, here, sums, levels, event)
        for i in range(reactions.seen_start[event], reactions.seen_start[event + 1]):
            means[reactions.seen[i]] += reactions.seen_by[i] * ((span - t) * per_span)


@njit(**INLINE)
def take_inputs(reactions: GroupedReactions, n: Floats, influx: Floats, clamp: Floats) -> int:
    """Set clamped counts and take out what leaves; returns a code. What enters comes in during the window."""
    for k in range(len(reactions.clamped)):
        if not 0.0 <= clamp[k] < math.inf:
            return BAD_CLAMP
        target = math.floor(clamp[k] * GRID + 0.5) / GRID
        n[reactions.clamp_book[k]] -= target - n[reactions.clamped[k]]
        n[reactions.clamped[k]] = target
    for j in range(len(reactions.injected)):
        if not -math.inf < influx[j] < math.inf or influx[j] != math.floor(influx[j]):
            return BAD_INFLUX
        if influx[j] < 0.0:
            n[reactions.injected[j]] += influx[j]
            if n[reactions.injected[j]] < 0.0 and reactions.injected[j] not in reactions.clamp_book:
                return TOO_FEW
    return OK


@njit(**INLINE)
def observe(reactions: GroupedReactions, n: Floats, means: Floats) -> None:
    """Set `means` (n_observables,) to the observables of the counts `n`."""
    for o in range(len(means)):
        means[o] = 0.0
        for i in range(reactions.watched_start[o], reactions.watched_start[o + 1]):
            means[o] += n[reactions.watched[i]]


@njit(**JIT)
def advance(
    packed: Ints,
    counts: Floats,
    influx: Floats,
    clamp: Floats,
    means: Floats,
    rates: Floats,
    words: Words,
    events: Ints,
    work: Floats,
    span: float,
    levels: Levels | None,
) -> int:
    """All sites over one window of `span` ms.

    packed: GroupedReactions, see `packing`. counts: (n_sites, n_states). influx: (n_sites, n_injected) whole molecules.
    clamp: (n_sites, n_clamped). means: (n_sites, n_observables) are set. rates: (n_sites, n_members) in the order of
    the members, then the constants of rate laws. words: (n_sites, 4). events: (n_sites,) is counted on. work: scratch
    of `work_size`. levels: for the groups, to choose them by composition and rejection. Returns code + 8 × site, 0 if
    all went well.
    """
    reactions = unpack(packed)
    n_states, n_injected = counts.shape[1], influx.shape[1]
    n_groups = len(reactions.group_column)
    n_members = len(reactions.second)
    a = reactions.law[START] + len(reactions.law_code) // 4
    b, c = a + n_injected, a + n_injected + n_members
    d = c + n_groups
    here = SiteMolecules(work[:a], work[a:b], work[b:c], work[c:d])
    sums = GroupSums(work[d : d + n_groups], work[d + n_groups :])
    for site in range(len(counts)):
        for i in range(n_states):
            here.n[i] = counts[site, i]
        here.n[n_states] = 1.0
        load_constants(reactions.law, rates[site], n_members, here.n)
        code: int = take_inputs(reactions, here.n, influx[site], clamp[site])
        observe(reactions, here.n, means[site])
        if code != OK:
            return code + 8 * site
        happened = advance_site(
            reactions, rates[site], here, sums, levels, influx[site], means[site], words[site], span
        )
        for i in range(n_states):
            counts[site, i] = here.n[i]
        if happened < 0:
            return BAD_PROPENSITY + 8 * site
        events[site] += happened
    return OK


def work_size(width: int, n_injected: int, n_members: int, n_groups: int) -> int:
    """Length of the scratch array of `advance`; width: states, the constant 1 and what rate laws work out."""
    return width + n_injected + n_members + 2 * n_groups + max(1, -(-n_groups // BLOCK))


@njit(cache=True)
def advance_of(context: int) -> int:
    """`advance` of a context (packed, counts, influx, clamp, means, rates, words, events, work, [span]), and no levels.

    Returns what that does.
    """
    t = integers(context, 26)
    counts, influx, clamp = rows(t[2], t[3], t[4]), rows(t[5], t[6], t[7]), rows(t[8], t[9], t[10])
    means, rates, words = rows(t[11], t[12], t[13]), rows(t[14], t[15], t[16]), word_rows(t[17], t[18], t[19])
    packed, events, work = integers(t[0], t[1]), integers(t[20], t[21]), floats(t[22], t[23])
    span = floats(t[24], t[25])[0]
    return advance(packed, counts, influx, clamp, means, rates, words, events, work, span, None)  # type: ignore[no-any-return]
