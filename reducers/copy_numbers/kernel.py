"""Moments of copy numbers in time, closed by the distribution of least bias that has them.

p(n) ∝ exp(Σ ν_α n^α), |α| ≤ K, on the whole numbers that conservation allows. What reactions do to its moments of
degree up to K asks for those of degree K + 1 as well. These are functions of the ones that are kept; they are replaced
by their tangent at the distribution where the site was when it was last looked at, of slope Cov(X_closed, X)
Cov(X, X)⁻¹, so that dM/dt = b + B M with b and B linear in the drive: F = C⁻¹ Ṁ for the potentials (arXiv:1905.12122,
eq. 14). The tangent is renewed when means have moved by `MOVED` standard deviations, or variances by that share: what
is left out is of second order in that.

Numbers are x = (n - centre) / scale, centre and scale those of the last look. The noise of a site is Gaussian in a
latent y with the covariance C(t) of the distribution: y(t + h) = exp(hJ) y(t) + ξ, Cov ξ = C(t + h) - exp(hJ) C(t)
exp(hJ)ᵀ, J the regression of the drift on n: the variance is that of the distribution at every time, and its
correlations decay as the law says (Onsager's regression). `limits.rectified` puts it between 0 and what there is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from couple.base.arrays import Floats, Ints, Words
from couple.cache.kernels import njit
from couple.rng.normal import normal
from reducers.copy_numbers.limits import rectified

MOVED = 0.4
BELOW, ABOVE, COARSE = 7.0, 8.0, 0.75
"""Standard deviations that are summed over, and between numbers at which p is looked at."""
FINE = 0.2
"""The same for K > 2, where there may be two modes."""
ROUNDS, CLOSE = 12, 3e-3
"""Newton steps at most; largest error of a scaled moment at which they end: the tangent makes it second order."""
FAR = 4.0
"""Standard deviations from every bound from which on a distribution of order 2 is a Gaussian."""
JIT = {"cache": True, "error_model": "numpy"}


class Model(NamedTuple):
    """What all sites have in common.

    exponents, place, binomials: see `Powers`. sizes: (3,) numbers S, kept, low. change: (R, S) molecules gained.
    driven: (R,) 1 where the drive is a reactant. forms: (R,) 0 to 2 factors of a propensity. slopes: (R, 2, S) of the
    factors by n. others: (D, S) numbers that follow, n_d = room_d + others_d · n. coarse: see above.
    """

    exponents: Ints
    place: Ints
    binomials: Floats
    sizes: Ints
    change: Floats
    driven: Ints
    forms: Ints
    slopes: Floats
    others: Floats
    coarse: float


class Places(NamedTuple):
    """What a site is. rates: (n, R) per ms (and uM). consts: (n, R, 2) of the factors. room: (n, D). most: (n, S)."""

    rates: Floats
    consts: Floats
    room: Floats
    most: Floats


class Fields(NamedTuple):
    """State of the sites. moments: (n, kept) of x. centre, scale: (n, S). latent: (n, S) molecules.

    free: (n, 2, kept), linear: (n, 2, kept, kept) of dM/dt, without the drive and per uM. turn: (n, 2, S, S) J in
    molecules. speed: (n, 2) bounds of its rates, 1/ms. seen: (n, S) variances at the last look.
    """

    moments: Floats
    centre: Floats
    scale: Floats
    latent: Floats
    free: Floats
    linear: Floats
    turn: Floats
    speed: Floats
    seen: Floats


class Work(NamedTuple):
    """Scratch. sums: (n_powers,). wanted, nu, step, old: (kept,). curvature: (kept, kept). tangent: (low, kept).
    pushed: (low,). forms: (2, 4). quadratic: (4, 4). drift: (3, low). small: (4, 3, 3). vectors: (4, kept)."""

    sums: Floats
    wanted: Floats
    nu: Floats
    step: Floats
    old: Floats
    curvature: Floats
    tangent: Floats
    pushed: Floats
    drift: Floats
    small: Floats
    vectors: Floats


def work_of(kept: int, low: int, powers: int) -> Work:
    """Scratch of these sizes."""
    wanted, nu, step, old = np.zeros((4, kept))
    curvature, tangent, pushed = np.zeros((kept, kept)), np.zeros((low, kept)), np.zeros(low)
    drift, small, vectors = np.zeros((3, low)), np.zeros((4, 3, 3)), np.zeros((4, kept))
    return Work(np.zeros(powers), wanted, nu, step, old, curvature, tangent, pushed, drift, small, vectors)


def fields_of(n: int, kept: int, numbers: int) -> Fields:
    """Of n sites, all 0."""
    free, linear, turn = np.zeros((n, 2, kept)), np.zeros((n, 2, kept, kept)), np.zeros((n, 2, numbers, numbers))
    centre, scale, latent, seen = (np.zeros((n, numbers)) for _ in range(4))
    return Fields(np.zeros((n, kept)), centre, scale, latent, free, linear, turn, np.zeros((n, 2)), seen)


@njit(**JIT)
def recentre(model: Model, moments: Floats, out: Floats, shift: Floats, ratio: Floats) -> None:
    """Moments (kept,) of x' = ratio x + shift out of those of x."""
    exponents, place, binomials = model.exponents, model.place, model.binomials
    for row in range(1, model.sizes[1] + 1):
        a, b, c = exponents[row, 0], exponents[row, 1], exponents[row, 2]
        total = 0.0
        for i in range(a + 1):
            fi = binomials[a, i] * ratio[0] ** i * shift[0] ** (a - i)
            for j in range(b + 1):
                fj = fi * binomials[b, j] * ratio[1] ** j * shift[1] ** (b - j)
                for k in range(c + 1):
                    at = place[i, j, k]
                    m = moments[at - 1] if at > 0 else 1.0
                    total += fj * binomials[c, k] * ratio[2] ** k * shift[2] ** (c - k) * m
        out[row - 1] = total


