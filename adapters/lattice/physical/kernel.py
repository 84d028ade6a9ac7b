"""The kernels that advance one site: events of order 0 and 1, what enters and what is held, and time itself.

Time goes in inner steps. In each, in this order: the hand of the clamp, ions that enter, events of order 0 and 1
(in continuous time within the step), then the sweep of every mobile list that is due. All of the schedule
is in `Molecules`, so windows may be cut anywhere between two ticks.
"""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Integer, compiled
from adapters.lattice.common.domain import OUTSIDE
from adapters.lattice.physical.meetings import FULL, OK, book, change_protein, release, scatter, settle
from adapters.lattice.physical.moves import (
    NO_ROOM,
    any_of,
    cell_in,
    free_at_membrane,
    free_beside,
    free_cell,
    free_slot,
    put,
    take,
    turn,
)
from adapters.lattice.physical.sweeps import sort, sweep, sweep_surface
from adapters.lattice.physical.tables import MEMBRANE, PACE_BITS, SORT_EVERY, SORT_SPARSE, Molecules, Tables
from couple.base.arrays import Floats
from couple.rng.streams import below, exponential, uniform

FEW, NOT_FINITE = 2, 3
"""What `run` returns besides OK and FULL: more ions to remove than there are; an input is not a number."""

_LARGEST = 1e15
_DUE = 1 << PACE_BITS


@compiled
def alone(t: Tables, m: Molecules, at: Integer, i: Integer, reaction: Integer) -> Integer:
    """A reaction of first order of entry `i` of list `at`."""
    place = np.int64(m.lists[t.start[at] + i])
    one, two, protein, other = t.made[reaction, 0], t.made[reaction, 1], t.made[reaction, 2], t.made[reaction, 3]
    if t.paired[reaction]:
        if t.surface[at]:
            if t.beside[4 * place + below(m.words, t.offsets.size - 2)] < 0:
                return OK
        elif m.lattice[cell_in(t, m, place, below(m.words, t.offsets.size))] >= OUTSIDE:
            return OK
    book(t, m, reaction)
    if t.surface[at]:
        # As below: each of two partners is the one that walks in proportion to its D.
        if other >= 0 and uniform(m.words) * (t.D[protein] + t.D[other]) <= t.D[protein]:
            protein, other = other, protein
        change_protein(t, m, place, protein)
        if settle(t, m, place, other) != OK:
            return FULL
        if t.apart[reaction]:
            return scatter(t, m, one, two, True)
        return release(t, m, np.int64(t.slot_cell[place]), one, two)
    if one < 0:
        take(t, m, at, i)
        return OK
    if two < 0:
        turn(t, m, at, i, one)
        return OK
    # In the reverse of an encounter each partner is the one that hops in proportion to its D; immobile ones never are.
    if uniform(m.words) * (t.D[one] + t.D[two]) <= t.D[one]:
        stays, goes = two, one
    else:
        stays, goes = one, two
    turn(t, m, at, i, stays)
    if t.apart[reaction]:
        return scatter(t, m, goes, -1, False)
    target = free_beside(t, m, place)
    if target == NO_ROOM:
        return FULL
    put(t, m, goes, target)
    return OK


@compiled
def appear(t: Tables, m: Molecules, reaction: Integer) -> Integer:
    """A reaction of order 0."""
    book(t, m, reaction)
    one, two, protein = t.made[reaction, 0], t.made[reaction, 1], t.made[reaction, 2]
    if protein < 0:
        return scatter(t, m, one, two, False)
    slot = free_slot(t, m)
    if slot == NO_ROOM:
        return FULL
    put(t, m, protein, slot)
    return scatter(t, m, one, two, True)


@compiled
def summed_rate(t: Tables, m: Molecules) -> float:
    """Candidates for events of order 0 and 1 per ms: each molecule counts with the largest rate of its list."""
    total = 0.0
    for k in range(t.zero_rate.size):
        total += t.zero_rate[k]
    for at in range(t.list_rate.size):
        total += m.length[at] * t.list_rate[at]
    return total


@compiled
def candidate(t: Tables, m: Molecules) -> Integer:
    """Draw one candidate event and do it if it is one."""
    x = uniform(m.words) * m.total[0]
    for k in range(t.zero_rate.size):
        x -= t.zero_rate[k]
        if x <= 0.0:
            return appear(t, m, t.zero_reaction[k])
    chosen = -1
    for at in range(t.list_rate.size):
        if m.length[at] > 0 and t.list_rate[at] > 0.0:
            chosen = at
            x -= m.length[at] * t.list_rate[at]
            if x <= 0.0:
                break
    if chosen < 0:
        return OK
    i = below(m.words, m.length[chosen])
    place = m.lists[t.start[chosen] + i]
    species = np.int64(m.face[place] if t.surface[chosen] else m.lattice[place]) - 1
    y = uniform(m.words) * t.list_rate[chosen]
    for k in range(t.first_of[species], t.first_of[species + 1]):
        y -= t.first_rate[k]
        if y <= 0.0:
            return alone(t, m, chosen, i, t.first_reaction[k])
    return OK


