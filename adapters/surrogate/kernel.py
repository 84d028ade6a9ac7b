"""Kernel of the surrogate: all sites over one window in one call."""

from __future__ import annotations

import math

from numba import njit

from adapters.surrogate import tables as t
from adapters.surrogate.layout import (
    BAD_CLAMP,
    BAD_INFLUX,
    INLINE,
    JIT,
    LEVEL,
    LIMITED,
    MEAN,
    OK,
    OUTSIDE,
    REST,
    SHORT,
    SLOPE,
    SPAN,
    STRIDE,
    TOO_FEW,
    UNITS,
    WAIT,
    Model,
    Scratch,
    Sites,
)
from adapters.surrogate.sleep import clear, doze, load, settle, store, wake
from adapters.surrogate.steps import run
from couple.random import exponential


@njit(**INLINE)
def _inputs(model: Model, sites: Sites, site: int, scratch: Scratch) -> tuple[int, float, bool]:
    """Set clamped counts, take out what leaves; returns a code, the income, and whether `births` hold any."""
    tables, counts, births = model.tables, sites.counts, scratch.births
    column, state = tables[t.INJECTED_COLUMN], tables[t.INJECTED_STATE]
    held, book = tables[t.CLAMP_COLUMN], tables[t.CLAMP_BOOK]
    for k in range(book - held):
        value, at = sites.clamp[site, k], tables[held + k]
        if not 0.0 <= value < math.inf:
            return BAD_CLAMP, 0.0, False
        counts[site, tables[book + k]] -= value - counts[site, at]
        counts[site, at] = value
    income, born = 0.0, False
    for i in range(len(births)):
        births[i] = 0.0
    for j in range(state - column):
        value, at, to = sites.influx[site, j], tables[column + j], tables[state + j]
        if not -math.inf < value < math.inf:
            return BAD_INFLUX, 0.0, False
        if to == -2 and value > 0.0:
            income += value
        elif to >= 0 and value > 0.0:
            births[to] += value
            born = True
        else:
            counts[site, at] += value
            if counts[site, at] < -1e-3 and to != -1:
                return TOO_FEW, 0.0, False
    return OK, income, born


@njit(**INLINE)
def _window(model: Model, sites: Sites, scratch: Scratch, site: int, span: float, steps: int) -> int:
    """A window of a site awake; returns a code."""
    tables, counts, means, numbers, marks = model.tables, sites.counts, sites.means, sites.numbers, sites.marks
    drive, scale = tables[t.DRIVE], sites.scales[site]
    free, sink, limited, out = tables[drive], sites.sink, marks[site, LIMITED], marks[site, OUTSIDE]
    code: int
    code, income, born = _inputs(model, sites, site, scratch)
    if code != OK:
        return code
    load(model, sites, scratch, site)
    for i in range(len(scratch.p)):
        scratch.old[i] = scratch.p[i]
    for o in range(means.shape[1]):
        means[site, o] = 0.0
    if numbers[site, WAIT] <= 0.0:
        numbers[site, WAIT] = exponential(scratch.own)
    begin = counts[site, free] / scale if free >= 0 else 0.0
    lent = sink[site, 0] > 0.0 or sink[site, 1] > 0.0
    code, c = run(
        model, sites, scratch, site, begin, income - sink[site, 0] * span, sink[site, 1] * span, born, lent, False,
        span, steps * UNITS, max(marks[site, LEVEL], t.LONGER),
    )  # fmt: skip
    if code != OK:
        return code
    store(model, sites, scratch, site)
    if free >= 0 and tables[drive + 1] == 0:
        counts[site, free] = c * scale
    for o in range(means.shape[1]):
        means[site, o] += model.free_weights[o] * numbers[site, MEAN] * scale
    still = tables[t.STILL_COLUMN]
    for k in range(tables[t.STILL_NUMBER] - still):
        means[site, tables[tables[t.STILL_NUMBER] + k]] += model.still_weights[k] * counts[site, tables[still + k]]
    gain = (c - begin) * scale
    bend = gain - numbers[site, SLOPE]
    numbers[site, SLOPE] = gain
    quiet = marks[site, LEVEL] <= t.LONGER and limited == marks[site, LIMITED] and out == marks[site, OUTSIDE]
    if tables[drive + 3] >= 0 and model.constants[REST] > 0.0 and steps == 1 and quiet and not born:
        usual = income - span * (sink[site, 0] + sink[site, 1] * numbers[site, MEAN])
        settle(model, sites, scratch, site, span, usual, gain, bend, 1)
    return OK


@njit(**JIT)
def advance(model: Model, sites: Sites, scratch: Scratch, span: float, steps: int) -> tuple[int, int]:
    """All sites over one window of `span` ms, in `steps` steps or shorter ones. Returns (code, site)."""
    for site in range(len(sites.counts)):
        if sites.marks[site, STRIDE] > 1:
            done, code = doze(model, sites, scratch, site, span)
            if code != OK:
                return code, site
            if done:
                continue
        sites.numbers[site, SHORT] = 0.0
        code = wake(model, sites, scratch, site)
        sites.marks[site, STRIDE] = 0
        clear(sites, site)
        if code == OK:
            code = _window(model, sites, scratch, site, span, steps)
        if code != OK:
            return code, site
    return OK, 0


@njit(**JIT)
def wake_all(model: Model, sites: Sites, scratch: Scratch, span: float) -> tuple[int, int]:
    """Wake sites that sleep windows of `span` ms."""
    for site in range(len(sites.counts)):
        if sites.marks[site, STRIDE] > 1 and sites.numbers[site, SPAN] == span:
            code = wake(model, sites, scratch, site)
            sites.marks[site, STRIDE] = 0
            if code != OK:
                return code, site
    return OK, 0
