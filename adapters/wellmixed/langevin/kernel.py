"""Kernel of the chemical Langevin equation: all sites over one window in one call.

Gillespie, J Chem Phys 113:297 (2000): the extent ξ of each flux grows by a dt + sqrt(a) dW; counts are start +
change × ξ, so that what a reaction moves is never lost. Steps are those of the weak trapezoidal method (Anderson &
Mattingly, Commun Math Sci 9:301, 2011, θ = 1/2), of weak order 2: half a step with the propensities a(y) to y*, then
half a step with [2 a(y*) - a(y)]⁺.

Near zero: a species is safe if all noise that draws on it in a half step could be as large as it ever gets without
taking what is there after the drift. The noise of a flux between safe species is normal, cut at 8 standard deviations.
Of other fluxes it is ±sqrt(3) standard deviations with probability 1/6 each, else 0 (the same moments up to the fifth),
and scaled back by as much as is needed for all of it together to leave nothing negative. The factor depends on the
state alone, so noise has mean 0 everywhere: means of linear networks stay exact, variances at low counts come out too
small.

A flux that nothing undoes never runs backwards, whatever it fills (a reservoir is no species that could be emptied).
Where m events are due in a half step, noise is normal from m = 64 on (8 standard deviations are m then) and ±sqrt(3)
standard deviations from m = 3 on (these are m then); below, it is one event more with probability m / (1 + m), else the
events that were due do not happen: mean 0 and variance m as well. Scaled back to u events more and d of those that were
due, the probability is d / (u + d) and the variance u d, the largest that such bounds allow.
"""

from __future__ import annotations

import math

from adapters.wellmixed.common.codes import BAD_PROPENSITY, COLLAPSED, INLINE, JIT, OK
from adapters.wellmixed.common.inputs import among, set_clamped, spread_influx
from adapters.wellmixed.common.law_tables import BASE, START, load_constants, run_laws
from adapters.wellmixed.langevin.flux_tables import FluxTables, unpack
from couple.base.arrays import Floats, Ints, Words
from couple.cache.kernels import njit
from couple.chemistry.laws.tape import run_tape
from couple.rng.normal import normal
from couple.rng.streams import uniform

MARGIN = 1.0 - 1e-12
"""Part of a count that may be taken: the rest is room for rounding."""
FAR, ROOT, SAFE = 8.0, math.sqrt(3.0), 2.0
NORMAL_FROM, ROOT_FROM = FAR**2, 3.0
"""Events due in a half step from which noise of FAR, and of ROOT, standard deviations does not undo them."""
SMALLEST = 1e-9
"""Smallest inner step as a part of the window; below it the run stops."""


@njit(**INLINE)
def propensities(tables: FluxTables, rates: Floats, y: Floats, a: Floats) -> bool:
    """a (n_members,) per ms at the places `y`; whether rate laws are finite and not below zero there."""
    good = True
    if len(tables.law_code) > 0:
        good = run_laws(tables.law_code, tables.law, y)
    for m in range(len(a)):
        a[m] = max(rates[m] * y[tables.first[m]] * max(y[tables.second[m]] - tables.self_pair[m], 0.0), 0.0)
    return good


@njit(**INLINE)
def fastest(tables: FluxTables, rates: Floats, y: Floats, row: Floats) -> float:
    """A bound on the fastest rate at which counts relax, per ms: the largest row sum of the Jacobian's moduli."""
    one = tables.law[BASE] - 1
    row[:] = 0.0
    if len(tables.law_code) > 0:
        run_tape(tables.law_code, tables.law[START], y)
    for k in range(len(tables.flux_start) - 1):
        slope = 0.0
        for i in range(tables.slope_start[k], tables.slope_start[k + 1]):
            steep = abs(rates[tables.slope_member[i]] * y[tables.slope[i]])
            if steep < math.inf:
                slope += steep
        for m in range(tables.flux_start[k], tables.flux_start[k + 1]):
            if tables.first[m] < one and not among(tables.first[m], tables.clamped):
                slope += rates[m] * y[tables.second[m]]
            if tables.second[m] != one and not among(tables.second[m], tables.clamped):
                slope += rates[m] * y[tables.first[m]]
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            row[tables.change[i]] += abs(tables.change_by[i]) * slope
    largest = 0.0
    for s in tables.guarded:
        if not row[s] <= largest:
            largest = row[s]
    return largest


@njit(**INLINE)
def _guarded(tables: FluxTables, column: int) -> bool:
    """Whether a column is that of a species (reservoirs may go below zero; what is held never changes)."""
    return bool(column < tables.n_species[0])


