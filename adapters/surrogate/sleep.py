"""Sites where little happens: a window costs a few comparisons, and pools follow later in one long step.

A sleeping site shows the free drive as it drifted in the last window that was computed, shifted by the part of unusual
income that stays free; what came in besides is parked in a reservoir meanwhile, so that the ledger is exact in every
window. Pools stay as they were: their state is that of the moment when the site fell asleep. Whole molecules go on: the
integrated hazard until the next move counts down, so their path law is that of a site awake; what a move takes is
unusual income. The site wakes, with its pools brought up to date, when income is off by more than is allowed, or when
as many windows have passed as keep everything within the tolerance: the curvature of the free drive, the drift of
pools.
"""

from __future__ import annotations

import math

from numba import njit

from adapters.surrogate import tables as t
from adapters.surrogate.balance import hold, mix
from adapters.surrogate.channels import FEW, hazard
from adapters.surrogate.layout import (
    ALLOWED,
    FLOOR,
    FREE,
    HAZARD,
    INLINE,
    JIT,
    LEAST,
    MEAN,
    MOST,
    MOVED,
    OK,
    OUTSIDE,
    PENDING,
    REST,
    SHARE,
    SHORT,
    SLEPT,
    SLOPE,
    SPAN,
    STRIDE,
    UNITS,
    USUAL,
    WAIT,
    Model,
    Scratch,
    Sites,
)
from adapters.surrogate.moves import channels, watch_moves
from adapters.surrogate.steps import counted, run
from couple.random import exponential

LONGEST = 1 << t.LONGER
"""Windows slept at once."""
DRIFT = 4.0
"""Drift and unusual income may shift what is shown by so many tolerances: they are followed, to first order."""

RARE = 1e-3
"""Share of a pool below which the drift of a state is relative to it."""
SPREAD = 3
"""An unusual molecule has spread over buffers after 2^SPREAD windows."""


@njit(**INLINE)
def load(model: Model, sites: Sites, scratch: Scratch, site: int) -> None:
    """Set p and own from the site's rows."""
    column = model.tables[t.COLUMN]
    for i in range(len(scratch.p)):
        at = model.tables[column + i]
        scratch.p[i] = sites.counts[site, at] if at >= 0 else sites.scales[site]
    for i in range(4):
        scratch.own[i] = sites.words[site, i]


@njit(**INLINE)
def store(model: Model, sites: Sites, scratch: Scratch, site: int) -> None:
    """The reverse."""
    column = model.tables[t.COLUMN]
    for i in range(len(scratch.p)):
        if model.tables[column + i] >= 0:
            sites.counts[site, model.tables[column + i]] = scratch.p[i]
    for i in range(4):
        sites.words[site, i] = scratch.own[i]


@njit(**JIT)
def wake(model: Model, sites: Sites, scratch: Scratch, site: int) -> int:
    """Bring the pools up to date; returns a code."""
    numbers, marks, counts, scale = sites.numbers, sites.marks, sites.counts, sites.scales[site]
    drive, slept, outside = model.tables[t.DRIVE], marks[site, SLEPT], marks[site, OUTSIDE]
    marks[site, SLEPT] = 0
    if slept == 0:
        return OK
    free, mean = model.tables[drive], numbers[site, MEAN]
    park = model.tables[drive + 3]
    parked = numbers[site, PENDING] - (counts[site, free] - numbers[site, FREE])
    counts[site, model.tables[model.tables[t.FLOW_COLUMN] + park]] -= parked / model.flow_holds[park]
    load(model, sites, scratch, site)
    for i in range(len(scratch.p)):
        scratch.old[i] = scratch.p[i]
    lent = sites.sink[site, 0] != 0.0 or sites.sink[site, 1] != 0.0
    code: int
    code, c = run(
        model, sites, scratch, site, numbers[site, FREE] / scale, numbers[site, PENDING], 0.0, False, lent, True,
        slept * numbers[site, SPAN], slept * UNITS, 0,
    )  # fmt: skip
    counts[site, free], numbers[site, MEAN], marks[site, OUTSIDE] = c * scale, mean, outside
    store(model, sites, scratch, site)
    return code


