"""What the kernels of the surrogate share: arrays of the model, of the sites and of scratch, and their columns."""

from __future__ import annotations

import math
from typing import NamedTuple

from adapters.surrogate.pools import tables as t
from couple.base.arrays import Floats, Ints, Words

JIT = {"cache": True, "nogil": True, "_nrt": False, "error_model": "numpy"}
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
UNITS = 1 << (t.LEVELS - 1)
"""Shortest steps in a step of usual length."""

# columns of `numbers` (n_sites, 4), kept from window to window
(
    GUESS,  # c* of the last step (uM)
    MEAN,  # mean of c over the window (uM)
    SHORT,  # molecules that blocks asked for in the window but that were not there
    WAIT,  # integrated hazard until the next molecule of a block moves; 0: not drawn
) = range(4)
# columns of `marks` (n_sites, 3): level of the last step, windows outside of the drive box, draws that found no ions
LEVEL, OUTSIDE, LIMITED = range(3)
# places in `constants`: error allowed in a step (relative), least c it is relative to, rates, drive box
ACCURACY, FLOOR, RATE, RATE_PER_UM, LEAST, MOST = range(6)


class PoolModel(NamedTuple):
    """Pools at one length of the step: see `tables.PoolPlan`; rows, uptakes: of `tables.propagators`, flat.

    packed: PoolTables as one array, see `wellmixed.packing`: for one site, twenty arrays would cost as much as the
    step. constants: see above.
    """

    packed: Ints
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

    sink: (n_sites, 2) what blocks take per ms, and per ms and uM. scales: (n_sites,) molecules per uM. words:
    (n_sites, 4) of random streams.
    """

    counts: Floats
    influx: Floats
    clamp: Floats
    means: Floats
    sink: Floats
    scales: Floats
    numbers: Floats
    marks: Ints
    words: Words


class Scratch(NamedTuple):
    """p, new, births, product: (n_states,). gained: (n_flows,). mixed: (width,). own: (4,). real, bits: one
    number.
    """

    p: Floats
    new: Floats
    births: Floats
    product: Floats
    gained: Floats
    mixed: Floats
    own: Words
    real: Floats
    bits: Ints