@njit(**JIT)
def _solve(a: Floats, x: Floats, n: int) -> None:
    """x ← a⁻¹ x by Cholesky's factors, which are left in a; a little is added where a is not positive."""
    for j in range(n):
        pivot = a[j, j]
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        pivot = math.sqrt(pivot) if pivot > 1e-13 * (1.0 + abs(a[j, j])) else 1e6 * (1.0 + abs(a[j, j]))
        a[j, j] = pivot
        for i in range(j + 1, n):
            total = a[i, j]
            for k in range(j):
                total -= a[i, k] * a[j, k]
            a[i, j] = total / pivot
    _substitute(a, x, n)


@njit(**JIT)
def _substitute(a: Floats, x: Floats, n: int) -> None:
    for i in range(n):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= a[k, i] * x[k]
        x[i] /= a[i, i]


@njit(**JIT)
def _range(
    model: Model, room: Floats, most: float, s: int, n0: float, n1: float, centre: float, scale: float
) -> tuple[int, int]:
    """Least and largest number s that is looked at, where those before it are n0 and n1."""
    low, high = max(0.0, math.floor(centre - BELOW * scale)), min(most, math.ceil(centre + ABOVE * scale))
    for d in range(len(room)):
        rest = room[d] + 1e-9
        if s > 0:
            rest += model.others[d, 0] * n0
        if s > 1:
            rest += model.others[d, 1] * n1
        by = model.others[d, s]
        if by < 0.0:
            high = min(high, math.floor(rest / -by))
        elif by > 0.0 and rest < 0.0:
            low = max(low, math.ceil(-rest / by))
    return int(low), int(high)


@njit(**JIT)
def _cells(low: int, high: int, wide: float) -> int:
    """Parts into which a range is divided."""
    length = high - low
    return length if wide <= 1.0 or length < 4 else max(math.ceil(length / wide), 4)


@njit(**JIT)
def _weight(i: int, cells: int, h: float) -> float:
    """Of a number in a sum over whole numbers that is looked at every h of them (Euler and Maclaurin, 4th order)."""
    weight = h
    if h > 1.0:
        bend = (1.0 - h * h) / (24.0 * h)
        for at in (i, cells - i):
            if at == 0:
                weight += 0.5 * (1.0 - h) + 3.0 * bend
            elif at == 1:
                weight -= 4.0 * bend
            elif at == 2:
                weight += bend
    return weight


