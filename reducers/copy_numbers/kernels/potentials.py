"""The potentials ν of the distribution that has given moments, by Newton's method."""

from __future__ import annotations

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.copy_numbers.kernels.matrices import solve
from reducers.copy_numbers.kernels.sums import add_up
from reducers.copy_numbers.kernels.tables import Model, Work

ROUNDS, CLOSE = 12, 3e-3
"""Newton steps at most; largest error of a scaled moment at which they end: the tangent makes it second order."""


@njit(cache=True, error_model="numpy")
def set_covariances(model: Model, sums: Floats, curvature: Floats) -> None:
    """Cov(X, X) of what is kept."""
    e, kept = model.exponents, model.sizes[1]
    for i in range(1, kept + 1):
        for j in range(1, i + 1):
            at = model.place[e[i, 0] + e[j, 0], e[i, 1] + e[j, 1], e[i, 2] + e[j, 2]]
            curvature[i - 1, j - 1] = sums[at] - sums[i] * sums[j]


@njit(cache=True, error_model="numpy")
def set_targets(
    model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, moments: Floats, work: Work
) -> None:
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
        solve(small[2], small[1, s], numbers)
    for s in range(numbers):
        for t in range(numbers):
            at = model.place[int(s == 0) + int(t == 0), int(s == 1) + int(t == 1), int(s == 2) + int(t == 2)] - 1
            work.nu[at] -= 0.5 * small[1, s, t]
            mt = wanted[model.place[int(t == 0), int(t == 1), int(t == 2)] - 1]
            work.nu[model.place[int(s == 0), int(s == 1), int(s == 2)] - 1] += small[1, s, t] * mt


@njit(cache=True, error_model="numpy")
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
        set_covariances(model, work.sums, work.curvature)
        solve(work.curvature, work.step, kept)
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
