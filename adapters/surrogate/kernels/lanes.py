"""Sites side by side in SIMD registers, a site in each lane, and the free drive of each over one step.

It balances as `implicit_drive` says, against an uptake that is linear in c near a guess.

`weighted` is the one sum in the engines that is compiled with relaxed order (fastmath: reassociation), because a sum
in strict order cannot be vectorised. The order then follows from the number of terms and the processor alone, never
from the batch, so bits of a site do not depend on its neighbours (a test holds that). In strict order a window of many
sites takes 4 to 10 % longer.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.surrogate.kernels.implicit_drive import grid_position
from adapters.surrogate.kernels.layout import (
    HIGHEST,
    INLINE,
    LOWEST,
    Scratch,
    Sites,
)
from adapters.surrogate.kernels.program import Nodes, Program
from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit

LANES = 64
"""Sites side by side at most."""
FILL = 1 << 14
"""Numbers in the scratch of all lanes, about, that stay close to the processor."""
SUMS = {**INLINE, "fastmath": {"reassoc", "contract", "nsz"}}
"""Sums in any order, the same one in every lane: see above."""

ROUNDS = 3
"""Iterations for c* around a guess."""
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
def weighted(amounts: Floats, row: int, factors: Floats, at: int, end: int) -> float:
    """Σ of the first `end` amounts of a row times factors in row `at` of a table; relaxed order, see above."""
    total = 0.0
    for i in range(end):
        total += amounts[row, i] * factors[at, i]
    return float(total)


@njit(**INLINE)
def linearise_uptake(
    program: Program, sites: Sites, nodes: Nodes, scratch: Scratch, lanes: Lanes, lane: int, site: int
) -> None:
    """The uptake near the guess of a lane, and what the pools release."""
    guess, scale = min(max(lanes.guess[lane], SMALL), 0.999 * HIGHEST), sites.scales[site]
    k, _ = grid_position(guess, scratch.real, scratch.bits)
    end, volume = program.ends[0], sites.counts.shape[1]
    released = weighted(sites.counts, site, nodes.released, 0, end) + scale * nodes.released[0, volume]
    under = weighted(sites.counts, site, nodes.taken, k, end) + scale * nodes.taken[k, volume]
    over = weighted(sites.counts, site, nodes.taken, k + 1, end) + scale * nodes.taken[k + 1, volume]
    chord = (over - under) / (nodes.grid[k + 1] - nodes.grid[k])
    lanes.chord[lane], lanes.flat[lane] = chord, under - chord * nodes.grid[k]
    lanes.gain[lane] = lanes.enters[lane] - released
    lanes.middle[lane] = guess


@njit(**INLINE)
def exponentials(lanes: Lanes, low: int, high: int) -> None:
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
def solve(lanes: Lanes, low: int, high: int) -> None:
    """c* of lanes from their middle on, with `gain` molecules that come in."""
    scale, leaves, flat, chord, relax = lanes.scale, lanes.leaves, lanes.flat, lanes.chord, lanes.relax
    start, gain, middle, last = lanes.start, lanes.gain, lanes.middle, lanes.last
    for _ in range(ROUNDS):
        for i in range(low, high):
            relax[i] = min((flat[i] / middle[i] + chord[i] + leaves[i]) / scale[i], FAR)
            last[i] = middle[i]
        exponentials(lanes, low, high)
        for i in range(low, high):
            middle[i] = gain[i] / scale[i] * lanes.share[i]
        for i in range(low, high):
            middle[i] = max(start[i] * lanes.shrink[i] + middle[i], SMALL)


@njit(**INLINE)
def converged(lanes: Lanes, lane: int, close: float) -> bool:
    """Whether c* is where the uptake was taken to be linear, and found."""
    guess, c = lanes.guess[lane], lanes.middle[lane]
    off = c / max(guess, SMALL) - 1.0
    bent = abs(lanes.flat[lane]) / (abs(lanes.flat[lane]) + lanes.chord[lane] * c + SMALL)
    return bool(abs(c - lanes.last[lane]) <= close * c and bent * off * off <= close and c < HIGHEST)
