"""The law of motion of a site's moments, closed by the distribution of least bias that has them.

p(n) ∝ exp(Σ ν_α n^α), |α| ≤ K, on the whole numbers that conservation allows. What reactions do to its moments of
degree up to K asks for those of degree K + 1 as well. These are functions of the ones that are kept; they are replaced
by their tangent at the distribution where the site was when it was last looked at, of slope Cov(X_closed, X)
Cov(X, X)⁻¹, so that dM/dt = b + B M with b and B linear in the drive: F = C⁻¹ Ṁ for the potentials (arXiv:1905.12122,
eq. 14). The tangent is renewed when means have moved by `motion.MOVED` standard deviations, or variances by that share:
what is left out is of second order in that.

Numbers are x = (n - centre) / scale, centre and scale those of the last look.
"""

from __future__ import annotations

import math

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.copy_numbers.kernels.gaussian import is_far_from_bounds, set_gaussian_moments
from reducers.copy_numbers.kernels.matrices import solve, substitute
from reducers.copy_numbers.kernels.potentials import match, set_covariances, set_targets
from reducers.copy_numbers.kernels.reactions import add_effect
from reducers.copy_numbers.kernels.tables import Fields, Model, Places, Work


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, python=True, error_model="numpy")
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
    set_targets(model, places.room[i], places.most[i], centre, scale, moments, work)
    if model.exponents[kept, :].sum() == 2 and is_far_from_bounds(
        model, places.room[i], places.most[i], centre, scale, work.small[0]
    ):
        set_gaussian_moments(model, work.small[0], work.sums)
        error = 0.0
    else:
        error = match(model, places.room[i], places.most[i], centre, scale, work)
    _set_tangent(model, work, kept, low)
    _set_law(model, places, fields, i, work)
    return error


@njit(cache=True, error_model="numpy")
def _set_tangent(model: Model, work: Work, kept: int, low: int) -> None:
    """Rows of `tangent`: slopes of moments of degree K + 1; `pushed`: their values at x̄ = 0 of what is kept."""
    e = model.exponents
    set_covariances(model, work.sums, work.curvature)
    for row in range(kept + 1, low):
        for j in range(1, kept + 1):
            at = model.place[e[row, 0] + e[j, 0], e[row, 1] + e[j, 1], e[row, 2] + e[j, 2]]
            work.tangent[row, j - 1] = work.sums[at] - work.sums[row] * work.sums[j]
        if row == kept + 1:
            solve(work.curvature, work.tangent[row], kept)
        else:
            substitute(work.curvature, work.tangent[row], kept)


@njit(cache=True, error_model="numpy")
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
                    add_effect(model, places.rates[i, r], r, places.consts[i], centre, scale, row, work.pushed)
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


@njit(cache=True, error_model="numpy")
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
        solve(small[2], small[1, s], numbers)
        for t in range(numbers):
            fields.turn[i, driven, s, t] = small[1, s, t] * fields.scale[i, s] / fields.scale[i, t]
