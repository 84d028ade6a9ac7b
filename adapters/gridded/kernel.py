"""Kernel of the gridded method: one site over one window.

Next-subvolume method (Elf & Ehrenberg, Syst Biol 1:230, 2004): first a voxel by its propensity, then a hop or a
reaction inside. The voxel is chosen by composition and rejection (adapters.wellmixed.levels) instead of a queue of
times: the same process, at a cost that does not grow with the number of voxels.
"""

from __future__ import annotations

import math

from numba import njit

from adapters.gridded.tables import Molecules, Tables
from adapters.wellmixed.levels import LEVELS, choose, put, resum
from couple.base.arrays import Floats
from couple.rng.streams import below, exponential, uniform

REFRESH = 1 << 20
"""Events after which propensities are summed anew, so that rounding cannot drift."""
LOST = 1e-9
"""A propensity that falls by more than this factor is worked out anew: what is left may be rounding."""

OK, BAD_PROPENSITY, BAD_INFLUX, TOO_FEW, BAD_CLAMP = range(5)


@njit(cache=True, _nrt=False)
def _weigh(t: Tables, m: Molecules, v: int, k: int) -> float:
    """Weight of group k in voxel v: Σ rate × partners."""
    kind, w = t.kind[v], 0.0
    for j in range(t.group_start[k], t.group_start[k + 1]):
        n = m.counts[v, t.second[j]]
        partners = n - t.own[j]  # below zero only where the group's own count is zero, or for a held species
        w += t.rates[kind, j] * (0.0 if partners < 0.0 < n else partners)
    return w


@njit(cache=True, _nrt=False)
def _propensity(t: Tables, m: Molecules, v: int) -> float:
    """Of all that can happen in voxel v."""
    total = 0.0
    for s in t.movers:
        total += m.counts[v, s] * t.D[s] * t.reach[v]
    for s in t.movers_along:
        total += m.counts[v, s] * t.D_along[s] * t.along[v]
    for k in range(len(t.group_column)):
        total += m.counts[v, t.group_column[k]] * m.weight[v, k]
    return total


@njit(cache=True, _nrt=False)
def refresh(t: Tables, m: Molecules) -> None:
    """All propensities from the counts."""
    for v in range(len(t.kind)):
        for k in range(len(t.group_column)):
            m.weight[v, k] = _weigh(t, m, v, k)
        put(m.levels, v, _propensity(t, m, v))
    resum(m.levels)
    m.events[2] = 0


@njit(cache=True, _nrt=False, inline="always")
def _happen(t: Tables, m: Molecules, v: int, event: int, sign: float) -> None:
    """An event (sign -1: its opposite) changes counts and propensities of voxel v."""
    old, new = 0.0, 0.0
    for i in range(t.touched_start[event], t.touched_start[event + 1]):
        k = t.touched[i]
        old += m.counts[v, t.group_column[k]] * m.weight[v, k]
    for i in range(t.change_start[event], t.change_start[event + 1]):
        c = t.change_column[i]
        if c < t.n_species:
            by = sign * t.change_by[i]
            m.counts[v, c] += by
            new += by * (t.D[c] * t.reach[v] + t.D_along[c] * t.along[v])
    for i in range(t.weight_start[event], t.weight_start[event + 1]):
        m.weight[v, t.weight_group[i]] += t.rates[t.kind[v], t.weight_member[i]] * (sign * t.weight_by[i])
    for i in range(t.touched_start[event], t.touched_start[event + 1]):
        k = t.touched[i]
        new += m.counts[v, t.group_column[k]] * m.weight[v, k]
    before = m.levels.value[v]
    after = before + (new - old)
    if not after > LOST * before:
        after = _propensity(t, m, v)
    put(m.levels, v, after)


@njit(cache=True, _nrt=False, inline="always")
def _way(t: Tables, m: Molecules, v: int) -> int:
    """Where a molecule goes that leaves voxel v."""
    i, b = t.start[v], t.start[v + 1]
    if t.even:
        i += below(m.words, b - i)
    else:
        x = uniform(m.words) * t.reach[v]
        while i < b - 1 and x > t.way[i]:
            x -= t.way[i]
            i += 1
    return t.to[i]  # type: ignore[no-any-return]


@njit(cache=True, _nrt=False)
def _way_along(t: Tables, m: Molecules, v: int) -> int:
    """The same along the membrane."""
    i, b = t.along_start[v], t.along_start[v + 1]
    x = uniform(m.words) * t.along[v]
    while i < b - 1 and x > t.along_way[i]:
        x -= t.along_way[i]
        i += 1
    return t.along_to[i]  # type: ignore[no-any-return]


@njit(cache=True, _nrt=False)
def _reaction(t: Tables, m: Molecules, v: int, x: float) -> int:
    """The reaction in voxel v that x, uniform up to their sum, points at; -1 behind the last one."""
    for k in range(len(t.group_column)):
        n = m.counts[v, t.group_column[k]]
        if n > 0.0 and m.weight[v, k] > 0.0:
            if x > n * m.weight[v, k]:
                x -= n * m.weight[v, k]
                continue
            x /= n
            for j in range(t.group_start[k], t.group_start[k + 1]):
                partners = m.counts[v, t.second[j]] - t.own[j]
                w = t.rates[t.kind[v], j] * partners if partners > 0.0 else 0.0
                if x <= w and w > 0.0:
                    return j
                x -= w
            return -1
    return -1


@njit(cache=True, _nrt=False)
def _along_mover(t: Tables, m: Molecules, v: int, x: float) -> tuple[int, float]:
    """The membrane species that moves; -1 and the rest of x if none does."""
    for s in t.movers_along:
        a = m.counts[v, s] * t.D_along[s] * t.along[v]
        if a > 0.0 and x <= a:
            return s, 0.0
        x -= a
    return -1, x


