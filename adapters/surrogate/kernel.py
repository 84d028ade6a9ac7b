"""Kernel of the surrogate: all sites over one window in one call.

Over a step h the pools see one concentration, the mean of c(t), and the drive balances exactly. With the uptake U(c) of
all pools taken as a chord through 0, c(t) relaxes exponentially, and its mean c* solves

    c* = c_inf + (c0 - c_inf) (1 - exp(-z)) / z,   z = S / s,   c_inf = (income - U(0)) / S,   S = (U(c*) - U(0)) / c*

with s molecules per uM. This is of order 2, exact for buffers far from saturation, damps whatever is faster than the
step, and cannot fall below zero, because U(0) ≤ 0 is what pools release. Then c1 = c0 + (income - U(c*)) / s.
"""

from __future__ import annotations

import math

from numba import njit

from adapters.surrogate import tables as t
from adapters.wellmixed.packing import Ints
from couple.binomial import binomial
from couple.component import Floats
from couple.random import Words, exponential, uniform

OK, OFF_GRID, BAD_INFLUX, TOO_FEW, BAD_CLAMP, NEGATIVE = range(6)
ROUNDS = 60
"""Iterations for c*; three are usual."""
CLOSE, CLOSEST = 1e-4, 1e-14
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


JIT = {"cache": True, "_nrt": False, "error_model": "numpy"}
"""Without counts of references, which are atomic and took most of the time; so kernels cannot make arrays."""


