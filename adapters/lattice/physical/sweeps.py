"""Kernels that hop: one visit to each molecule of a mobile list, and sorting the list by place."""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Integer, compiled
from adapters.lattice.common.domain import ABSORBING, EMPTY, OUTSIDE, PERIODIC
from adapters.lattice.physical.encounters import FULL, OK, react_membrane_pair, react_pair
from adapters.lattice.physical.molecules import remove_molecule
from adapters.lattice.physical.tables import BLOCK_BITS, TEST_BITS, LatticeMolecules, LatticeTables
from couple.rng.streams import below, next_word

_LOW = np.uint64((1 << 32) - 1)
_R17, _R19, _R23, _R32, _R41, _R45, _R62 = (np.uint64(n) for n in (17, 19, 23, 32, 41, 45, 62))
_TEST_MASK = np.uint64((1 << TEST_BITS) - 1)
_EMPTY, _OUTSIDE, _PERIODIC, _ABSORBING = (np.uint64(n) for n in (EMPTY, OUTSIDE, PERIODIC, ABSORBING))
_ONE, _TWO = np.uint64(1), np.uint64(2)


@compiled
def sweep_volume(t: LatticeTables, m: LatticeMolecules, at: Integer) -> Integer:
    """One hop of each molecule of a mobile list in the volume, the last entry first; returns OK or FULL.

    Downwards, because what takes the place of a removed entry has then had its visit, and what an event appends
    waits for the next sweep. Three things make a hop cheap: the random stream (xoshiro256++, see couple.rng.streams)
    stays in registers, for words in memory would put a store and a load into every hop's chain of dependence; indices
    are unsigned, which spares the test for negative ones; and nothing is called inside of the loop over hops.

    Beside absorbing walls a molecule leaves by more than its tries to hop out, see `walls`.
    """
    s0, s1, s2, s3 = m.words[0], m.words[1], m.words[2], m.words[3]
    lattice, lists, hop, shift = m.lattice, m.lists, t.hop, t.shift
    codes, limit, sides = np.uint64(t.D.size + 1), t.limit, np.uint64(t.hop.size)
    base, faces, walls = np.uint64(t.start[at]), t.slots.size > 0, t.exits.size
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

            spread = (word >> _R32) * sides
            direction = spread >> _R32
            entry = base + np.uint64(i)
            here = np.uint64(lists[entry])
            there = here + hop[direction]
            if walls > 0:
                beside = np.int64(0)
                if sides > _TWO:
                    for k in range(walls):
                        out = t.exits[k]
                        if out >> _ONE != direction >> _ONE and np.uint64(lattice[here + hop[out]]) == _ABSORBING:
                            beside += 1
                else:  # a row: on the way in, and on the way to the last cell
                    if np.uint64(lattice[here - hop[direction]]) == _ABSORBING:
                        beside += 1
                    if np.uint64(lattice[there + hop[direction]]) == _ABSORBING:
                        beside += 1
                if beside > 0 and np.int64(spread & _LOW) < beside * t.exit_limit[lattice[here]]:
                    reaction = np.int64(-2)
                    break
            met = np.uint64(lattice[there])
            if met == _PERIODIC:
                there += shift[direction]
                met = np.uint64(lattice[there])
            if met == _EMPTY:
                lattice[there] = lattice[here]
                lattice[here] = EMPTY
                lists[entry] = there
            else:
                slot = np.int64(-1)
                if met >= _OUTSIDE:
                    if met == _ABSORBING and np.int64(spread & _LOW) < t.leave_limit[lattice[here]]:
                        reaction = np.int64(-2)
                        break
                    met = _EMPTY
                    if faces:
                        face = sides * np.uint64(t.wall_row[there]) + direction
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
        if reaction != -1:
            m.words[0], m.words[1], m.words[2], m.words[3] = s0, s1, s2, s3
            if reaction == -2:
                absorb_molecule(t, m, at, i)
            elif react_pair(t, m, at, i, np.int64(there), slot, reaction) != OK:
                return FULL
            s0, s1, s2, s3 = m.words[0], m.words[1], m.words[2], m.words[3]
            i = min(i, m.length[at]) - 1
    m.words[0], m.words[1], m.words[2], m.words[3] = s0, s1, s2, s3
    return OK


@compiled
def absorb_molecule(t: LatticeTables, m: LatticeMolecules, at: Integer, i: Integer) -> None:
    """Entry `i` of a list leaves through an absorbing face."""
    m.reservoir[t.absorbed[np.int64(m.lattice[m.lists[t.start[at] + i]]) - 1]] += 1
    remove_molecule(t, m, at, i)


@compiled
def sweep_membrane(t: LatticeTables, m: LatticeMolecules, at: Integer) -> Integer:
    """One try of each molecule of a mobile membrane list to walk over one of the four edges of its face."""
    base, codes, i = t.start[at], t.D.size + 1, m.length[at] - 1
    while i >= 0:
        word = next_word(m.words)
        here = np.int64(m.lists[base + i])
        there = np.int64(t.edge_neighbours[4 * here + np.int64(word >> _R62)])
        if there >= 0:
            met = np.int64(m.face[there])
            if met == EMPTY:
                m.face[there] = m.face[here]
                m.face_entry[there] = i
                m.face[here] = EMPTY
                m.lists[base + i] = there
            else:
                pair = np.int64(m.face[here]) * codes + met
                test = np.int64(word & _TEST_MASK)
                if test < t.limit[pair]:
                    channel = t.pair_of[pair]
                    while test >= t.pair_limit[channel]:
                        channel += 1
                    if react_membrane_pair(t, m, at, i, there, t.pair_reaction[channel]) != OK:
                        return FULL
                    i = min(i, m.length[at])
        i -= 1
    return OK


@compiled
def sort_by_place(t: LatticeTables, m: LatticeMolecules, at: Integer) -> None:
    """Sort a list by blocks of neighbouring cells, so that a sweep finds what it needs in the cache.

    Upwards or downwards at random: which of two neighbours hops first then says nothing about where they are, and the
    sweeps leave all configurations equally likely.
    """
    base, n, first = t.start[at], m.length[at], m.block_start
    blocks = first.size
    for b in range(blocks):
        first[b] = 0
    for k in range(n):
        m.sort_buffer[k] = m.lists[base + k]
        first[m.sort_buffer[k] >> BLOCK_BITS] += 1
    upwards, start = below(m.words, 2), 0
    for k in range(blocks):
        b = k if upwards else blocks - 1 - k
        count = first[b]
        first[b] = start
        start += count
    for k in range(n):
        site = m.sort_buffer[k]
        b = site >> BLOCK_BITS
        m.lists[base + first[b]] = site
        first[b] += 1