@njit(cache=True, inline="always")
def _largest(one_way: int, due: float, deviation: float, takes: bool) -> tuple[float, float]:
    """How much of a species noise may take at most, in events: drawn as widely, and as narrowly, as rules allow.

    due: events of the flux in this half step. takes: whether its events take that species, or make it.
    """
    if one_way and due < ROOT_FROM:
        most = (1.0 if takes else due) if due > 0.0 else 0.0
        return most, most
    narrow = ROOT * deviation
    return (narrow if one_way and due < NORMAL_FROM else FAR * deviation), narrow


@njit(**INLINE)
def _kick(
    tables: FluxTables,
    a: Floats,
    source: Floats,
    y: Floats,
    extent: Floats,
    noise: Floats,
    drift: Floats,
    room: Floats,
    taken: Floats,
    least: Floats,
    words: Words,
    h: float,
) -> int:
    """Half a step of `h` ms from `y` in place with propensities `a`; returns whether noise was scaled back."""
    n_fluxes = len(tables.flux_start) - 1
    for s in range(len(source)):
        room[s] = y[s] + source[s] * h
        taken[s] = 0.0
        least[s] = 0.0
    for k in range(n_fluxes):
        net, both = 0.0, 0.0
        for m in range(tables.flux_start[k], tables.flux_start[k + 1]):
            both += a[m]
            net += -a[m] if tables.backward[m] else a[m]
        drift[k], noise[k] = net * h, math.sqrt(both * h)
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            by = tables.change_by[i]
            wide, narrow = _largest(tables.one_way[k], drift[k], noise[k], by < 0)
            room[tables.change[i]] += by * drift[k]
            taken[tables.change[i]] += abs(by) * wide
            least[tables.change[i]] += abs(by) * narrow
    if _overdrawn(tables, room):
        _limit_drift(tables, source, y, drift, room, taken, h)
        noise[:] = 0.0
    short: int = _draw(tables, drift, noise, room, taken, least, words)
    for k in range(n_fluxes):
        move = drift[k] + noise[k]
        extent[k] += move
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            y[tables.change[i]] += tables.change_by[i] * move
    for s in range(len(source)):
        y[s] += source[s] * h
    return short


@njit(**INLINE)
def _draw(
    tables: FluxTables, drift: Floats, noise: Floats, room: Floats, taken: Floats, least: Floats, words: Words
) -> int:
    """From standard deviations to noise, in place; returns whether any was scaled back. See the module's text."""
    for s in tables.guarded:
        if taken[s] > MARGIN * room[s]:
            taken[s] = min(1.0, MARGIN * room[s] / least[s]) if least[s] > 0.0 else 1.0
        else:
            taken[s] = SAFE
    short = 0
    for k in range(len(noise)):
        if noise[k] == 0.0:
            continue
        more, fewer = SAFE, SAFE  # parts of noise upwards and downwards that what is taken, or made, allows
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            if _guarded(tables, tables.change[i]):
                part = taken[tables.change[i]]
                if tables.change_by[i] < 0:
                    more = min(more, part)
                else:
                    fewer = min(fewer, part)
        both = min(more, fewer)
        if tables.one_way[k] and drift[k] < ROOT_FROM:
            up, down = min(more, 1.0), min(fewer, 1.0) * drift[k]
            noise[k] = up if uniform(words) * (up + down) <= down else -down
            short |= int(both < 1.0)
        elif both == SAFE and not (tables.one_way[k] and drift[k] < NORMAL_FROM):
            noise[k] *= min(max(normal(words), -FAR), FAR)
        else:
            u = uniform(words)
            noise[k] *= min(both, 1.0) * (ROOT if u <= 1.0 / 6.0 else -ROOT if u > 5.0 / 6.0 else 0.0)
            short |= int(both < 1.0)
    return short


@njit(**INLINE)
def _overdrawn(tables: FluxTables, room: Floats) -> bool:
    """Whether the drift alone takes more of a species than there is."""
    found = False
    for s in tables.guarded:
        if room[s] < 0.0:
            found = True
    return found


@njit(**INLINE)
def _limit_drift(
    tables: FluxTables, source: Floats, y: Floats, drift: Floats, room: Floats, taken: Floats, h: float
) -> None:
    """Scale back what is drawn from overdrawn species (counts of one or less whose partners just multiplied)."""
    for s in range(len(source)):
        room[s] = max(y[s] + source[s] * h, 0.0)
        taken[s] = 0.0
    for k in range(len(drift)):
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            taken[tables.change[i]] -= min(tables.change_by[i] * drift[k], 0.0)
    for k in range(len(drift)):
        part = 1.0
        for i in range(tables.change_start[k], tables.change_start[k + 1]):
            s = tables.change[i]
            if tables.change_by[i] * drift[k] < 0.0 and taken[s] > MARGIN * room[s] and _guarded(tables, s):
                part = min(part, MARGIN * room[s] / taken[s])
        drift[k] *= part


