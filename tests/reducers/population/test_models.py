"""Every model of patterns: a distribution that draws what it says, and finds what made the data."""

from __future__ import annotations

import numpy as np
import pytest

from couple.base.errors import InputError
from reducers.population.library.kinds import MODELS
from reducers.population.models.description import describe
from reducers.population.models.dichotomised_gaussian import DichotomisedGaussian
from reducers.population.models.energy.energy import Energy
from reducers.population.models.energy.gibbs import anneal
from reducers.population.models.energy.machines import KPairwise, Machine, Pairwise, SemiRestricted
from reducers.population.models.enumeration import all_patterns
from reducers.population.models.given_count import PopulationTracking
from reducers.population.models.independent import Independent
from reducers.population.models.logistic import HistoryGLM
from reducers.population.models.model import Estimate, FitBlock, moments_of
from reducers.population.patterns.patterns import Bits
from support.patterns import fits, together

N = 7
PATTERNS = all_patterns(N)
DATA = together(4000, N, seed=2)
SETTINGS = FitBlock(hidden=3, ridge=0.0, iterations=100)
EXACT = sorted({*MODELS} - {"gaussian", "glm"})


@pytest.mark.parametrize("kind", EXACT)
def test_a_model_is_a_distribution_that_draws_what_it_says(kind: str) -> None:
    model = MODELS[kind].fit(DATA, SETTINGS)
    p = np.exp(model.log_probability(PATTERNS))
    assert abs(p.sum() - 1) < 1e-12
    drawn = model.sample(20_000, 5)
    assert fits(drawn, p)
    assert abs(model.entropy().value + p @ np.log2(p)) < 1e-10
    uniform = np.full(len(p), 1 / len(p))
    assert not fits(drawn, uniform), "the control"
    again = MODELS[kind].from_arrays(model.arrays())
    assert np.array_equal(again.log_probability(PATTERNS), model.log_probability(PATTERNS))


def test_maximum_entropy_has_the_moments_of_the_data() -> None:
    seen = moments_of(DATA)
    pair, k_pair = (m.fit(DATA, SETTINGS).moments() for m in (Pairwise, KPairwise))
    for found in (pair, k_pair):
        assert np.abs(found.pairs - seen.pairs).max() < 1e-5
    assert np.abs(k_pair.count - seen.count).max() < 1e-5
    assert np.abs(pair.count - seen.count).max() > 1e-3, "which nothing in it holds"


def _machine(seed: int) -> Machine:
    rng = np.random.default_rng(seed)
    pairs = np.triu(rng.normal(0, 0.5, (N, N)), 1)
    count, hidden = rng.normal(0, 0.3, N + 1), rng.normal(0, 1, 3)
    energy = Energy(rng.normal(-1, 0.5, N), pairs + pairs.T, count, rng.normal(0, 1, (3, N)), hidden)
    log_z = float(np.logaddexp.reduce(energy.log_weight(PATTERNS)))
    return SemiRestricted(energy, Estimate(log_z, 0.0), np.full(N, 0.3))


def test_gibbs_chains_and_annealing_against_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _machine(3)
    p = np.exp(model.log_probability(PATTERNS))
    found = anneal(model.energy, model.rates, 1000, 1)
    assert abs(found.value - model.log_z.value) < 4 * found.error < 0.1
    monkeypatch.setattr("reducers.population.models.energy.machines.LISTED", 0)
    drawn = model.sample(40_000, 2)
    assert fits(drawn[::2], p)
    assert not fits(drawn, np.exp(_machine(4).log_probability(PATTERNS)))


def test_chains_find_what_sums_find() -> None:
    exact = Pairwise.fit(DATA, SETTINGS)
    by_chains = Pairwise.fit(DATA, SETTINGS.model_copy(update={"exact": 0}))
    loss = exact.log_probability(DATA).mean() - by_chains.log_probability(DATA).mean()
    gain = exact.log_probability(DATA).mean() - Independent.fit(DATA, SETTINGS).log_probability(DATA).mean()
    assert 0 <= loss < 0.01 * gain