@njit(**JIT)
def _balance(
    uptakes: Floats,
    at: int,
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

    at: where the level begins in `uptakes`. income: molecules that enter over the step, less what blocks take at c = 0;
    slope: molecules that they take per uM. real, bits: one number, seen as both.
    """
    stride = len(p)
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
        b = a + stride
        under, over = 0.0, 0.0
        for i in range(n):
            under += p[i] * uptakes[a + i]
            over += p[i] * uptakes[b + i]
        chord = (under + w * (over - under) - released) / c + slope
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


@njit(**JIT)
def _mix(rows: Floats, level: int, c: float, mixed: Floats, real: Floats, bits: Ints) -> None:
    """mixed (width,): the row of the propagators of a level at c, between two points of the grid."""
    width = len(mixed)
    real[0] = c
    k = (bits[0] >> SHIFT) - FIRST if c >= LOWEST else 0
    w = (bits[0] & MASK) * PART if c >= LOWEST else c / LOWEST
    a = (level * t.POINTS + k) * width
    b = a + width
    for i in range(width):
        mixed[i] = rows[a + i] + w * (rows[b + i] - rows[a + i])


@njit(**JIT)
def _draw(words: Words, mixed: Floats, m: int, s: int, n: int, p: Floats, new: Floats) -> None:
    """Each of p[s : s + n] molecules moves by the propagator [to, from] at m: multinomial numbers into `new`.

    After the propagator follow hazards: minus the logarithm of the probability to stay.
    """
    total, hazard = 0.0, m + n * n
    for i in range(n):
        new[s + i] = p[s + i]
        total += p[s + i] * mixed[hazard + i]
    if total < FEW:
        _hop(words, mixed, m, s, n, p, new)
        return
    for j in range(n):
        left, rest = p[s + j], 1.0
        new[s + j] -= left
        for k in range(n):
            if left <= 0.0:
                break
            i = j + k if j + k < n else j + k - n  # those that stay first: mostly all
            q = mixed[m + i * n + j]
            moved = left if k == n - 1 or q >= rest else binomial(words, left, q / rest)
            new[s + i] += moved
            left -= moved
            rest -= q


@njit(**JIT)
def _hop(words: Words, mixed: Floats, m: int, s: int, n: int, p: Floats, new: Floats) -> None:
    """The same for few moves: from one molecule that moves to the next, over those that stay."""
    wait = exponential(words)
    for j in range(n):
        left, hazard = p[s + j], mixed[m + n * n + j]
        while wait < left * hazard:
            left -= math.floor(wait / hazard) + 1.0
            u, to = uniform(words) * (1.0 - mixed[m + j * n + j]), j
            for i in range(n):
                q = mixed[m + i * n + j]
                if i != j and q > 0.0:
                    to = i
                    u -= q
                    if u <= 0.0:
                        break
            new[s + j] -= 1.0
            new[s + to] += 1.0
            wait = exponential(words)
        wait -= left * hazard


@njit(**JIT)
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


@njit(**JIT)
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


@njit(**JIT)
def _dot(a: Floats, i: int, b: Floats, j: int, n: int) -> float:
    """Σ a[i + k] b[j + k]."""
    total = 0.0
    for k in range(n):
        total += a[i + k] * b[j + k]
    return total


@njit(**JIT)
def _pools(
    chance: bool,
    tables: Ints,
    holds: Floats,
    flow_holds: Floats,
    mixed: Floats,
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
    """Move the pools of one law by the row `mixed`; returns what they take. gained: into reservoirs, set."""
    start, matrix, keeps = tables[t.POOL_START], tables[t.MATRIX], tables[t.KEEPS]
    multinomial, booked, first = tables[t.MULTINOMIAL], tables[t.BOOKED], tables[t.FIRST]
    flow_start, flow = tables[t.FLOW_START], tables[t.FLOW]
    taken = 0.0
    for q in range(keeps - matrix):
        if (tables[multinomial + q] != 0) != chance:
            continue
        s, m = tables[start + q], tables[matrix + q]
        n, n1 = tables[start + q + 1] - s, tables[first + q]
        if chance:
            _draw(words, mixed, m, s, n, p, new)
        elif n == 2 and tables[keeps + q] != 0:
            total = p[s] + p[s + 1]
            there = mixed[m + 2] * p[s] + mixed[m + 3] * p[s + 1]
            if there > total:  # rounding
                there = total
            new[s], new[s + 1] = total - there, there
        elif n1 != 0:
            _product(mixed, m, s, n1, n // n1, p, new, scratch)
        else:
            _move(mixed, m, s, n, tables[keeps + q] != 0, p, new)
        f0, f1 = tables[flow_start + q], tables[flow_start + q + 1]
        for f in range(f0, f1):
            gained[f] = _dot(mixed, tables[flow + f], p, s, n)
        mine = 0.0
        if tables[booked + q] != 0:
            for i in range(s, s + n):
                mine += holds[i] * (new[i] - p[i])
            for f in range(f0, f1):
                mine += flow_holds[f] * gained[f]
        else:
            real[0] = c
            k = (bits[0] >> SHIFT) - FIRST if c >= LOWEST else 0
            w = (bits[0] & MASK) * PART if c >= LOWEST else c / LOWEST
            a = (level * t.POINTS + k) * len(p) + s
            low = _dot(uptakes, a, p, s, n)
            mine = low + w * (_dot(uptakes, a + len(p), p, s, n) - low)
        taken += mine
    return taken


@njit(**JIT)
def _watch(
    tables: Ints, weights: Floats, mixed: Floats, p: Floats, new: Floats, site: int, means: Floats, part: float
) -> None:
    """Add `part` times the mean of each observable over a step."""
    start, matrix, keeps = tables[t.POOL_START], tables[t.MATRIX], tables[t.KEEPS]
    multinomial, watch_start = tables[t.MULTINOMIAL], tables[t.WATCH_START]
    number, watch, weight = tables[t.WATCH_NUMBER], tables[t.WATCH], tables[t.WEIGHT]
    for q in range(keeps - matrix):
        for o in range(tables[watch_start + q], tables[watch_start + q + 1]):
            s = tables[start + q]
            n = tables[start + q + 1] - s
            if tables[multinomial + q] != 0:
                at = tables[weight + o]
                total = 0.5 * (_dot(weights, at, p, s, n) + _dot(weights, at, new, s, n))
            else:
                total = _dot(mixed, tables[watch + o], p, s, n)
            means[site, tables[number + o]] += part * total


@njit(**JIT)
def _inputs(
    tables: Ints, counts: Floats, influx: Floats, clamp: Floats, site: int, births: Floats
) -> tuple[int, float]:
    """Set clamped counts, take out what leaves; returns a code and the income. births (n_states,): into pools."""
    column, state = tables[t.INJECTED_COLUMN], tables[t.INJECTED_STATE]
    held, book = tables[t.CLAMP_COLUMN], tables[t.CLAMP_BOOK]
    for k in range(book - held):
        value, at = clamp[site, k], tables[held + k]
        if not 0.0 <= value < math.inf:
            return BAD_CLAMP, 0.0
        counts[site, tables[book + k]] -= value - counts[site, at]
        counts[site, at] = value
    income = 0.0
    for i in range(len(births)):
        births[i] = 0.0
    for j in range(state - column):
        value, at, to = influx[site, j], tables[column + j], tables[state + j]
        if not -math.inf < value < math.inf:
            return BAD_INFLUX, 0.0
        if to == -2 and value > 0.0:
            income += value
        elif to >= 0 and value > 0.0:
            births[to] += value
        else:
            counts[site, at] += value
            if counts[site, at] < -1e-3 and to != -1:
                return TOO_FEW, 0.0
    return OK, income


@njit(**JIT)
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
    work: Floats,
    own: Words,
    real: Floats,
    bits: Ints,
    span: float,
    steps: int,
) -> tuple[int, int]:
    """All sites over one window of `span` ms, in `steps` steps or shorter ones. Returns (code, site).

    sink: (n_sites, 2) what blocks take per ms, and per ms and uM. scales: (n_sites,) molecules per uM. words:
    (n_sites, 4). rows, uptakes: see tables.propagators, flat. work: scratch of `work_size`; own: of four words; real,
    bits: one number, seen as both.
    """
    column, flow_column = tables[t.COLUMN], tables[t.FLOW_COLUMN]
    still_column, still_number = tables[t.STILL_COLUMN], tables[t.STILL_NUMBER]
    n, n_flows, n_still = tables[t.POOL_START] - column, tables[t.FLOW] - flow_column, still_number - still_column
    free, held, book = tables[tables[t.DRIVE]], tables[tables[t.DRIVE] + 1] != 0, tables[tables[t.DRIVE] + 2]
    n_mean = n
    for q in range(tables[t.KEEPS] - tables[t.MATRIX] - 1, -1, -1):
        if tables[tables[t.MULTINOMIAL] + q] != 0:
            n_mean = tables[tables[t.POOL_START] + q]
    p, new, births, scratch = work[:n], work[n : 2 * n], work[2 * n : 3 * n], work[3 * n : 4 * n]
    gained, mixed = work[4 * n : 4 * n + n_flows], work[4 * n + n_flows :]
    finest = 1 << (t.LEVELS - 1)
    for site in range(len(counts)):
        scale = scales[site]
        code, income = _inputs(tables, counts, influx, clamp, site, births)
        if code != OK:
            return code, site
        born = False
        for i in range(n):
            at = tables[column + i]
            p[i] = counts[site, at] if at >= 0 else scale
            born = born or births[i] > 0.0
        for o in range(means.shape[1]):
            means[site, o] = 0.0
        for i in range(4):
            own[i] = words[site, i]
        c = counts[site, free] / scale if free >= 0 else 0.0
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
                    uptakes, now * t.POINTS * n, n, p, c, guess, enters, slope, scale, CLOSE, real, bits
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
            drawn, close = 0.0, CLOSE
            enters, slope = income * part - sink[site, 0] * h, sink[site, 1] * h
            _mix(rows, now, middle, mixed, real, bits)
            if n_mean < n:
                drawn = _pools(
                    True, tables, holds, flow_holds, mixed, uptakes, now, middle, p, new, gained, scratch, own,
                    real, bits,
                )  # fmt: skip
                if drawn != 0.0 and free >= 0 and not held:
                    middle, end = _balance(
                        uptakes, now * t.POINTS * n, n_mean, p, c, middle, enters - drawn, slope, scale, close, real,
                        bits,
                    )  # fmt: skip
                    if not middle < HIGHEST:
                        return OFF_GRID, site
                    _mix(rows, now, middle, mixed, real, bits)
            while True:
                taken = slope * middle + _pools(
                    False, tables, holds, flow_holds, mixed, uptakes, now, middle, p, new, gained, scratch, own,
                    real, bits,
                )  # fmt: skip
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
                    uptakes, now * t.POINTS * n, n_mean, p, c, middle, enters - drawn, slope, scale, close, real, bits
                )
                if not middle < HIGHEST:
                    return OFF_GRID, site
                _mix(rows, now, middle, mixed, real, bits)
            _watch(tables, weights, mixed, p, new, site, means, part)
            for i in range(n):
                p[i] = new[i]
                if born:
                    p[i] += 0.5 * part * births[i]
            for f in range(n_flows):
                counts[site, tables[flow_column + f]] += gained[f]
            if held:
                counts[site, book] += (end - c) * scale
            elif free >= 0:
                c, guess = end, middle
            outside = outside or not constants[LEAST] <= middle <= constants[MOST]
            over += part * middle
            at += size
        for i in range(n):
            if tables[column + i] >= 0:
                counts[site, tables[column + i]] = p[i]
        if free >= 0 and not held:
            counts[site, free] = c * scale
        for o in range(means.shape[1]):
            means[site, o] += free_weights[o] * over * scale
        for k in range(n_still):
            means[site, tables[still_number + k]] += still_weights[k] * counts[site, tables[still_column + k]]
        for i in range(4):
            words[site, i] = own[i]
        numbers[site, GUESS], numbers[site, MEAN], numbers[site, SHORT] = guess, over, short
        marks[site, LEVEL] = level
        marks[site, OUTSIDE] += outside
    return OK, 0


def work_size(n_states: int, n_flows: int, width: int) -> int:
    """Length of the scratch array of `advance`."""
    return 4 * n_states + n_flows + width
