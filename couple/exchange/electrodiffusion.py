"""Steady electrodiffusion through a neck: drift and diffusion of ions between two concentrations and two potentials.

In one piece of a neck the flux of an ion from its first to its second end is that of Scharfetter and Gummel (1969,
IEEE Trans Electron Devices 16:64), exact for a constant field (the equation of Goldman, Hodgkin and Katz):

    J = K [c₁ B(−z u) − c₂ B(z u)],   B(x) = x / (eˣ − 1),   u = (V₁ − V₂) F / RT,   K = D A / L.

A neck of several pieces has the ions within that make all fluxes the same along it. Their charge lies on a straight
line between those of its ends (electroneutrality with whatever else is charged there). By Newton's method from straight
lines. What a neck stores is left out: its ions follow those of its ends at once, within L²/(π² D).
"""

from __future__ import annotations

import math

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit

MOST_STEPS = 60
"""Of Newton's method; 4 to 8 are needed."""

CLOSE = 1e-12
"""Change of concentrations and potentials, in units of the largest and of RT/F, at which it ends."""


@njit(cache=True)
def bernoulli(x: float) -> float:
    """x / (exp(x) - 1)."""
    if x == 0.0:
        return 1.0
    if x > 700.0:
        return 0.0
    return float(x / math.expm1(x))


@njit(cache=True)
def bernoulli_slope(x: float) -> float:
    """The derivative of `bernoulli`."""
    if abs(x) < 0.05:
        square = x * x
        return -0.5 + x * (1.0 / 6.0 - square * (1.0 / 180.0 - square * (1.0 / 5040.0 - square / 151200.0)))
    b = bernoulli(x)
    return b * (1.0 - b - x) / x  # type: ignore[no-any-return]


@njit(cache=True)
def _solve_banded(band: Floats, sides: Floats, width: int) -> None:
    """Gauss without pivots, in place. band: (n, 2 width + 1), entry (i, j) at [i, j - i + width]; sides: (n, 2)."""
    n = len(band)
    for i in range(n):
        pivot = band[i, width]
        for r in range(i + 1, min(i + width + 1, n)):
            factor = band[r, i - r + width] / pivot
            if factor != 0.0:
                for j in range(i, min(i + width + 1, n)):
                    band[r, j - r + width] -= factor * band[i, j - i + width]
                sides[r, 0] -= factor * sides[i, 0]
                sides[r, 1] -= factor * sides[i, 1]
    for i in range(n - 1, -1, -1):
        for s in range(2):
            value = sides[i, s]
            for j in range(i + 1, min(i + width + 1, n)):
                value -= band[i, j - i + width] * sides[j, s]
            sides[i, s] = value / band[i, width]


@njit(cache=True)
def _fill(charges: Floats, c: Floats, phi: Floats, background: Floats, band: Floats, sides: Floats, width: int) -> None:
    """Jacobian and minus the residuals of all nodes within, and minus their derivatives by the first potential."""
    n, last = len(charges), len(phi) - 1
    m = n + 1
    band[...] = 0.0
    sides[...] = 0.0
    for j in range(last):  # pieces, between nodes j and j + 1
        for k in range(n):
            z = charges[k]
            x = z * (phi[j] - phi[j + 1])
            into, back = bernoulli(-x), bernoulli(x)
            flux = c[j, k] * into - c[j + 1, k] * back
            by_phi = -z * (c[j, k] * bernoulli_slope(-x) + c[j + 1, k] * bernoulli_slope(x))
            for node, sign in ((j, -1.0), (j + 1, 1.0)):  # leaves the one, enters the other
                if node == 0 or node == last:
                    continue
                row = (node - 1) * m + k
                sides[row, 0] -= sign * flux
                for end, by_c, by_potential in ((j, into, by_phi), (j + 1, -back, -by_phi)):
                    if end == 0:
                        sides[row, 1] -= sign * by_potential
                    elif end != last:
                        column = (end - 1) * m
                        band[row, column + k - row + width] += sign * by_c
                        band[row, column + n - row + width] += sign * by_potential
    for node in range(1, last):
        row = (node - 1) * m + n
        sides[row, 0] = background[0] + (background[1] - background[0]) * node / last
        for k in range(n):
            sides[row, 0] -= charges[k] * c[node, k]
            band[row, (node - 1) * m + k - row + width] = charges[k]


@njit(cache=True)
def steady_fluxes(charges: Floats, ends: Floats, u: float, pieces: int, fluxes: Floats, slopes: Floats) -> bool:
    """Fluxes of n ions through a neck, from its first to its second end; whether they were found.

    charges: (n,) z. ends: (2, n) concentrations. u: (V1 - V2) F / RT. fluxes: (n,) in units of K = D A / L of each ion
    times the unit of `ends`; slopes: (n,) their derivatives by u. Both are written.
    """
    n = len(charges)
    largest = 0.0
    for k in range(n):
        largest = max(largest, ends[0, k], ends[1, k])
    c, phi = np.empty((pieces + 1, n)), np.empty(pieces + 1)
    for j in range(pieces + 1):
        part = j / pieces
        phi[j] = u * (1.0 - part)
        for k in range(n):
            c[j, k] = ends[0, k] + (ends[1, k] - ends[0, k]) * part
    within = (pieces - 1) * (n + 1)
    width = 2 * n + 1
    band, sides = np.empty((within, 2 * width + 1)), np.zeros((within, 2))
    background = np.zeros(2)
    for k in range(n):
        background[0] += charges[k] * ends[0, k]
        background[1] += charges[k] * ends[1, k]
    found = (pieces == 1 or largest == 0.0) and u - u == 0.0
    if not found:
        for _ in range(MOST_STEPS):
            _fill(charges, c, phi, background, band, sides, width)
            _solve_banded(band, sides, width)
            part, change, total = 1.0, 0.0, 0.0  # of numbers that are none the largest is not found, their sum is
            for j in range(1, pieces):
                at = (j - 1) * (n + 1)
                for k in range(n):
                    step = sides[at + k, 0]
                    change = max(change, abs(step) / largest)
                    total += abs(step)
                    if step < 0.0 and part * step < -0.9 * c[j, k]:
                        part = 0.9 * c[j, k] / -step  # no concentration falls below 0
                change = max(change, abs(sides[at + n, 0]))
                total += abs(sides[at + n, 0])
                if abs(sides[at + n, 0]) * part > 5.0:
                    part = 5.0 / abs(sides[at + n, 0])
            if total - total != 0.0:
                break
            for j in range(1, pieces):
                at = (j - 1) * (n + 1)
                for k in range(n):
                    c[j, k] += part * sides[at + k, 0]
                phi[j] += part * sides[at + n, 0]
            if part * change <= CLOSE:
                found = part == 1.0 or change <= CLOSE
                if found:
                    _fill(charges, c, phi, background, band, sides, width)
                    _solve_banded(band, sides, width)
                break
    for k in range(n):
        z = charges[k]
        x = z * (phi[0] - phi[1])
        into, back = bernoulli(-x), bernoulli(x)
        by_phi = -z * (c[0, k] * bernoulli_slope(-x) + c[1, k] * bernoulli_slope(x))
        fluxes[k] = pieces * (c[0, k] * into - c[1, k] * back)
        slope = by_phi
        if within > 0 and largest > 0.0:
            slope += -back * sides[k, 1] - by_phi * sides[n, 1]
        slopes[k] = pieces * slope
    return found