def test_the_dichotomised_gaussian_has_rates_and_correlations() -> None:
    seen = moments_of(DATA)
    model = DichotomisedGaussian.fit(DATA, SETTINGS.model_copy(update={"prior": 0.0}))
    found = model.moments()
    m = len(DATA)
    assert np.abs(found.rates - (seen.rates * m + 0.5) / (m + 1)).max() < 1e-12
    assert np.abs(found.covariances - seen.covariances)[np.triu_indices(N, 1)].max() < 1e-9
    drawn = moments_of(model.sample(100_000, 1))
    bound = 4.5 * np.sqrt(found.pairs * (1 - found.pairs) / 100_000)  # z of 28 numbers, wrong once in 5000 times
    assert (np.abs(drawn.pairs - found.pairs) < bound).all()
    assert not (np.abs(drawn.pairs - np.outer(found.rates, found.rates)) < bound).all()
    log_p = model.log_probability(PATTERNS)
    assert abs(np.exp(log_p).sum() - 1) < 0.005
    with pytest.raises(InputError, match="positive definite"):
        DichotomisedGaussian(np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_tracking_recovers_what_a_dichotomised_gaussian_makes() -> None:
    """p(k) and rates within the noise of the data, at a size at which nothing is enumerated."""
    n, m = 40, 20_000
    rng = np.random.default_rng(4)
    rates = rng.uniform(0.02, 0.15, n)
    sd = np.sqrt(rates * (1 - rates))
    source = DichotomisedGaussian.of_moments(rates, 0.05 * np.outer(sd, sd))
    states = source.sample(m, 7)
    model = PopulationTracking.fit(states, FitBlock())
    truth, found = source.moments(samples=200_000), model.moments()
    assert (np.abs(found.rates - truth.rates) < 4.5 * np.sqrt(rates * (1 - rates) / m) + 3 * n / m).all()
    noise = np.sqrt(truth.count * (1 / m + 1 / 200_000))
    assert (np.abs(found.count - truth.count) < 4.5 * noise + 10 / m).all()
    assert not (np.abs(Independent.fit(states, FitBlock()).moments().count - truth.count) < 4.5 * noise + 10 / m).all()
    apart = (found.covariances - truth.covariances)[np.triu_indices(n, 1)]
    assert abs(apart.mean()) < 0.05 * truth.covariances[np.triu_indices(n, 1)].mean()


def test_a_glm_finds_its_couplings() -> None:
    weights = np.zeros((2, 4, 4))
    weights[0, 0, 1], weights[1, 2, 3] = 2.0, -2.0
    source = HistoryGLM(np.array([-1.0, -1.5, -0.5, 0.0]), weights)
    states = source.sample(40_000, 3)
    found = HistoryGLM.fit(states, FitBlock(history=2, ridge=0.0))
    p = states.mean(axis=0)
    sd = 1 / np.sqrt(len(states) * np.outer(p * (1 - p), p * (1 - p)))  # of a logistic coefficient, at small ones
    assert (np.abs(found.weights - weights) < 7 * sd).all()
    assert not (np.abs(found.weights[::-1] - weights) < 7 * sd).all()
    assert abs(found.log_probability(states).mean() - source.log_probability(states).mean()) < 32 / len(states)


def test_few_numbers_describe_all_patterns() -> None:
    n = 12
    states = together(5000, n, seed=5)
    model = PopulationTracking.fit(states, FitBlock())
    found = describe(model, samples=50_000)
    patterns = all_patterns(n)
    log_p = np.sort(model.log_probability(patterns) / np.log(2))[::-1]
    mass = np.cumsum(2.0**log_p)
    assert found.parameters <= 6 * (n + 1) < 2**n
    sd = float(np.sqrt((2.0**log_p * (log_p + model.entropy().value) ** 2).sum()))
    assert abs(found.entropy() - model.entropy().value) < 4.5 * sd / np.sqrt(50_000)
    for share in (0.5, 0.9):
        exact = np.log2(np.searchsorted(mass, share) + 1)
        assert abs(found.patterns_of_mass(share) - exact) < 0.35
    uneven: Bits = (patterns[:, :1] * 1).astype(np.uint8)
    with pytest.raises(InputError, match="do not fit a model of 12 neurons"):
        model.log_probability(uneven)
