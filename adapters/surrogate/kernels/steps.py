"""One site over a span, in steps as long as the error of the free concentration allows."""

from __future__ import annotations

import math

from adapters.surrogate.kernels.implicit_drive import balance, mix
from adapters.surrogate.kernels.layout import (
    ACCURACY,
    FLOOR,
    GUESS,
    HIGHEST,
    INLINE,
    LEAST,
    LEVEL,
    LIMITED,
    MEAN,
    MOST,
    NEGATIVE,
    OFF_GRID,
    OK,
    OUTSIDE,
    RATE,
    RATE_PER_UM,
    SHORT,
    WAIT,
    PoolModel,
    Scratch,
    Sites,
)
from adapters.surrogate.kernels.moves import add_means, move_channels, move_pools
from adapters.surrogate.pools.tables import LEVELS, PoolTables
from couple.cache.kernels import njit

CLOSE, CLOSEST = 1e-4, 1e-14
"""Relative change of c* that ends its iterations."""
GROW = 0.15
"""An error this much below the tolerance allows a step twice as long (the error goes as its square)."""
ROUNDING = 1e-6
"""Molecules below zero that rounding may leave."""


@njit(**INLINE)
def count_means(tables: PoolTables) -> int:
    """States of pools with the law "mean", which come first."""
    n: int = len(tables.column)
    for q in range(len(tables.matrix) - 1, -1, -1):
        if tables.multinomial[q] != 0:
            n = tables.pool_start[q]
    return n


@njit(**INLINE)
def _choose(
    model: PoolModel,
    sites: Sites,
    scratch: Scratch,
    site: int,
    c: float,
    at: int,
    ends: int,
    n: int,
    income: float,
    slope: float,
    span: float,
    level: int,
) -> tuple[int, float]:
    """A level, this or a finer one, whose error is allowed, and its c* (nan: off the grid)."""
    constants, finest = model.constants, 1 << (LEVELS - 1)
    while True:
        size = finest >> level
        if at % size != 0 or at + size > ends:
            level += 1
            continue
        part = size / ends
        middle, end = balance(
            model, level, n, scratch, c, sites.numbers[site, GUESS], income * part, slope * part, sites.scales[site],
            CLOSE,
        )  # fmt: skip
        if math.isnan(middle):
            return level, middle
        relax = span * part * (constants[RATE] + constants[RATE_PER_UM] * middle) / 12.0
        error = relax * abs(end - c) / (constants[ACCURACY] * (max(end, c) + constants[FLOOR]))
        if error <= 1.0 or level == LEVELS - 1:
            sites.marks[site, LEVEL] = level - 1 if error < GROW and level > 0 else level
            return level, middle
        level += 1


@njit(**INLINE)
def _step(
    model: PoolModel,
    tables: PoolTables,
    sites: Sites,
    scratch: Scratch,
    site: int,
    level: int,
    middle: float,
    c: float,
    enters: float,
    slope: float,
    n_mean: int,
    free: bool,
    lent: bool,
) -> tuple[int, float, float]:
    """Move all pools; returns a code, c* and the molecules of the drive that it gained. free: the drive balances."""
    n, scale, drawn, close = len(scratch.p), sites.scales[site], 0.0, CLOSE
    mix(model.rows, level, middle, scratch)
    if n_mean < n:
        drawn, sites.numbers[site, WAIT] = move_channels(
            model, tables, scratch, level, middle, sites.numbers[site, WAIT]
        )
        if drawn != 0.0 and free:
            middle, _ = balance(model, level, n_mean, scratch, c, middle, enters - drawn, slope, scale, close)
            if not middle < HIGHEST:
                return OFF_GRID, middle, 0.0
            mix(model.rows, level, middle, scratch)
    while True:
        gain = enters - drawn - (slope * middle + move_pools(model, tables, scratch, level, middle))
        end = c + gain / scale
        if not free or end >= 0.0:
            return OK, middle, gain
        if drawn > 0.0:  # channels that find no ions do not move
            sites.marks[site, LIMITED] += 1
            for i in range(n_mean, n):
                scratch.new[i] = scratch.p[i]
            drawn = 0.0
        elif close == CLOSE:
            close = CLOSEST
        elif end * scale > -ROUNDING:
            return OK, middle, gain
        elif lent:
            sites.numbers[site, SHORT] -= end * scale
            return OK, middle, -c * scale
        else:
            return NEGATIVE, middle, gain
        middle, _ = balance(model, level, n_mean, scratch, c, middle, enters - drawn, slope, scale, close)
        if not middle < HIGHEST:
            return OFF_GRID, middle, gain
        mix(model.rows, level, middle, scratch)


@njit(**INLINE)
def advance_span(
    model: PoolModel,
    tables: PoolTables,
    sites: Sites,
    scratch: Scratch,
    site: int,
    c: float,
    income: float,
    slope: float,
    born: bool,
    lent: bool,
    span: float,
    ends: int,
    level: int,
) -> tuple[int, float]:
    """Pools `p` of a site over `span` ms, `ends` of the shortest steps; returns a code and c at the end.

    income: molecules that enter, less what blocks take at c = 0; slope: what blocks take per uM. lent: blocks may take
    more than there is. level: of the first step. Sets the mean of c.
    """
    p, numbers, marks = scratch.p, sites.numbers, sites.marks
    there, held, book = tables.drive[0] >= 0, tables.drive[1] != 0, tables.drive[2]
    free = there and not held
    n, n_mean, scale = len(p), count_means(tables), sites.scales[site]
    at, over, outside, marks[site, LEVEL] = 0, 0.0, False, level
    while at < ends:
        level, middle = marks[site, LEVEL], c
        if free:
            level, middle = _choose(
                model,
                sites,
                scratch,
                site,
                c,
                at,
                ends,
                n,
                income,
                slope,
                span,
                level,
            )
            if math.isnan(middle):
                return OFF_GRID, c
        else:
            while at % ((1 << (LEVELS - 1)) >> level) != 0 or at + ((1 << (LEVELS - 1)) >> level) > ends:
                level += 1
        size = (1 << (LEVELS - 1)) >> level
        part = size / ends
        if born:
            for i in range(n):
                p[i] += 0.5 * part * scratch.births[i]
        code, middle, gain = _step(
            model, tables, sites, scratch, site, level, middle, c, income * part, slope * part, n_mean, free, lent
        )
        if code != OK:
            return code, c
        add_means(model, tables, scratch, site, sites.means, part)
        for i in range(n):
            p[i] = scratch.new[i]
            if born:
                p[i] += 0.5 * part * scratch.births[i]
        for f in range(len(scratch.gained)):
            sites.counts[site, tables.flow_column[f]] += scratch.gained[f]
        if held:
            sites.counts[site, book] += gain
        elif there:
            c, numbers[site, GUESS] = max(c + gain / scale, 0.0) if lent else c + gain / scale, middle
        outside = outside or not model.constants[LEAST] <= middle <= model.constants[MOST]
        over += part * middle
        at += size
    numbers[site, MEAN] = over
    marks[site, OUTSIDE] += outside
    return OK, c
