"""The kernels that advance one site: hops and encounters, events of order 0 and 1, what enters and what is held.

Time goes in inner steps. In each, in this order: the hand of the clamp, ions that enter, events of order 0 and 1
(in continuous time within the step), then the sweep of every mobile list that is due. All of the schedule
is in `Molecules`, so windows may be cut anywhere between two ticks.
"""

from __future__ import annotations

import numpy as np

from adapters.lattice.mask import EMPTY, WALL
from adapters.lattice.moves import (
    NO_ROOM,
    any_of,
    entry_at,
    free_at_membrane,
    free_beside,
    free_cell,
    free_slot,
    put,
    take,
    turn,
    turn_cell,
)
from adapters.lattice.tables import FIXED, JUMP_BITS, MEMBRANE, TEST_BITS, Integer, Molecules, Tables, compiled
from couple.component import Floats
from couple.random import below, exponential, uniform

OK, FULL, FEW, NOT_FINITE = 0, 1, 2, 3
"""What `run` returns: all well; no free place left; more ions to remove than there are; an input is not a number."""

_R17, _R19, _R23, _R32, _R41, _R45 = (np.uint64(n) for n in (17, 19, 23, 32, 41, 45))
_TEST_MASK = np.uint64((1 << TEST_BITS) - 1)
_JUMP_SHIFT = np.uint64(32 + JUMP_BITS)
_SIX, _EMPTY, _WALL = np.uint64(6), np.uint64(EMPTY), np.uint64(WALL)
_LARGEST = 1e15


@compiled
def sweep(t: Tables, m: Molecules, at: Integer) -> Integer:
    """One visit to each molecule of a mobile list, the last entry first; returns OK or FULL.

    Downwards, because what takes the place of a removed entry has then had its visit, and what an event appends
    waits for the next sweep. Three things make a hop cheap: the random stream (xoshiro256++, see couple.random) stays
    in registers, for words in memory would put a store and a load into every hop's chain of dependence; indices
    are unsigned, which spares the test for negative ones; and nothing is called inside of the loop over hops.
    """
    s0, s1, s2, s3 = m.words[0], m.words[1], m.words[2], m.words[3]
    lattice, lists, hop = m.lattice, m.lists, t.hop
    codes, limit = np.uint64(t.D.size + 1), t.limit
    base, jump = np.uint64(t.start[at]), t.jump[at]
    i = m.length[at] - 1
    while i >= 0:
        reaction, there = np.int64(-1), np.uint64(0)
        slot = np.int64(-1)
        while i >= 0:
            total = s0 + s3
            word = ((total << _R23) | (total >> _R41)) + s0
            shifted = s1 << _R17
            s2 ^= s0
            s3 ^= s1
            s1 ^= s2
            s0 ^= s3
            s2 ^= shifted
            s3 = (s3 << _R45) | (s3 >> _R19)

            direction = ((word >> _R32) * jump) >> _JUMP_SHIFT
            if direction < _SIX:
                entry = base + np.uint64(i)
                here = np.uint64(lists[entry])
                there = here + hop[direction]
                met = np.uint64(lattice[there])
                if met == _EMPTY:
                    lattice[there] = lattice[here]
                    lattice[here] = EMPTY
                    lists[entry] = there
                else:
                    slot = np.int64(-1)
                    if met == _WALL:
                        face = _SIX * np.uint64(t.wall_row[there]) + direction
                        met = np.uint64(m.face[face])
                        slot = np.int64(face)
                    pair = np.uint64(lattice[here]) * codes + met
                    if np.int64(word & _TEST_MASK) < limit[pair]:
                        channel = t.pair_of[pair]
                        while np.int64(word & _TEST_MASK) >= t.pair_limit[channel]:
                            channel += 1
                        reaction = t.pair_reaction[channel]
                        break
            i -= 1
        if reaction >= 0:
            m.words[0], m.words[1], m.words[2], m.words[3] = s0, s1, s2, s3
            if meet(t, m, at, i, np.int64(there), slot, reaction) != OK:
                return FULL
            s0, s1, s2, s3 = m.words[0], m.words[1], m.words[2], m.words[3]
            i = min(i, m.length[at]) - 1
    m.words[0], m.words[1], m.words[2], m.words[3] = s0, s1, s2, s3
    return OK


