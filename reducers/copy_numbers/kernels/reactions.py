"""What reactions do to moments and numbers, and what they take of the drive."""

from __future__ import annotations

from couple.base.arrays import Floats
from couple.cache.kernels import njit
from reducers.copy_numbers.kernels.tables import Model, Places


@njit(cache=True, error_model="numpy")
def add_effect(
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


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def speeds(model: Model, places: Places, i: int, numbers: Floats, r: int) -> float:
    """Events of reaction r per ms (and uM of the drive) at these numbers."""
    out = places.rates[i, r]
    for f in range(model.forms[r]):
        factor = places.consts[i, r, f]
        for s in range(model.sizes[0]):
            factor += model.slopes[r, f, s] * numbers[s]
        out *= max(factor, 0.0)
    return out  # type: ignore[no-any-return]


@njit(cache=True, error_model="numpy")
def uptake(model: Model, places: Places, numbers: Floats, taken: Floats, out: Floats) -> None:
    """Set out (n, 2) to what all sites take of the drive per ms, and per ms and uM. taken: (R,) by an event."""
    for i in range(len(numbers)):
        out[i, 0] = 0.0
        out[i, 1] = 0.0
        for r in range(len(taken)):
            if taken[r] != 0.0:
                out[i, model.driven[r]] += taken[r] * speeds(model, places, i, numbers[i], r)


@njit(cache=True, error_model="numpy")
def effects(model: Model, consts: Floats, centre: Floats, scale: Floats, out: Floats) -> None:
    """Set out (R, kept, low) to what reactions at rate 1 do to moments of (n - centre) / scale. consts: (R, 2)."""
    out[...] = 0.0
    for r in range(len(model.driven)):
        for row in range(1, model.sizes[1] + 1):
            add_effect(model, 1.0, r, consts, centre, scale, row, out[r, row - 1])
