"""Numbers of a site now, drawn around their means.

The noise of a site is Gaussian in a latent y with the covariance C(t) of the distribution: y(t + h) = exp(hJ) y(t) + ξ,
Cov ξ = C(t + h) - exp(hJ) C(t) exp(hJ)ᵀ, J the regression of the drift on n: the variance is that of the distribution
at every time, and its correlations decay as the law says (Onsager's regression). `limits.rectified` puts it between 0
and what there is.
"""

from __future__ import annotations

import math

from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from couple.rng.normal import normal
from reducers.copy_numbers.kernels.limits import rectified
from reducers.copy_numbers.kernels.matrices import multiply
from reducers.copy_numbers.kernels.tables import Fields, Model, Places, Work


@njit(cache=True, error_model="numpy")
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
        multiply(turn, power, part / order, n, product)
        for s in range(n):
            for t in range(n):
                power[s, t] = product[s, t]
                e[s, t] += power[s, t]
    for _ in range(halvings):
        multiply(e, e, 1.0, n, product)
        for s in range(n):
            for t in range(n):
                e[s, t] = product[s, t]
    multiply(e, before, 1.0, n, product)
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


@njit(cache=True, error_model="numpy")
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
