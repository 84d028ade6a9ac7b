"""Neighbour moments: how many pairs of two species are neighbours, or two steps apart.

Each pair of sites counts once, across periodic edges too: bonds at distance 1 (`nn`), and pairs at Manhattan
distance 2 (`m2`: in two dimensions the 8 sites (±1, ±1), (±2, 0), (0, ±2), in three 18, in one 2).
"""

from __future__ import annotations

import itertools

import numpy as np

from adapters.lattice.common.compiled import Int32, Int64, Integer, Uint8, compiled
from adapters.lattice.common.domain import EMPTY, OUTSIDE, Domain


def moment_offsets(domain: Domain) -> tuple[Int64, int]:
    """Half of the offsets at distance 1, then at 2, and how many the first are."""
    near, far = half_offsets(domain, 1), half_offsets(domain, 2)
    return np.concatenate([near, far]), len(near)


def half_offsets(domain: Domain, distance: int) -> Int64:
    """Flat steps to the sites at a Manhattan distance, one of each opposite two."""
    strides = (domain.full[1] * domain.full[2], domain.full[2], 1)[3 - domain.dimension :]
    steps = [
        v
        for v in itertools.product(range(-distance, distance + 1), repeat=domain.dimension)
        if sum(map(abs, v)) == distance and next(x for x in v if x) > 0
    ]
    return np.array([np.dot(v, strides) for v in steps], dtype=np.int64)


SHAPE, FULL_SHAPE, PERIODIC_AXES = 0, 3, 6
"""Where the three numbers of each begin in a layout, see `layout_of`: one array, so that kernels hand on one."""


def layout_of(domain: Domain) -> Int64:
    """(9,) cells along each axis without the halo, the same with it, and which axes are periodic.

    See SHAPE, FULL_SHAPE, PERIODIC_AXES.
    """
    return np.array([*domain.shape, *domain.full, *domain.periodic], dtype=np.int64)


def pairs_of(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Unordered pairs of species, in the order of the moments' columns."""
    return tuple(itertools.combinations_with_replacement(names, 2))


@compiled
def seen_across(lattice: Uint8, layout: Int64, place: Integer) -> Integer:
    """The code in the cell that a place in the halo stands for, EMPTY where it stands for none."""
    rest, at = place, 0
    scale = 1
    for k in range(2, -1, -1):
        n, full = layout[SHAPE + k], layout[FULL_SHAPE + k]
        halo = (full - n) // 2
        x = rest % full - halo
        rest //= full
        if x < 0 or x >= n:
            if layout[PERIODIC_AXES + k] == 0:
                return EMPTY
            x %= n
        at += (x + halo) * scale
        scale *= full
    code = np.int64(lattice[at])
    return EMPTY if code >= OUTSIDE else code


@compiled
def count_pairs(
    lattice: Uint8,
    layout: Int64,
    sites: Int32,
    n: Integer,
    offsets: Int64,
    n_near: Integer,
    table: Int64,
    near: Int64,
    far: Int64,
) -> None:
    """Pairs of species among the `n` occupied `sites`, into (n_pairs,) in the order of `pairs_of`.

    offsets: half of those at distance 1 (`n_near`), then half of those at distance 2. table: (n_offsets, n_codes,
    n_codes) scratch: one for each offset, so that counting is no chain of additions to the same few numbers.
    """
    codes = table.shape[1]
    table[:] = 0
    for k in range(n):
        # Unsigned: negative indices would have to be looked for. Offsets of this half are positive.
        here = np.uint64(sites[k])
        own = np.uint64(lattice[here])
        for j in range(offsets.size):
            there = here + np.uint64(offsets[j])
            met = np.uint64(lattice[there])
            if met >= OUTSIDE:
                # A wall of the mask has nothing behind it; in a corner of the halo only the place tells.
                met = np.uint64(seen_across(lattice, layout, np.int64(there)))
            table[np.uint64(j), own, met] += 1
    near[:] = 0
    far[:] = 0
    for j in range(offsets.size):
        out = near if j < n_near else far
        k = 0
        for a in range(1, codes):
            for b in range(a, codes):
                out[k] += table[j, a, b]
                if a != b:
                    out[k] += table[j, b, a]
                k += 1
