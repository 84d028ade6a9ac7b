"""Kernel of the surrogate: all sites over one window in one call.

Over a step h the pools see one concentration, the mean of c(t), and the drive balances exactly. With the uptake U(c) of
all pools taken as a chord through 0, c(t) relaxes exponentially, and its mean c* solves

    c* = c_inf + (c0 - c_inf) (1 - exp(-z)) / z,   z = S / s,   c_inf = (income - U(0)) / S,   S = (U(c*) - U(0)) / c*

with s molecules per uM. This is of order 2, exact for buffers far from saturation, damps whatever is faster than the
step, and cannot fall below zero, because U(0) ≤ 0 is what pools release. Then c1 = c0 + (income - U(c*)) / s.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from adapters.surrogate import tables as t
from adapters.wellmixed.packing import Ints, table
from couple.binomial import binomial
from couple.component import Floats
from couple.random import Words, exponential, uniform

OK, OFF_GRID, BAD_INFLUX, TOO_FEW, BAD_CLAMP, NEGATIVE = range(6)
ROUNDS = 60
"""Iterations for c*; three are usual."""
CLOSE, CLOSEST = 1e-5, 1e-14
"""Relative change of c* that ends them."""
SHIFT = 52 - int(math.log2(t.PER_OCTAVE))
"""Bits of a number below those that say between which points of the grid it lies."""
MASK, PART = (1 << SHIFT) - 1, 2.0**-SHIFT
FIRST = ((1023 + t.LOWEST) << int(math.log2(t.PER_OCTAVE))) - 1
LOWEST = 2.0**t.LOWEST
HIGHEST = 2.0 ** (t.LOWEST + t.OCTAVES)
FEW = 10.0
"""Expected moves below which molecules are followed from one move to the next."""
GROW = 0.15
"""An error this much below the tolerance allows a step twice as long (the error goes as its square)."""
ROUNDING = 1e-6
"""Molecules below zero that rounding may leave."""

# columns of `numbers` (n_sites, 3), kept from window to window: c* of the last step, mean of c over the window (uM),
# and molecules that blocks asked for in the window but that were not there
GUESS, MEAN, SHORT = range(3)
# columns of `marks` (n_sites, 3): level of the last step, windows outside of the drive box, draws that found no ions
LEVEL, OUTSIDE, LIMITED = range(3)
# places in `constants`: error allowed in a step (relative), least c it is relative to, rates, drive box
ACCURACY, FLOOR, RATE, RATE_PER_UM, LEAST, MOST = range(6)


@njit(cache=True, inline="always")
def _dot(rows: Floats, a: int, b: int, w: float, p: Floats, start: int, n: int) -> float:
    """Σ p × (row at a, with the weight w that at b)."""
    total = 0.0
    for i in range(n):
        x = rows[a + i]
        total += p[start + i] * (x + w * (rows[b + i] - x))
    return total


@njit(cache=True)
def _balance(
    uptakes: Floats,
    at: int,
    stride: int,
    n: int,
    p: Floats,
    c0: float,
    guess: float,
    income: float,
    slope: float,
    scale: float,
    close: float,
    real: Floats,
    bits: Ints,
) -> tuple[float, float]:
    """c*, the mean of c over a step, and c at its end, for the first `n` states; nan if c leaves the grid.

    at: where the level begins in `uptakes`; stride: of its points. income: molecules that enter over the step, less
    what blocks take at c = 0; slope: molecules that they take per uM. real, bits: one number, seen as both.
    """
    released = 0.0
    for i in range(n):
        released += p[i] * uptakes[at + i]
    income -= released
    c, end = max(guess, 0.5 * LOWEST), c0
    for _ in range(ROUNDS):
        if not c < HIGHEST:
            return math.nan, math.nan
        real[0] = c
        k = (bits[0] >> SHIFT) - FIRST if c >= LOWEST else 0
        w = (bits[0] & MASK) * PART if c >= LOWEST else c / LOWEST
        a = at + k * stride
        even, odd = 0.0, 0.0  # two sums at a time are twice as fast
        for i in range(0, n - 1, 2):
            x, y = uptakes[a + i], uptakes[a + i + 1]
            even += p[i] * (x + w * (uptakes[a + stride + i] - x))
            odd += p[i + 1] * (y + w * (uptakes[a + stride + i + 1] - y))
        if n % 2 == 1:
            x = uptakes[a + n - 1]
            even += p[n - 1] * (x + w * (uptakes[a + stride + n - 1] - x))
        chord = (even + odd - released) / c + slope
        z = chord / scale
        if z > 1e-5:
            far, decay = income / chord, math.expm1(-z)
            new, end = far - (c0 - far) * decay / z, c0 + (c0 - far) * decay
        else:
            new, end = c0 * (1.0 - 0.5 * z) + 0.5 * income / scale, c0 * (1.0 - z) + income / scale
        new = max(new, 0.0)
        if abs(new - c) <= close * new:
            return new, end
        c = max(new, 1e-6 * LOWEST)
    return c, end


@njit(cache=True)
def _draw(words: Words, rows: Floats, a: int, b: int, w: float, s: int, n: int, p: Floats, new: Floats) -> None:
    """Each of p[s : s + n] molecules moves by the propagator [to, from]: multinomial numbers into `new`.

    rows: the propagator, then hazards: minus the logarithm of the probability to stay.
    """
    hazard = a + n * n
    total = 0.0
    for i in range(n):
        new[s + i] = p[s + i]
        x = rows[hazard + i]
        total += p[s + i] * (x + w * (rows[b + n * n + i] - x))
    if total < FEW:
        _hop(words, rows, a, b, w, s, n, p, new)
        return
    for j in range(n):
        left, rest = p[s + j], 1.0
        new[s + j] -= left
        for k in range(n):
            if left <= 0.0:
                break
            i = j + k if j + k < n else j + k - n  # those that stay first: mostly all
            x = rows[a + i * n + j]
            q = x + w * (rows[b + i * n + j] - x)
            moved = left if k == n - 1 or q >= rest else binomial(words, left, q / rest)
            new[s + i] += moved
            left -= moved
            rest -= q


@njit(cache=True)
def _hop(words: Words, rows: Floats, a: int, b: int, w: float, s: int, n: int, p: Floats, new: Floats) -> None:
    """The same for few moves: from one molecule that moves to the next, over those that stay."""
    wait = exponential(words)
    for j in range(n):
        x = rows[a + n * n + j]
        each = x + w * (rows[b + n * n + j] - x)
        left = p[s + j]
        while wait < left * each:
            left -= math.floor(wait / each) + 1.0
            away = 1.0 - rows[a + j * n + j] - w * (rows[b + j * n + j] - rows[a + j * n + j])
            u, to = uniform(words) * away, j
            for i in range(n):
                if i != j:
                    x = rows[a + i * n + j]
                    q = x + w * (rows[b + i * n + j] - x)
                    if q > 0.0:
                        to = i
                        u -= q
                        if u <= 0.0:
                            break
            new[s + j] -= 1.0
            new[s + to] += 1.0
            wait = exponential(words)
        wait -= left * each


@njit(cache=True, inline="always")
def _product(
    rows: Floats, a: int, b: int, w: float, s: int, n1: int, n2: int, p: Floats, new: Floats, scratch: Floats
) -> None:
    """new = (first ⊗ second) p for the n1 × n2 states from s on."""
    for i in range(n1):
        for j in range(n2):
            scratch[i * n2 + j] = 0.0
        for k in range(n1):
            x = rows[a + i * n1 + k]
            x += w * (rows[b + i * n1 + k] - x)
            for j in range(n2):
                scratch[i * n2 + j] += x * p[s + k * n2 + j]
    before, after, most = 0.0, 0.0, s
    for i in range(n1 * n2):
        new[s + i] = 0.0
        before += p[s + i]
    for j in range(n2):
        for k in range(n2):
            x = rows[a + n1 * n1 + j * n2 + k]
            x += w * (rows[b + n1 * n1 + j * n2 + k] - x)
            for i in range(n1):
                new[s + i * n2 + j] += x * scratch[i * n2 + k]
    for i in range(s, s + n1 * n2):
        after += new[i]
        if new[i] > new[most]:
            most = i
    new[most] += before - after


@njit(cache=True, inline="always")
def _move(rows: Floats, a: int, b: int, w: float, s: int, n: int, keeps: bool, p: Floats, new: Floats) -> None:
    """new = propagator p for the states from s on; where a pool keeps its molecules its last one is what is left."""
    before, after = 0.0, 0.0
    for i in range(n):
        total = 0.0
        for j in range(n):
            x = rows[a + i * n + j]
            total += p[s + j] * (x + w * (rows[b + i * n + j] - x))
        new[s + i] = total
        before += p[s + i]
        after += total
    if keeps:
        most = s
        for i in range(1, n):
            if new[s + i] > new[most]:
                most = s + i
        new[most] += before - after


@njit(cache=True)
def _pools(
    chance: bool,
    tables: Ints,
    holds: Floats,
    flow_holds: Floats,
    rows: Floats,
    uptakes: Floats,
    level: int,
    c: float,
    p: Floats,
    new: Floats,
    gained: Floats,
    scratch: Floats,
    words: Words,
    real: Floats,
    bits: Ints,
) -> float:
    """Move the pools of one law at the concentration c; returns what they take. gained: into reservoirs, set."""
    start, matrix, keeps = tables[t.POOL_START], tables[t.MATRIX], tables[t.KEEPS]
    multinomial, booked, first = tables[t.MULTINOMIAL], tables[t.BOOKED], tables[t.FIRST]
    flow_start, flow = tables[t.FLOW_START], tables[t.FLOW]
    width, total = len(rows) // (t.POINTS * t.LEVELS), len(p)
    real[0] = c
    k = (bits[0] >> SHIFT) - FIRST if c >= LOWEST else 0
    w = (bits[0] & MASK) * PART if c >= LOWEST else c / LOWEST
    a, ua = (level * t.POINTS + k) * width, (level * t.POINTS + k) * total
    b, ub = a + width, ua + total
    taken = 0.0
    for q in range(keeps - matrix):
        if (tables[multinomial + q] != 0) != chance:
            continue
        s, m = tables[start + q], tables[matrix + q]
        n = tables[start + q + 1] - s
        if chance:
            _draw(words, rows, a + m, b + m, w, s, n, p, new)
        elif tables[first + q] != 0:
            n1 = tables[first + q]
            _product(rows, a + m, b + m, w, s, n1, n // n1, p, new, scratch)
        else:
            _move(rows, a + m, b + m, w, s, n, tables[keeps + q] != 0, p, new)
        f0, f1 = tables[flow_start + q], tables[flow_start + q + 1]
        for f in range(f0, f1):
            at = tables[flow + f]
            gained[f] = _dot(rows, a + at, b + at, w, p, s, n)
        if tables[booked + q] != 0:
            for i in range(s, s + n):
                taken += holds[i] * (new[i] - p[i])
            for f in range(f0, f1):
                taken += flow_holds[f] * gained[f]
        else:
            taken += _dot(uptakes, ua + s, ub + s, w, p, s, n)
    return taken


@njit(cache=True)
def _watch(
    tables: Ints,
    weights: Floats,
    rows: Floats,
    level: int,
    c: float,
    p: Floats,
    new: Floats,
    means: Floats,
    part: float,
    real: Floats,
    bits: Ints,
) -> None:
    """Add `part` times the mean of each observable over a step."""
    start, matrix, keeps = tables[t.POOL_START], tables[t.MATRIX], tables[t.KEEPS]
    multinomial, watch_start = tables[t.MULTINOMIAL], tables[t.WATCH_START]
    number, watch, weight = tables[t.WATCH_NUMBER], tables[t.WATCH], tables[t.WEIGHT]
    width = len(rows) // (t.POINTS * t.LEVELS)
    real[0] = c
    k = (bits[0] >> SHIFT) - FIRST if c >= LOWEST else 0
    w = (bits[0] & MASK) * PART if c >= LOWEST else c / LOWEST
    a = (level * t.POINTS + k) * width
    for q in range(keeps - matrix):
        for o in range(tables[watch_start + q], tables[watch_start + q + 1]):
            s = tables[start + q]
            n = tables[start + q + 1] - s
            if tables[multinomial + q] != 0:
                total, at = 0.0, tables[weight + o]
                for i in range(n):
                    total += weights[at + i] * (p[s + i] + new[s + i])
                means[tables[number + o]] += part * 0.5 * total
            else:
                at = a + tables[watch + o]
                means[tables[number + o]] += part * _dot(rows, at, at + width, w, p, s, n)


@njit(cache=True)
def _inputs(tables: Ints, row: Floats, influx: Floats, clamp: Floats, births: Floats) -> tuple[int, float]:
    """Set clamped counts, take out what leaves; returns a code and the income. births (n_states,): into pools."""
    column, state = table(tables, t.INJECTED_COLUMN), table(tables, t.INJECTED_STATE)
    held, book = table(tables, t.CLAMP_COLUMN), table(tables, t.CLAMP_BOOK)
    for k in range(len(held)):
        if not 0.0 <= clamp[k] < math.inf:
            return BAD_CLAMP, 0.0
        row[book[k]] -= clamp[k] - row[held[k]]
        row[held[k]] = clamp[k]
    income = 0.0
    births[:] = 0.0
    for j in range(len(column)):
        if not -math.inf < influx[j] < math.inf:
            return BAD_INFLUX, 0.0
        if state[j] == -2 and influx[j] > 0.0:
            income += influx[j]
        elif state[j] >= 0 and influx[j] > 0.0:
            births[state[j]] += influx[j]
        else:
            row[column[j]] += influx[j]
            if row[column[j]] < -1e-3 and column[j] not in book:
                return TOO_FEW, 0.0
    return OK, income


@njit(cache=True)
def advance(
    tables: Ints,
    counts: Floats,
    influx: Floats,
    clamp: Floats,
    means: Floats,
    sink: Floats,
    scales: Floats,
    numbers: Floats,
    marks: Ints,
    words: Words,
    holds: Floats,
    flow_holds: Floats,
    weights: Floats,
    free_weights: Floats,
    still_weights: Floats,
    rows: Floats,
    uptakes: Floats,
    constants: Floats,
    span: float,
    steps: int,
) -> tuple[int, int]:
    """All sites over one window of `span` ms, in `steps` steps or shorter ones. Returns (code, site).

    sink: (n_sites, 2) what blocks take per ms, and per ms and uM. scales: (n_sites,) molecules per uM. words:
    (n_sites, 4). rows, uptakes: see tables.propagators, flat.
    """
    column, drive = table(tables, t.COLUMN), table(tables, t.DRIVE)
    multinomial, start = table(tables, t.MULTINOMIAL), table(tables, t.POOL_START)
    flow_column = table(tables, t.FLOW_COLUMN)
    still_column, still_number = table(tables, t.STILL_COLUMN), table(tables, t.STILL_NUMBER)
    n, free, held = len(column), drive[0], drive[1] != 0
    n_mean = n
    for q in range(len(multinomial) - 1, -1, -1):
        if multinomial[q] != 0:
            n_mean = start[q]
    p, new, births, scratch, gained = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(len(flow_column))
    real = np.zeros(1)
    bits = real.view(np.int64)
    finest = 1 << (t.LEVELS - 1)
    for site in range(len(counts)):
        row, mean, scale = counts[site], means[site], scales[site]
        code, income = _inputs(tables, row, influx[site], clamp[site], births)
        if code != OK:
            return code, site
        born = False
        for i in range(n):
            p[i] = row[column[i]] if column[i] >= 0 else scale
            born = born or births[i] > 0.0
        mean[:] = 0.0
        c = row[free] / scale if free >= 0 else 0.0
        guess, level, over = numbers[site, GUESS], marks[site, LEVEL], 0.0
        short, outside = 0.0, False
        at, ends = 0, steps * finest
        while at < ends:
            middle, end, now = c, c, level
            while True:
                size = finest >> now
                part = size / ends
                h = part * span
                if at % size != 0:
                    now += 1
                    continue
                if free < 0 or held:
                    break
                enters, slope = income * part - sink[site, 0] * h, sink[site, 1] * h
                middle, end = _balance(
                    uptakes, now * t.POINTS * n, n, n, p, c, guess, enters, slope, scale, CLOSE, real, bits
                )
                if math.isnan(middle):
                    return OFF_GRID, site
                relax = h * (constants[RATE] + constants[RATE_PER_UM] * middle) / 12.0
                error = relax * abs(end - c) / (constants[ACCURACY] * (max(end, c) + constants[FLOOR]))
                if error <= 1.0 or now == t.LEVELS - 1:
                    level = now - 1 if error < GROW and now > 0 else now
                    break
                now += 1
            if born:
                for i in range(n):
                    p[i] += 0.5 * part * births[i]
            drawn = 0.0
            enters, slope = income * part - sink[site, 0] * h, sink[site, 1] * h
            if n_mean < n:
                drawn = _pools(
                    True,
                    tables,
                    holds,
                    flow_holds,
                    rows,
                    uptakes,
                    now,
                    middle,
                    p,
                    new,
                    gained,
                    scratch,
                    words[site],
                    real,
                    bits,
                )
                if drawn != 0.0 and free >= 0 and not held:
                    middle, end = _balance(
                        uptakes,
                        now * t.POINTS * n,
                        n,
                        n_mean,
                        p,
                        c,
                        middle,
                        enters - drawn,
                        slope,
                        scale,
                        CLOSE,
                        real,
                        bits,
                    )
            close = CLOSE
            while True:
                if not middle < HIGHEST:
                    return OFF_GRID, site
                taken = slope * middle + _pools(
                    False,
                    tables,
                    holds,
                    flow_holds,
                    rows,
                    uptakes,
                    now,
                    middle,
                    p,
                    new,
                    gained,
                    scratch,
                    words[site],
                    real,
                    bits,
                )
                end = c + (enters - drawn - taken) / scale
                if free < 0 or held or end >= 0.0:
                    break
                if drawn > 0.0:  # channels that find no ions do not move
                    marks[site, LIMITED] += 1
                    for i in range(n_mean, n):
                        new[i] = p[i]
                    drawn = 0.0
                elif close == CLOSE:
                    close = CLOSEST
                elif end * scale > -ROUNDING:
                    break
                elif sink[site, 0] > 0.0 or sink[site, 1] > 0.0:
                    short -= end * scale
                    end = 0.0
                    break
                else:
                    return NEGATIVE, site
                middle, end = _balance(
                    uptakes,
                    now * t.POINTS * n,
                    n,
                    n_mean,
                    p,
                    c,
                    middle,
                    enters - drawn,
                    slope,
                    scale,
                    close,
                    real,
                    bits,
                )
            _watch(tables, weights, rows, now, middle, p, new, mean, part, real, bits)
            for i in range(n):
                p[i] = new[i]
                if born:
                    p[i] += 0.5 * part * births[i]
            for f in range(len(flow_column)):
                row[flow_column[f]] += gained[f]
            if held:
                row[drive[2]] += (end - c) * scale
            elif free >= 0:
                c, guess = end, middle
            outside = outside or not constants[LEAST] <= middle <= constants[MOST]
            over += part * middle
            at += size
        for i in range(n):
            if column[i] >= 0:
                row[column[i]] = p[i]
        if free >= 0 and not held:
            row[free] = c * scale
        for o in range(len(mean)):
            mean[o] += free_weights[o] * over * scale
        for k in range(len(still_column)):
            mean[still_number[k]] += still_weights[k] * row[still_column[k]]
        numbers[site, GUESS], numbers[site, MEAN], numbers[site, SHORT] = guess, over, short
        marks[site, LEVEL] = level
        marks[site, OUTSIDE] += outside
    return OK, 0