@njit(cache=True, _nrt=False)
def _door(t: Tables, m: Molecules) -> int:
    """The voxel where a molecule enters: at the membrane, uniformly by area (anywhere if there is no membrane)."""
    x, low, high = uniform(m.words) * t.door_area[-1], 0, len(t.door) - 1
    while low < high:
        middle = (low + high) // 2
        if x <= t.door_area[middle]:
            high = middle
        else:
            low = middle + 1
    return t.door[low]  # type: ignore[no-any-return]


@njit(cache=True, _nrt=False)
def _take(t: Tables, m: Molecules, v: int, s: int) -> None:
    """One molecule of species s disappears from voxel v."""
    _happen(t, m, v, t.n_members + s, -1.0)


@njit(cache=True, _nrt=False)
def _leave(t: Tables, m: Molecules, out: Floats, s: int, n: float) -> None:
    """n molecules of species s, each with the same chance, go."""
    left, pool = n, out[s]
    for v in range(len(t.kind)):
        here = int(m.counts[v, s])
        for _ in range(here):
            if left <= 0.0:
                break
            if uniform(m.words) * pool <= left:
                _take(t, m, v, s)
                left -= 1.0
            pool -= 1.0
    out[s] -= n


@njit(cache=True, _nrt=False)
def _prepare(t: Tables, m: Molecules, influx: Floats, clamp: Floats, out: Floats) -> int:
    """Set held counts and take out what leaves; returns a code."""
    n_voxels, changed = len(t.kind), False
    for k in range(len(t.clamped)):
        if not 0.0 <= clamp[k] < math.inf:
            return BAD_CLAMP
        target, c = math.floor(clamp[k] * 16777216.0 + 0.5) / 16777216.0, t.clamped[k]
        out[t.clamp_book[k]] -= target - out[c]
        if target != out[c] or m.counts[0, c] != target / n_voxels:
            changed = True
            for v in range(n_voxels):
                m.counts[v, c] = target / n_voxels
        out[c] = target
    if changed:
        refresh(t, m)
    for j in range(len(t.injected)):
        if not -math.inf < influx[j] < math.inf or influx[j] != math.floor(influx[j]):
            return BAD_INFLUX
        if influx[j] < 0.0:
            s, held = t.injected[j], False
            for k in range(len(t.clamped)):
                if t.clamped[k] == s:
                    out[t.clamp_book[k]] += influx[j]
                    held = True
            if not held:
                if out[s] + influx[j] < 0.0:
                    return TOO_FEW
                _leave(t, m, out, s, -influx[j])
    return OK


@njit(cache=True, _nrt=False)
def _next_entry(t: Tables, m: Molecules, influx: Floats, span: float) -> tuple[int, float]:
    """Column of `influx` and time of the next molecule to enter: (i + 1/2) / n of the window; (-1, span) after all."""
    entering, entry = -1, span
    for j in range(len(t.injected)):
        if m.entered[j] < influx[j]:
            when = (m.entered[j] + 0.5) / influx[j] * span
            if when < entry:
                entering, entry = j, when
    return entering, entry


@njit(cache=True, _nrt=False)
def run(t: Tables, m: Molecules, influx: Floats, clamp: Floats, out: Floats, means: Floats, span: float) -> int:
    """One site over one window of `span` ms. out: (n_states,) totals, means: (n_observables,); returns a code."""
    code: int = _prepare(t, m, influx, clamp, out)
    if code != OK:
        return code
    for o in range(len(means)):
        means[o] = 0.0
        for i in range(t.watched_start[o], t.watched_start[o + 1]):
            means[o] += out[t.watched[i]]
    time, checked, per_span = 0.0, False, 1.0 / span
    m.entered[:] = 0.0
    entering, entry = _next_entry(t, m, influx, span)
    while True:
        total = m.levels.sums[LEVELS]
        if m.events[2] >= REFRESH or not 0.0 <= total < math.inf:
            if checked:
                return BAD_PROPENSITY
            refresh(t, m)
            checked = True
            continue
        checked = False
        step = exponential(m.words) / total if total > 0.0 else math.inf
        v, other, event, sign = -1, -1, -1, 1.0
        if time + step >= entry:
            # the exponential is without memory: what was drawn is dropped at the boundary
            time = entry
            if entering < 0:
                return OK
            m.entered[entering] += 1.0
            v, event = _door(t, m), t.n_members + t.injected[entering]
            entering, entry = _next_entry(t, m, influx, span)
        else:
            v, x = choose(m.levels, m.words)
            mover = -1
            if v >= 0:
                for s in t.movers:
                    a = m.counts[v, s] * t.D[s] * t.reach[v]
                    if a > 0.0 and x <= a:
                        mover = s
                        break
                    x -= a
                if mover >= 0:
                    other = _way(t, m, v)
                else:
                    if len(t.movers_along) > 0:
                        mover, x = _along_mover(t, m, v, x)
                        if mover >= 0:
                            other = _way_along(t, m, v)
                    if mover < 0:
                        event = _reaction(t, m, v, x)
            if mover >= 0:
                event, sign = t.n_members + mover, -1.0
            if event < 0:
                refresh(t, m)  # rounding pointed behind the last one: draw again
                continue
            time += step
            m.events[int(mover >= 0)] += 1
        m.events[2] += 1
        if other < 0:
            for i in range(t.change_start[event], t.change_start[event + 1]):
                out[t.change_column[i]] += t.change_by[i]
            for i in range(t.seen_start[event], t.seen_start[event + 1]):
                means[t.seen[i]] += t.seen_by[i] * ((span - time) * per_span)
        while v >= 0:
            _happen(t, m, v, event, sign)
            v, other, sign = other, -1, 1.0