@compiled
def book(t: Tables, m: Molecules, reaction: Integer) -> None:
    """Count what an event moves through reservoirs, the hands of clamps included."""
    for k in range(m.reservoir.size):
        m.reservoir[k] += t.booked[reaction, k]


@compiled
def meet(t: Tables, m: Molecules, at: Integer, i: Integer, cell: Integer, slot: Integer, reaction: Integer) -> Integer:
    """Entry `i` of mobile list `at` reacts with the molecule in `cell`, or, if `slot` >= 0, with that on a face."""
    book(t, m, reaction)
    one, two, protein = t.made[reaction, 0], t.made[reaction, 1], t.made[reaction, 2]
    here = np.int64(m.lists[t.start[at] + i])
    if slot >= 0:
        take(t, m, at, i)
        change_protein(t, m, slot, protein)
        return release(t, m, here, one, two)
    mover = np.int64(m.lattice[here]) - 1
    if two >= 0:
        # First product for first reactant, unless that would carry an immobile molecule to another cell.
        partner = np.int64(m.lattice[cell]) - 1
        stays, goes = (two, one) if mover == t.lead[reaction] else (one, two)
        if t.kind[partner] == FIXED and t.kind[goes] == FIXED:
            stays, goes = goes, stays
        turn_cell(t, m, here, goes)
        turn_cell(t, m, cell, stays)
        return OK
    take(t, m, at, i)
    if one >= 0:
        turn_cell(t, m, cell, one)
    else:
        partner = np.int64(m.lattice[cell]) - 1
        take(t, m, t.list_of[partner], entry_at(t, m, cell))
    return OK


@compiled
def change_protein(t: Tables, m: Molecules, slot: Integer, protein: Integer) -> None:
    """Make the molecule on a face one of species `protein`, or remove it (-1)."""
    old = np.int64(m.face[slot]) - 1
    if old == protein:
        return
    at, i = t.list_of[old], np.int64(m.face_entry[slot])
    if protein >= 0:
        turn(t, m, at, i, protein)
    else:
        take(t, m, at, i)


@compiled
def release(t: Tables, m: Molecules, cell: Integer, one: Integer, two: Integer) -> Integer:
    """Put up to two molecules into `cell` or, where it is taken, near it."""
    for species in (one, two):
        if species >= 0:
            place = cell if m.lattice[cell] == EMPTY else free_beside(t, m, cell)
            if place == NO_ROOM:
                return FULL
            put(t, m, species, place)
    return OK


@compiled
def scatter(t: Tables, m: Molecules, one: Integer, two: Integer, at_membrane: bool) -> Integer:
    """Put up to two molecules anywhere, in the volume or at the membrane."""
    for species in (one, two):
        if species >= 0:
            place = free_at_membrane(t, m) if at_membrane else free_cell(t, m)
            if place == NO_ROOM:
                return FULL
            put(t, m, species, place)
    return OK


@compiled
def alone(t: Tables, m: Molecules, at: Integer, i: Integer, reaction: Integer) -> Integer:
    """A reaction of first order of entry `i` of list `at`."""
    place = np.int64(m.lists[t.start[at] + i])
    if t.paired[reaction] and m.lattice[place + t.offsets[below(m.words, 6)]] == WALL:
        return OK
    book(t, m, reaction)
    one, two, protein = t.made[reaction, 0], t.made[reaction, 1], t.made[reaction, 2]
    if t.surface[at]:
        change_protein(t, m, place, protein)
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
def run(
    t: Tables, m: Molecules, k: Integer, steps: Integer, influx: Floats, clamp: Floats, counts: Floats, means: Floats
) -> Integer:
    """Advance site `k` by `steps` inner steps; reads rows `k` of the inputs, writes those of the outputs."""
    status = begin(t, m, steps, influx[k], clamp[k])
    if status != OK:
        return status
    step, n_mobile, n_seen = t.step[0], t.period.size, m.value.size
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
            m.countdown[at] -= 1
            if m.countdown[at] == 0:
                m.countdown[at] = t.period[at]
                if m.length[at] > 0:
                    status = max(status, sweep(t, m, at))
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
