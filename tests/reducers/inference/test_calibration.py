"""Calibration, misfits and proposals, against a posterior that is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from couple.base.arrays import Floats
from reducers.inference.diagnostics.calibration import LEVELS, Calibration, calibrate, holm
from reducers.inference.diagnostics.conditional import conditional_correlations
from reducers.inference.diagnostics.misspecification import misfit
from reducers.inference.methods.proposals import from_prior, support_of
from reducers.inference.problem.prior import Prior
from support.exact_posterior import NOISE, exact_posterior, truths

PRIOR = Prior.read({"a": "uniform 0 .. 2 mV", "b": "loguniform 1 .. 100", "c": "normal 0 1"})
N = 200


def calibrated(shift: float) -> Calibration:
    """Of the exact posterior, and of one that is moved by so many of its standard deviations."""
    theta, features = truths(PRIOR, N, 5)

    def change(drawn: Floats) -> Floats:
        return drawn + shift * drawn.std(axis=0)

    return calibrate(exact_posterior(PRIOR), theta, features, 400, 1, change if shift else None)


def test_the_exact_posterior_is_calibrated_and_a_shifted_one_is_not() -> None:
    right, wrong = calibrated(0.0), calibrated(0.5)
    assert right.uniform(0.01) and not wrong.uniform(0.01)
    spread = 3.5 * np.sqrt(0.95 * 0.05 / N)  # 3.5 sd: p = 5e-4
    assert np.abs(right.coverage(0.95) - 0.95).max() < spread
    bound = 3.7 * np.sqrt(LEVELS * (1 - LEVELS) / N) + 2 / 400
    assert (np.abs(right.expected_coverage() - LEVELS) < bound).all()
    assert (np.abs(wrong.expected_coverage() - LEVELS) > bound).any(), "the control"
    assert np.all(right.entropies < 0), "an observation tells something"


def test_holm_rejects_as_in_a_table() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005]), 0.05).tolist() == [True, False, False, True]


def test_an_observation_outside_of_the_simulations_is_seen() -> None:
    made = truths(PRIOR, 2000, 1)[1]
    made = np.concatenate([made, made[:, :1] + made[:, 1:2]], axis=1)  # the last is the sum of the first two
    names = ["a", "b", "c", "sum"]
    assert not misfit(made, made[7], names).text
    assert "(b)" in misfit(made, made[7] + [0, 1000.0, 0, 0], names).text
    assert "no parameters make these features together" in misfit(made, np.array([1.5, 1.5, 0, -3.0]), names).text


@pytest.mark.acceptance
@pytest.mark.parametrize("d", [2, 8])
def test_truncated_proposals_are_the_prior_within_the_support(d: int) -> None:
    """By rejection in two dimensions, by walks in eight; each moment within 4.5 of its standard errors."""
    prior = Prior.read({f"p{k}": "normal 0 1" for k in range(d)})
    posterior = exact_posterior(prior).at(np.full(d, 2.0))
    support = support_of(posterior, 1)
    n = 2000
    z = from_prior(d, n, support, lambda n: posterior.flow.draw(posterior.condition, n, 3), 2)
    assert len(z) == n and support(z).all()
    walked = np.random.default_rng(9).standard_normal((2_000_000 // d, d))
    exact = walked[support(walked)]
    assert len(exact) > 200
    error = np.sqrt(exact.var(axis=0) * (1 / n + 1 / len(exact)))
    assert (np.abs(z.mean(axis=0) - exact.mean(axis=0)) < 4.5 * error).all()
    drawn = posterior.flow.draw(posterior.condition, n, 4)
    apart = np.abs(drawn.mean(axis=0) - exact.mean(axis=0)) / error
    assert apart.max() > 4.5, "the control: the posterior itself is not the prior within its support"


def test_the_support_holds_all_but_a_thousandth() -> None:
    prior = Prior.read({"a": "uniform 0 .. 1", "b": "normal 0 1"})
    posterior = exact_posterior(prior).at(np.array([0.5, 1.0]))
    drawn = posterior.flow.draw(posterior.condition, 100_000, 8)
    outside = int((~support_of(posterior, 1)(drawn)).sum())
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 100_000, 1e-3)
    assert low - 60 < outside < high + 60  # the threshold is itself drawn: 20 of 20,000, +- 4.5 of them


def test_held_parameters_leave_the_conditional_density() -> None:
    """Of independent parameters holding one leaves the others as they are; correlations are zero."""
    prior = Prior.read({"a": "normal 0 1", "b": "normal 0 1"})
    posterior = exact_posterior(prior).at(np.array([1.0, -1.0]))
    theta = posterior.conditioned({"a": 0.3}, 2000, 1)
    assert np.allclose(theta[:, 0], 0.3)
    sd = NOISE / np.sqrt(1 + NOISE**2)
    z = (theta[:, 1] + 1 / (1 + NOISE**2)) / sd
    assert abs(z.mean()) < 4 * np.sqrt(1 / 1000) and abs(z.std() - 1) < 4 * np.sqrt(1 / 2000)
    found = conditional_correlations(posterior, theta[:3])
    assert np.abs(found - np.eye(2)).max() < 1e-3
    np.testing.assert_allclose(posterior.mode(), np.array([1, -1]) / (1 + NOISE**2), atol=0.02)