@compiled
def events(t: Tables, m: Molecules, step: float) -> Integer:
    """Events of order 0 and 1 in one inner step.

    `wait` is what is left of an exponential variate; the summed rate eats it up. It lives on from step to step
    whatever happens to the counts or to a candidate that is none, so nothing is ever lost or drawn twice.
    """
    left = step
    while True:
        if m.revision[1] != m.revision[0]:
            m.revision[1] = m.revision[0]
            m.total[0] = summed_rate(t, m)
        if m.wait[0] >= m.total[0] * left:
            m.wait[0] -= m.total[0] * left
            return OK
        left -= m.wait[0] / m.total[0]
        m.wait[0] = exponential(m.words)
        status = candidate(t, m)
        if status != OK:
            return status


@compiled
def hold(t: Tables, m: Molecules, targets: Floats) -> Integer:
    """Bring clamped species back to their counts: more at random free places, fewer at random."""
    for c in range(t.clamped.size):
        species = t.clamped[c]
        target = np.int64(round(targets[c]))
        while m.population[species] > target:
            take(t, m, t.list_of[species], any_of(t, m, species))
        while m.population[species] < target:
            place = free_slot(t, m) if t.kind[species] == MEMBRANE else free_cell(t, m)
            if place == NO_ROOM:
                return FULL
            put(t, m, species, place)
    return OK


@compiled
def next_due(done: Integer, n: Integer, steps: Integer) -> Integer:
    """Step in which ion `done` of `n` enters, the n moments evenly spaced over the window."""
    return (2 * done + 1) * steps // (2 * n) if done < n else steps


@compiled
def enter(t: Tables, m: Molecules, species: Integer) -> Integer:
    """One molecule from outside: at the membrane, or on it."""
    place = free_slot(t, m) if t.kind[species] == MEMBRANE else free_at_membrane(t, m)
    if place == NO_ROOM:
        return FULL
    put(t, m, species, place)
    if t.clamp_column[species] >= 0:
        m.reservoir[t.clamp_column[species]] += 1
    return OK


@compiled
def begin(t: Tables, m: Molecules, steps: Integer, influx: Floats, targets: Floats) -> Integer:
    """Take up the inputs of a window: new targets of clamps, ions that leave, times of those that enter."""
    for c in range(t.clamped.size):
        if not 0.0 <= targets[c] < _LARGEST:
            return NOT_FINITE
        species = t.clamped[c]
        m.reservoir[t.clamp_column[species]] -= np.int64(round(targets[c])) - m.population[species]
    for c in range(t.injected.size):
        if not abs(influx[c]) < _LARGEST:
            return NOT_FINITE
        n, species = np.int64(round(influx[c])), t.injected[c]
        if -n > m.population[species]:
            return FEW
        for _ in range(-n):
            take(t, m, t.list_of[species], any_of(t, m, species))
            if t.clamp_column[species] >= 0:
                m.reservoir[t.clamp_column[species]] -= 1
        m.done[c] = 0
        m.due[c] = next_due(0, n, steps)
    return OK


@compiled
def observe(t: Tables, m: Molecules) -> None:
    """The observables as they are now."""
    for o in range(m.value.size):
        value = 0.0
        for s in range(m.population.size):
            value += t.weights[o, s] * m.population[s]
        m.value[o] = value


@compiled
def hop(t: Tables, m: Molecules, at: Integer) -> Integer:
    """A sweep of a mobile list; now and then the list of a large lattice is sorted before."""
    if t.surface[at]:
        return sweep_surface(t, m, at)
    if m.spare.size > 0:
        if m.unsorted[at] % (SORT_EVERY if m.length[at] > 8 * m.block.size else SORT_SPARSE) == 0:
            sort(t, m, at)
        m.unsorted[at] += 1
    return sweep(t, m, at)


@compiled
def run(
    t: Tables, m: Molecules, k: Integer, steps: Integer, influx: Floats, clamp: Floats, counts: Floats, means: Floats
) -> Integer:
    """Advance site `k` by `steps` inner steps; reads rows `k` of the inputs, writes those of the outputs."""
    status = begin(t, m, steps, influx[k], clamp[k])
    if status != OK:
        return status
    step, n_mobile, n_seen = t.step[0], t.pace.size, m.value.size
    for o in range(n_seen):
        means[k, o] = 0.0
    for now in range(steps):
        if t.clamped.size > 0:
            status = max(status, hold(t, m, clamp[k]))
        for c in range(t.injected.size):
            while m.due[c] <= now:
                status = max(status, enter(t, m, t.injected[c]))
                m.done[c] += 1
                m.due[c] = next_due(m.done[c], np.int64(round(influx[k, c])), steps)
        if m.revision[1] == m.revision[0] and m.wait[0] >= m.total[0] * step:
            m.wait[0] -= m.total[0] * step  # what `events` would do, without the call
        else:
            status = max(status, events(t, m, step))
        for at in range(n_mobile):
            m.phase[at] += t.pace[at]
            if m.phase[at] >= _DUE:
                m.phase[at] -= _DUE
                if m.length[at] > 0:
                    status = max(status, hop(t, m, at))
        if status != OK:
            return status
        if n_seen > 0 and m.revision[2] != m.revision[0]:
            m.revision[2] = m.revision[0]
            observe(t, m)
        for o in range(n_seen):
            means[k, o] += m.value[o]
    if t.clamped.size > 0:
        status = hold(t, m, clamp[k])
    for o in range(n_seen):
        means[k, o] /= steps
    for s in range(m.population.size):
        counts[k, s] = m.population[s]
    for s in range(m.reservoir.size):
        counts[k, m.population.size + s] = m.reservoir[s]
    return status