@njit(**JIT)
def add_up(model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, nu: Floats, sums: Floats) -> float:
    """Set `sums` to the moments of p at potentials nu (kept,) of x; returns ln Z."""
    exponents = model.exponents
    numbers, kept = model.sizes[0], model.sizes[1]
    last, top, peak = numbers - 1, len(model.place) - 1, -1e300
    sums[:] = 0.0
    total = 0.0
    line, coefficients = np.zeros(top + 1), np.zeros(top + 1)
    first = np.ones(top + 1)
    second = np.ones(top + 1)
    low0, high0 = (0, 0) if last < 1 else _range(model, room, most[0], 0, 0.0, 0.0, centre[0], scale[0])
    cells0 = _cells(low0, high0, model.coarse * scale[0])
    h0 = (high0 - low0) / cells0 if cells0 > 0 else 1.0
    for i0 in range(cells0 + 1):
        n0 = low0 + h0 * i0
        w0 = 1.0 if last < 1 else _weight(i0, cells0, h0)
        low1, high1, cells1 = 0, 0, 0
        if last > 1:
            low1, high1 = _range(model, room, most[1], 1, n0, 0.0, centre[1], scale[1])
            cells1 = _cells(low1, high1, model.coarse * scale[1]) if high1 >= low1 else -1
        h1 = (high1 - low1) / cells1 if cells1 > 0 else 1.0
        for i1 in range(cells1 + 1):
            n1 = low1 + h1 * i1
            w1 = w0 if last < 2 else w0 * _weight(i1, cells1, h1)
            low, high = _range(model, room, most[last], last, n0, n1, centre[last], scale[last])
            if high < low:
                continue
            cells = _cells(low, high, model.coarse * scale[last])
            h = (high - low) / cells if cells > 0 else 1.0
            if last > 0:
                x = (n0 - centre[0]) / scale[0]
                for k in range(1, top + 1):
                    first[k] = first[k - 1] * x
            if last > 1:
                x = (n1 - centre[1]) / scale[1]
                for k in range(1, top + 1):
                    second[k] = second[k - 1] * x
            coefficients[:] = 0.0
            for row in range(1, kept + 1):
                if last == 0:
                    coefficients[exponents[row, 0]] += nu[row - 1]
                elif last == 1:
                    coefficients[exponents[row, 1]] += nu[row - 1] * first[exponents[row, 0]]
                else:
                    outer = first[exponents[row, 0]] * second[exponents[row, 1]]
                    coefficients[exponents[row, 2]] += nu[row - 1] * outer
            line[:] = 0.0
            for i in range(cells + 1):
                x = (low + h * i - centre[last]) / scale[last]
                energy = 0.0
                for k in range((top - 1) // 2, -1, -1):
                    energy = energy * x + coefficients[k]
                if energy > peak + 300.0:  # begin anew at this height
                    factor = math.exp(max(peak - energy, -745.0)) if peak > -1e299 else 0.0
                    total *= factor
                    for row in range(len(sums)):
                        sums[row] *= factor
                    for k in range(top + 1):
                        line[k] *= factor
                    peak = energy
                p = math.exp(energy - peak) * w1 * (1.0 if h == 1.0 else _weight(i, cells, h))
                for k in range(top + 1):
                    line[k] += p
                    p *= x
            total += line[0]
            for row in range(1, len(sums)):
                a, b, c = exponents[row, 0], exponents[row, 1], exponents[row, 2]
                if last == 0:
                    sums[row] += line[a]
                elif last == 1:
                    sums[row] += first[a] * line[b]
                else:
                    sums[row] += first[a] * second[b] * line[c]
    sums[0] = 1.0
    for row in range(1, len(sums)):
        sums[row] /= total
    return math.log(total) + peak


@njit(**JIT)
def _covariances(model: Model, sums: Floats, curvature: Floats) -> None:
    """Cov(X, X) of what is kept."""
    e, kept = model.exponents, model.sizes[1]
    for i in range(1, kept + 1):
        for j in range(1, i + 1):
            at = model.place[e[i, 0] + e[j, 0], e[i, 1] + e[j, 1], e[i, 2] + e[j, 2]]
            curvature[i - 1, j - 1] = sums[at] - sums[i] * sums[j]


@njit(**JIT)
def _aim(model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, moments: Floats, work: Work) -> None:
    """Set `wanted` to the moments, or to some nearby of a distribution that scatters; `nu` to those of a Gaussian."""
    numbers, kept, wanted, small = model.sizes[0], model.sizes[1], work.wanted, work.small
    for k in range(kept):
        wanted[k] = moments[k]
    for s in range(numbers):
        edge = most[s]
        for d in range(len(room)):
            if model.others[d, s] < 0.0:
                edge = min(edge, room[d] / -model.others[d, s])
        mean = min(max(centre[s], 0.02), max(edge - 0.02, 0.02))
        wanted[model.place[int(s == 0), int(s == 1), int(s == 2)] - 1] = (mean - centre[s]) / scale[s]
    for s in range(numbers):
        ms = wanted[model.place[int(s == 0), int(s == 1), int(s == 2)] - 1]
        at = model.place[2 * int(s == 0), 2 * int(s == 1), 2 * int(s == 2)] - 1
        wanted[at] = 1.0 + ms * ms
        small[0, s, s] = 1.0
        for t in range(s):
            mt = wanted[model.place[int(t == 0), int(t == 1), int(t == 2)] - 1]
            at = model.place[int(s == 0) + int(t == 0), int(s == 1) + int(t == 1), int(s == 2) + int(t == 2)] - 1
            r = min(max(wanted[at] - ms * mt, -0.95), 0.95)
            wanted[at] = r + ms * mt
            small[0, s, t] = r
            small[0, t, s] = r
    for s in range(numbers):
        small[1, s, :] = 0.0
        small[1, s, s] = 1.0
    work.nu[:] = 0.0
    for s in range(numbers):
        for i in range(numbers):
            for j in range(numbers):
                small[2, i, j] = small[0, i, j]
        _solve(small[2], small[1, s], numbers)
    for s in range(numbers):
        for t in range(numbers):
            at = model.place[int(s == 0) + int(t == 0), int(s == 1) + int(t == 1), int(s == 2) + int(t == 2)] - 1
            work.nu[at] -= 0.5 * small[1, s, t]
            mt = wanted[model.place[int(t == 0), int(t == 1), int(t == 2)] - 1]
            work.nu[model.place[int(s == 0), int(s == 1), int(s == 2)] - 1] += small[1, s, t] * mt


@njit(**JIT)
def match(model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, work: Work) -> float:
    """Set `nu`, `sums` to those of the distribution with moments `wanted`; returns the largest error left."""
    kept, worst = model.sizes[1], 0.0
    value = add_up(model, room, most, centre, scale, work.nu, work.sums)
    for k in range(kept):
        value -= work.nu[k] * work.wanted[k]
    for _ in range(ROUNDS):
        worst, slope = 0.0, 0.0
        for k in range(kept):
            work.step[k] = work.wanted[k] - work.sums[k + 1]
            worst = max(worst, abs(work.step[k]))
            work.old[k] = work.nu[k]
            work.vectors[0, k] = work.step[k]
        if worst < CLOSE:
            break
        _covariances(model, work.sums, work.curvature)
        _solve(work.curvature, work.step, kept)
        for k in range(kept):
            slope += work.step[k] * work.vectors[0, k]
        size = 1.0
        for _ in range(8):
            for k in range(kept):
                work.nu[k] = work.old[k] + size * work.step[k]
            found = add_up(model, room, most, centre, scale, work.nu, work.sums)
            for k in range(kept):
                found -= work.nu[k] * work.wanted[k]
            if found <= value - 1e-4 * size * slope + 1e-12:
                break
            size *= 0.4
        value = found
    return worst


@njit(**JIT)
def _is_far(model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, c: Floats) -> bool:
    """Whether no bound matters. c: (3, 3) correlations."""
    n = model.sizes[0]
    for s in range(n):
        if centre[s] < FAR * scale[s] or most[s] - centre[s] < FAR * scale[s]:
            return False
    for d in range(len(room)):
        mean, variance = room[d], 0.0
        for s in range(n):
            mean += model.others[d, s] * centre[s]
            for t in range(n):
                variance += model.others[d, s] * model.others[d, t] * c[s, t] * scale[s] * scale[t]
        if mean < FAR * math.sqrt(max(variance, 0.0)):
            return False
    return True


@njit(**JIT)
def _add_gaussian(model: Model, c: Floats, sums: Floats) -> None:
    """Moments of a Gaussian of mean 0 and covariances c, by Stein: ⟨x_s f⟩ = Σ_t c_st ⟨∂f/∂x_t⟩."""
    e, place = model.exponents, model.place
    sums[0] = 1.0
    for row in range(1, len(sums)):
        i, j, k = e[row, 0], e[row, 1], e[row, 2]
        total = 0.0
        if (i + j + k) % 2 == 0:
            s = 0 if i > 0 else (1 if j > 0 else 2)
            i, j, k = i - int(s == 0), j - int(s == 1), k - int(s == 2)
            if i > 0:
                total += c[s, 0] * i * sums[place[i - 1, j, k]]
            if j > 0:
                total += c[s, 1] * j * sums[place[i, j - 1, k]]
            if k > 0:
                total += c[s, 2] * k * sums[place[i, j, k - 1]]
        sums[row] = total


@njit(**JIT)
def _push(
    model: Model, rate: float, r: int, consts: Floats, centre: Floats, scale: Floats, row: int, out: Floats
) -> None:
    """Add to `out` (low,) what reaction r does to the moment `row`, as a polynomial in x."""
    numbers, exponents, binomials = model.sizes[0], model.exponents, model.binomials
    a, b, c = exponents[row, 0], exponents[row, 1], exponents[row, 2]
    d0 = model.change[r, 0] / scale[0]
    d1 = model.change[r, 1] / scale[1] if numbers > 1 else 0.0
    d2 = model.change[r, 2] / scale[2] if numbers > 2 else 0.0
    for i in range(a + 1):
        for j in range(b + 1):
            for k in range(c + 1):
                if i == a and j == b and k == c:
                    continue
                f = rate * binomials[a, i] * binomials[b, j] * binomials[c, k]
                f *= d0 ** (a - i) * d1 ** (b - j) * d2 ** (c - k)
                if f == 0.0:
                    continue
                _times(model, f, r, consts, centre, scale, i, j, k, out)


@njit(**JIT)
def _times(
    model: Model, f: float, r: int, consts: Floats, centre: Floats, scale: Floats, i: int, j: int, k: int, out: Floats
) -> None:
    """Add f × propensity × x^(i, j, k) to `out`."""
    numbers, place, forms = model.sizes[0], model.place, model.forms[r]
    if forms == 0:
        out[place[i, j, k]] += f
        return
    q0 = consts[r, 0]
    for s in range(numbers):
        q0 += model.slopes[r, 0, s] * centre[s]
    p0 = consts[r, 1]
    for s in range(numbers):
        p0 += model.slopes[r, 1, s] * centre[s]
    for s in range(-1, numbers):
        left = q0 if s < 0 else model.slopes[r, 0, s] * scale[s]
        if left == 0.0:
            continue
        i1, j1, k1 = i + int(s == 0), j + int(s == 1), k + int(s == 2)
        if forms == 1:
            out[place[i1, j1, k1]] += f * left
            continue
        for t in range(-1, numbers):
            right = p0 if t < 0 else model.slopes[r, 1, t] * scale[t]
            if right != 0.0:
                out[place[i1 + int(t == 0), j1 + int(t == 1), k1 + int(t == 2)]] += f * left * right


@njit(**JIT)
def look(model: Model, places: Places, fields: Fields, i: int, work: Work) -> float:
    """Renew the tangent of site i; returns the error of its moments that is left."""
    numbers, kept, low = model.sizes[0], model.sizes[1], model.sizes[2]
    moments, centre, scale = fields.moments[i], fields.centre[i], fields.scale[i]
    shift, ratio = work.small[3, 0], work.small[3, 1]
    shift[:] = 0.0
    ratio[:] = 1.0
    for s in range(numbers):
        at = model.place[int(s == 0), int(s == 1), int(s == 2)] - 1
        two = model.place[2 * int(s == 0), 2 * int(s == 1), 2 * int(s == 2)] - 1
        mean = centre[s] + scale[s] * moments[at]
        if not abs(mean) < 1e15 or not abs(moments[two]) < 1e30:
            return math.inf
        variance = max(scale[s] ** 2 * (moments[two] - moments[at] ** 2), 0.0)
        part = max(mean, 0.0) - math.floor(max(mean, 0.0))
        least = 1.2 * part * (1.0 - part) + 0.05 * min(1.0, max(mean, 0.02))
        new = math.sqrt(max(variance, least))
        ratio[s] = scale[s] / new
        shift[s] = (centre[s] - mean) / new
        centre[s], scale[s], fields.seen[i, s] = mean, new, new * new
    recentre(model, moments, work.step, shift, ratio)
    for k in range(kept):
        moments[k] = work.step[k]
    _aim(model, places.room[i], places.most[i], centre, scale, moments, work)
    if model.exponents[kept, :].sum() == 2 and _is_far(
        model, places.room[i], places.most[i], centre, scale, work.small[0]
    ):
        _add_gaussian(model, work.small[0], work.sums)
        error = 0.0
    else:
        error = match(model, places.room[i], places.most[i], centre, scale, work)
    _set_tangent(model, work, kept, low)
    _set_law(model, places, fields, i, work)
    return error


@njit(**JIT)
def _set_tangent(model: Model, work: Work, kept: int, low: int) -> None:
    """Rows of `tangent`: slopes of moments of degree K + 1; `pushed`: their values at x̄ = 0 of what is kept."""
    e = model.exponents
    _covariances(model, work.sums, work.curvature)
    for row in range(kept + 1, low):
        for j in range(1, kept + 1):
            at = model.place[e[row, 0] + e[j, 0], e[row, 1] + e[j, 1], e[row, 2] + e[j, 2]]
            work.tangent[row, j - 1] = work.sums[at] - work.sums[row] * work.sums[j]
        if row == kept + 1:
            _solve(work.curvature, work.tangent[row], kept)
        else:
            _substitute(work.curvature, work.tangent[row], kept)


@njit(**JIT)
def _set_law(model: Model, places: Places, fields: Fields, i: int, work: Work) -> None:
    """b, B and J of site i."""
    numbers, kept, low, sums = model.sizes[0], model.sizes[1], model.sizes[2], work.sums
    centre, scale = fields.centre[i], fields.scale[i]
    for driven in range(2):
        work.drift[:] = 0.0
        speed = 0.0
        for row in range(1, kept + 1):
            work.pushed[:] = 0.0
            for r in range(len(model.driven)):
                if model.driven[r] == driven and places.rates[i, r] != 0.0:
                    _push(model, places.rates[i, r], r, places.consts[i], centre, scale, row, work.pushed)
            for s in range(numbers):
                if row == model.place[int(s == 0), int(s == 1), int(s == 2)]:
                    work.drift[s, :] = work.pushed
            free, largest = work.pushed[0], 0.0
            for j in range(kept):
                fields.linear[i, driven, row - 1, j] = work.pushed[j + 1]
            for top in range(kept + 1, low):
                by = work.pushed[top]
                if by != 0.0:
                    free += by * sums[top]
                    for j in range(kept):
                        free -= by * work.tangent[top, j] * sums[j + 1]
                        fields.linear[i, driven, row - 1, j] += by * work.tangent[top, j]
            fields.free[i, driven, row - 1] = free
            for j in range(kept):
                largest += abs(fields.linear[i, driven, row - 1, j])
            speed = max(speed, largest)
        fields.speed[i, driven] = speed
        _set_turn(model, fields, i, driven, work)


@njit(**JIT)
def _set_turn(model: Model, fields: Fields, i: int, driven: int, work: Work) -> None:
    """J = Cov(drift, x) Cov(x, x)⁻¹ of the distribution, in molecules."""
    numbers, low, e, sums, small = model.sizes[0], model.sizes[2], model.exponents, work.sums, work.small
    for s in range(numbers):
        for t in range(numbers):
            at = model.place[int(s == 0) + int(t == 0), int(s == 1) + int(t == 1), int(s == 2) + int(t == 2)]
            one = model.place[int(s == 0), int(s == 1), int(s == 2)]
            two = model.place[int(t == 0), int(t == 1), int(t == 2)]
            small[0, s, t] = sums[at] - sums[one] * sums[two]
            total = 0.0
            for row in range(1, low):
                if work.drift[s, row] != 0.0:
                    at = model.place[e[row, 0] + int(t == 0), e[row, 1] + int(t == 1), e[row, 2] + int(t == 2)]
                    total += work.drift[s, row] * (sums[at] - sums[row] * sums[two])
            small[1, s, t] = total
    for s in range(numbers):
        for j in range(numbers):
            for k in range(numbers):
                small[2, j, k] = small[0, j, k]
        _solve(small[2], small[1, s], numbers)
        for t in range(numbers):
            fields.turn[i, driven, s, t] = small[1, s, t] * fields.scale[i, s] / fields.scale[i, t]


@njit(**JIT)
def covariance(model: Model, fields: Fields, i: int, out: Floats) -> None:
    """Set out (3, 3) to the covariances of site i, molecules²."""
    for s in range(model.sizes[0]):
        ms = fields.moments[i, model.place[int(s == 0), int(s == 1), int(s == 2)] - 1]
        for t in range(s + 1):
            mt = fields.moments[i, model.place[int(t == 0), int(t == 1), int(t == 2)] - 1]
            at = model.place[int(s == 0) + int(t == 0), int(s == 1) + int(t == 1), int(s == 2) + int(t == 2)] - 1
            c = (fields.moments[i, at] - ms * mt) * fields.scale[i, s] * fields.scale[i, t]
            if s == t:
                c = max(c, 0.0)
            out[s, t] = c
            out[t, s] = c


@njit(**JIT)
def move(model: Model, places: Places, fields: Fields, i: int, drive: float, span: float, work: Work) -> None:
    """Moments of site i over `span` ms at a drive in uM."""
    numbers, kept, moments = model.sizes[0], model.sizes[1], fields.moments[i]
    now, new = work.vectors[1], work.vectors[2]
    rest = span
    while rest > 0.0:
        h = min(rest, 0.5 / max(fields.speed[i, 0] + drive * fields.speed[i, 1], 1e-300))
        if rest - h < 1e-9 * span:
            h = rest
        rest -= h
        law = work.curvature
        for k in range(kept):
            total = h * (fields.free[i, 0, k] + drive * fields.free[i, 1, k])
            for j in range(kept):
                law[k, j] = h * (fields.linear[i, 0, k, j] + drive * fields.linear[i, 1, k, j])
                total += law[k, j] * moments[j]
            now[k] = total
        for k in range(kept):
            moments[k] += now[k]
        for power in range(2, 5):
            for k in range(kept):
                total = 0.0
                for j in range(kept):
                    total += law[k, j] * now[j]
                new[k] = total / power
            for k in range(kept):
                now[k] = new[k]
                moments[k] += new[k]
        moved = False
        for s in range(numbers):
            m = moments[model.place[int(s == 0), int(s == 1), int(s == 2)] - 1]
            v = moments[model.place[2 * int(s == 0), 2 * int(s == 1), 2 * int(s == 2)] - 1] - m * m
            v *= fields.scale[i, s] ** 2
            grown = abs(max(v, 0.05) - max(fields.seen[i, s], 0.05))
            moved = moved or abs(m) > MOVED or grown > MOVED * max(fields.seen[i, s], 0.05)
        if moved and look(model, places, fields, i, work) == math.inf:
            return


@njit(**JIT)
def _multiply(a: Floats, b: Floats, factor: float, n: int, out: Floats) -> None:
    """out ← factor a b."""
    for s in range(n):
        for t in range(n):
            total = 0.0
            for k in range(n):
                total += a[s, k] * b[k, t]
            out[s, t] = factor * total


@njit(**JIT)
def shake(
    model: Model, fields: Fields, i: int, turn: Floats, before: Floats, after: Floats, words: Words, work: Work
) -> None:
    """The latent of site i over a window. turn: (3, 3) hJ; before, after: covariances (3, 3)."""
    n, y = model.sizes[0], fields.latent[i]
    e, power, product = work.small[0], work.small[1], work.small[2]
    halvings, largest = 0, 0.0
    for s in range(n):
        for t in range(n):
            largest = max(largest, abs(turn[s, t]))
    while largest > 0.25 and halvings < 60:
        largest, halvings = 0.5 * largest, halvings + 1
    part = 0.5**halvings
    for s in range(n):
        for t in range(n):
            power[s, t] = part * turn[s, t]
            e[s, t] = power[s, t] + (1.0 if s == t else 0.0)
    for order in range(2, 7):
        _multiply(turn, power, part / order, n, product)
        for s in range(n):
            for t in range(n):
                power[s, t] = product[s, t]
                e[s, t] += power[s, t]
    for _ in range(halvings):
        _multiply(e, e, 1.0, n, product)
        for s in range(n):
            for t in range(n):
                e[s, t] = product[s, t]
    _multiply(e, before, 1.0, n, product)
    for s in range(n):
        for t in range(n):
            total = 0.0
            for k in range(n):
                total += product[s, k] * e[t, k]
            power[s, t] = after[s, t] - total
    new, draws = work.small[3, 0], work.small[3, 1]
    for s in range(n):
        new[s] = 0.0
        for t in range(n):
            new[s] += e[s, t] * y[t]
        draws[s] = normal(words)
    for s in range(n):  # Cholesky's factor, row by row
        for t in range(s + 1):
            total = power[s, t]
            for k in range(t):
                total -= product[s, k] * product[t, k]
            if s == t:
                product[s, s] = math.sqrt(total) if total > 0.0 else 0.0
            else:
                product[s, t] = total / product[t, t] if product[t, t] > 0.0 else 0.0
        for t in range(s + 1):
            new[s] += product[s, t] * draws[t]
    for s in range(n):
        y[s] = new[s]


@njit(**JIT)
def draw(model: Model, places: Places, fields: Fields, i: int, spread: Floats, noisy: bool, out: Floats) -> None:
    """Set out (S,) to the numbers of site i; spread: covariances (3, 3)."""
    for s in range(model.sizes[0]):
        mean = fields.centre[i, s]
        mean += fields.scale[i, s] * fields.moments[i, model.place[int(s == 0), int(s == 1), int(s == 2)] - 1]
        edge = places.most[i, s]
        for d in range(places.room.shape[1]):
            if model.others[d, s] < 0.0:
                edge = min(edge, places.room[i, d] / -model.others[d, s])
        mean = min(max(mean, 0.0), edge)
        sd = math.sqrt(spread[s, s])
        if noisy and sd > 0.0:
            z = fields.latent[i, s] / sd
            if mean > 0.5 * edge:
                out[s] = edge - rectified(edge - mean, sd, -z)
            else:
                out[s] = rectified(mean, sd, z)
            out[s] = min(max(out[s], 0.0), edge)
        else:
            out[s] = mean


@njit(**JIT)
def speeds(model: Model, places: Places, i: int, numbers: Floats, r: int) -> float:
    """Events of reaction r per ms (and uM of the drive) at these numbers."""
    out = places.rates[i, r]
    for f in range(model.forms[r]):
        factor = places.consts[i, r, f]
        for s in range(model.sizes[0]):
            factor += model.slopes[r, f, s] * numbers[s]
        out *= max(factor, 0.0)
    return out  # type: ignore[no-any-return]


@njit(**JIT)
def advance(
    model: Model,
    places: Places,
    fields: Fields,
    work: Work,
    drive: Floats,
    span: float,
    words: Words,
    noisy: bool,
    numbers: Floats,
) -> int:
    """All sites over `span` ms at drives (n,) uM; sets numbers (n, S). Returns 1 + the first site that failed, or 0."""
    before, after, turn = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    for i in range(len(drive)):
        covariance(model, fields, i, before)
        for s in range(model.sizes[0]):
            for t in range(model.sizes[0]):
                turn[s, t] = span * (fields.turn[i, 0, s, t] + drive[i] * fields.turn[i, 1, s, t])
        move(model, places, fields, i, drive[i], span, work)
        covariance(model, fields, i, after)
        if noisy:
            shake(model, fields, i, turn, before, after, words[i], work)
        draw(model, places, fields, i, after, noisy, numbers[i])
        for s in range(model.sizes[0]):
            if not abs(numbers[i, s]) < math.inf:
                return i + 1
    return 0


@njit(**JIT)
def uptake(model: Model, places: Places, numbers: Floats, taken: Floats, out: Floats) -> None:
    """Set out (n, 2) to what all sites take of the drive per ms, and per ms and uM. taken: (R,) by an event."""
    for i in range(len(numbers)):
        out[i, 0] = 0.0
        out[i, 1] = 0.0
        for r in range(len(taken)):
            if taken[r] != 0.0:
                out[i, model.driven[r]] += taken[r] * speeds(model, places, i, numbers[i], r)


@njit(**JIT)
def moments_about(model: Model, fields: Fields, centre: Floats, scale: Floats, work: Work, out: Floats) -> None:
    """Set out (n, kept) to the moments of (n - centre) / scale of all sites."""
    shift, ratio = np.zeros(3), np.ones(3)
    for i in range(len(out)):
        for s in range(model.sizes[0]):
            ratio[s] = fields.scale[i, s] / scale[s]
            shift[s] = (fields.centre[i, s] - centre[s]) / scale[s]
        recentre(model, fields.moments[i], out[i], shift, ratio)


@njit(**JIT)
def effects(model: Model, consts: Floats, centre: Floats, scale: Floats, out: Floats) -> None:
    """Set out (R, kept, low) to what reactions at rate 1 do to moments of (n - centre) / scale. consts: (R, 2)."""
    out[...] = 0.0
    for r in range(len(model.driven)):
        for row in range(1, model.sizes[1] + 1):
            _push(model, 1.0, r, consts, centre, scale, row, out[r, row - 1])
