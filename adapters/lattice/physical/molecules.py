"""Kernels that put molecules in, take them out and turn them into each other; lattice and lists always agree.

`t` are the Tables, `m` the Molecules of one site. A place is a cell (volume species) or a slot (membrane species).
"""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Int32, Int64, Integer, Uint8, compiled
from adapters.lattice.common.domain import EMPTY, OUTSIDE, PERIODIC
from adapters.lattice.common.neighbours import FULL_SHAPE, SHAPE
from adapters.lattice.physical.tables import FIXED, MEMBRANE, MOBILE, POPULATION, LatticeMolecules, LatticeTables
from couple.base.arrays import Words
from couple.rng.streams import below

TRIES = 64
MANY_TRIES = 512
NO_ROOM = -1


@compiled
def add_molecule(t: LatticeTables, m: LatticeMolecules, species: Integer, place: Integer) -> None:
    """Add a molecule at a free place."""
    at = t.list_of[species]
    n = m.length[at]
    m.lists[t.start[at] + n] = place
    m.length[at] = n + 1
    m.population[species] += 1
    m.revision[POPULATION] += 1
    kind = t.kind[species]
    if kind == MEMBRANE:
        m.face[place] = species + 1
        m.face_entry[place] = n
    else:
        m.lattice[place] = species + 1
        if kind == FIXED:
            m.entry[place] = n


@compiled
def add_molecules(t: LatticeTables, m: LatticeMolecules, species: Int64, places: Int32) -> None:
    """Add one molecule of each of `species` at the free place with the same number."""
    for k in range(species.size):
        add_molecule(t, m, species[k], np.int64(places[k]))


@compiled
def remove_molecule(t: LatticeTables, m: LatticeMolecules, at: Integer, i: Integer) -> Integer:
    """Remove entry `i` of list `at`; the last entry takes its number. Returns the place left."""
    base, n = t.start[at], m.length[at] - 1
    place, last = np.int64(m.lists[base + i]), np.int64(m.lists[base + n])
    m.lists[base + i] = last
    m.length[at] = n
    m.revision[POPULATION] += 1
    if t.surface[at]:
        species = np.int64(m.face[place]) - 1
        m.face_entry[last] = i
        m.face[place] = EMPTY
    else:
        species = np.int64(m.lattice[place]) - 1
        if t.kind[species] == FIXED:
            m.entry[last] = i
        m.lattice[place] = EMPTY
    m.population[species] -= 1
    return place


@compiled
def change_species(t: LatticeTables, m: LatticeMolecules, at: Integer, i: Integer, species: Integer) -> None:
    """Make entry `i` of list `at` a molecule of `species` where it is."""
    if t.list_of[species] != at:
        add_molecule(t, m, species, remove_molecule(t, m, at, i))
        return
    place = m.lists[t.start[at] + i]
    m.revision[POPULATION] += 1
    m.population[species] += 1
    if t.surface[at]:
        m.population[np.int64(m.face[place]) - 1] -= 1
        m.face[place] = species + 1
    else:
        m.population[np.int64(m.lattice[place]) - 1] -= 1
        m.lattice[place] = species + 1


@compiled
def entry_of_cell(t: LatticeTables, m: LatticeMolecules, cell: Integer) -> Integer:
    """Entry of the molecule in `cell` within its list; a search only if it is mobile."""
    species = np.int64(m.lattice[cell]) - 1
    if t.kind[species] == FIXED:
        return np.int64(m.entry[cell])
    at = t.list_of[species]
    base, i = t.start[at], 0
    while m.lists[base + i] != cell:
        i += 1
    return i


@compiled
def change_species_in_cell(t: LatticeTables, m: LatticeMolecules, cell: Integer, species: Integer) -> None:
    """Make the molecule in `cell` one of `species`; without a search where both are in one list."""
    old = np.int64(m.lattice[cell]) - 1
    at = t.list_of[old]
    if at == t.list_of[species]:
        m.population[old] -= 1
        m.population[species] += 1
        m.lattice[cell] = species + 1
        m.revision[POPULATION] += 1
    else:
        change_species(t, m, at, entry_of_cell(t, m, cell), species)


@compiled
def random_entry(t: LatticeTables, m: LatticeMolecules, species: Integer) -> Integer:
    """Entry of a random molecule of `species` (there must be one) in its list."""
    at = t.list_of[species]
    i: Integer = below(m.words, m.length[at])
    if t.surface[at]:
        while m.face[m.lists[t.start[at] + i]] != species + 1:
            i = below(m.words, m.length[at])
    elif t.kind[species] == MOBILE:
        while m.lattice[m.lists[t.start[at] + i]] != species + 1:
            i = below(m.words, m.length[at])
    return i


