"""The kernels that advance one site: events of order 0 and 1, what enters and what is held, and time itself.

Time goes in inner steps. In each, in this order: the hand of the clamp, ions that enter, events of order 0 and 1
(in continuous time within the step), then the sweep of every mobile list that is due. All of the schedule
is in `LatticeMolecules`, so windows may be cut anywhere between two ticks.
"""

from __future__ import annotations

import math

import numpy as np

from adapters.lattice.common.compiled import Integer, compiled
from adapters.lattice.common.domain import OUTSIDE
from adapters.lattice.physical.encounters import (
    FULL,
    NOT_FINITE,
    NOT_WHOLE,
    OK,
    TOO_FEW,
    TOO_MANY,
    book_reservoirs,
    change_membrane_species,
    place_on_neighbour_face,
    release_products,
    scatter_products,
)
from adapters.lattice.physical.molecules import (
    NO_ROOM,
    add_molecule,
    change_species,
    free_neighbour_cell,
    neighbour_cell,
    random_cell_at_membrane,
    random_entry,
    random_free_cell,
    random_free_face,
    remove_molecule,
)
from adapters.lattice.physical.sweeps import sort_by_place, sweep_membrane, sweep_volume
from adapters.lattice.physical.tables import (
    MEMBRANE,
    MEMBRANE_1,
    MEMBRANE_2,
    OBSERVED,
    PACE_BITS,
    POPULATION,
    RATED,
    SORT_EVERY,
    SORT_SPARSE,
    VOLUME_1,
    VOLUME_2,
    LatticeMolecules,
    LatticeTables,
)
from couple.base.arrays import Floats
from couple.base.budget import MOST_EVENTS
from couple.chemistry.whole_counts import held_count
from couple.rng.streams import below, exponential, uniform

_LARGEST = 1e15
_DUE = 1 << PACE_BITS


@compiled
def react_first_order(t: LatticeTables, m: LatticeMolecules, at: Integer, i: Integer, reaction: Integer) -> Integer:
    """A reaction of first order of entry `i` of list `at`."""
    place = np.int64(m.lists[t.start[at] + i])
    one, two, protein, other = (
        t.products[reaction, VOLUME_1],
        t.products[reaction, VOLUME_2],
        t.products[reaction, MEMBRANE_1],
        t.products[reaction, MEMBRANE_2],
    )
    if t.needs_open_direction[reaction]:
        if t.surface[at]:
            if t.edge_neighbours[4 * place + below(m.words, t.offsets.size - 2)] < 0:
                return OK
        elif m.lattice[neighbour_cell(t, m, place, below(m.words, t.offsets.size))] >= OUTSIDE:
            return OK
    book_reservoirs(t, m, reaction)
    if t.surface[at]:
        # As below: each of two partners is the one that walks in proportion to its D.
        if other >= 0 and uniform(m.words) * (t.D[protein] + t.D[other]) <= t.D[protein]:
            protein, other = other, protein
        change_membrane_species(t, m, place, protein)
        if place_on_neighbour_face(t, m, place, other) != OK:
            return FULL
        if t.scattered[reaction]:
            return scatter_products(t, m, one, two, True)
        return release_products(t, m, np.int64(t.slot_cell[place]), one, two)
    if one < 0:
        remove_molecule(t, m, at, i)
        return OK
    if two < 0:
        change_species(t, m, at, i, one)
        return OK
    # In the reverse of an encounter each partner is the one that hops in proportion to its D; immobile ones never are.
    if uniform(m.words) * (t.D[one] + t.D[two]) <= t.D[one]:
        stays, goes = two, one
    else:
        stays, goes = one, two
    change_species(t, m, at, i, stays)
    if t.scattered[reaction]:
        return scatter_products(t, m, goes, -1, False)
    target = free_neighbour_cell(t, m, place)
    if target == NO_ROOM:
        return FULL
    add_molecule(t, m, goes, target)
    return OK


