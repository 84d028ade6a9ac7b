"""Population tracking and its relatives against sums over all patterns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError
from reducers.population.library.file import ModelFile, read_model, write_model
from reducers.population.library.kinds import MODELS
from reducers.population.models.enumeration import all_patterns
from reducers.population.models.given_count import GivenCount, Homogeneous, PopulationTracking, TrackingLikelihood
from reducers.population.models.independent import Independent
from reducers.population.models.model import FitBlock, moments_of
from support.patterns import fits, together

N = 12
PATTERNS = all_patterns(N)
K = PATTERNS.sum(axis=1)
DATA = together(3000, N)
UNREGULARISED = FitBlock(dirichlet=0.0, prior=0.0)
FITTED = {
    (kind, settings): MODELS[kind].fit(DATA, FitBlock() if settings == "regularised" else UNREGULARISED)
    for kind in ("tracking", "tracking_ml", "coupling", "homogeneous")
    for settings in ("regularised", "unregularised")
}


@pytest.mark.parametrize("which", FITTED, ids="-".join)
def test_sums_over_all_patterns(which: tuple[str, str]) -> None:
    model = FITTED[which]
    assert isinstance(model, GivenCount)
    p = np.exp(model.log_probability(PATTERNS))
    assert abs(p.sum() - 1) < 1e-12
    assert np.abs(np.bincount(K, weights=p, minlength=N + 1) - np.exp(model.log_count)).max() < 1e-12
    some = p[p > 0]
    assert abs(-some @ np.log2(some) - model.entropy().value) < 1e-12
    for k in np.flatnonzero(model.log_count > -np.inf):
        given = p[k == K] / p[k == K].sum()
        assert np.abs(given @ PATTERNS[k == K] - model.inclusion[k]).max() < 1e-12
    moments = model.moments()
    assert moments.exact and np.abs(moments.rates - p @ PATTERNS).max() < 1e-12


def test_the_normaliser_by_enumeration_and_with_a_wrong_exponent() -> None:
    """The homogeneous branch with k zeros in the place of n - k, as a port has it, is the control."""
    model = FITTED["tracking", "regularised"]
    assert isinstance(model, GivenCount)
    p = 1 / (1 + np.exp(-model.logits))
    for k in range(1, N):
        chosen = PATTERNS[k == K]
        sums = np.where(chosen, p[k], 1 - p[k]).prod(axis=1).sum()
        assert abs(np.exp(model.log_normaliser[k]) / sums - 1) < 1e-12
    alike = Homogeneous(model.log_count, np.tile(np.log(np.arange(1, N + 2) / N)[:, None], (1, N)))
    odds = np.exp(alike.logits[1:N, 0])
    p, k = odds / (1 + odds), np.arange(1, N)
    ways = np.array([(k_ == K).sum() for k_ in k])
    assert np.abs(np.exp(alike.log_normaliser[1:N]) / (ways * p**k * (1 - p) ** (N - k)) - 1).max() < 1e-12
    assert np.abs(np.exp(alike.log_normaliser[1:N]) / (ways * p**k * (1 - p) ** k) - 1).max() > 0.1


def test_divergences_by_enumeration() -> None:
    models = [FITTED[kind, "regularised"] for kind in ("tracking", "coupling", "homogeneous")]
    for one in models:
        for other in models:
            assert isinstance(one, GivenCount) and isinstance(other, GivenCount)
            a, b = (m.log_probability(PATTERNS) for m in (one, other))
            assert abs(np.exp(a) @ (a - b) / np.log(2) - one.divergence(other)) < 1e-12
    lacking = FITTED["tracking", "unregularised"]
    assert isinstance(lacking, GivenCount) and isinstance(models[0], GivenCount)
    assert models[0].divergence(lacking) == np.inf  # it never has all neurons active
    p, q = (m.log_probability(PATTERNS) for m in (lacking, models[0]))
    terms = np.exp(p[p > -np.inf]) @ (p - q)[p > -np.inf] / np.log(2)
    assert abs(lacking.divergence(models[0]) - terms) < 1e-12


def test_draws_are_of_the_model_and_not_of_another() -> None:
    tracking, independent = FITTED["tracking", "regularised"], Independent.fit(DATA, FitBlock())
    p = np.exp(tracking.log_probability(PATTERNS))
    assert fits(tracking.sample(200_000, 1), p)
    assert not fits(independent.sample(200_000, 1), p)
    assert not fits(FITTED["tracking_ml", "unregularised"].sample(200_000, 1), p), "which is near it"


def test_maximum_likelihood_has_the_rates_of_the_data() -> None:
    model = FITTED["tracking_ml", "unregularised"]
    plain = FITTED["tracking", "unregularised"]
    assert isinstance(model, TrackingLikelihood) and isinstance(plain, PopulationTracking)
    seen = moments_of(DATA)
    assert np.abs(model.moments().rates - seen.rates).max() < 1e-9
    assert np.abs(plain.moments().rates - seen.rates).max() > 1e-4, "the authors' rates at k are not those of the model"
    assert model.log_probability(DATA).sum() > plain.log_probability(DATA).sum()
    coupling = FITTED["coupling", "unregularised"].moments()
    assert np.abs(coupling.rates - seen.rates).max() < 1e-3
    assert np.abs(coupling.pairs.sum(axis=1) - seen.pairs.sum(axis=1)).max() < 1e-2


def test_both_ways_to_a_population_coupling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's method, and what stands in for it; neurons that are always active beside others that go together."""
    rng = np.random.default_rng(0)
    on = (np.arange(220) // 55)[:, None] % 2 == 1
    states = (rng.random((220, 30)) < np.where(on, 0.99, rng.uniform(0.4, 0.9, 30))).astype(np.uint8)
    states[:, :2] = 1
    newton = MODELS["coupling"].fit(states, FitBlock())
    monkeypatch.setattr("reducers.population.models.given_count.STEPS", 0)
    other = MODELS["coupling"].fit(states, FitBlock())
    rates = [m.moments(samples=1000).rates for m in (newton, other)]
    assert np.abs(rates[0] - states.mean(axis=0)).max() < 3e-3 and np.abs(rates[1] - rates[0]).max() < 3e-3
    apart = newton.log_probability(states).mean() - other.log_probability(states).mean()
    assert abs(apart) < 1e-2
    assert not np.array_equal(newton.arrays()["logits"], other.arrays()["logits"])


def test_entropies_are_in_order() -> None:
    ind = Independent.fit(DATA, UNREGULARISED)
    iid = Independent(np.full(N, DATA.mean()))
    _, counts = np.unique(DATA, axis=0, return_counts=True)
    full = -float(counts / len(DATA) @ np.log2(counts / len(DATA)))
    hom, ml = (FITTED[kind, "unregularised"].entropy().value for kind in ("homogeneous", "tracking_ml"))
    assert iid.entropy().value >= ind.entropy().value
    assert hom >= FITTED["coupling", "unregularised"].entropy().value >= ml >= full


def test_many_neurons() -> None:
    """Where a sum over patterns is out of reach: homogeneous rates have a closed form."""
    n = 300
    k = np.arange(n + 1)
    log_count = -0.5 * ((k - 40) / 15.0) ** 2
    log_count -= np.logaddexp.reduce(log_count)
    model = GivenCount(log_count, np.tile(np.linspace(-700, 700, n + 1)[:, None], (1, n)))
    ways = np.array([float(np.sum(np.log(np.arange(n - a + 1, n + 1) / np.arange(1, a + 1)))) for a in k])
    exact = np.exp(log_count) @ (ways - log_count) / np.log(2)
    assert abs(model.entropy().value / exact - 1) < 1e-12
    assert np.abs(model.inclusion - k[:, None] / n).max() < 1e-12
    uneven = GivenCount(log_count, np.tile(np.linspace(-30, 30, n), (n + 1, 1)))
    assert np.abs(uneven.inclusion.sum(axis=1) - k).max() < 1e-9
    assert (uneven.sample(50, 1).sum(axis=1) < n).all()


def test_files_hold_models(tmp_path: Path) -> None:
    names = tuple(f"E_{i}" for i in range(N))
    for model in (*FITTED.values(), Independent.fit(DATA, FitBlock())):
        write_model(tmp_path / "model.h5", ModelFile(model, names, 5.0))
        found = read_model(tmp_path / "model.h5")
        assert (found.names, found.window, type(found.model)) == (names, 5.0, type(model))
        assert np.array_equal(found.model.log_probability(PATTERNS), model.log_probability(PATTERNS))
    with pytest.raises(InputError, match="do not fit a model of 12 neurons"):
        found.model.log_probability(PATTERNS[:, :5])
