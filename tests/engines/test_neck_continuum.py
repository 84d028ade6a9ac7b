"""The conductance of a neck between two sites against diffusion in head, neck and head, solved in the continuum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

from couple.exchange.diffusion import crossing, neck_resistance

D, RADIUS, HEIGHT, LENGTH = 0.22, 0.24, 0.48, 0.4


def slowest(neck: float, cells: int) -> float:
    """Rate (/ms) at which two cylinders even out through a neck of this radius, in rings with `cells` across it."""
    h = neck / cells
    n_r, high, long = round(RADIUS / h), round(HEIGHT / h), round(LENGTH / h)
    inside = np.ones((n_r, 2 * high + long), dtype=bool)
    inside[cells:, high : high + long] = False
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(inside.sum())
    ring = 2 * np.arange(n_r) + 1  # area of a ring, pi h²
    volume = (ring[:, None] * np.ones(inside.shape[1]))[inside] * math.pi * h**3
    first, second, flow = [], [], []
    for axis, area in ((0, 2 * np.arange(1, n_r)[:, None] * np.ones(inside.shape[1])), (1, ring[:, None])):
        a, b = (number[:-1], number[1:]) if axis == 0 else (number[:, :-1], number[:, 1:])
        both = (a >= 0) & (b >= 0)
        first.append(a[both])
        second.append(b[both])
        flow.append(np.broadcast_to(area, a.shape)[both] * math.pi * h * D)
    i, j, k = np.concatenate(first), np.concatenate(second), np.concatenate(flow)
    between = csr_array((np.r_[k, k], (np.r_[i, j], np.r_[j, i])), shape=(inside.sum(),) * 2)
    leaving = np.asarray(between.sum(axis=1)).ravel()
    size = 1 / np.sqrt(volume)
    rates = diags_array(size) @ (diags_array(leaving) - between) @ diags_array(size)
    found = eigsh(rates.tocsc(), 2, sigma=-1e-6, return_eigenvectors=False)
    return float(max(found))


def in_the_continuum(neck: float, cells: tuple[int, int, int]) -> float:
    """By three spacings, each half of the last, extrapolated at the order that they show."""
    a, b, c = (slowest(neck, n) for n in cells)
    return c + (c - b) / ((b - a) / (c - b) - 1)


def of_the_link(neck: float, ends: int = 2) -> float:
    """The same by the link: a neck with a linear profile holds a sixth of its volume's worth for either head."""
    resistance = neck_resistance([(2 * neck, LENGTH)], [2 * neck] * ends)
    volume = math.pi * (RADIUS**2 * HEIGHT + neck**2 * LENGTH / 6)
    forth, back = crossing(D / resistance, volume, volume, 1e-3)
    return -math.log(1 - forth - back) / 1e-3


@pytest.mark.parametrize(("part", "bound"), [(8, 0.01), (4, 0.03)])
def test_a_narrow_neck_conducts_what_the_continuum_does(part: int, bound: float) -> None:
    """A neck of an eighth, and a quarter, of the head's width. Without its open ends it would conduct too much."""
    neck = RADIUS / part
    exact = in_the_continuum(neck, (2, 4, 8) if part > 4 else (3, 6, 12))
    off, without = of_the_link(neck) / exact - 1, of_the_link(neck, ends=0) / exact - 1
    print(f"neck of 1/{part}: {off:+.2%}, without open ends {without:+.1%}")
    assert abs(off) < bound
    assert without > 2 * bound