@compiled
def react_zeroth_order(t: LatticeTables, m: LatticeMolecules, reaction: Integer) -> Integer:
    """A reaction of order 0."""
    book_reservoirs(t, m, reaction)
    one, two, protein = t.products[reaction, VOLUME_1], t.products[reaction, VOLUME_2], t.products[reaction, MEMBRANE_1]
    if protein < 0:
        return scatter_products(t, m, one, two, False)
    slot = random_free_face(t, m)
    if slot == NO_ROOM:
        return FULL
    add_molecule(t, m, protein, slot)
    return scatter_products(t, m, one, two, True)


@compiled
def candidate_rate(t: LatticeTables, m: LatticeMolecules) -> float:
    """Candidates for events of order 0 and 1 per ms: each molecule counts with the largest rate of its list."""
    total = 0.0
    for k in range(t.zero_rate.size):
        total += t.zero_rate[k]
    for at in range(t.list_rate.size):
        total += m.length[at] * t.list_rate[at]
    return total


@compiled
def try_event(t: LatticeTables, m: LatticeMolecules) -> Integer:
    """Draw one candidate event and do it if it is one."""
    x = uniform(m.words) * m.total_rate[0]
    for k in range(t.zero_rate.size):
        x -= t.zero_rate[k]
        if x <= 0.0:
            return react_zeroth_order(t, m, t.zero_reaction[k])
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
            return react_first_order(t, m, chosen, i, t.first_reaction[k])
    return OK


@compiled
def run_events(t: LatticeTables, m: LatticeMolecules, step: float, most: float) -> Integer:
    """Events of order 0 and 1 in one inner step. most: summed rate, /ms, above which nobody would wait for their end.

    `wait` is what is left of an exponential variate; the summed rate eats it up. It lives on from step to step
    whatever happens to the counts or to a candidate that is none, so nothing is ever lost or drawn twice.
    """
    left = step
    while True:
        if m.revision[RATED] != m.revision[POPULATION]:
            m.revision[RATED] = m.revision[POPULATION]
            m.total_rate[0] = candidate_rate(t, m)
            if not m.total_rate[0] <= most:
                return TOO_MANY
        if m.wait[0] >= m.total_rate[0] * left:
            m.wait[0] -= m.total_rate[0] * left
            return OK
        left -= m.wait[0] / m.total_rate[0]
        m.wait[0] = exponential(m.words)
        status = try_event(t, m)
        if status != OK:
            return status


@compiled
def hold_clamps(t: LatticeTables, m: LatticeMolecules, targets: Floats) -> Integer:
    """Bring clamped species to what is to be held now: more at random free places, fewer at random.

    What the hand changes its mind about is booked; what reactions took or made was booked with them.
    """
    for c in range(t.clamped.size):
        species = t.clamped[c]
        target = held_count(targets[c], m.clamp_phase[c])
        m.reservoir[t.clamp_column[species]] -= target - m.held[c]
        m.held[c] = target
        while m.population[species] > target:
            remove_molecule(t, m, t.list_of[species], random_entry(t, m, species))
        while m.population[species] < target:
            place = random_free_face(t, m) if t.kind[species] == MEMBRANE else random_free_cell(t, m)
            if place == NO_ROOM:
                return FULL
            add_molecule(t, m, species, place)
    return OK


@compiled
def next_entry_step(admitted: Integer, n: Integer, steps: Integer) -> Integer:
    """Step in which ion `admitted` of `n` enters, the n moments evenly spaced over the window."""
    return (2 * admitted + 1) * steps // (2 * n) if admitted < n else steps


@compiled
def admit_ion(t: LatticeTables, m: LatticeMolecules, species: Integer) -> Integer:
    """One molecule from outside: at the membrane, or on it."""
    place = random_free_face(t, m) if t.kind[species] == MEMBRANE else random_cell_at_membrane(t, m)
    if place == NO_ROOM:
        return FULL
    add_molecule(t, m, species, place)
    if t.clamp_column[species] >= 0:
        m.reservoir[t.clamp_column[species]] += 1
    return OK


