"""Calibration, misfits and proposals, against a posterior that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from couple.base.arrays import Floats
from reducers.inference.diagnostics.conditional import conditional_correlations
from reducers.inference.diagnostics.misspecification import misfit
from reducers.inference.diagnostics.simulation_based_calibration import LEVELS, Calibration, calibrate, holm
from reducers.inference.methods.proposals import LEFT_OUT, MARGIN, from_prior, support_of
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


def entropies(text: str, x: float) -> tuple[float, float, float, float]:
    """Found and its standard error, mean and deviation of the posterior in z."""
    posterior = exact_posterior(Prior.read({"a": text})).at(np.array([x]))
    z = posterior.flow.draw(posterior.condition, 20_000, 3)
    mean, sd = float(posterior.condition[0]) / (1 + NOISE**2), NOISE / np.sqrt(1 + NOISE**2)
    return posterior.entropy(z), float(posterior.height(z).std() / np.sqrt(len(z))), mean, float(sd)


@pytest.mark.parametrize("x", [0.3, 9.0])
def test_the_entropy_is_that_of_a_gaussian(x: float) -> None:
    """Of a posterior N(m, s²) in z, less the prior's, within 5 standard errors: ln s where the prior is normal, and
    ln s + (1 - m² - s²) / 2 where it is uniform; a posterior twice as wide, ln 2 more, would be noticed.
    """
    for text, gain in (("normal 2 3", 0.0), ("uniform 0 .. 2 mV", 1.0)):
        found, error, m, s = entropies(text, x)
        exact = np.log(s) + gain * (1 - m**2 - s**2) / 2
        assert abs(found - exact) < 5 * error < abs(found + np.log(2) - exact)


@pytest.mark.parametrize("text", ["loguniform 1 .. 100", "truncnormal 1 2 0 .. 4"])
def test_the_entropy_is_that_of_the_density(text: str) -> None:
    """By quadrature of -p ln p over parameters, within 5 standard errors."""
    found, error, _, _ = entropies(text, 0.3)
    prior = Prior.read({"a": text})
    low, high = prior.bounds[0]
    grid = np.linspace(low, high, 200_001)[1:-1, None]
    log_p = exact_posterior(prior).at(np.array([0.3])).log_density(grid)
    assert np.trapezoid(np.exp(log_p), grid[:, 0]) == pytest.approx(1, abs=1e-3)
    exact = -np.trapezoid(np.exp(log_p) * log_p, grid[:, 0]) - prior.entropy
    assert abs(found - exact) < 5 * error + 1e-3


def test_draws_that_no_parameter_tells_do_not_decide_the_entropy() -> None:
    """A flow that errs far out, once in two thousand draws: ln s within 5 standard errors, and not 2000 / 2 less."""
    posterior = exact_posterior(Prior.read({"a": "uniform 0 .. 1"})).at(np.array([0.0]))
    z = posterior.flow.draw(posterior.condition, 2000, 3)
    right = posterior.entropy(z)
    z[7] = 60.0
    assert posterior.entropy(z) == pytest.approx(right, abs=5 / 2000)


def test_priors_know_their_entropy() -> None:
    """Against the mean of -log p over 20,000 draws, within 5 standard errors."""
    for text in ("normal 2 3", "uniform 0 .. 2 mV", "loguniform 1 .. 100", "truncnormal 1 2 0 .. 4"):
        prior = Prior.read({"a": text})
        minus = -prior.log_density(prior.draw(20_000, np.random.default_rng(1)))
        assert abs(minus.mean() - prior.entropy) < 5 * minus.std() / np.sqrt(20_000) + 1e-9


def test_entropies_fall_as_features_are_added() -> None:
    """Mean over observations of one and of two features of the same parameter; and the closed form of either."""
    theta, features = truths(Prior.read({"a": "normal 0 1", "b": "normal 0 1"}), 50, 2)
    one = exact_posterior(Prior.read({"a": "normal 0 1"}))
    two = exact_posterior(Prior.read({"a": "normal 0 1", "b": "normal 0 1"}))
    narrow = float(np.log(NOISE / np.sqrt(1 + NOISE**2)))
    found = [
        calibrate(one, theta[:, :1], features[:, :1], 500, 1).entropies.mean(),
        calibrate(two, theta, features, 500, 1).entropies.mean(),
    ]
    error = 5 * np.sqrt(0.5 / (50 * 500))  # of a mean of log q, variance 1/2 for each direction
    assert abs(found[0] - narrow) < error and abs(found[1] - 2 * narrow) < np.sqrt(2) * error
    assert found[1] < found[0] - 3 * error


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


def test_the_support_leaves_out_a_thousandth_and_holds_its_margin() -> None:
    """In two Gaussian directions the share that is less dense than the mode by t nats and more is exp(-t)."""
    posterior = exact_posterior(Prior.read({"a": "normal 0 1", "b": "normal 0 1"})).at(np.array([0.5, 1.0]))
    drawn, support = posterior.flow.draw(posterior.condition, 100_000, 8), support_of(posterior, 1)
    spread = np.exp(4.5 / np.sqrt(20_000 * LEFT_OUT))  # of the threshold, a quantile of 20,000 draws

    def allowed(outside: int, share: float) -> bool:
        low, high = stats.binom.ppf([1e-4, 1 - 1e-4], 100_000, [share / spread, share * spread])
        return bool(low <= outside <= high)

    outside = int((~support(drawn)).sum())
    assert allowed(outside, LEFT_OUT * np.exp(-2 * MARGIN))
    assert not allowed(outside, LEFT_OUT), "the control: no margin"
    tight = replace(support, threshold=support.threshold + 2 * MARGIN)
    assert allowed(int((~tight(drawn)).sum()), LEFT_OUT)


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
