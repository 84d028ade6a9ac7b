"""Random choices of a particle or of a free site: uniform, or row by row as the authors' simulator does.

Row first: the planes, the rows of a plane and the sites of a row are gone through in random order, and the first site
that fits is taken. So a plane is uniform among those that hold a fitting site, then a row among such rows of it, then a
site of it. What is drawn and does not fit is drawn again, which leaves that law as it is.
"""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Int64, Integer, Uint8, compiled, inlined
from adapters.lattice.common.domain import EMPTY, OUTSIDE, PERIODIC
from adapters.lattice.common.neighbours import FULL_SHAPE, SHAPE
from adapters.lattice.paper.tables import PaperParticles, PaperRules
from couple.base.arrays import Words
from couple.rng.streams import below

NONE = -1
_MANY = 32


@inlined
def random_particle(t: PaperRules, m: PaperParticles, code: Integer) -> Integer:
    """Site of a random particle of species `code`, of which there is one at least."""
    if t.row_first[0]:
        return choose_row_first(m.lattice, t.layout, code, m.words)
    while True:
        site = np.int64(m.sites[below(m.words, m.length[0])])
        if m.lattice[site] == code:
            return site


@inlined
def random_free_site(t: PaperRules, m: PaperParticles) -> Integer:
    """A random free site, or NONE."""
    if m.length[0] >= m.sites.size:
        return NONE
    if t.row_first[0]:
        return choose_row_first(m.lattice, t.layout, EMPTY, m.words)
    for _ in range(_MANY):
        site = random_cell(t.layout, m.words)
        if m.lattice[site] == EMPTY:
            return site
    # Nearly full: the n-th of those that are free.
    n = below(m.words, m.sites.size - m.length[0])
    for site in range(m.lattice.size):
        if m.lattice[site] == EMPTY:
            if n == 0:
                return site
            n -= 1
    return NONE


@inlined
def random_cell(layout: Int64, words: Words) -> Integer:
    """A cell of the box, inside of the mask or not."""
    at: Integer = 0
    for k in range(3):
        n, full = layout[SHAPE + k], layout[FULL_SHAPE + k]
        at = at * full + below(words, n) + (full - n) // 2
    return at


@compiled
def choose_row_first(lattice: Uint8, layout: Int64, code: Integer, words: Words) -> Integer:
    """A site that holds `code`, chosen row first; there must be one."""
    nx, ny, nz = layout[SHAPE], layout[SHAPE + 1], layout[SHAPE + 2]
    fx, fy, fz = layout[FULL_SHAPE], layout[FULL_SHAPE + 1], layout[FULL_SHAPE + 2]
    hx, hy, hz = (fx - nx) // 2, (fy - ny) // 2, (fz - nz) // 2
    while True:
        plane = ((below(words, nx) if nx > 1 else 0) + hx) * fy
        if nx > 1 and not plane_holds(lattice, (plane + hy) * fz + hz, ny, nz, fz, code):
            continue
        while True:
            start = (plane + (below(words, ny) if ny > 1 else 0) + hy) * fz + hz
            found = 0
            for site in range(start, start + nz):
                found += lattice[site] == code
            if found > 0:
                return nth_site(lattice, start, code, below(words, found))


@compiled
def plane_holds(lattice: Uint8, start: Integer, ny: Integer, nz: Integer, fz: Integer, code: Integer) -> bool:
    """Whether a plane, whose first cell is `start`, holds `code`."""
    for row in range(ny):
        for site in range(start + row * fz, start + row * fz + nz):
            if lattice[site] == code:
                return True
    return False


@compiled
def nth_site(lattice: Uint8, site: Integer, code: Integer, n: Integer) -> Integer:
    """The site of the n-th (from 0) `code` at or after `site`."""
    while True:
        if lattice[site] == code:
            if n == 0:
                return site
            n -= 1
        site += 1


@inlined
def random_neighbour(t: PaperRules, lattice: Uint8, here: Integer, words: Words) -> Integer:
    """A random neighbouring cell, free or not, or NONE."""
    n = 0
    for d in range(t.offsets.size):
        n += neighbour(t, lattice, here, d) != NONE
    if n == 0:
        return NONE
    chosen = below(words, n)
    for d in range(t.offsets.size):
        there = neighbour(t, lattice, here, d)
        if there != NONE:
            if chosen == 0:
                return there
            chosen -= 1
    return NONE


@inlined
def random_free_neighbour(t: PaperRules, lattice: Uint8, here: Integer, words: Words) -> Integer:
    """A random free neighbouring cell, or NONE."""
    n = 0
    for d in range(t.offsets.size):
        there = neighbour(t, lattice, here, d)
        n += there != NONE and lattice[there] == EMPTY
    if n == 0:
        return NONE
    chosen = below(words, n)
    for d in range(t.offsets.size):
        there = neighbour(t, lattice, here, d)
        if there != NONE and lattice[there] == EMPTY:
            if chosen == 0:
                return there
            chosen -= 1
    return NONE


@inlined
def neighbour(t: PaperRules, lattice: Uint8, here: Integer, direction: Integer) -> Integer:
    """The cell in a direction, or NONE at a wall."""
    there: Integer = here + t.offsets[direction]
    if lattice[there] == PERIODIC:
        there += t.shift[direction]
    return NONE if lattice[there] >= OUTSIDE else there
