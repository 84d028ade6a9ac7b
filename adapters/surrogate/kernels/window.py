"""One site over one window, in steps of its own."""

from __future__ import annotations

import math

from adapters.surrogate.kernels.layout import (
    BAD_CLAMP,
    BAD_INFLUX,
    HIGHEST,
    INLINE,
    LEVEL,
    MEAN,
    OFF_GRID,
    OK,
    SHORT,
    TOO_FEW,
    UNITS,
    WAIT,
    PoolModel,
    Scratch,
    Sites,
)
from adapters.surrogate.kernels.steps import advance_span
from adapters.surrogate.pools.tables import PoolTables
from couple.cache.kernels import njit
from couple.rng.streams import exponential


@njit(**INLINE)
def _load(tables: PoolTables, sites: Sites, scratch: Scratch, site: int) -> None:
    """Set p and own from the site's rows."""
    for i in range(len(scratch.p)):
        at = tables.column[i]
        scratch.p[i] = sites.counts[site, at] if at >= 0 else sites.scales[site]
    for i in range(4):
        scratch.own[i] = sites.words[site, i]


@njit(**INLINE)
def _store(tables: PoolTables, sites: Sites, scratch: Scratch, site: int) -> None:
    """The reverse."""
    for i in range(len(scratch.p)):
        if tables.column[i] >= 0:
            sites.counts[site, tables.column[i]] = scratch.p[i]
    for i in range(4):
        sites.words[site, i] = scratch.own[i]


@njit(**INLINE)
def take_inputs(tables: PoolTables, sites: Sites, site: int) -> tuple[int, float, bool]:
    """Set clamped counts, take out what leaves; returns a code, the income, and whether molecules are born."""
    counts = sites.counts
    for k in range(len(tables.clamp_column)):
        value, at = sites.clamp[site, k], tables.clamp_column[k]
        if not 0.0 <= value < math.inf:
            return BAD_CLAMP, 0.0, False
        counts[site, tables.clamp_book[k]] -= value - counts[site, at]
        counts[site, at] = value
    income, born = 0.0, False
    for j in range(len(tables.injected_column)):
        value, at, to = sites.influx[site, j], tables.injected_column[j], tables.injected_state[j]
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
    # whichever way it came there: from the start, a clamp, another engine or a saved state
    if tables.drive[0] >= 0 and not counts[site, tables.drive[0]] / sites.scales[site] < HIGHEST:
        return OFF_GRID, 0.0, False
    return OK, income, born


@njit(**INLINE)
def _births(tables: PoolTables, sites: Sites, scratch: Scratch, site: int) -> bool:
    """Set `births`, what enters states over the window; returns whether anything does."""
    born = False
    for i in range(len(scratch.births)):
        scratch.births[i] = 0.0
    for j in range(len(tables.injected_column)):
        value, to = sites.influx[site, j], tables.injected_state[j]
        if to >= 0 and value > 0.0:
            scratch.births[to] += value
            born = True
    return born


@njit(**INLINE)
def window(
    model: PoolModel,
    tables: PoolTables,
    sites: Sites,
    scratch: Scratch,
    site: int,
    income: float,
    span: float,
    steps: int,
) -> int:
    """A window after `take_inputs`; returns a code."""
    counts, means, numbers, marks = sites.counts, sites.means, sites.numbers, sites.marks
    scale, free, sink = sites.scales[site], tables.drive[0], sites.sink
    _load(tables, sites, scratch, site)
    born = _births(tables, sites, scratch, site)
    for o in range(means.shape[1]):
        means[site, o] = 0.0
    if numbers[site, WAIT] <= 0.0:
        numbers[site, WAIT] = exponential(scratch.own)
    numbers[site, SHORT] = 0.0
    begin = counts[site, free] / scale if free >= 0 else 0.0
    lent = sink[site, 0] > 0.0 or sink[site, 1] > 0.0
    code: int
    code, c = advance_span(
        model, tables, sites, scratch, site, begin, income - sink[site, 0] * span, sink[site, 1] * span, born, lent,
        span, steps * UNITS, marks[site, LEVEL],
    )  # fmt: skip
    if code != OK:
        return code
    _store(tables, sites, scratch, site)
    if free >= 0 and tables.drive[1] == 0:
        counts[site, free] = c * scale
    for o in range(means.shape[1]):
        means[site, o] += model.free_weights[o] * numbers[site, MEAN] * scale
    for k in range(len(tables.still_column)):
        seen = model.still_weights[k] * counts[site, tables.still_column[k]]
        means[site, tables.still_number[k]] += seen
    return OK
