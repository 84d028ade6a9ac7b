"""Kernels for what happens when two molecules meet, and for what reactions put down."""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Integer, compiled
from adapters.lattice.common.domain import EMPTY
from adapters.lattice.physical.moves import (
    NO_ROOM,
    entry_at,
    free_at_membrane,
    free_beside,
    free_cell,
    free_face_beside,
    put,
    take,
    turn,
    turn_cell,
)
from adapters.lattice.physical.tables import FIXED, Molecules, Tables

OK, FULL = 0, 1
"""What kernels return: all well; no free place left."""


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
        if settle(t, m, slot, t.made[reaction, 3]) != OK:
            return FULL
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
def meet_on_surface(t: Tables, m: Molecules, at: Integer, i: Integer, slot: Integer, reaction: Integer) -> Integer:
    """Entry `i` of mobile membrane list `at` reacts with the molecule on face `slot`."""
    book(t, m, reaction)
    here = np.int64(m.lists[t.start[at] + i])
    stays, goes = t.made[reaction, 2], t.made[reaction, 3]
    if goes >= 0:
        if np.int64(m.face[here]) - 1 == t.lead[reaction]:
            stays, goes = goes, stays
        change_protein(t, m, here, goes)
    else:
        take(t, m, at, i)
    change_protein(t, m, slot, stays)
    return release(t, m, np.int64(t.slot_cell[slot]), t.made[reaction, 0], t.made[reaction, 1])


@compiled
def settle(t: Tables, m: Molecules, slot: Integer, protein: Integer) -> Integer:
    """Put a membrane molecule on a face beside `slot`; none if `protein` is -1."""
    if protein >= 0:
        place = free_face_beside(t, m, slot)
        if place == NO_ROOM:
            return FULL
        put(t, m, protein, place)
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
