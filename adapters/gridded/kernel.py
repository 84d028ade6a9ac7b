"""Kernel of the gridded method: one site over one window.

Next-subvolume method (Elf & Ehrenberg, Syst Biol 1:230, 2004): first a voxel by its propensity, then a hop or a
reaction inside. The voxel is chosen by composition and rejection (adapters.wellmixed.ssa.levels) instead of a queue of
times: the same process, at a cost that does not grow with the number of voxels.
"""

from __future__ import annotations

import math

from adapters.gridded.tables import HOPS, REACTIONS, SINCE_REFRESH, GriddedMolecules, GriddedTables
from adapters.wellmixed.common.law_tables import run_laws
from adapters.wellmixed.ssa.levels import LEVELS, choose, put, resum
from couple.base.arrays import Floats
from couple.base.budget import MOST_EVENTS
from couple.cache.kernels import njit
from couple.rng.streams import below, exponential, uniform

REFRESH = 1 << 20
"""Events after which propensities are summed anew, so that rounding cannot drift."""
LOST = 1e-9
"""A propensity that falls by more than this factor is worked out anew: what is left may be rounding."""

OK, BAD_PROPENSITY, BAD_INFLUX, TOO_FEW, BAD_CLAMP = range(5)


@njit(cache=True, _nrt=False)
def _group_weight(t: GriddedTables, m: GriddedMolecules, v: int, k: int) -> float:
    """The weight of group k in voxel v, per ms: Σ rate × partners."""
    kind, w = t.area_class[v], 0.0
    for j in range(t.group_start[k], t.group_start[k + 1]):
        n = m.counts[v, t.second[j]]
        partners = n - t.self_pair[j]  # below zero only where the group's own count is zero, or for a held species
        w += t.rates[kind, j] * m.counts[v, t.captures.slow[j]] * (0.0 if partners < 0.0 < n else partners)
    return w


@njit(cache=True, _nrt=False)
def _propensity(t: GriddedTables, m: GriddedMolecules, v: int) -> float:
    """The propensity of all that can happen in voxel v, per ms."""
    total = 0.0
    for s in t.movers:
        total += m.counts[v, s] * t.D[s] * t.leaving_rate[v]
    for s in t.surface_movers:
        total += m.counts[v, s] * t.D_surface[s] * t.surface_leaving[v]
    for k in range(len(t.group_column)):
        total += m.counts[v, t.group_column[k]] * m.weight[v, k]
    return total


@njit(cache=True, python=True, _nrt=False)
def derive(t: GriddedTables, m: GriddedMolecules) -> None:
    """Rates of all laws, and by how much captures are slowed, from the counts."""
    for v in range(len(t.area_class)):
        if len(t.law_code) > 0:
            run_laws(t.law_code, t.law, m.counts[v])
        _slow_captures(t, m, v)


@njit(cache=True, _nrt=False)
def _slow_captures(t: GriddedTables, m: GriddedMolecules, v: int) -> None:
    """The factors of all captures in voxel v, see `capture`."""
    c = t.captures
    for a in range(len(c.column)):
        caught = 0.0
        for i in range(c.start[a], c.start[a + 1]):
            caught += t.rates[t.area_class[v], c.member[i]] * m.counts[v, c.partner[i]]
        m.counts[v, c.place + a] = 1.0 / (1.0 + caught * c.standoff[v] / c.D[a])


@njit(cache=True, python=True, _nrt=False)
def refresh(t: GriddedTables, m: GriddedMolecules) -> None:
    """All propensities from the counts."""
    derive(t, m)
    for v in range(len(t.area_class)):
        for k in range(len(t.group_column)):
            m.weight[v, k] = _group_weight(t, m, v, k)
        put(m.levels, v, _propensity(t, m, v))
    resum(m.levels)
    m.events[SINCE_REFRESH] = 0


@njit(cache=True, _nrt=False, inline="always")
def _apply_event(t: GriddedTables, m: GriddedMolecules, v: int, event: int, sign: float) -> None:
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
            new += by * (t.D[c] * t.leaving_rate[v] + t.D_surface[c] * t.surface_leaving[v])
    for i in range(t.weight_start[event], t.weight_start[event + 1]):
        j = t.weight_member[i]
        rate = t.rates[t.area_class[v], j] * m.counts[v, t.captures.slow[j]]
        m.weight[v, t.weight_group[i]] += rate * (sign * t.weight_by[i])
    if t.stirs[event]:
        run_laws(t.law_code, t.law, m.counts[v])
        m.weight[v, t.law_group] = _group_weight(t, m, v, t.law_group)
    for i in range(t.touched_start[event], t.touched_start[event + 1]):
        k = t.touched[i]
        new += m.counts[v, t.group_column[k]] * m.weight[v, k]
    before = m.levels.value[v]
    after = before + (new - old)
    if t.captures.alters[event]:
        _slow_captures(t, m, v)
        for k in t.captures.groups:
            m.weight[v, k] = _group_weight(t, m, v, k)
        after = -1.0
    if not after > LOST * before:
        after = _propensity(t, m, v)
    put(m.levels, v, after)


