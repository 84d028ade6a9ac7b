"""One site over one window, in steps of its own."""

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
    MEAN,
    OK,
    SHORT,
    TOO_FEW,
    UNITS,
    WAIT,
    Model,
    Scratch,
    Sites,
)
from adapters.surrogate.steps import run
from couple.rng.streams import exponential


@njit(**INLINE)
def _load(model: Model, sites: Sites, scratch: Scratch, site: int) -> None:
    """Set p and own from the site's rows."""
    column = model.tables[t.COLUMN]
    for i in range(len(scratch.p)):
        at = model.tables[column + i]
        scratch.p[i] = sites.counts[site, at] if at >= 0 else sites.scales[site]
    for i in range(4):
        scratch.own[i] = sites.words[site, i]


@njit(**INLINE)
def _store(model: Model, sites: Sites, scratch: Scratch, site: int) -> None:
    """The reverse."""
    column = model.tables[t.COLUMN]
    for i in range(len(scratch.p)):
        if model.tables[column + i] >= 0:
            sites.counts[site, model.tables[column + i]] = scratch.p[i]
    for i in range(4):
        sites.words[site, i] = scratch.own[i]


@njit(**INLINE)
def inputs(model: Model, sites: Sites, site: int) -> tuple[int, float, bool]:
    """Set clamped counts, take out what leaves; returns a code, the income, and whether molecules are born."""
    tables, counts = model.tables, sites.counts
    column, state = tables[t.INJECTED_COLUMN], tables[t.INJECTED_STATE]
    held, book = tables[t.CLAMP_COLUMN], tables[t.CLAMP_BOOK]
    for k in range(book - held):
        value, at = sites.clamp[site, k], tables[held + k]
        if not 0.0 <= value < math.inf:
            return BAD_CLAMP, 0.0, False
        counts[site, tables[book + k]] -= value - counts[site, at]
        counts[site, at] = value
    income, born = 0.0, False
    for j in range(state - column):
        value, at, to = sites.influx[site, j], tables[column + j], tables[state + j]
        if not -math.inf < value < math.inf:
            return BAD_INFLUX, 0.0, False
        if to == -2 and value > 0.0:
            income += value
        elif to >= 0 and value > 0.0:
            born = True
        else:
            counts[site, at] += value
            if counts[site, at] < -1e-3 and to != -1:
                return TOO_FEW, 0.0, False
    return OK, income, born


@njit(**INLINE)
def _births(model: Model, sites: Sites, scratch: Scratch, site: int) -> bool:
    """Set `births`, what enters states over the window; returns whether anything does."""
    column, state, born = model.tables[t.INJECTED_COLUMN], model.tables[t.INJECTED_STATE], False
    for i in range(len(scratch.births)):
        scratch.births[i] = 0.0
    for j in range(state - column):
        value, to = sites.influx[site, j], model.tables[state + j]
        if to >= 0 and value > 0.0:
            scratch.births[to] += value
            born = True
    return born


@njit(**JIT)
def window(model: Model, sites: Sites, scratch: Scratch, site: int, income: float, span: float, steps: int) -> int:
    """A window after `inputs`; returns a code."""
    tables, counts, means, numbers, marks = model.tables, sites.counts, sites.means, sites.numbers, sites.marks
    drive, scale = tables[t.DRIVE], sites.scales[site]
    free, sink = tables[drive], sites.sink
    _load(model, sites, scratch, site)
    born = _births(model, sites, scratch, site)
    for o in range(means.shape[1]):
        means[site, o] = 0.0
    if numbers[site, WAIT] <= 0.0:
        numbers[site, WAIT] = exponential(scratch.own)
    numbers[site, SHORT] = 0.0
    begin = counts[site, free] / scale if free >= 0 else 0.0
    lent = sink[site, 0] > 0.0 or sink[site, 1] > 0.0
    code: int
    code, c = run(
        model, sites, scratch, site, begin, income - sink[site, 0] * span, sink[site, 1] * span, born, lent, span,
        steps * UNITS, marks[site, LEVEL],
    )  # fmt: skip
    if code != OK:
        return code
    _store(model, sites, scratch, site)
    if free >= 0 and tables[drive + 1] == 0:
        counts[site, free] = c * scale
    for o in range(means.shape[1]):
        means[site, o] += model.free_weights[o] * numbers[site, MEAN] * scale
    still = tables[t.STILL_COLUMN]
    for k in range(tables[t.STILL_NUMBER] - still):
        means[site, tables[tables[t.STILL_NUMBER] + k]] += model.still_weights[k] * counts[site, tables[still + k]]
    return OK