@njit(**JIT)
def look(model: Model, sites: Sites, site: int) -> None:
    """Set the means of a site to what is there now."""
    tables, counts, means = model.tables, sites.counts, sites.means
    drive, start = tables[tables[t.DRIVE]], tables[t.POOL_START]
    for o in range(means.shape[1]):
        means[site, o] = model.free_weights[o] * counts[site, drive]
    for q in range(tables[t.KEEPS] - tables[t.MATRIX]):
        for o in range(tables[tables[t.WATCH_START] + q], tables[tables[t.WATCH_START] + q + 1]):
            at = tables[tables[t.WEIGHT] + o] - tables[start + q]
            for i in range(tables[start + q], tables[start + q + 1]):
                column = tables[tables[t.COLUMN] + i]
                amount = counts[site, column] if column >= 0 else sites.scales[site]
                means[site, tables[tables[t.WATCH_NUMBER] + o]] += model.weights[at + i] * amount
    for k in range(tables[t.STILL_NUMBER] - tables[t.STILL_COLUMN]):
        amount = counts[site, tables[tables[t.STILL_COLUMN] + k]]
        means[site, tables[tables[t.STILL_NUMBER] + k]] += model.still_weights[k] * amount
    clear(sites, site)


@njit(**INLINE)
def clear(sites: Sites, site: int) -> None:
    """Forget what the last window would add to the means of this one."""
    if sites.marks[site, MOVED] != 0:
        sites.marks[site, MOVED] = 0
        for o in range(sites.halves.shape[1]):
            sites.halves[site, o] = 0.0


@njit(**INLINE)
def _income(model: Model, sites: Sites, site: int) -> float:
    """Molecules of the drive that enter; nan if anything else happens."""
    column, state = model.tables[t.INJECTED_COLUMN], model.tables[t.INJECTED_STATE]
    income = 0.0
    for j in range(state - column):
        value = sites.influx[site, j]
        if model.tables[state + j] == -2 and 0.0 <= value < math.inf:
            income += value
        elif value != 0.0:
            return math.nan
    return income


@njit(**JIT)
def _moves(model: Model, sites: Sites, scratch: Scratch, site: int, excess: float) -> tuple[bool, float]:
    """Whole molecules of a sleeping site over a window in which some move; whether it sleeps on, and what they take."""
    numbers, marks, p, new = sites.numbers, sites.marks, scratch.p, scratch.new
    load(model, sites, scratch, site)
    mix(model.rows, t.LONGER, sites.counts[site, model.tables[model.tables[t.DRIVE]]] / sites.scales[site], scratch)
    taken, wait = channels(model, scratch, t.LONGER, 0.0, False, numbers[site, WAIT])
    if abs(excess - taken) > numbers[site, ALLOWED]:
        return False, 0.0
    watch_moves(model, scratch, site, sites.means, sites.halves)
    for i in range(counted(model), len(p)):
        p[i] = new[i]
    store(model, sites, scratch, site)
    numbers[site, HAZARD], numbers[site, WAIT], marks[site, MOVED] = hazard(model, scratch), wait, 1
    return numbers[site, HAZARD] < FEW, taken


