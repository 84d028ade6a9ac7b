"""Kernels for what happens when two molecules meet, and for what reactions put down."""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Integer, compiled
from adapters.lattice.common.domain import EMPTY
from adapters.lattice.physical.molecules import (
    NO_ROOM,
    add_molecule,
    change_species,
    change_species_in_cell,
    entry_of_cell,
    free_neighbour_cell,
    free_neighbour_face,
    random_cell_at_membrane,
    random_free_cell,
    remove_molecule,
)
from adapters.lattice.physical.tables import (
    FIXED,
    MEMBRANE_1,
    MEMBRANE_2,
    VOLUME_1,
    VOLUME_2,
    LatticeMolecules,
    LatticeTables,
)

OK, FULL, TOO_FEW, NOT_FINITE, NOT_WHOLE, TOO_MANY = range(6)
"""What kernels return: all well; no free place left; more ions to remove than there are; an input is not a number, or
not a whole one."""


@compiled
def book_reservoirs(t: LatticeTables, m: LatticeMolecules, reaction: Integer) -> None:
    """Count what an event moves through reservoirs, the hands of clamps included."""
    for k in range(m.reservoir.size):
        m.reservoir[k] += t.reservoir_change[reaction, k]


@compiled
def react_pair(
    t: LatticeTables, m: LatticeMolecules, at: Integer, i: Integer, cell: Integer, slot: Integer, reaction: Integer
) -> Integer:
    """Entry `i` of mobile list `at` reacts with the molecule in `cell`, or, if `slot` >= 0, with that on a face."""
    book_reservoirs(t, m, reaction)
    one, two, protein = t.products[reaction, VOLUME_1], t.products[reaction, VOLUME_2], t.products[reaction, MEMBRANE_1]
    here = np.int64(m.lists[t.start[at] + i])
    if slot >= 0:
        remove_molecule(t, m, at, i)
        change_membrane_species(t, m, slot, protein)
        if place_on_neighbour_face(t, m, slot, t.products[reaction, MEMBRANE_2]) != OK:
            return FULL
        return release_products(t, m, here, one, two)
    mover = np.int64(m.lattice[here]) - 1
    if two >= 0:
        # First product for first reactant, unless that would carry an immobile molecule to another cell.
        partner = np.int64(m.lattice[cell]) - 1
        stays, goes = (two, one) if mover == t.first_reactant[reaction] else (one, two)
        if t.kind[partner] == FIXED and t.kind[goes] == FIXED:
            stays, goes = goes, stays
        change_species_in_cell(t, m, here, goes)
        change_species_in_cell(t, m, cell, stays)
        return OK
    remove_molecule(t, m, at, i)
    if one >= 0:
        change_species_in_cell(t, m, cell, one)
    else:
        partner = np.int64(m.lattice[cell]) - 1
        remove_molecule(t, m, t.list_of[partner], entry_of_cell(t, m, cell))
    return OK


@compiled
def react_membrane_pair(
    t: LatticeTables, m: LatticeMolecules, at: Integer, i: Integer, slot: Integer, reaction: Integer
) -> Integer:
    """Entry `i` of mobile membrane list `at` reacts with the molecule on face `slot`."""
    book_reservoirs(t, m, reaction)
    here = np.int64(m.lists[t.start[at] + i])
    stays, goes = t.products[reaction, MEMBRANE_1], t.products[reaction, MEMBRANE_2]
    if goes >= 0:
        if np.int64(m.face[here]) - 1 == t.first_reactant[reaction]:
            stays, goes = goes, stays
        change_membrane_species(t, m, here, goes)
    else:
        remove_molecule(t, m, at, i)
    change_membrane_species(t, m, slot, stays)
    return release_products(
        t, m, np.int64(t.slot_cell[slot]), t.products[reaction, VOLUME_1], t.products[reaction, VOLUME_2]
    )


@compiled
def place_on_neighbour_face(t: LatticeTables, m: LatticeMolecules, slot: Integer, protein: Integer) -> Integer:
    """Put a membrane molecule on a face beside `slot`; none if `protein` is -1."""
    if protein >= 0:
        place = free_neighbour_face(t, m, slot)
        if place == NO_ROOM:
            return FULL
        add_molecule(t, m, protein, place)
    return OK


@compiled
def change_membrane_species(t: LatticeTables, m: LatticeMolecules, slot: Integer, protein: Integer) -> None:
    """Make the molecule on a face one of species `protein`, or remove it (-1)."""
    old = np.int64(m.face[slot]) - 1
    if old == protein:
        return
    at, i = t.list_of[old], np.int64(m.face_entry[slot])
    if protein >= 0:
        change_species(t, m, at, i, protein)
    else:
        remove_molecule(t, m, at, i)


@compiled
def release_products(t: LatticeTables, m: LatticeMolecules, cell: Integer, one: Integer, two: Integer) -> Integer:
    """Put up to two molecules into `cell` or, where it is taken, near it."""
    for species in (one, two):
        if species >= 0:
            place = cell if m.lattice[cell] == EMPTY else free_neighbour_cell(t, m, cell)
            if place == NO_ROOM:
                return FULL
            add_molecule(t, m, species, place)
    return OK


@compiled
def scatter_products(t: LatticeTables, m: LatticeMolecules, one: Integer, two: Integer, at_membrane: bool) -> Integer:
    """Put up to two molecules anywhere, in the volume or at the membrane."""
    for species in (one, two):
        if species >= 0:
            place = random_cell_at_membrane(t, m) if at_membrane else random_free_cell(t, m)
            if place == NO_ROOM:
                return FULL
            add_molecule(t, m, species, place)
    return OK
