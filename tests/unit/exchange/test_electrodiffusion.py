"""Steady fluxes of ions through a neck: closed forms, equilibria, derivatives, order by the number of pieces."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.exchange.electrodiffusion import bernoulli, bernoulli_slope, steady_fluxes

PIECES = (1, 2, 4, 8, 16)
FEW = (1, 8)


def fluxes(
    charges: Sequence[int], first: Sequence[float], second: Sequence[float], u: float, pieces: int
) -> tuple[Floats, Floats]:
    found, slopes = np.zeros(len(charges)), np.zeros(len(charges))
    ends = np.array([first, second], dtype=float)
    assert steady_fluxes(np.array(charges, dtype=float), ends, u, pieces, found, slopes)
    return found, slopes


@pytest.mark.parametrize("x", [-800.0, -30.0, -1.0, -0.051, -0.049, -1e-9, 0.0, 1e-9, 0.049, 0.051, 1.0, 30.0, 800.0])
def test_bernoulli_and_its_slope(x: float) -> None:
    assert bernoulli(-x) - bernoulli(x) == pytest.approx(x, abs=1e-14 * max(abs(x), 1.0))
    step = 1e-4 * max(abs(x), 1.0)
    # The mean slope between two places, to the third derivative, which is below 1/30.
    assert bernoulli_slope(x) == pytest.approx((bernoulli(x + step) - bernoulli(x - step)) / (2 * step), abs=step**2)


@pytest.mark.parametrize("pieces", FEW)
def test_without_voltage_and_charge_ions_diffuse(pieces: int) -> None:
    found, _ = fluxes([1, -1, 2], [10.0, 12.0, 1.0], [4.0, 4.0, 0.0], 0.0, 1)
    assert found == pytest.approx([6.0, 8.0, 1.0], rel=1e-14)
    equal, _ = fluxes([1, -1], [10.0, 10.0], [4.0, 4.0], 0.0, pieces)
    assert equal == pytest.approx([6.0, 6.0], rel=1e-12)


@pytest.mark.parametrize("pieces", FEW)
@pytest.mark.parametrize("u", [-2.0, 1e-7, 0.7])
def test_fixed_charge_is_ohmic(u: float, pieces: int) -> None:
    """One concentration everywhere: J = z c u of each ion, whatever keeps its charge."""
    found, slopes = fluxes([1, 1, 2], [140.0, 10.0, 2.0], [140.0, 10.0, 2.0], u, pieces)
    assert found == pytest.approx(np.array([140.0, 10.0, 4.0]) * u, rel=1e-11)
    assert slopes == pytest.approx([140.0, 10.0, 4.0], rel=1e-11)


@pytest.mark.parametrize("pieces", FEW)
def test_equilibrium_of_boltzmann_carries_nothing(pieces: int) -> None:
    u = 0.9
    first = [20.0 * math.exp(-u), 20.0 * math.exp(u)]
    found, _ = fluxes([1, -1], first, [20.0, 20.0], u, 1)
    assert np.abs(found).max() < 1e-12
    # Of one kind with a fixed charge, too: its own equilibrium, with a field in the neck.
    alone, _ = fluxes([1], [20.0 * math.exp(-u)], [20.0], u, pieces)
    assert abs(alone[0]) < 1e-11


@pytest.mark.parametrize("u", [-1.5, 0.0, 0.4])
@pytest.mark.parametrize("pieces", FEW)
def test_slopes_are_derivatives(u: float, pieces: int) -> None:
    def at(voltage: float) -> Floats:
        return fluxes([1, 1, -1, 2], [30.0, 130.0, 150.0, 1e-3], [12.0, 140.0, 140.0, 1e-4], voltage, pieces)[0]

    _, slopes = fluxes([1, 1, -1, 2], [30.0, 130.0, 150.0, 1e-3], [12.0, 140.0, 140.0, 1e-4], u, pieces)
    assert slopes == pytest.approx((at(u + 1e-4) - at(u - 1e-4)) / 2e-4, rel=1e-6)


def test_salt_of_which_one_ion_stays() -> None:
    """c and c0, u = ln(c/c0): the anion stays, the cation carries 2 D (c - c0); order 2 in 1/pieces."""
    c, c0 = 260.0, 150.0
    u = math.log(c / c0)
    errors = []
    for pieces in PIECES:
        found, _ = fluxes([1, -1], [c, c], [c0, c0], u, pieces)
        assert abs(found[1]) < 1e-10 * c
        errors.append(abs(found[0] / (2 * (c - c0)) - 1))
    order = -np.polyfit(np.log(PIECES), np.log(errors), 1)[0]
    assert order == pytest.approx(2.0, abs=0.02)  # the next term is of order 4
    assert errors[PIECES.index(8)] < 5e-3 < errors[0]  # control: one piece, the constant field, is not enough


def test_nothing_moves_where_nothing_is() -> None:
    found, slopes = fluxes([1, -1], [0.0, 0.0], [0.0, 0.0], 3.0, 8)
    assert not found.any() and not slopes.any()


def test_a_voltage_that_is_no_number_is_not_found() -> None:
    ends = np.array([[1.0, 1.0], [2.0, 2.0]])
    assert not steady_fluxes(np.array([1.0, -1.0]), ends, math.nan, 8, np.zeros(2), np.zeros(2))