@njit(**INLINE)
def _observe(tables: FluxTables, y: Floats, means: Floats, part: float) -> None:
    """Adds to `means` the observables at `y` for a part of the window."""
    for o in range(len(means)):
        for i in range(tables.watched_start[o], tables.watched_start[o + 1]):
            means[o] += y[tables.watched[i]] * part


@njit(**INLINE)
def _take_inputs(tables: FluxTables, source: Floats, y: Floats, influx: Floats, clamp: Floats, span: float) -> int:
    """Set clamped counts, take out what leaves and spread what enters; returns a code."""
    code: int = set_clamped(y, clamp, tables.clamped, tables.clamp_book)
    if code == OK:
        code = spread_influx(source, y, influx, tables.injected, tables.clamp_book, span, 1e-9, 1e-9)
    return code


@njit(**JIT)
def advance(
    packed: Ints, counts: Floats, influx: Floats, clamp: Floats, means: Floats, rates: Floats, words: Words,
    extents: Floats, limited: Ints, work: Floats, span: float, accuracy: float,
) -> int:  # fmt: skip
    """All sites over one window of `span` ms.

    packed: FluxTables, see `packing`. counts: (n_sites, n_states). influx: (n_sites, n_injected) molecules. clamp:
    (n_sites, n_clamped). means: (n_sites, n_observables) are set. rates: (n_sites, n_members), then the constants of
    rate laws. words: (n_sites, 4). extents: (n_sites, n_fluxes) are counted on. limited: (n_sites, 2) half steps in
    which noise was scaled back, and all. work: scratch of `work_size`. accuracy: inner step × fastest rate. Returns
    code + 8 × site.
    """
    tables = unpack(packed)
    n_states, n_members, n_fluxes = counts.shape[1], len(tables.first), extents.shape[1]
    n = n_states + 1
    room, taken, least, source = work[:n], work[n : 2 * n], work[2 * n : 3 * n], work[3 * n : 4 * n - 1]
    at = 4 * n + tables.law[START] + len(tables.law_code) // 4
    y = work[4 * n : at]
    a, b = work[at : at + n_members], work[at + n_members : at + 2 * n_members]
    at += 2 * n_members
    noise, drift = work[at : at + n_fluxes], work[at + n_fluxes : at + 2 * n_fluxes]
    for site in range(len(counts)):
        for s in range(n_states):
            y[s] = counts[site, s]
        y[n_states] = 1.0
        load_constants(tables.law, rates[site], n_members, y)
        code: int = _take_inputs(tables, source, y, influx[site], clamp[site], span)
        if code != OK:
            return code + 8 * site
        means[site, :] = 0.0
        left = span
        while left > 0.0:
            rate = fastest(tables, rates[site], y, room)
            wanted = left * rate / accuracy * (1.0 - 1e-9)
            if not wanted < left / (SMALLEST * span):  # before it is made a whole number: of 1e19 that would be below 0
                code = COLLAPSED
                break
            parts = max(1.0, math.ceil(wanted)) if rate > 0.0 else 1.0
            h = left / parts
            if not h > SMALLEST * span:
                code = COLLAPSED
                break
            if not propensities(tables, rates[site], y, a):
                code = BAD_PROPENSITY
                break
            _observe(tables, y, means[site], 0.25 * h / span)
            limited[site, 0] += _kick(
                tables, a, source, y, extents[site], noise, drift, room, taken, least, words[site], 0.5 * h
            )
            if not propensities(tables, rates[site], y, b):
                code = BAD_PROPENSITY
                break
            for m in range(n_members):
                b[m] = max(2.0 * b[m] - a[m], 0.0)
            _observe(tables, y, means[site], 0.5 * h / span)
            limited[site, 0] += _kick(
                tables, b, source, y, extents[site], noise, drift, room, taken, least, words[site], 0.5 * h
            )
            _observe(tables, y, means[site], 0.25 * h / span)
            limited[site, 1] += 2
            left = 0.0 if parts <= 1.0 else left - h
        for s in range(n_states):
            counts[site, s] = y[s]
        if code != OK:
            return code + 8 * site
    return OK


def work_size(n_states: int, width: int, n_members: int, n_fluxes: int) -> int:
    """Length of the scratch array of `advance`; width: states, the constant 1 and what rate laws work out."""
    return 4 * (n_states + 1) + width + 2 * n_members + 2 * n_fluxes