@compiled
def random_free_place(places: Int32, taken: Uint8, words: Words) -> Integer:
    """One of `places` that is EMPTY in `taken`, uniformly, or NO_ROOM."""
    n = places.size
    n_free = 0
    if n > 0:
        for _ in range(TRIES):
            place = np.int64(places[below(words, n)])
            if taken[place] == EMPTY:
                return place
    # Nearly full: count what is free, then take one of it.
    for k in range(n):
        n_free += taken[places[k]] == EMPTY
    if n_free > 0:
        chosen = below(words, n_free)
        for k in range(n):
            if taken[places[k]] == EMPTY:
                if chosen == 0:
                    return np.int64(places[k])
                chosen -= 1
    return NO_ROOM


@compiled
def random_free_cell(t: LatticeTables, m: LatticeMolecules) -> Integer:
    """A free cell, uniformly, or NO_ROOM. Cells are drawn from the box around the mask."""
    layout, lattice = t.layout, m.lattice
    for _ in range(MANY_TRIES):
        at: Integer = 0
        for k in range(3):
            halo = (layout[FULL_SHAPE + k] - layout[SHAPE + k]) // 2
            at = (
                at * layout[FULL_SHAPE + k] + halo + (below(m.words, layout[SHAPE + k]) if layout[SHAPE + k] > 1 else 0)
            )
        if lattice[at] == EMPTY:
            return at
    # Nearly full: count what is free, then take one of it.
    n_free = 0
    for k in range(lattice.size):
        n_free += lattice[k] == EMPTY
    if n_free > 0:
        chosen = below(m.words, n_free)
        for k in range(lattice.size):
            if lattice[k] == EMPTY:
                if chosen == 0:
                    return k
                chosen -= 1
    return NO_ROOM


@compiled
def random_free_face(t: LatticeTables, m: LatticeMolecules) -> Integer:
    """A free membrane face, uniformly, or NO_ROOM."""
    return random_free_place(t.slots, m.face, m.words)


@compiled
def neighbour_cell(t: LatticeTables, m: LatticeMolecules, cell: Integer, direction: Integer) -> Integer:
    """The place that a hop leads to: a cell, or one in the halo where there is none."""
    there: Integer = cell + t.offsets[direction]
    if m.lattice[there] == PERIODIC:
        there += np.int64(t.shift[direction])
    return there


@compiled
def free_neighbour_cell(t: LatticeTables, m: LatticeMolecules, cell: Integer) -> Integer:
    """One of the free neighbours of `cell`; where it has none, of a cell that a walk from there reaches.

    Never gives up while there is room: a release that was dropped would lower its rate by the occupancy.
    """
    sides = t.offsets.size
    for _ in range(TRIES):
        n_free = 0
        for d in range(sides):
            n_free += m.lattice[neighbour_cell(t, m, cell, d)] == EMPTY
        if n_free > 0:
            chosen = below(m.words, n_free)
            for d in range(sides):
                there = neighbour_cell(t, m, cell, d)
                if m.lattice[there] == EMPTY:
                    if chosen == 0:
                        return there
                    chosen -= 1
        onward = neighbour_cell(t, m, cell, below(m.words, sides))
        if m.lattice[onward] < OUTSIDE:
            cell = onward
    return random_free_cell(t, m)


@compiled
def free_neighbour_face(t: LatticeTables, m: LatticeMolecules, slot: Integer) -> Integer:
    """One of the free faces beside a face, or beside one that a walk over the membrane reaches."""
    for _ in range(TRIES):
        n_free = 0
        for k in range(4):
            there = t.edge_neighbours[4 * slot + k]
            n_free += there >= 0 and m.face[there] == EMPTY
        if n_free > 0:
            chosen = below(m.words, n_free)
            for k in range(4):
                there = t.edge_neighbours[4 * slot + k]
                if there >= 0 and m.face[there] == EMPTY:
                    if chosen == 0:
                        return np.int64(there)
                    chosen -= 1
        onward = t.edge_neighbours[4 * slot + below(m.words, 4)]
        if onward >= 0:
            slot = np.int64(onward)
    return random_free_face(t, m)


@compiled
def random_cell_at_membrane(t: LatticeTables, m: LatticeMolecules) -> Integer:
    """A free cell at the membrane where ions enter, uniformly over its faces, or NO_ROOM."""
    n = t.entry_slots.size
    if n == 0:
        return random_free_cell(t, m)
    cell: Integer = 0
    for _ in range(TRIES):
        cell = np.int64(t.slot_cell[t.entry_slots[below(m.words, n)]])
        if m.lattice[cell] == EMPTY:
            return cell
    return free_neighbour_cell(t, m, cell)
