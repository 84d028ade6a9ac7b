"""Distributions of order 2 that no bound touches: Gaussians."""

from __future__ import annotations

import math

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.copy_numbers.kernels.tables import Model

FAR = 4.0
"""Standard deviations from every bound from which on a distribution of order 2 is a Gaussian."""


@njit(cache=True, error_model="numpy")
def is_far_from_bounds(model: Model, room: Floats, most: Floats, centre: Floats, scale: Floats, c: Floats) -> bool:
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


@njit(cache=True, error_model="numpy")
def set_gaussian_moments(model: Model, c: Floats, sums: Floats) -> None:
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
