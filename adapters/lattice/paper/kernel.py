"""The kernels of the paper's lattice: events of order 0 and 1, then one sweep of hops and encounters, per step."""

from __future__ import annotations

import numpy as np

from adapters.lattice.common.compiled import Int32, Int64, Integer, Uint8, compiled, inlined
from adapters.lattice.common.domain import EMPTY, OUTSIDE, PERIODIC
from adapters.lattice.common.neighbours import FULL_SHAPE, SHAPE, count_pairs
from adapters.lattice.paper.choose import (
    NONE,
    random_free_neighbour,
    random_free_site,
    random_neighbour,
    random_particle,
)
from adapters.lattice.paper.tables import AT_MOVER, AT_TARGET, DONE, TRIES, PaperParticles, PaperRules
from couple.base.arrays import Floats
from couple.rng.streams import below, exponential, uniform

_R17, _R19, _R23, _R32, _R41, _R45 = (np.uint64(n) for n in (17, 19, 23, 32, 41, 45))
_LOW = np.uint64((1 << 32) - 1)


# -- particles come, go and turn ----------------------------------------------------------------------------------


@inlined
def add_particle(m: PaperParticles, code: Integer, site: Integer) -> None:
    """Add a particle at a free site, between sweeps."""
    n = m.length[0]
    m.sites[n] = site
    m.entry[site] = n
    m.lattice[site] = code
    m.length[0] = n + 1
    m.population[code] += 1


@inlined
def remove_particle(m: PaperParticles, site: Integer) -> None:
    """Remove the particle at a site, between sweeps."""
    n = m.length[0] - 1
    i, last = m.entry[site], m.sites[n]
    m.sites[i] = last
    m.entry[last] = i
    m.length[0] = n
    m.population[np.int64(m.lattice[site])] -= 1
    m.lattice[site] = EMPTY


@inlined
def change_species(m: PaperParticles, site: Integer, code: Integer) -> None:
    """Make the particle at a site one of species `code`, between sweeps."""
    m.population[np.int64(m.lattice[site])] -= 1
    m.population[code] += 1
    m.lattice[site] = code


@inlined
def record_event(t: PaperRules, m: PaperParticles, reaction: Integer) -> None:
    """Count an event, and what it moves through reservoirs."""
    m.events[reaction] += 1
    for k in range(m.reservoir.size):
        m.reservoir[k] += t.reservoir_change[reaction, k]


@compiled
def place_particles(t: PaperRules, m: PaperParticles, code: Integer, n: Integer) -> Integer:
    """Put `n` particles one by one on random free sites; returns how many found none."""
    for k in range(n):
        site = random_free_site(t, m)
        if site == NONE:
            return n - k
        add_particle(m, code, site)
    return 0


# -- events of order 0 and 1 ----------------------------------------------------------------------------------------


@inlined
def propensity(t: PaperRules, m: PaperParticles, u: Integer) -> float:
    """Rate × number of a reaction of order 1; of "0 -> A" rate × number of A, or × 1 while there is none."""
    n = m.population[t.event_counted[u]]
    return float(t.event_rate[u] * (max(n, 1) if t.event_reactant[u] == 0 else n))


@inlined
def schedule_event(t: PaperRules, m: PaperParticles, now: float) -> None:
    """Draw the next event from the numbers as they are. It stands until it is due, whatever sweeps do to them."""
    total = 0.0
    for u in range(t.event_rate.size):
        total += propensity(t, m, u)
    m.pending[0] = -1
    if total > 0.0:
        m.due[0] = now + exponential(m.words) / total
        x = uniform(m.words) * total
        for u in range(t.event_rate.size):
            a = propensity(t, m, u)
            x -= a
            if a > 0.0:
                m.pending[0] = u
                if x <= 0.0:
                    break


@inlined
def do_event(t: PaperRules, m: PaperParticles, u: Integer) -> None:
    """The reaction that was due; nothing if its reactant is gone or there is no room."""
    one, two, old = t.event_products[u, 0], t.event_products[u, 1], t.event_reactant[u]
    if old == 0:
        if place_particles(t, m, one, 1) == 0:
            record_event(t, m, t.event_reaction[u])
        return
    for _ in range(TRIES if two > 0 else 1):
        if m.population[old] == 0:
            return
        site = random_particle(t, m, old)
        if two > 0:
            beside = random_free_neighbour(t, m.lattice, site, m.words)
            if beside == NONE:
                continue
            add_particle(m, two, beside)
        if one > 0:
            change_species(m, site, one)
        else:
            remove_particle(m, site)
        record_event(t, m, t.event_reaction[u])
        return


@inlined
def run_events(t: PaperRules, m: PaperParticles) -> None:
    """All events that are due before the step ends."""
    now = float(m.clock[0])
    if m.pending[0] < 0:
        schedule_event(t, m, now)
    while m.pending[0] >= 0 and m.due[0] < now + 1.0:
        do_event(t, m, m.pending[0])
        schedule_event(t, m, m.due[0])