@njit(cache=True, _nrt=False, inline="always")
def _choose_neighbour(t: GriddedTables, m: GriddedMolecules, v: int) -> int:
    """The neighbour to which a molecule hops that leaves voxel v."""
    i, b = t.start[v], t.start[v + 1]
    if t.equal_rates:
        i += below(m.words, b - i)
    else:
        x = uniform(m.words) * t.leaving_rate[v]
        while i < b - 1 and x > t.hop_rate[i]:
            x -= t.hop_rate[i]
            i += 1
    return t.neighbour[i]  # type: ignore[no-any-return]


@njit(cache=True, _nrt=False)
def _choose_surface_neighbour(t: GriddedTables, m: GriddedMolecules, v: int) -> int:
    """The neighbour to which a molecule hops along the membrane."""
    i, b = t.surface_start[v], t.surface_start[v + 1]
    x = uniform(m.words) * t.surface_leaving[v]
    while i < b - 1 and x > t.surface_rate[i]:
        x -= t.surface_rate[i]
        i += 1
    return t.surface_neighbour[i]  # type: ignore[no-any-return]


@njit(cache=True, _nrt=False)
def _choose_reaction(t: GriddedTables, m: GriddedMolecules, v: int, x: float) -> int:
    """The reaction in voxel v that x, uniform up to their sum, points at; -1 behind the last one."""
    for k in range(len(t.group_column)):
        n = m.counts[v, t.group_column[k]]
        if n > 0.0 and m.weight[v, k] > 0.0:
            if x > n * m.weight[v, k]:
                x -= n * m.weight[v, k]
                continue
            x /= n
            for j in range(t.group_start[k], t.group_start[k + 1]):
                partners = m.counts[v, t.second[j]] - t.self_pair[j]
                w = 0.0
                if partners > 0.0:
                    w = t.rates[t.area_class[v], j] * m.counts[v, t.captures.slow[j]] * partners
                if x <= w and w > 0.0:
                    return j
                x -= w
            return -1
    return -1


@njit(cache=True, _nrt=False)
def _choose_surface_mover(t: GriddedTables, m: GriddedMolecules, v: int, x: float) -> tuple[int, float]:
    """The membrane species that moves; -1 and the rest of x if none does."""
    for s in t.surface_movers:
        a = m.counts[v, s] * t.D_surface[s] * t.surface_leaving[v]
        if a > 0.0 and x <= a:
            return s, 0.0
        x -= a
    return -1, x


@njit(cache=True, _nrt=False)
def _choose_entry_voxel(t: GriddedTables, m: GriddedMolecules) -> int:
    """The voxel where a molecule enters: at the membrane, uniformly by area (anywhere if there is no membrane)."""
    x, low, high = uniform(m.words) * t.entry_area[-1], 0, len(t.entry_voxels) - 1
    while low < high:
        middle = (low + high) // 2
        if x <= t.entry_area[middle]:
            high = middle
        else:
            low = middle + 1
    return t.entry_voxels[low]  # type: ignore[no-any-return]


@njit(cache=True, _nrt=False)
def _remove_molecule(t: GriddedTables, m: GriddedMolecules, v: int, s: int) -> None:
    """One molecule of species s disappears from voxel v."""
    _apply_event(t, m, v, t.n_members + s, -1.0)


@njit(cache=True, _nrt=False)
def _remove_molecules(t: GriddedTables, m: GriddedMolecules, out: Floats, s: int, n: float) -> None:
    """n molecules of species s, each with the same chance, go."""
    left, pool = n, out[s]
    for v in range(len(t.area_class)):
        here = int(m.counts[v, s])
        for _ in range(here):
            if left <= 0.0:
                break
            if uniform(m.words) * pool <= left:
                _remove_molecule(t, m, v, s)
                left -= 1.0
            pool -= 1.0
    out[s] -= n


@njit(cache=True, _nrt=False)
def _begin_window(t: GriddedTables, m: GriddedMolecules, influx: Floats, clamp: Floats, out: Floats) -> int:
    """Set held counts and take out what leaves; returns a code."""
    n_voxels, changed = len(t.area_class), False
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
                _remove_molecules(t, m, out, s, -influx[j])
    return OK