@njit(**INLINE)
def doze(model: Model, sites: Sites, scratch: Scratch, site: int, span: float) -> tuple[bool, int]:
    """A window of a sleeping site; whether it is done, and a code."""
    numbers, marks, counts, means = sites.numbers, sites.marks, sites.counts, sites.means
    drive, scale = model.tables[t.DRIVE], sites.scales[site]
    free, park, slept = model.tables[drive], model.tables[drive + 3], marks[site, SLEPT] + 1
    before = counts[site, free]
    mean = max(before + 0.5 * numbers[site, SLOPE], 0.0) / scale
    income = _income(model, sites, site) - span * (sites.sink[site, 0] + sites.sink[site, 1] * mean)
    excess = numbers[site, PENDING] + income - slept * numbers[site, USUAL]
    if not abs(excess) <= numbers[site, ALLOWED]:
        return False, OK
    for o in range(means.shape[1]):
        means[site, o] += model.free_weights[o] * scale * (mean - numbers[site, MEAN])
        if marks[site, MOVED] != 0:
            means[site, o] += sites.halves[site, o]
    clear(sites, site)
    numbers[site, MEAN], numbers[site, SHORT] = mean, 0.0
    awake = False
    if numbers[site, WAIT] > numbers[site, HAZARD]:
        numbers[site, WAIT] -= numbers[site, HAZARD]
    else:
        fits, taken = _moves(model, sites, scratch, site, excess)
        if not fits and taken == 0.0 and marks[site, MOVED] == 0:
            return False, OK
        income, excess, awake = income - taken, excess - taken, not fits
    after = numbers[site, FREE] + slept * numbers[site, SLOPE] + excess * numbers[site, SHARE]
    counts[site, free] = after
    counts[site, model.tables[model.tables[t.FLOW_COLUMN] + park]] += (income - (after - before)) / model.flow_holds[
        park
    ]
    numbers[site, PENDING] += income
    marks[site, SLEPT] = slept
    if slept < marks[site, STRIDE] and not awake:
        return True, OK
    slope, usual = numbers[site, SLOPE], numbers[site, PENDING] / slept
    began = numbers[site, FREE]
    code = wake(model, sites, scratch, site)
    if code != OK:
        return False, code
    look(model, sites, site)
    bend = 2.0 * ((counts[site, free] - began) / slept - slope) / slept
    settle(model, sites, scratch, site, span, usual, counts[site, free] - began, bend, slept)
    return True, OK


@njit(**INLINE)
def settle(
    model: Model,
    sites: Sites,
    scratch: Scratch,
    site: int,
    span: float,
    usual: float,
    gain: float,
    bend: float,
    windows: int,
) -> None:
    """Decide how long a site may sleep, after `windows` in which pools went from `old` to p and the drive by `gain`.

    bend: by how much the drift in a window changes from one to the next.
    """
    numbers, marks, p, old = sites.numbers, sites.marks, scratch.p, scratch.old
    free = sites.counts[site, model.tables[model.tables[t.DRIVE]]]
    slope, rest = gain / windows, model.constants[REST]
    most = rest * (free + model.constants[FLOOR] * sites.scales[site])
    numbers[site, SLOPE], marks[site, STRIDE] = slope, 0
    c = free / sites.scales[site]
    if not model.constants[LEAST] <= c <= model.constants[MOST]:
        return
    k = float(LONGEST)
    k = min(k, DRIFT * most / max(abs(slope), 1e-300))
    k = min(k, math.sqrt(2.0 * most / max(abs(bend), 1e-300)))
    start = model.tables[t.POOL_START]
    for q in range(model.tables[t.KEEPS] - model.tables[t.MATRIX]):
        if model.tables[model.tables[t.MULTINOMIAL] + q] != 0:
            break
        total = 0.0
        for i in range(model.tables[start + q], model.tables[start + q + 1]):
            total += p[i]
        for i in range(model.tables[start + q], model.tables[start + q + 1]):
            k = min(k, rest * (p[i] + RARE * total) * windows / max(abs(p[i] - old[i]), 1e-300))
    if k < 2.0:
        return
    mix(model.rows, t.LONGER, c, scratch)
    numbers[site, HAZARD] = hazard(model, scratch)
    if numbers[site, HAZARD] >= FEW:
        return
    if numbers[site, WAIT] <= 0.0:
        numbers[site, WAIT] = exponential(scratch.own)
        for i in range(4):
            sites.words[site, i] = scratch.own[i]
    stride = 1
    while 2 * stride <= k:
        stride *= 2
    marks[site, STRIDE] = stride
    numbers[site, FREE], numbers[site, USUAL], numbers[site, PENDING] = free, usual, 0.0
    taken = hold(model, t.LONGER - SPREAD, counted(model), scratch, c)
    numbers[site, SHARE] = sites.scales[site] / (sites.scales[site] + taken)
    numbers[site, ALLOWED], numbers[site, SPAN] = DRIFT * most / numbers[site, SHARE], span