@inlined
def exchange_particles(t: PaperRules, m: PaperParticles) -> None:
    """One step of the cells that exchange particles with the outside."""
    for k in range(t.reservoir_cell.size):
        site = t.reservoir_cell[k]
        code = np.int64(m.lattice[site])
        if code == EMPTY:
            if uniform(m.words) <= t.reservoir_fill[k]:
                add_particle(m, t.reservoir_code[k], site)
        elif code == t.reservoir_code[k] and uniform(m.words) <= t.reservoir_drain[k]:
            remove_particle(m, site)


# -- hops and encounters --------------------------------------------------------------------------------------------


@inlined
def try_reactions(
    t: PaperRules, m: PaperParticles, here: Integer, there: Integer, first: Integer, last: Integer
) -> None:
    """The particle at `here` tries to hop onto that at `there`: channels `first` to `last`, the first success wins."""
    mover, target = np.int64(m.lattice[here]), np.int64(m.lattice[there]) & (DONE - 1)
    for k in range(first, last):
        if uniform(m.words) <= t.pair_chance[k]:
            one, two = t.pair_products[k, AT_TARGET], t.pair_products[k, AT_MOVER]
            m.population[mover] -= 1
            m.population[target] -= 1
            m.population[one] += 1
            m.population[two] += 1
            m.lattice[there] = one | DONE if one > 0 else EMPTY
            m.lattice[here] = two | DONE if two > 0 else EMPTY
            record_event(t, m, t.pair_reaction[k])
            return
    m.lattice[here] = mover | DONE


@inlined
def try_hop(t: PaperRules, m: PaperParticles, here: Integer, direction: Integer) -> Integer:
    """One try of the particle at `here`; returns the site to list for it."""
    there: Integer = here + t.offsets[direction]
    met = np.int64(m.lattice[there])
    if met >= OUTSIDE:
        if met == PERIODIC:
            there += t.shift[direction]
            met = np.int64(m.lattice[there])
        if met >= OUTSIDE:
            there = random_neighbour(t, m.lattice, here, m.words)
            if there == NONE:
                m.lattice[here] |= DONE
                return here
            met = np.int64(m.lattice[there])
    mover = np.int64(m.lattice[here])
    if met == EMPTY:
        m.lattice[there] = mover | DONE
        m.lattice[here] = EMPTY
        return there
    pair = mover * m.population.size + (met & (DONE - 1))
    if t.pair_start[pair] < t.pair_start[pair + 1]:
        try_reactions(t, m, here, there, t.pair_start[pair], t.pair_start[pair + 1])
    else:
        m.lattice[here] = mover | DONE
    return here


@inlined
def clear_marks(lattice: Uint8, sites: Int32, entry: Int32, n: Integer) -> Integer:
    """Clear the marks of a sweep. What is listed but not marked is a site that was left, or a second mention of one."""
    k = 0
    for j in range(n):
        site = np.int64(sites[j])
        code = np.int64(lattice[site])
        if code & DONE:
            lattice[site] = code ^ DONE
            sites[k] = site
            entry[site] = k
            k += 1
    return k


@inlined
def sweep(t: PaperRules, m: PaperParticles) -> None:
    """One try of every particle, in random order.

    The list is shuffled as it is used up: what has had its turn gathers at its end. A target that reacted is found
    empty or marked when its own turn comes, and is passed over.
    """
    s0, s1, s2, s3 = m.words[0], m.words[1], m.words[2], m.words[3]
    lattice, sites, offsets = m.lattice, m.sites, t.offsets
    n = m.length[0]
    left = np.uint64(n)
    directions, one, empty, done = np.uint64(t.offsets.size), np.uint64(1), np.uint64(EMPTY), np.uint64(DONE)
    while left > 0:
        total = s0 + s3
        word = ((total << _R23) | (total >> _R41)) + s0
        shifted = s1 << _R17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << _R45) | (s3 >> _R19)

        i = ((word >> _R32) * left) >> _R32
        left -= one
        here = np.uint64(sites[i])
        sites[i] = sites[left]
        code = np.uint64(lattice[here])
        if code == empty or code >= done:
            sites[left] = here
            continue
        direction = ((word & _LOW) * directions) >> _R32
        there = here + np.uint64(offsets[direction])
        if lattice[there] == EMPTY:
            lattice[there] = code | done
            lattice[here] = EMPTY
            sites[left] = there
            continue
        m.words[0], m.words[1], m.words[2], m.words[3] = s0, s1, s2, s3
        sites[left] = try_hop(t, m, np.int64(here), np.int64(direction))
        s0, s1, s2, s3 = m.words[0], m.words[1], m.words[2], m.words[3]
    m.words[0], m.words[1], m.words[2], m.words[3] = s0, s1, s2, s3
    m.length[0] = clear_marks(lattice, sites, m.entry, n)


