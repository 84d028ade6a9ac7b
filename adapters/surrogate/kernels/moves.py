"""Pools of molecules over one step, by the row `mixed` of propagators, and what observables they make."""

from __future__ import annotations

from adapters.surrogate.kernels.channels import draw
from adapters.surrogate.kernels.implicit_drive import dot, grid_position
from adapters.surrogate.kernels.layout import INLINE, PoolModel, Scratch
from adapters.surrogate.pools.tables import POINTS, PoolTables
from couple.base.arrays import Floats
from couple.cache.kernels import njit


@njit(**INLINE)
def _move(mixed: Floats, m: int, s: int, n: int, keeps: bool, p: Floats, new: Floats) -> None:
    """new = propagator p; where a pool keeps its molecules the largest makes the sum right."""
    before, after, most = 0.0, 0.0, s
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += mixed[m + i * n + j] * p[s + j]
        new[s + i] = total
        before += p[s + i]
        after += total
        if total > new[most]:
            most = s + i
    if keeps:
        new[most] += before - after


@njit(**INLINE)
def _two(mixed: Floats, m: int, s: int, p: Floats, new: Floats) -> None:
    """The same for two states that keep their molecules."""
    total = p[s] + p[s + 1]
    there = mixed[m + 2] * p[s] + mixed[m + 3] * p[s + 1]
    if there > total:  # rounding
        there = total
    new[s], new[s + 1] = total - there, there


@njit(**INLINE)
def _product(mixed: Floats, m: int, s: int, n1: int, n2: int, p: Floats, new: Floats, scratch: Floats) -> None:
    """new = (first ⊗ second) p for n1 × n2 states."""
    before, after, most, m2 = 0.0, 0.0, s, m + n1 * n1
    for i in range(n1):
        for j in range(n2):
            total = 0.0
            for k in range(n1):
                total += mixed[m + i * n1 + k] * p[s + k * n2 + j]
            scratch[i * n2 + j] = total
            before += p[s + i * n2 + j]
    for i in range(n1):
        for j in range(n2):
            total = 0.0
            for k in range(n2):
                total += mixed[m2 + j * n2 + k] * scratch[i * n2 + k]
            new[s + i * n2 + j] = total
            after += total
            if total > new[most]:
                most = s + i * n2 + j
    new[most] += before - after


@njit(**INLINE)
def _taken(model: PoolModel, tables: PoolTables, q: int, scratch: Scratch, level: int, c: float) -> float:
    """What a pool took from the drive; sets what it gave to reservoirs."""
    p, new, gained = scratch.p, scratch.new, scratch.gained
    s = tables.pool_start[q]
    n = tables.pool_start[q + 1] - s
    f0, f1 = tables.flow_start[q], tables.flow_start[q + 1]
    for f in range(f0, f1):
        gained[f] = dot(scratch.mixed, tables.flow[f], p, s, n)
    if tables.booked[q] != 0:
        mine: float = 0.0
        for i in range(s, s + n):
            mine += model.holds[i] * (new[i] - p[i])
        for f in range(f0, f1):
            mine += model.flow_holds[f] * gained[f]
        return mine
    k, w = grid_position(c, scratch.real, scratch.bits)
    a = (level * POINTS + k) * len(p) + s
    low: float = dot(model.uptakes, a, p, s, n)
    high: float = dot(model.uptakes, a + len(p), p, s, n)
    return float(low + w * (high - low))


@njit(**INLINE)
def move_pools(model: PoolModel, tables: PoolTables, scratch: Scratch, level: int, c: float) -> float:
    """Move the pools with the law "mean"; returns what they take from the drive."""
    p, new, mixed = scratch.p, scratch.new, scratch.mixed
    taken = 0.0
    for q in range(len(tables.matrix)):
        if tables.multinomial[q] != 0:
            break  # they come last
        s, m = tables.pool_start[q], tables.matrix[q]
        n, n1 = tables.pool_start[q + 1] - s, tables.first[q]
        if n == 2 and tables.keeps[q] != 0:
            _two(mixed, m, s, p, new)
        elif n1 != 0:
            _product(mixed, m, s, n1, n // n1, p, new, scratch.product)
        else:
            _move(mixed, m, s, n, tables.keeps[q] != 0, p, new)
        taken += _taken(model, tables, q, scratch, level, c)
    return taken


@njit(**INLINE)
def move_channels(
    model: PoolModel, tables: PoolTables, scratch: Scratch, level: int, c: float, wait: float
) -> tuple[float, float]:
    """Move whole molecules; returns what they take, and what is left of the wait."""
    p, new = scratch.p, scratch.new
    taken = 0.0
    for q in range(len(tables.matrix)):
        if tables.multinomial[q] == 0:
            continue
        s = tables.pool_start[q]
        n = tables.pool_start[q + 1] - s
        wait = draw(scratch.own, scratch.mixed, tables.matrix[q], s, n, p, new, model.holds, wait)
        taken += _taken(model, tables, q, scratch, level, c)
    return taken, wait


@njit(**INLINE)
def add_means(model: PoolModel, tables: PoolTables, scratch: Scratch, site: int, means: Floats, part: float) -> None:
    """Add `part` times the mean of each observable over a step."""
    p, new = scratch.p, scratch.new
    for q in range(len(tables.matrix)):
        for o in range(tables.watch_start[q], tables.watch_start[q + 1]):
            s = tables.pool_start[q]
            n = tables.pool_start[q + 1] - s
            if tables.multinomial[q] != 0:
                at = tables.weight[o]
                total = 0.5 * (dot(model.weights, at, p, s, n) + dot(model.weights, at, new, s, n))
            else:
                total = dot(scratch.mixed, tables.watch[o], p, s, n)
            means[site, tables.watch_number[o]] += part * total
