"""What the kernels of the surrogate share: arrays of the model, of the sites and of scratch, and their columns."""

from __future__ import annotations

import math
from typing import NamedTuple

from adapters.surrogate import tables as t
from adapters.wellmixed.packing import Ints
from couple.component import Floats
from couple.random import Words

JIT = {"cache": True, "_nrt": False, "error_model": "numpy"}
"""Without counts of references, which are atomic and took most of the time; so kernels cannot make arrays."""

INLINE = {**JIT, "forceinline": True}
"""For what is called in every step: arrays of named tuples cost more to hand over than short loops."""

OK, OFF_GRID, BAD_INFLUX, TOO_FEW, BAD_CLAMP, NEGATIVE = range(6)

SHIFT = 52 - int(math.log2(t.PER_OCTAVE))
"""Bits of a number below those that say between which points of the grid it lies."""
MASK, PART = (1 << SHIFT) - 1, 2.0**-SHIFT
FIRST = ((1023 + t.LOWEST) << int(math.log2(t.PER_OCTAVE))) - 1
LOWEST = 2.0**t.LOWEST
HIGHEST = 2.0 ** (t.LOWEST + t.OCTAVES)
UNITS = 1 << (t.LEVELS - 1 - t.LONGER)
"""Shortest steps in a step of usual length."""

# columns of `numbers` (n_sites, 12), kept from window to window
(
    GUESS,  # c* of the last step (uM)
    MEAN,  # mean of c over the window (uM)
    SHORT,  # molecules that blocks asked for in the window but that were not there
    WAIT,  # integrated hazard until the next molecule of a block moves; 0: not drawn
    # of a sleeping site, see `sleep`: molecules of the drive
    FREE,  # when it fell asleep
    SLOPE,  # more of them in a window
    USUAL,  # income of a window that goes with it
    PENDING,  # income since it fell asleep
    ALLOWED,  # how far that may be from the usual
    SHARE,  # of an unusual molecule that stays free
    HAZARD,  # integrated over a window
    SPAN,  # ms, of the windows that it sleeps
) = range(12)
# columns of `marks` (n_sites, 6): level of the last step, windows outside of the drive box, draws that found no ions,
# windows slept, windows it may sleep at once (below 2: it is awake), whether `halves` hold anything
LEVEL, OUTSIDE, LIMITED, SLEPT, STRIDE, MOVED = range(6)
# places in `constants`: error allowed in a step (relative), least c it is relative to, rates, drive box, and how far
# what a sleeping site shows may be off
ACCURACY, FLOOR, RATE, RATE_PER_UM, LEAST, MOST, REST = range(7)


class Model(NamedTuple):
    """See `tables.Plan`; rows, uptakes: of tables.propagators, flat."""

    tables: Ints
    holds: Floats
    flow_holds: Floats
    weights: Floats
    free_weights: Floats
    still_weights: Floats
    rows: Floats
    uptakes: Floats
    constants: Floats


class Sites(NamedTuple):
    """Ports and what else a site has a row of.

    sink: (n_sites, 2) what blocks take per ms, and per ms and uM. scales: (n_sites,) molecules per uM. halves:
    (n_sites, n_observables) what moves in the last window add to means of the next. words: (n_sites, 4).
    """

    counts: Floats
    influx: Floats
    clamp: Floats
    means: Floats
    sink: Floats
    scales: Floats
    numbers: Floats
    marks: Ints
    halves: Floats
    words: Words


class Scratch(NamedTuple):
    """p, new, births, product, old: (n_states,). gained: (n_flows,). mixed: (width,). own: (4,). real, bits: one
    number.
    """

    p: Floats
    new: Floats
    births: Floats
    product: Floats
    old: Floats
    gained: Floats
    mixed: Floats
    own: Words
    real: Floats
    bits: Ints
