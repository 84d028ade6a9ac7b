"""Machines in time, numbers of molecules that they make expected, and numbers drawn around these.

What a machine is, x, moves by dx/dt = Σ (F0 + c F1) φ(x), φ the monomials of x: the shares of molecules that are
expected in each state, and the couplings. In these mixed coordinates mass action is a polynomial. Logarithms of
variances over those of independent molecules, and correlations, are polynomials too. Noise: see
`reducers.copy_numbers.kernels.noise`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from couple.base.arrays import Floats, Ints, Words
from couple.cache.kernels import njit
from couple.rng.normal import normal
from reducers.copy_numbers.kernels.limits import rectified

EDGE = 1.3
"""Where a parameter is stopped, in half widths of what training saw."""
LANES = 8
"""Sites that are moved side by side."""


class Law(NamedTuple):
    """recipe: (M, 2), see `Monomials`; the first `few` are those of the law and of turn. law: (few, 2, n), of θ in half
    widths of the box. outputs: (M, S + S + S(S-1)/2): shares of states, log ratios of variances, atanh of correlations.
    turn: (few, 2, S, S) per ms. sizes: (5,) n, M, few, S, units. step: ms.

    Numbers that are multiplied with one monomial lie beside each other: many short sums grow at a time.
    """

    recipe: Ints
    law: Floats
    outputs: Floats
    turn: Floats
    sizes: Ints
    step: float


@njit(cache=True, error_model="numpy", inline="always")
def _monomials(recipe: Ints, x: Floats, out: Floats, most: int) -> None:
    out[0] = 1.0
    for k in range(1, most):
        out[k] = out[recipe[k, 0]] * x[recipe[k, 1]]


@njit(cache=True, error_model="numpy", inline="always")
def _slope(model: Law, drive: float, phi: Floats, out: Floats) -> None:
    for j in range(model.sizes[0]):
        out[j] = 0.0
    for k in range(model.sizes[2]):
        driven = drive * phi[k]
        for j in range(model.sizes[0]):
            out[j] += model.law[k, 0, j] * phi[k] + model.law[k, 1, j] * driven


@njit(cache=True, error_model="numpy")
def move(model: Law, x: Floats, drive: float, span: float, phi: Floats, work: Floats) -> bool:
    """θ of a site (n,) over `span` ms by midpoints; leaves the monomials of the last one in phi. Whether it was stopped
    at an edge. work: (2, n)."""
    n, few = model.sizes[0], model.sizes[2]
    steps = max(1, math.ceil(span / model.step - 1e-9))
    h, stopped = span / steps, False
    for _ in range(steps):
        _monomials(model.recipe, x, phi, few)
        _slope(model, drive, phi, work[0])
        for j in range(n):
            work[1, j] = x[j] + 0.5 * h * work[0, j]
        _monomials(model.recipe, work[1], phi, few)
        _slope(model, drive, phi, work[0])
        for j in range(n):
            x[j] += h * work[0, j]
            if not abs(x[j]) <= EDGE:
                stopped = True
                x[j] = min(max(x[j], -EDGE), EDGE)
    return stopped


@njit(cache=True, error_model="numpy")
def look(model: Law, x: Floats, phi: Floats, values: Floats, means: Floats, spread: Floats) -> None:
    """Set means (S,) and covariances (S, S) of the numbers of molecules at x (n,). values: as many as outputs."""
    _monomials(model.recipe, x, phi, model.sizes[1])
    for j in range(len(values)):
        values[j] = 0.0
    for k in range(model.sizes[1]):
        for j in range(len(values)):
            values[j] += model.outputs[k, j] * phi[k]
    expect(model, values, means, spread)


@njit(cache=True, error_model="numpy")
def expect(model: Law, values: Floats, means: Floats, spread: Floats) -> None:
    """Set means (S,) and covariances (S, S) out of the values of the outputs."""
    count, units = model.sizes[3], float(model.sizes[4])
    total = 0.0
    for s in range(count):
        values[s] = max(values[s], 1e-4)
        total += values[s]
    at = 2 * count
    for s in range(count):
        p = values[s] / max(total / 0.9999, 1.0)
        means[s] = units * p
        spread[s, s] = units * p * (1.0 - p) * math.exp(min(max(values[count + s], -10.0), 10.0))
    for s in range(count):
        for t in range(s):
            spread[s, t] = math.tanh(values[at]) * math.sqrt(spread[s, s] * spread[t, t])
            spread[t, s] = spread[s, t]
            at += 1


@njit(cache=True, error_model="numpy")
def path(model: Law, start: Floats, drive: Floats, span: float, keep: int, out: Floats) -> None:
    """Set out (batch, 1 + T // keep, n) to θ from start (batch, n) under drives (batch, T)."""
    phi, work, x = np.empty(model.sizes[1]), np.empty((2, model.sizes[0])), np.empty(model.sizes[0])
    for i in range(len(drive)):
        x[:] = start[i]
        out[i, 0] = x
        for k in range(drive.shape[1]):
            move(model, x, drive[i, k], span, phi, work)
            if (k + 1) % keep == 0:
                out[i, (k + 1) // keep] = x


@njit(cache=True, error_model="numpy")
def _exponential(n: int, turn: Floats, small: Floats) -> None:
    """small[0] ← exp(turn), by its series after halvings. small: (4, n, n)."""
    e, power, product = small[0], small[1], small[2]
    largest, halvings = 0.0, 0
    for s in range(n):
        for t in range(n):
            largest = max(largest, abs(turn[s, t]))
    while largest > 0.25 and halvings < 40:
        largest, halvings = 0.5 * largest, halvings + 1
    part = 0.5**halvings
    for s in range(n):
        for t in range(n):
            power[s, t] = part * turn[s, t]
            e[s, t] = power[s, t] + (1.0 if s == t else 0.0)
    for order in range(2, 5):
        for s in range(n):
            for t in range(n):
                total = 0.0
                for k in range(n):
                    total += turn[s, k] * power[k, t]
                product[s, t] = total * part / order
        for s in range(n):
            for t in range(n):
                power[s, t] = product[s, t]
                e[s, t] += product[s, t]
    for _ in range(halvings):
        for s in range(n):
            for t in range(n):
                total = 0.0
                for k in range(n):
                    total += e[s, k] * e[k, t]
                product[s, t] = total
        for s in range(n):
            for t in range(n):
                e[s, t] = product[s, t]


@njit(cache=True, error_model="numpy")
def _kick(n: int, left: Floats, root: Floats, draws: Floats, y: Floats, words: Words) -> None:
    """Add to y (n,) a normal vector of covariance `left`, with Cholesky's factor, row by row, in `root`."""
    for s in range(n):
        draws[s] = normal(words)
        for t in range(s + 1):
            total = left[s, t]
            for k in range(t):
                total -= root[s, k] * root[t, k]
            if s == t:
                root[s, s] = math.sqrt(total) if total > 0.0 else 0.0
            else:
                root[s, t] = total / root[t, t] if root[t, t] > 0.0 else 0.0
        for k in range(s + 1):
            y[s] += root[s, k] * draws[k]


@njit(cache=True, error_model="numpy")
def shake(n: int, turn: Floats, before: Floats, after: Floats, y: Floats, words: Words, small: Floats) -> None:
    """y (n,) ← exp(turn) y + ξ with Cov ξ = after - exp(turn) before exp(turn)ᵀ. small: (4, n, n)."""
    _exponential(n, turn, small)
    e, old, product, left = small[0], small[1, 0], small[2], small[3]
    for s in range(n):
        old[s] = y[s]
        for t in range(n):
            total = 0.0
            for k in range(n):
                total += e[s, k] * before[k, t]
            product[s, t] = total
    for s in range(n):
        y[s] = 0.0
        for k in range(n):
            y[s] += e[s, k] * old[k]
        for t in range(s + 1):
            total = after[s, t]
            for k in range(n):
                total -= product[s, k] * e[t, k]
            left[s, t] = total
    _kick(n, left, product, old, y, words)


@njit(cache=True, error_model="numpy", inline="always")
def _shake_two(turn: Floats, before: Floats, after: Floats, y: Floats, words: Words) -> None:
    """The same of two numbers and a short step, in a line."""
    a, b, c, d = turn[0, 0], turn[0, 1], turn[1, 0], turn[1, 1]
    trace, bc = a + d, b * c
    p, q, r, s = 0.5 * (a * a + bc), 0.5 * b * trace, 0.5 * c * trace, 0.5 * (bc + d * d)  # half of the square
    u, v = (a * p + b * r) / 3.0, (a * q + b * s) / 3.0
    w, z = (c * p + d * r) / 3.0, (c * q + d * s) / 3.0
    e00, e01 = 1.0 + a + p + u + 0.25 * (a * u + b * w), b + q + v + 0.25 * (a * v + b * z)
    e10, e11 = c + r + w + 0.25 * (c * u + d * w), 1.0 + d + s + z + 0.25 * (c * v + d * z)
    p00, p01, p11 = before[0, 0], before[0, 1], before[1, 1]
    m00, m01, m10, m11 = e00 * p00 + e01 * p01, e00 * p01 + e01 * p11, e10 * p00 + e11 * p01, e10 * p01 + e11 * p11
    l00 = after[0, 0] - (m00 * e00 + m01 * e01)
    l10 = after[1, 0] - (m10 * e00 + m11 * e01)
    l11 = after[1, 1] - (m10 * e10 + m11 * e11)
    root = math.sqrt(max(l00, 0.0))
    across = l10 / root if root > 0.0 else 0.0
    first, second = normal(words), normal(words)
    y0, y1 = y[0], y[1]
    y[0] = e00 * y0 + e01 * y1 + root * first
    y[1] = e10 * y0 + e11 * y1 + across * first + math.sqrt(max(l11 - across * across, 0.0)) * second


@njit(cache=True, error_model="numpy")
def draw(model: Law, means: Floats, spread: Floats, y: Floats, numbers: Floats) -> None:
    """Set numbers (S,) to what the latent y makes of the means, none below 0, all together not above the units."""
    count, units, total = model.sizes[3], float(model.sizes[4]), 0.0
    for s in range(count):
        sd = math.sqrt(spread[s, s])
        z = y[s] / sd if sd > 0.0 else 0.0
        if means[s] > 0.5 * units:
            numbers[s] = units - rectified(units - means[s], sd, -z)
        else:
            numbers[s] = rectified(means[s], sd, z)
        numbers[s] = min(max(numbers[s], 0.0), units)
        total += numbers[s]
    if total > units:
        for s in range(count):
            numbers[s] *= units / total


@njit(cache=True, error_model="numpy", inline="always")
def _sums(table: Floats, phi: Floats, most: int, out: Floats) -> None:
    """Set out (W, LANES) to Σ over the first monomials of table (M, W) and phi (M, LANES); each lane by itself."""
    for j in range(table.shape[1]):
        a0, a1, a2, a3, a4, a5, a6, a7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(most):
            c = table[k, j]
            a0 += c * phi[k, 0]
            a1 += c * phi[k, 1]
            a2 += c * phi[k, 2]
            a3 += c * phi[k, 3]
            a4 += c * phi[k, 4]
            a5 += c * phi[k, 5]
            a6 += c * phi[k, 6]
            a7 += c * phi[k, 7]
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = a0, a1, a2, a3
        out[j, 4], out[j, 5], out[j, 6], out[j, 7] = a4, a5, a6, a7


@njit(cache=True, error_model="numpy", inline="always")
def _lane_monomials(recipe: Ints, x: Floats, most: int, out: Floats) -> None:
    """Set out (M, LANES) to those of x (n, LANES)."""
    for i in range(LANES):
        out[0, i] = 1.0
    for k in range(1, most):
        a, b = recipe[k, 0], recipe[k, 1]
        for i in range(LANES):
            out[k, i] = out[a, i] * x[b, i]


@njit(cache=True, error_model="numpy")
def _move_lanes(model: Law, law: Floats, x: Floats, drive: Floats, span: float, phi: Floats, work: Floats) -> None:
    """`move` of LANES sites, x (n, LANES); rows of work: 2 n for slopes, n for the midpoint."""
    n, few = model.sizes[0], model.sizes[2]
    steps = max(1, math.ceil(span / model.step - 1e-9))
    h = span / steps
    middle = work[2 * n : 3 * n]
    for _ in range(steps):
        _lane_monomials(model.recipe, x, few, phi)
        _sums(law, phi, few, work)
        for j in range(n):
            for i in range(LANES):
                middle[j, i] = x[j, i] + 0.5 * h * (work[j, i] + drive[i] * work[n + j, i])
        _lane_monomials(model.recipe, middle, few, phi)
        _sums(law, phi, few, work)
        for j in range(n):
            for i in range(LANES):
                value = x[j, i] + h * (work[j, i] + drive[i] * work[n + j, i])
                x[j, i] = min(max(value, -EDGE), EDGE)


@njit(cache=True, error_model="numpy")
def advance(
    model: Law,
    theta: Floats,
    latent: Floats,
    means: Floats,
    spread: Floats,
    numbers: Floats,
    outside: Ints,
    drive: Floats,
    span: float,
    words: Words,
    noisy: bool,
) -> int:
    """All sites over `span` ms at drives (n_sites,), LANES at a time. Returns 1 + the first site that failed, or 0."""
    n, few, count = model.sizes[0], model.sizes[2], model.sizes[3]
    squares, shown = count * count, model.outputs.shape[1]
    law, turns = model.law.reshape((few, 2 * n)), model.turn.reshape((few, 2 * squares))
    phi, x, c = np.empty((model.sizes[1], LANES)), np.zeros((n, LANES)), np.zeros(LANES)
    work, turned = np.empty((3 * n, LANES)), np.empty((2 * squares, LANES))
    looked, values = np.empty((shown, LANES)), np.empty(shown)
    turn, before, small = np.empty((count, count)), np.empty((count, count)), np.empty((4, count, count))
    for first in range(0, len(drive), LANES):
        inside = min(LANES, len(drive) - first)
        for i in range(inside):
            c[i] = drive[first + i]
            for j in range(n):
                x[j, i] = theta[first + i, j]
        _move_lanes(model, law, x, c, span, phi, work)
        _sums(turns, phi, few, turned)
        _lane_monomials(model.recipe, x, model.sizes[1], phi)
        _sums(model.outputs, phi, model.sizes[1], looked)
        for i in range(inside):
            site, beyond, sure = first + i, False, 0.0
            for j in range(n):
                theta[site, j] = x[j, i]
                sure += x[j, i]
                beyond = beyond or abs(x[j, i]) > 1.1
            outside[site] += 1 if beyond else 0
            if not abs(sure) < math.inf:
                return site + 1
            largest = 0.0
            for s in range(count):
                for t in range(count):
                    before[s, t] = spread[site, s, t]
                    at = s * count + t
                    turn[s, t] = span * (turned[at, i] + c[i] * turned[squares + at, i])
                    largest = max(largest, abs(turn[s, t]))
            for k in range(shown):
                values[k] = looked[k, i]
            expect(model, values, means[site], spread[site])
            if not noisy:
                for s in range(count):
                    numbers[site, s] = means[site, s]
                continue
            if count == 2 and largest <= 0.25:
                _shake_two(turn, before, spread[site], latent[site], words[site])
            else:
                shake(count, turn, before, spread[site], latent[site], words[site], small)
            draw(model, means[site], spread[site], latent[site], numbers[site])
    return 0
