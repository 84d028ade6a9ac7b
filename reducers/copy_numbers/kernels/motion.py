"""Moments and numbers of all sites in time."""

from __future__ import annotations

import math

import numpy as np

from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from reducers.copy_numbers.kernels.noise import draw, shake
from reducers.copy_numbers.kernels.tables import Fields, Model, Places, Work
from reducers.copy_numbers.kernels.tangent import look, recentre

MOVED = 0.4
"""Standard deviations of a mean, or shares of a variance, after which the tangent is renewed."""
MOST = 1e7
"""Rates of a model times a window, above which nothing follows it: half of them are steps."""


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def move(model: Model, places: Places, fields: Fields, i: int, drive: float, span: float, work: Work) -> None:
    """Moments of site i over `span` ms at a drive in uM."""
    numbers, kept, moments = model.sizes[0], model.sizes[1], fields.moments[i]
    now, new = work.vectors[1], work.vectors[2]
    rest = span
    if not span * (fields.speed[i, 0] + drive * fields.speed[i, 1]) <= MOST:
        moments[:] = math.nan
        return
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


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def moments_about(model: Model, fields: Fields, centre: Floats, scale: Floats, work: Work, out: Floats) -> None:
    """Set out (n, kept) to the moments of (n - centre) / scale of all sites."""
    shift, ratio = np.zeros(3), np.ones(3)
    for i in range(len(out)):
        for s in range(model.sizes[0]):
            ratio[s] = fields.scale[i, s] / scale[s]
            shift[s] = (fields.centre[i, s] - centre[s]) / scale[s]
        recentre(model, fields.moments[i], out[i], shift, ratio)