@inlined
def fill_rows(m: PaperParticles, width: Integer, height: Integer) -> Integer:
    """Sort all particles into their rows, and rows into planes; returns the number of planes that hold some."""
    planes = 0
    for j in range(m.length[0]):
        site = m.sites[j]
        row = site // width
        k = m.filled[row]
        m.bucket[row, k] = site
        m.filled[row] = k + 1
        if k == 0:
            plane = row // height
            r = m.active[plane]
            m.rows[plane, r] = row
            m.active[plane] = r + 1
            if r == 0:
                m.planes[planes] = plane
                planes += 1
    return planes


@inlined
def sweep_rows(t: PaperRules, m: PaperParticles) -> None:
    """One try of every particle, the next mover chosen row first among those that have not moved.

    A row whose particles have all reacted away no longer counts, but is only found out when one of them is drawn. It
    is then drawn again in the same row, or plane, if that holds others: this leaves the law as it is.
    """
    width, height = t.layout[FULL_SHAPE + 2], t.layout[FULL_SHAPE + 1]
    planes, n = fill_rows(m, width, height), 0
    p, r = NONE, NONE
    while planes > 0:
        if p == NONE:
            p = below(m.words, planes) if planes > 1 else 0
        plane = m.planes[p]
        if r == NONE:
            r = below(m.words, m.active[plane])
        row = m.rows[plane, r]
        last = m.filled[row] - 1
        c = below(m.words, last + 1)
        site: Integer = np.int64(m.bucket[row, c])
        m.bucket[row, c] = m.bucket[row, last]
        m.filled[row] = last
        emptied = last == 0
        if emptied:
            m.active[plane] -= 1
            m.rows[plane, r] = m.rows[plane, m.active[plane]]
            if m.active[plane] == 0:
                planes -= 1
                m.planes[p] = m.planes[planes]
        code = np.int64(m.lattice[site])
        waiting = 0 < code < DONE
        if waiting:
            site = try_hop(t, m, site, below(m.words, t.offsets.size))
        if waiting or code >= DONE:
            m.sites[n] = site
            n += 1
        if emptied or waiting:
            r = NONE
        if waiting or (emptied and m.active[plane] == 0):
            p = NONE
    m.length[0] = clear_marks(m.lattice, m.sites, m.entry, n)


# -- time -------------------------------------------------------------------------------------------------------------


@compiled
def advance(t: PaperRules, m: PaperParticles, steps: Integer) -> None:
    """`steps` steps."""
    for _ in range(steps):
        run_events(t, m)
        exchange_particles(t, m)
        if t.row_first[0]:
            sweep_rows(t, m)
        else:
            sweep(t, m)
        m.clock[0] += 1


@compiled
def advance_and_sum(t: PaperRules, m: PaperParticles, steps: Integer, sums: Floats) -> None:
    """`steps` steps; the numbers of each species after each of them are added to `sums` (n_species,)."""
    for _ in range(steps):
        advance(t, m, np.int64(1))  # of a literal all of it would be compiled once more
        for s in range(sums.size):
            sums[s] += m.population[s + 1]


@compiled
def moments(t: PaperRules, m: PaperParticles, near: Int64, far: Int64) -> None:
    """Neighbour moments as they are now, into (n_pairs,) each."""
    n = m.length[0]
    count_pairs(m.lattice, t.layout, m.sites, n, t.moment_offsets, t.n_near[0], m.table, near, far)


@compiled
def copy_cells(lattice: Uint8, layout: Int64, out: Uint8) -> None:
    """Codes of all cells without the halo, into (n_cells of the box,); 255 where the mask has no cell."""
    nx, ny, nz = layout[SHAPE], layout[SHAPE + 1], layout[SHAPE + 2]
    fx, fy, fz = layout[FULL_SHAPE], layout[FULL_SHAPE + 1], layout[FULL_SHAPE + 2]
    hx, hy, hz = (fx - nx) // 2, (fy - ny) // 2, (fz - nz) // 2
    for x in range(nx):
        for y in range(ny):
            start = ((x + hx) * fy + y + hy) * fz + hz
            for z in range(nz):
                out[(x * ny + y) * nz + z] = lattice[start + z]


@compiled
def record(
    t: PaperRules,
    m: PaperParticles,
    steps: Integer,
    every: Integer,
    counts: Int64,
    near: Int64,
    far: Int64,
    cells: Uint8,
) -> None:
    """`steps` steps; a row of each table at the start and after every `every` steps.

    counts: (n_rows, n_species). near, far: (n_rows, n_pairs), or no rows. cells: (n_rows, n_box), or no rows.
    """
    for row in range(steps // every + 1):
        if row > 0:
            advance(t, m, every)
        for s in range(counts.shape[1]):
            counts[row, s] = m.population[s + 1]
        if near.shape[0] > 0:
            moments(t, m, near[row], far[row])
        if cells.shape[0] > 0:
            copy_cells(m.lattice, t.layout, cells[row])