@compiled
def begin_window(t: LatticeTables, m: LatticeMolecules, steps: Integer, influx: Floats, targets: Floats) -> Integer:
    """Take up the inputs of a window: what is held before, ions that leave, times of those that enter."""
    for c in range(t.clamped.size):
        if not 0.0 <= targets[c] < _LARGEST:
            return NOT_FINITE
        m.held[c] = m.population[t.clamped[c]]
    for c in range(t.injected.size):
        if not abs(influx[c]) < _LARGEST:
            return NOT_FINITE
        if influx[c] != math.floor(influx[c]):
            return NOT_WHOLE
        n, species = np.int64(influx[c]), t.injected[c]
        if -n > m.population[species]:
            return TOO_FEW
        for _ in range(-n):
            remove_molecule(t, m, t.list_of[species], random_entry(t, m, species))
            if t.clamp_column[species] >= 0:
                m.reservoir[t.clamp_column[species]] -= 1
        m.admitted[c] = 0
        m.next_entry[c] = next_entry_step(0, n, steps)
    return OK


@compiled
def update_observables(t: LatticeTables, m: LatticeMolecules) -> None:
    """The observables as they are now."""
    for o in range(m.observables.size):
        value = 0.0
        for s in range(m.population.size):
            value += t.weights[o, s] * m.population[s]
        m.observables[o] = value


@compiled
def sweep_list(t: LatticeTables, m: LatticeMolecules, at: Integer) -> Integer:
    """A sweep of a mobile list; now and then the list of a large lattice is sorted before."""
    if t.surface[at]:
        return sweep_membrane(t, m, at)
    if m.sort_buffer.size > 0:
        if m.unsorted[at] % (SORT_EVERY if m.length[at] > 8 * m.block_start.size else SORT_SPARSE) == 0:
            sort_by_place(t, m, at)
        m.unsorted[at] += 1
    return sweep_volume(t, m, at)


@compiled
def run(
    t: LatticeTables,
    m: LatticeMolecules,
    k: Integer,
    steps: Integer,
    influx: Floats,
    clamp: Floats,
    counts: Floats,
    means: Floats,
) -> Integer:
    """Advance site `k` by `steps` inner steps; reads rows `k` of the inputs, writes those of the outputs."""
    status = begin_window(t, m, steps, influx[k], clamp[k])
    if status != OK:
        return status
    step, n_mobile, n_seen = t.step[0], t.pace.size, m.observables.size
    most = MOST_EVENTS / (step * steps)
    for o in range(n_seen):
        means[k, o] = 0.0
    for now in range(steps):
        if t.clamped.size > 0:
            status = max(status, hold_clamps(t, m, clamp[k]))
        for c in range(t.injected.size):
            while m.next_entry[c] <= now:
                status = max(status, admit_ion(t, m, t.injected[c]))
                m.admitted[c] += 1
                m.next_entry[c] = next_entry_step(m.admitted[c], np.int64(influx[k, c]), steps)
        if m.revision[RATED] == m.revision[POPULATION] and m.wait[0] >= m.total_rate[0] * step:
            m.wait[0] -= m.total_rate[0] * step  # what `run_events` would do, without the call
        else:
            status = max(status, run_events(t, m, step, most))
        for at in range(n_mobile):
            m.phase[at] += t.pace[at]
            if m.phase[at] >= _DUE:
                m.phase[at] -= _DUE
                if m.length[at] > 0:
                    status = max(status, sweep_list(t, m, at))
        if status != OK:
            return status
        if n_seen > 0 and m.revision[OBSERVED] != m.revision[POPULATION]:
            m.revision[OBSERVED] = m.revision[POPULATION]
            update_observables(t, m)
        for o in range(n_seen):
            means[k, o] += m.observables[o]
        for c in range(t.clamped.size):
            m.clamp_phase[c] += t.clamp_turn[c]
    if t.clamped.size > 0:
        status = hold_clamps(t, m, clamp[k])
    for o in range(n_seen):
        means[k, o] /= steps
    for s in range(m.population.size):
        counts[k, s] = m.population[s]
    for s in range(m.reservoir.size):
        counts[k, m.population.size + s] = m.reservoir[s]
    return status