@njit(cache=True, _nrt=False)
def _next_entry(t: GriddedTables, m: GriddedMolecules, influx: Floats, span: float) -> tuple[int, float]:
    """Column of `influx` and time of the next molecule to enter: (i + 1/2) / n of the window; (-1, span) after all."""
    entering, entry = -1, span
    for j in range(len(t.injected)):
        if m.admitted[j] < influx[j]:
            when = (m.admitted[j] + 0.5) / influx[j] * span
            if when < entry:
                entering, entry = j, when
    return entering, entry


@njit(cache=True, _nrt=False)
def _book(t: GriddedTables, out: Floats, means: Floats, event: int, part: float) -> None:
    """Totals after an event, and observables over the `part` of the window that is left."""
    for i in range(t.change_start[event], t.change_start[event + 1]):
        out[t.change_column[i]] += t.change_by[i]
    for i in range(t.seen_start[event], t.seen_start[event + 1]):
        means[t.seen[i]] += t.seen_by[i] * part


@njit(cache=True, _nrt=False)
def _recapture(
    t: GriddedTables, m: GriddedMolecules, v: int, event: int, out: Floats, means: Floats, part: float
) -> None:
    """What an event sets free at the wall of voxel v is caught there again, or comes to the middle; see `capture`."""
    c = t.captures
    for i in range(c.release_start[event], c.release_start[event + 1]):
        a = c.release[i]
        while a >= 0 and m.counts[v, c.place + a] < 1.0 and uniform(m.words) > m.counts[v, c.place + a]:
            caught = _choose_capture(t, m, v, a)
            if caught < 0:
                break
            _book(t, out, means, caught, part)
            _apply_event(t, m, v, caught, 1.0)
            m.events[REACTIONS] += 1
            m.events[SINCE_REFRESH] += 1
            k = c.release_start[caught]
            a = c.release[k] if k < c.release_start[caught + 1] else -1


@njit(cache=True, _nrt=False)
def _choose_capture(t: GriddedTables, m: GriddedMolecules, v: int, a: int) -> int:
    """The reaction that catches a molecule of trap a in voxel v; -1 if there is none."""
    c, total, chosen = t.captures, 0.0, -1
    for i in range(c.start[a], c.start[a + 1]):
        w = t.rates[t.area_class[v], c.member[i]] * m.counts[v, c.partner[i]]
        total += w
        if w > 0.0 and uniform(m.words) * total <= w:
            chosen = c.member[i]
    return chosen


@njit(cache=True, nogil=True, _nrt=False)
def run(
    t: GriddedTables, m: GriddedMolecules, influx: Floats, clamp: Floats, out: Floats, means: Floats, span: float
) -> int:
    """One site over one window of `span` ms. out: (n_states,) totals, means: (n_observables,); returns a code."""
    code: int = _begin_window(t, m, influx, clamp, out)
    if code != OK:
        return code
    for o in range(len(means)):
        means[o] = 0.0
        for i in range(t.watched_start[o], t.watched_start[o + 1]):
            means[o] += out[t.watched[i]]
    time, checked, per_span = 0.0, False, 1.0 / span
    most = MOST_EVENTS * per_span
    m.admitted[:] = 0.0
    entering, entry = _next_entry(t, m, influx, span)
    while True:
        total = m.levels.sums[LEVELS]
        if m.events[SINCE_REFRESH] >= REFRESH or not 0.0 <= total < most:
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
            m.admitted[entering] += 1.0
            v, event = _choose_entry_voxel(t, m), t.n_members + t.injected[entering]
            entering, entry = _next_entry(t, m, influx, span)
        else:
            v, x = choose(m.levels, m.words)
            mover = -1
            if v >= 0:
                for s in t.movers:
                    a = m.counts[v, s] * t.D[s] * t.leaving_rate[v]
                    if a > 0.0 and x <= a:
                        mover = s
                        break
                    x -= a
                if mover >= 0:
                    other = _choose_neighbour(t, m, v)
                else:
                    if len(t.surface_movers) > 0:
                        mover, x = _choose_surface_mover(t, m, v, x)
                        if mover >= 0:
                            other = _choose_surface_neighbour(t, m, v)
                    if mover < 0:
                        event = _choose_reaction(t, m, v, x)
            if mover >= 0:
                event, sign = t.n_members + mover, -1.0
            if event < 0:
                refresh(t, m)  # rounding pointed behind the last one: draw again
                continue
            time += step
            m.events[HOPS if mover >= 0 else REACTIONS] += 1
        m.events[SINCE_REFRESH] += 1
        if other < 0:
            _book(t, out, means, event, (span - time) * per_span)
            _apply_event(t, m, v, event, sign)
            _recapture(t, m, v, event, out, means, (span - time) * per_span)
            continue
        while v >= 0:
            _apply_event(t, m, v, event, sign)
            v, other, sign = other, -1, 1.0
