"""Many sites side by side in SIMD registers, over a window that is one step: each operation runs over all lanes.

A lane takes the step of `steps` at once: the free drive balances (see `implicit_drive`) against an uptake that is
linear in c near a guess, whole molecules move, and the pools follow their `program`. Where that is not good enough (the
step is too long, too many molecules move, ions run out) nothing is stored, and the site is left to go `alone`. Every
lane sees its own numbers only: the bits of a site do not depend on its neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adapters.surrogate.kernels.channels import FEW, PropagatorRow, hop
from adapters.surrogate.kernels.implicit_drive import grid_position
from adapters.surrogate.kernels.lanes import SMALL, Lanes, converged, linearise_uptake, solve, weighted
from adapters.surrogate.kernels.layout import (
    ACCURACY,
    FLOOR,
    GUESS,
    INLINE,
    LEAST,
    LEVEL,
    MEAN,
    MOST,
    OUTSIDE,
    RATE,
    RATE_PER_UM,
    SHORT,
    WAIT,
    PoolModel,
    Scratch,
    Sites,
)
from adapters.surrogate.kernels.program import ADD, Nodes, Program
from adapters.surrogate.pools.tables import PoolTables
from couple.cache.kernels import njit
from couple.rng.streams import exponential

TRIES = 2
"""How often c* is the next guess."""
SLACK = 0.1
"""Part of the accuracy that c* may be off."""


class Batch(NamedTuple):
    """Sites side by side, a site in each lane, and what they have in common."""

    model: PoolModel
    tables: PoolTables
    program: Program  # what the pools do in a step
    nodes: Nodes  # by the grid of concentrations
    sites: Sites  # rows of all sites; `first` is that of lane 0
    scratch: Scratch
    lanes: Lanes


@njit(**INLINE)
def _error(batch: Batch, lane: int, span: float) -> float:
    """Of the step, over what is allowed."""
    constants, lanes = batch.model.constants, batch.lanes
    start, c = lanes.start[lane], lanes.middle[lane]
    shrink = lanes.shrink[lane]
    end = start * (1.0 - lanes.relax[lane] * shrink) + lanes.gain[lane] / lanes.scale[lane] * shrink
    relax = span * (constants[RATE] + constants[RATE_PER_UM] * c) / 12.0
    return float(relax * abs(end - start) / (constants[ACCURACY] * (max(end, start) + constants[FLOOR])))


@njit(**INLINE)
def _move_molecules(batch: Batch, lane: int, site: int) -> None:
    """Whole molecules move, one after the other: most windows see one at most."""
    model, sites, scratch, lanes = batch.model, batch.sites, batch.scratch, batch.lanes
    tables, whole, width = batch.tables, lanes.whole, len(scratch.mixed)
    below = lanes.node[lane] * np.uint64(width)
    row = PropagatorRow(model.rows, below, below + np.uint64(width), lanes.weight[lane])
    wait, drawn = sites.numbers[site, WAIT], 0.0
    for i in range(4):
        scratch.own[i] = sites.words[site, i]
    for q in range(batch.program.first[0], len(tables.matrix)):
        s, m = tables.pool_start[q], tables.matrix[q]
        n = tables.pool_start[q + 1] - s
        for i in range(s, s + n):
            scratch.p[i] = sites.counts[site, tables.column[i]]
            scratch.new[i] = scratch.p[i]
        wait, drawn = hop(scratch.own, row, m, s, n, scratch.p, scratch.new, model.holds, wait, drawn)
        for i in range(s, s + n):
            whole[lane, i] = scratch.new[i]
    for i in range(4):
        lanes.words[lane, i] = scratch.own[i]
    lanes.moved[lane], lanes.drawn[lane], lanes.wait[lane] = 1, drawn, wait


@njit(**INLINE)
def _draw_moves(batch: Batch, lane: int, site: int, close: float) -> None:
    """Whole molecules of a lane in the step, and c* with what they take."""
    program, nodes, sites, scratch, lanes = batch.program, batch.nodes, batch.sites, batch.scratch, batch.lanes
    k, w = grid_position(lanes.middle[lane], scratch.real, scratch.bits)
    lanes.node[lane], lanes.weight[lane] = k, w
    wait, end = sites.numbers[site, WAIT], program.ends[1]
    low = weighted(sites.counts, site, nodes.hazards, k, end)
    hazard = low + w * (weighted(sites.counts, site, nodes.hazards, k + 1, end) - low)
    lanes.moved[lane], lanes.drawn[lane], lanes.wait[lane] = 0, 0.0, wait - hazard
    if wait > hazard:
        return
    if not hazard < FEW:
        lanes.alone[lane] = 1
        return
    _move_molecules(batch, lane, site)
    if lanes.drawn[lane] == 0.0:
        return
    c = lanes.middle[lane]
    lanes.middle[lane] = max(c - lanes.drawn[lane] / lanes.scale[lane] * lanes.share[lane], SMALL)
    off = abs(lanes.middle[lane] / c - 1.0) * abs(lanes.flat[lane])
    if off > close * (abs(lanes.flat[lane]) + lanes.chord[lane] * c):  # the chord is another one
        lanes.gain[lane] -= lanes.drawn[lane]
        solve(lanes, lane, lane + 1)
        if not converged(lanes, lane, close):
            lanes.alone[lane] = 1
            return
    k, lanes.weight[lane] = grid_position(lanes.middle[lane], scratch.real, scratch.bits)
    lanes.node[lane] = k


@njit(**INLINE)
def _solve_drive(batch: Batch, first: int, n: int, span: float) -> None:
    """c* of lanes; those where it is not found, or the step is too long, go alone."""
    lanes, close = batch.lanes, SLACK * batch.model.constants[ACCURACY]
    for lane in range(n):
        linearise_uptake(batch.program, batch.sites, batch.nodes, batch.scratch, lanes, lane, first + lane)
    solve(lanes, 0, len(lanes.middle))
    for lane in range(n):
        found = converged(lanes, lane, close)
        for _ in range(TRIES):
            if found or lanes.alone[lane] != 0:
                break
            lanes.guess[lane] = lanes.middle[lane]
            linearise_uptake(batch.program, batch.sites, batch.nodes, batch.scratch, lanes, lane, first + lane)
            solve(lanes, lane, lane + 1)
            found = converged(lanes, lane, close)
        if not found or not _error(batch, lane, span) <= 1.0:
            lanes.alone[lane] = 1


@njit(**INLINE)
def _load(batch: Batch, first: int, n: int, span: float) -> None:
    """Take what a step needs from the rows of sites."""
    sites, scratch, lanes = batch.sites, batch.scratch, batch.lanes
    free = batch.tables.drive[0]
    for lane in range(n):
        site = first + lane
        scale = sites.scales[site]
        lanes.scale[lane], lanes.start[lane] = scale, sites.counts[site, free] / scale
        lanes.enters[lane] = lanes.income[lane] - sites.sink[site, 0] * span
        lanes.leaves[lane] = sites.sink[site, 1] * span
        lanes.guess[lane] = max(2.0 * lanes.start[lane] - sites.numbers[site, GUESS], 0.5 * lanes.start[lane])
        if sites.marks[site, LEVEL] != 0:
            lanes.alone[lane] = 1
        if sites.numbers[site, WAIT] <= 0.0:
            for i in range(4):
                scratch.own[i] = sites.words[site, i]
            sites.numbers[site, WAIT] = exponential(scratch.own)
            for i in range(4):
                sites.words[site, i] = scratch.own[i]


@njit(**INLINE)
def _advance_pools(batch: Batch, first: int, n: int) -> None:
    """Run the program, and set the gain of the drive."""
    program, nodes, sites, lanes = batch.program, batch.nodes, batch.sites, batch.lanes
    amounts, entries, mixed, size = lanes.amounts, lanes.entries, lanes.mixed, len(lanes.middle)
    width, inputs = mixed.shape[1], len(program.columns)
    one = np.uint64(1)
    for lane in range(n):
        k, w = lanes.node[lane], lanes.weight[lane]
        for i in range(width):
            mixed[lane, i] = nodes.rows[k, i] + w * (nodes.rows[k + one, i] - nodes.rows[k, i])
    for i in range(width):
        for lane in range(size):
            entries[i, lane] = mixed[lane, i]
    for i in range(inputs):
        column = program.columns[i]
        if column < sites.counts.shape[1]:
            for lane in range(n):
                amounts[i, lane] = sites.counts[first + lane, column]
        else:
            for lane in range(n):
                amounts[i, lane] = lanes.scale[lane]
    for i in range(inputs, amounts.shape[0]):
        for lane in range(size):
            amounts[i, lane] = 0.0
    for o in range(len(program.ops)):
        to, source, entry = program.ops[o, 0], program.ops[o, 1], program.ops[o, 2]
        if entry >= 0:
            for lane in range(size):
                amounts[to, lane] += entries[entry, lane] * amounts[source, lane]
        elif entry == ADD:
            for lane in range(size):
                amounts[to, lane] += amounts[source, lane]
        else:
            for lane in range(size):
                amounts[to, lane] -= amounts[source, lane]
    for lane in range(size):
        lanes.gain[lane] = lanes.enters[lane] - lanes.drawn[lane] - lanes.leaves[lane] * lanes.middle[lane]
    for i in range(inputs):
        result, holds = program.results[i], program.holds[i]
        if result >= 0:
            for lane in range(size):
                amounts[result, lane] = max(amounts[result, lane], 0.0)
        if result >= 0 and holds != 0.0:
            for lane in range(size):
                lanes.gain[lane] -= holds * (amounts[result, lane] - amounts[i, lane])
    for f in range(len(program.flows)):
        for lane in range(size):
            lanes.gain[lane] -= program.flow_holds[f] * amounts[program.flows[f, 0], lane]


@njit(**INLINE)
def _add_means(program: Program, sites: Sites, site: int, part: float) -> None:
    """Add part of the observables of what whole molecules there are now, and of what never changes."""
    for k in range(len(program.weights)):
        seen = program.weights[k] * sites.counts[site, program.seen[k, 1]]
        sites.means[site, program.seen[k, 0]] += part * seen


@njit(**INLINE)
def _store_site(batch: Batch, lane: int, site: int) -> None:
    """Store what is a lane's own."""
    model, program, sites, lanes = batch.model, batch.program, batch.sites, batch.lanes
    counts, means, tables, c = sites.counts, sites.means, batch.tables, lanes.middle[lane]
    numbers, scale = sites.numbers, lanes.scale[lane]
    for o in range(means.shape[1]):
        means[site, o] = model.free_weights[o] * c * scale
    if lanes.moved[lane] == 0:
        _add_means(program, sites, site, 1.0)
    else:
        _add_means(program, sites, site, 0.5)
        for i in range(len(program.columns), lanes.whole.shape[1]):
            counts[site, tables.column[i]] = lanes.whole[lane, i]
        for i in range(4):
            sites.words[site, i] = lanes.words[lane, i]
        _add_means(program, sites, site, 0.5)
    counts[site, tables.drive[0]] = lanes.start[lane] * scale + lanes.gain[lane]
    numbers[site, GUESS], numbers[site, MEAN], numbers[site, SHORT] = c, c, 0.0
    numbers[site, WAIT] = lanes.wait[lane]
    if not model.constants[LEAST] <= c <= model.constants[MOST]:
        sites.marks[site, OUTSIDE] += 1


