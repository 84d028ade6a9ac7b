"""Priors: their normal coordinates, densities, and what an observation is beside them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from couple import InputError
from reducers.inference.problem.observation import observed, read_observation
from reducers.inference.problem.prior import Prior

TABLE = {
    "a": "uniform -1 .. 3 mV",
    "b": "loguniform 1e-8 .. 1e-3 mS",
    "c": "normal 3 0.5",
    "d": "truncnormal 0 1 -1 .. 0.5 um",
}


def test_coordinates_are_normal_and_lead_back() -> None:
    prior = Prior.read(TABLE)
    theta = prior.draw(20_000, np.random.default_rng(0))
    assert prior.inside(theta).all() and not prior.inside(theta + [5, 0, 0, 0]).any()
    z = prior.to_normal(theta)
    np.testing.assert_allclose(prior.from_normal(z), theta, rtol=1e-9)
    assert min(stats.kstest(column, "norm").pvalue for column in z.T) > 1e-4
    assert stats.kstest(theta[:, 0], "norm").pvalue < 1e-4, "the control"


@pytest.mark.parametrize("name", TABLE)
def test_a_density_over_coordinates_is_one_over_parameters(name: str) -> None:
    """The density of a narrow normal in z, taken to theta, holds 1."""
    prior = Prior.read({name: TABLE[name]})
    z = np.linspace(-3, 1, 20_001)[:, None]
    density = np.exp(stats.norm.logpdf(z[:, 0], -1, 0.3) + prior.log_volume(z))
    assert integrate.trapezoid(density, prior.from_normal(z)[:, 0]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("uniform 3 .. 1", "from 3 to 1 is nothing"),
        ("unifrom 1 .. 3", 'did you mean "uniform"'),
        ("1 2 5", "is a list of values, not a distribution"),
        ("loguniform 0 .. 3", "has no logarithm"),
    ],
)
def test_what_is_no_prior(text: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape('prior."g": ')) as error:
        Prior.read({"g": text})
    assert says in str(error.value)


def test_differences_name_the_parameter() -> None:
    now, then = Prior.read(TABLE), Prior.read({**TABLE, "a": "uniform -1 .. 4 mV"})
    assert now.differences(then.to_json()) == ["a: uniform -1 4 mV -> uniform -1 3 mV"]
    assert not now.differences(now.to_json()) and Prior.from_json(now.to_json()) == now


UNITS = {"peak": "uM", "spikes": "1", "V": "mV"}


def test_units_of_an_observation_are_those_of_its_features(tmp_path: Path) -> None:
    given = observed({"peak": "1500 nM", "spikes": 3, "V": "-0.07 V"}, UNITS)
    np.testing.assert_allclose(given, [1.5, 3, -70])
    (tmp_path / "x.csv").write_text("run,V [V],peak [nM],spikes\n0,-0.07,1500,3\n")
    np.testing.assert_allclose(read_observation(tmp_path / "x.csv", UNITS), given)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"peak": "3 mV", "spikes": 3, "V": 1}, 'observation.peak: "3 mV" is not in uM'),
        ({"peak": "nan", "spikes": 3, "V": 1}, "observation.peak: nan is no observation"),
        ({"peak": 1, "spikes": 3}, "observation: 2 of 3 features are given, V is missing"),
        ({"peak": 1, "spike": 3, "V": 1}, 'there is no feature "spike"; did you mean "spikes"?'),
    ],
)
def test_what_is_no_observation(values: dict[str, float | str], says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        observed(values, UNITS)
