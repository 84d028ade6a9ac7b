"""Closures by hand against what is known exactly."""

import numpy as np
import pytest

from reducers.dbd.report.predator_prey import (
    CLOSURES,
    MOMENTS,
    PredatorPreyRates,
    compare,
    fit_k3,
    mean_field,
    pair_approximation,
)

START = {"P": 200.0, "H": 120.0, "PP nn": 70.0, "HH nn": 25.0, "HP nn": 40.0}
TIME = np.arange(0.0, 61.0)


def test_births_and_deaths_alone_are_exact() -> None:
    found = pair_approximation(PredatorPreyRates(0.01, 0.05, 0.0), 0.0, START, TIME)
    assert np.allclose(found["P"], 200 * np.exp(0.01 * TIME), rtol=1e-5)
    assert np.allclose(found["H"], 120 * np.exp(-0.05 * TIME), rtol=1e-5)
    assert np.allclose(found["HH nn"], 25 * np.exp(-0.1 * TIME), rtol=1e-4)


def test_hops_alone_keep_numbers_and_mix_pairs() -> None:
    found = pair_approximation(PredatorPreyRates(1e-12, 1e-12, 0.25), 0.0, START, np.linspace(0, 2000, 21))
    assert np.allclose(found["P"], 200) and np.allclose(found["H"], 120)
    assert found["PP nn"][-1] == pytest.approx(3200 * (200 / 1600) ** 2, rel=1e-4)
    assert found["HP nn"][-1] == pytest.approx(6400 * 200 * 120 / 1600**2, rel=1e-4)


def test_mean_field_keeps_the_constant_of_lotka_and_volterra() -> None:
    rates, k3 = PredatorPreyRates(0.025, 0.06, 0.25), 0.15
    found = mean_field(rates, k3, START, np.arange(501.0))
    p, h, meet = found["P"], found["H"], k3 * 4 / 1600
    constant = meet * p - rates.death * np.log(p) + meet * h - rates.birth * np.log(h)
    assert np.ptp(constant) < 1e-4 * abs(constant[0]) and np.ptp(p) > 100


def test_pairs_become_mean_field_when_hops_are_fast_and_the_lattice_is_dilute() -> None:
    start = {"P": 8.0, "H": 5.0, "PP nn": 0.0, "HH nn": 0.0, "HP nn": 0.0}
    gaps = []
    for hop in (1.0, 100.0):
        rates = PredatorPreyRates(0.01, 0.02, hop)
        near, far = (c(rates, 0.3, start, TIME) for c in (pair_approximation, mean_field))
        gaps.append(np.abs(near["H"] - far["H"]).max() / far["H"].max())
    assert gaps[1] < 5e-3 and gaps[1] < gaps[0] / 5


@pytest.mark.parametrize("label", list(CLOSURES))
def test_k3_is_found_again(label: str) -> None:
    rates = PredatorPreyRates(0.025, 0.06, 0.25)
    data = CLOSURES[label](rates, 0.173, START, TIME)
    assert fit_k3(CLOSURES[label], rates, data, TIME) == pytest.approx(0.173, rel=1e-4)


def test_a_comparison_knows_its_own_model() -> None:
    rates = PredatorPreyRates(0.025, 0.06, 0.25)
    data = mean_field(rates, 0.2, START, TIME)
    found = compare(rates, data, {name: data[name][::5] for name in MOMENTS}, TIME, TIME[::5])
    assert found["mean field"] == (pytest.approx(0.2, rel=1e-4), pytest.approx(0.0, abs=1e-4))
    assert found["pair approximation"][1] > 0.01