@njit(**INLINE)
def _store_pools(batch: Batch, first: int, n: int) -> None:
    """Amounts of pools to the rows of sites."""
    program, sites, lanes = batch.program, batch.sites, batch.lanes
    counts, amounts = sites.counts, lanes.amounts
    for i in range(len(program.columns)):
        result, column = program.results[i], program.columns[i]
        if result >= 0:
            for lane in range(n):
                if lanes.alone[lane] == 0:
                    counts[first + lane, column] = amounts[result, lane]
    for f in range(len(program.flows)):
        for lane in range(n):
            if lanes.alone[lane] == 0:
                counts[first + lane, program.flows[f, 1]] += amounts[program.flows[f, 0], lane]
    for k in range(len(program.watched)):
        for lane in range(n):
            if lanes.alone[lane] == 0:
                sites.means[first + lane, program.watched[k, 1]] += amounts[program.watched[k, 0], lane]


@njit(**INLINE)
def advance_batch(batch: Batch, first: int, n: int, span: float) -> None:
    """A window of `span` ms of `n` sites from `first` on as one step.

    `income` is set by whoever calls; who is `alone` is left as it is.
    """
    lanes = batch.lanes
    if batch.program.usable[0] == 0:
        return
    close = SLACK * batch.model.constants[ACCURACY]
    _load(batch, first, n, span)
    _solve_drive(batch, first, n, span)
    for lane in range(n):
        if lanes.alone[lane] == 0:
            _draw_moves(batch, lane, first + lane, close)
    _advance_pools(batch, first, n)
    for lane in range(n):
        if not lanes.start[lane] * lanes.scale[lane] + lanes.gain[lane] >= 0.0:
            lanes.alone[lane] = 1
        if lanes.alone[lane] == 0:
            _store_site(batch, lane, first + lane)
    _store_pools(batch, first, n)
