"""Many sites side by side over a window that is one step: every operation runs over lanes, a site in each.

A lane takes the step of `steps` at once: the free drive balances (see `balance`) against an uptake that is linear in c
near a guess, whole molecules move, and the pools follow their `program`. Where that is not good enough (the step is too
long, too many molecules move, ions run out) nothing is stored, and the site is left to go `alone`. Every lane sees its
own numbers only: the bits of a site do not depend on its neighbours.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from adapters.surrogate import tables as t
from adapters.surrogate.balance import mix, place
from adapters.surrogate.channels import FEW
from adapters.surrogate.layout import (
    ACCURACY,
    FLOOR,
    GUESS,
    HIGHEST,
    INLINE,
    LEAST,
    LEVEL,
    LOWEST,
    MEAN,
    MOST,
    OUTSIDE,
    RATE,
    RATE_PER_UM,
    SHORT,
    WAIT,
    Model,
    Scratch,
    Sites,
)
from adapters.surrogate.moves import channels
from adapters.surrogate.program import ADD, Nodes, Program
from adapters.wellmixed.packing import Ints
from couple.component import Floats
from couple.random import exponential

LANES = 64
"""Sites side by side at most."""
FILL = 1 << 14
"""Numbers in the scratch of all lanes, about, that stay close to the processor."""
SUMS = {**INLINE, "fastmath": {"reassoc", "contract", "nsz"}}
"""Sums in any order: the same one in every lane."""

ROUNDS, TRIES = 3, 2
"""Iterations for c* around a guess, and how often c* is the next guess."""
SLACK = 0.1
"""Part of the accuracy that c* may be off."""
SMALL = 1e-6 * LOWEST

LOG2E, LN2_HIGH, LN2_LOW = math.log2(math.e), 6.93147180369123816490e-01, 1.90821492927058770002e-10
MANTISSA, BIAS = np.int64(52), np.int64(1023)
FAR = 700.0
"""Times the drive relaxes in a step at most: exp(-FAR) is about the least number."""
NEAR = 1e-3
"""Below which series stand for differences of numbers that are almost alike."""


class Lanes(NamedTuple):
    """(LANES,) each, unless said otherwise.

    income: molecules that enter; enters: without what blocks take; leaves: what they take per uM. start, guess, middle,
    last: of the drive, uM. flat + chord c: uptake near the guess. relax: z, how often the drive relaxes; turns, rest,
    two (bits): parts of exp(-z); shrink: its mean, (1 - exp(-z)) / z; share: (1 - shrink) / z. node, weight: place of
    c* in tables. drawn: taken by whole molecules; wait: until the next moves. gain: of the drive, in molecules. alone,
    moved: marks. mixed: (LANES, width) rows; entries: (width, LANES) the same by entry; amounts: (registers, LANES).
    whole: (LANES, n_states) whole molecules, words: (LANES, 4), where any move.
    """

    scale: Floats
    income: Floats
    enters: Floats
    leaves: Floats
    start: Floats
    guess: Floats
    middle: Floats
    last: Floats
    flat: Floats
    chord: Floats
    relax: Floats
    turns: Floats
    rest: Floats
    two: Floats
    bits: Ints
    shrink: Floats
    share: Floats
    node: npt.NDArray[np.uint64]
    weight: Floats
    drawn: Floats
    wait: Floats
    gain: Floats
    alone: Ints
    moved: Ints
    mixed: Floats
    entries: Floats
    amounts: Floats
    whole: Floats
    words: npt.NDArray[np.uint64]


def lanes(program: Program, n_states: int) -> Lanes:
    """Scratch for a program."""
    width, registers = len(program.entries), int(program.registers[0])
    size = max(8, min(LANES, FILL // max(width + registers, 1) // 8 * 8))
    of: dict[str, Any] = {name: np.ones(size) for name in Lanes._fields}
    of |= {name: np.zeros(size, dtype=np.int64) for name in ("alone", "moved")}
    of |= {"bits": of["two"].view(np.int64), "node": np.zeros(size, dtype=np.uint64)}
    of |= {"mixed": np.zeros((size, width)), "entries": np.zeros((width, size))}
    of |= {"amounts": np.zeros((registers, size)), "whole": np.zeros((size, n_states))}
    return Lanes(**{**of, "words": np.zeros((size, 4), dtype=np.uint64)})


@njit(**SUMS)
def _sum(amounts: Floats, row: int, factors: Floats, at: int, end: int) -> float:
    """Of the first `end` amounts of a row, times factors in a row of a table."""
    total = 0.0
    for i in range(end):
        total += amounts[row, i] * factors[at, i]
    return float(total)


@njit(**INLINE)
def _measure(
    program: Program, sites: Sites, nodes: Nodes, scratch: Scratch, lanes: Lanes, lane: int, site: int
) -> None:
    """The uptake near the guess of a lane, and what the pools release."""
    guess, scale = min(max(lanes.guess[lane], SMALL), 0.999 * HIGHEST), sites.scales[site]
    k, _ = place(guess, scratch.real, scratch.bits)
    end, volume = program.ends[0], sites.counts.shape[1]
    released = _sum(sites.counts, site, nodes.released, 0, end) + scale * nodes.released[0, volume]
    under = _sum(sites.counts, site, nodes.taken, k, end) + scale * nodes.taken[k, volume]
    over = _sum(sites.counts, site, nodes.taken, k + 1, end) + scale * nodes.taken[k + 1, volume]
    chord = (over - under) / (nodes.grid[k + 1] - nodes.grid[k])
    lanes.chord[lane], lanes.flat[lane] = chord, under - chord * nodes.grid[k]
    lanes.gain[lane] = lanes.enters[lane] - released
    lanes.middle[lane] = guess


@njit(**INLINE)
def _exponentials(lanes: Lanes, low: int, high: int) -> None:
    """shrink and share of relax."""
    relax, turns, rest, bits, two = lanes.relax, lanes.turns, lanes.rest, lanes.bits, lanes.two
    shrink, share = lanes.shrink, lanes.share
    for i in range(low, high):
        turns[i] = math.floor(relax[i] * LOG2E + 0.5)
    for i in range(low, high):
        rest[i] = (turns[i] * LN2_HIGH - relax[i]) + turns[i] * LN2_LOW
    for i in range(low, high):
        bits[i] = (BIAS - np.int64(turns[i])) << MANTISSA
    for i in range(low, high):  # exp by its series: off by 1e-16 for |x| < ln(2) / 2
        x = rest[i]
        y = 1.0 + x * (1.0 / 12.0 + x * (1.0 / 156.0))
        y = 1.0 + x * (1.0 / 9.0) * (1.0 + x * (1.0 / 10.0) * (1.0 + x * (1.0 / 11.0) * y))
        y = 1.0 + x * (1.0 / 6.0) * (1.0 + x * (1.0 / 7.0) * (1.0 + x * (1.0 / 8.0) * y))
        y = 1.0 + x * (1.0 / 3.0) * (1.0 + x * (1.0 / 4.0) * (1.0 + x * (1.0 / 5.0) * y))
        rest[i] = (1.0 + x * (1.0 + x * 0.5 * y)) * two[i]
    for i in range(low, high):
        z = relax[i]
        near = 1.0 - z * (1.0 / 2.0 - z * (1.0 / 6.0 - z * (1.0 / 24.0)))
        far = (1.0 - rest[i]) / z
        shrink[i] = near if z < NEAR else far
    for i in range(low, high):
        z = relax[i]
        near = 1.0 / 2.0 - z * (1.0 / 6.0 - z * (1.0 / 24.0 - z * (1.0 / 120.0)))
        far = (1.0 - shrink[i]) / z
        share[i] = near if z < NEAR else far


@njit(**INLINE)
def _solve(lanes: Lanes, low: int, high: int) -> None:
    """c* of lanes from their middle on, with `gain` molecules that come in."""
    scale, leaves, flat, chord, relax = lanes.scale, lanes.leaves, lanes.flat, lanes.chord, lanes.relax
    start, gain, middle, last = lanes.start, lanes.gain, lanes.middle, lanes.last
    for _ in range(ROUNDS):
        for i in range(low, high):
            relax[i] = min((flat[i] / middle[i] + chord[i] + leaves[i]) / scale[i], FAR)
            last[i] = middle[i]
        _exponentials(lanes, low, high)
        for i in range(low, high):
            middle[i] = gain[i] / scale[i] * lanes.share[i]
        for i in range(low, high):
            middle[i] = max(start[i] * lanes.shrink[i] + middle[i], SMALL)


@njit(**INLINE)
def _fits(lanes: Lanes, lane: int, close: float) -> bool:
    """Whether c* is where the uptake was taken to be linear, and found."""
    guess, c = lanes.guess[lane], lanes.middle[lane]
    off = c / max(guess, SMALL) - 1.0
    bent = abs(lanes.flat[lane]) / (abs(lanes.flat[lane]) + lanes.chord[lane] * c + SMALL)
    return bool(abs(c - lanes.last[lane]) <= close * c and bent * off * off <= close and c < HIGHEST)


@njit(**INLINE)
def _error(model: Model, lanes: Lanes, lane: int, span: float) -> float:
    """Of the step, over what is allowed."""
    constants, start, c = model.constants, lanes.start[lane], lanes.middle[lane]
    shrink = lanes.shrink[lane]
    end = start * (1.0 - lanes.relax[lane] * shrink) + lanes.gain[lane] / lanes.scale[lane] * shrink
    relax = span * (constants[RATE] + constants[RATE_PER_UM] * c) / 12.0
    return float(relax * abs(end - start) / (constants[ACCURACY] * (max(end, start) + constants[FLOOR])))


@njit(**INLINE)
def _jump(
    model: Model,
    program: Program,
    nodes: Nodes,
    sites: Sites,
    scratch: Scratch,
    lanes: Lanes,
    lane: int,
    site: int,
    close: float,
) -> None:
    """Whole molecules of a lane in the step, and c* with what they take."""
    k, w = place(lanes.middle[lane], scratch.real, scratch.bits)
    lanes.node[lane], lanes.weight[lane] = k, w
    wait, scale = sites.numbers[site, WAIT], sites.scales[site]
    end = program.ends[1]
    low = _sum(sites.counts, site, nodes.hazards, k, end)
    hazard = low + w * (_sum(sites.counts, site, nodes.hazards, k + 1, end) - low)
    lanes.moved[lane], lanes.drawn[lane], lanes.wait[lane] = 0, 0.0, wait - hazard
    if wait > hazard:
        return
    if not hazard < FEW:
        lanes.alone[lane] = 1
        return
    column, mean, n = model.tables[t.COLUMN], len(program.columns), len(scratch.p)
    for i in range(mean, n):
        scratch.p[i] = sites.counts[site, model.tables[column + i]]
    for i in range(4):
        scratch.own[i] = sites.words[site, i]
    mix(model.rows, 0, lanes.middle[lane], scratch, program.whole[0])
    lanes.moved[lane] = 1
    lanes.drawn[lane], lanes.wait[lane] = channels(model, scratch, 0, lanes.middle[lane], wait)
    for i in range(mean, n):
        lanes.whole[lane, i] = scratch.new[i]
    for i in range(4):
        lanes.words[lane, i] = scratch.own[i]
    c = lanes.middle[lane]
    lanes.middle[lane] = max(c - lanes.drawn[lane] / scale * lanes.share[lane], SMALL)
    off = abs(lanes.middle[lane] / c - 1.0) * abs(lanes.flat[lane])
    if off > close * (abs(lanes.flat[lane]) + lanes.chord[lane] * c):  # the chord is another one
        lanes.gain[lane] -= lanes.drawn[lane]
        _solve(lanes, lane, lane + 1)
        if not _fits(lanes, lane, close):
            lanes.alone[lane] = 1
            return
    k, lanes.weight[lane] = place(lanes.middle[lane], scratch.real, scratch.bits)
    lanes.node[lane] = k


@njit(**INLINE)
def _balance(
    model: Model,
    program: Program,
    nodes: Nodes,
    sites: Sites,
    scratch: Scratch,
    lanes: Lanes,
    first: int,
    n: int,
    span: float,
) -> None:
    """c* of lanes; those where it is not found, or the step is too long, go alone."""
    close = SLACK * model.constants[ACCURACY]
    for lane in range(n):
        _measure(program, sites, nodes, scratch, lanes, lane, first + lane)
    _solve(lanes, 0, len(lanes.middle))
    for lane in range(n):
        fits = _fits(lanes, lane, close)
        for _ in range(TRIES):
            if fits or lanes.alone[lane] != 0:
                break
            lanes.guess[lane] = lanes.middle[lane]
            _measure(program, sites, nodes, scratch, lanes, lane, first + lane)
            _solve(lanes, lane, lane + 1)
            fits = _fits(lanes, lane, close)
        if not fits or not _error(model, lanes, lane, span) <= 1.0:
            lanes.alone[lane] = 1


@njit(**INLINE)
def _begin(model: Model, sites: Sites, scratch: Scratch, lanes: Lanes, first: int, n: int, span: float) -> None:
    """Take what a step needs from the rows of sites."""
    free = model.tables[model.tables[t.DRIVE]]
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
def _follow(program: Program, nodes: Nodes, sites: Sites, lanes: Lanes, first: int, n: int) -> None:
    """Run the program, and set the gain of the drive."""
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
def _report(program: Program, sites: Sites, lane: int, site: int, part: float) -> None:
    """Add part of the observables of what whole molecules there are now, and of what never changes."""
    for o in range(sites.means.shape[1]):
        seen = _sum(sites.counts, site, program.weights, o, sites.counts.shape[1])
        sites.means[site, o] += part * seen


@njit(**INLINE)
def _finish(model: Model, program: Program, sites: Sites, lanes: Lanes, lane: int, site: int) -> None:
    """Store what is a lane's own."""
    counts, means, tables, c = sites.counts, sites.means, model.tables, lanes.middle[lane]
    numbers, scale = sites.numbers, lanes.scale[lane]
    for o in range(means.shape[1]):
        means[site, o] = model.free_weights[o] * c * scale
    if lanes.moved[lane] == 0:
        _report(program, sites, lane, site, 1.0)
    else:
        _report(program, sites, lane, site, 0.5)
        for i in range(len(program.columns), lanes.whole.shape[1]):
            counts[site, tables[tables[t.COLUMN] + i]] = lanes.whole[lane, i]
        for i in range(4):
            sites.words[site, i] = lanes.words[lane, i]
        _report(program, sites, lane, site, 0.5)
    counts[site, tables[tables[t.DRIVE]]] = lanes.start[lane] * scale + lanes.gain[lane]
    numbers[site, GUESS], numbers[site, MEAN], numbers[site, SHORT] = c, c, 0.0
    numbers[site, WAIT] = lanes.wait[lane]
    if not model.constants[LEAST] <= c <= model.constants[MOST]:
        sites.marks[site, OUTSIDE] += 1


@njit(**INLINE)
def _store(program: Program, sites: Sites, lanes: Lanes, first: int, n: int) -> None:
    """Amounts of pools to the rows of sites."""
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
def glide(
    model: Model,
    program: Program,
    nodes: Nodes,
    sites: Sites,
    scratch: Scratch,
    lanes: Lanes,
    first: int,
    n: int,
    span: float,
) -> None:
    """A window of `n` sites from `first` on as one step; `income` is set, and who is `alone` is left as it is."""
    if program.usable[0] == 0:
        return
    close = SLACK * model.constants[ACCURACY]
    _begin(model, sites, scratch, lanes, first, n, span)
    _balance(model, program, nodes, sites, scratch, lanes, first, n, span)
    for lane in range(n):
        if lanes.alone[lane] == 0:
            _jump(model, program, nodes, sites, scratch, lanes, lane, first + lane, close)
    _follow(program, nodes, sites, lanes, first, n)
    for lane in range(n):
        if not lanes.start[lane] * lanes.scale[lane] + lanes.gain[lane] >= 0.0:
            lanes.alone[lane] = 1
        if lanes.alone[lane] == 0:
            _finish(model, program, sites, lanes, lane, first + lane)
    _store(program, sites, lanes, first, n)
