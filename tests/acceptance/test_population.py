"""Models of patterns at the sizes they are for, their order on held-out windows, and moments of fifteen neurons."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from couple import Experiment, sample
from couple.base.arrays import Floats
from couple.base.units import IONS_PER_MM_UM3
from couple.wiring import make_plan
from reducers.population.comparison.comparison import compare_models
from reducers.population.comparison.data import read_patterns
from reducers.population.comparison.settings import PopulationFile
from reducers.population.master_equation.cme import solve
from reducers.population.master_equation.moments import NeuralMoments, linear_noise, mean_field, second_order
from reducers.population.master_equation.network import NeuralNetwork, dense_synapses
from reducers.population.master_equation.ssa import simulate
from reducers.population.models.dichotomised_gaussian import DichotomisedGaussian
from reducers.population.models.given_count import PopulationTracking, TrackingLikelihood
from reducers.population.models.independent import Independent
from reducers.population.models.model import FitBlock, PatternModel, moments_of
from support.command_line import couple
from support.paths import EXAMPLES

pytestmark = pytest.mark.acceptance


def mean_covariance(rates: Floats, count: Floats) -> float:
    """Of pairs, from rates and p(k): Var K less what the neurons have by themselves."""
    k = np.arange(len(count))
    variance = float(count @ k**2 - (count @ k) ** 2)
    n = len(rates)
    return (variance - float((rates * (1 - rates)).sum())) / (n * (n - 1))


def recovers(model: PatternModel, source: DichotomisedGaussian, windows: int, exact_pairs: bool) -> bool:
    """Whether rates, p(k) and covariances are those of the source, within 4.5 standard errors of data and draws.

    Priors move a rate by 3 of n_k + 3 windows at each k at most, and p(k) by the pseudo-counts.
    """
    n, drawn = source.n, 400_000 if source.n < 500 else 100_000
    truth = source.moments(samples=drawn)
    found = model.moments(samples=drawn)
    prior = 3.0 * np.count_nonzero(found.count * windows > 0.5) / windows
    rates = np.abs(found.rates - truth.rates) < 4.5 * np.sqrt(truth.rates / windows) + prior
    se = np.sqrt(truth.count * (1 / windows + 1 / drawn)) + 0.02 * n / windows
    count = np.abs(found.count - truth.count) < 4.5 * se + 10 / windows
    k = np.arange(n + 1) - truth.count @ np.arange(n + 1)
    kurtosis = float(truth.count @ k**4) - float(truth.count @ k**2) ** 2
    spread = 4.5 * np.sqrt(kurtosis * (1 / windows + 1 / drawn)) / (n * (n - 1)) + 4 * prior / (n - 1)
    pairs = abs(mean_covariance(found.rates, found.count) - mean_covariance(truth.rates, truth.count)) < spread
    if exact_pairs:
        upper = np.triu_indices(n, 1)
        error = 5.5 * np.sqrt(truth.pairs[upper] / windows)  # of half a million pairs at most
        pairs = pairs and bool((np.abs(found.pairs - truth.pairs)[upper] < error + 2 / windows).all())
    return bool(rates.all() and count.all() and pairs)


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_dichotomised_gaussian_data_are_recovered(n: int) -> None:
    rates = np.random.default_rng(1).uniform(0.02, 0.1, n)
    sd = np.sqrt(rates * (1 - rates))
    source = DichotomisedGaussian.of_moments(rates, 0.04 * np.outer(sd, sd))
    windows = 100_000
    states = source.sample(windows, 11)
    authors = PopulationTracking.fit(states, FitBlock())
    assert recovers(authors, source, windows, False) == (n > 10), (
        "rates at k are not the model's own: seen where few are"
    )
    assert recovers(TrackingLikelihood.fit(states, FitBlock()), source, windows, False)
    assert recovers(DichotomisedGaussian.fit(states, FitBlock()), source, windows, True)
    assert not recovers(Independent.fit(states, FitBlock()), source, windows, False), "the control"
    seen = moments_of(states)
    other = DichotomisedGaussian.of_moments(seen.rates, 0.06 * np.outer(sd, sd))
    assert not recovers(other, source, windows, False), "and one with other correlations"


def signs_of(path: Path, *overrides: str) -> tuple[list[str], int]:
    """Pairs of models of a comparison whose difference is beyond two of its standard errors and has its sign in fewer
    than 9 of 10 splits; and how many pairs are beyond.
    """
    file = PopulationFile.load(path, ["population.samples=1000", "population.sizes=[]", *overrides])
    assert file.population.splits == 10
    found = compare_models(file, read_patterns(file, path.parent))
    scores = [(s.kind, s.held_out) for s in found.scores if s.held_out is not None]
    assert len(scores) == len(file.population.models)
    wrong, judged = [], 0
    for i, (one, held) in enumerate(scores):
        for other, base in scores[:i]:
            apart = held.less(base)
            mean, error = apart.mean()
            if abs(mean) > 2 * error:
                judged += 1
                kept = int((np.sign(apart.by_split) == np.sign(mean)).sum())
                print(f"{path.name} {overrides}: {one} - {other}: {mean:+.5f} +- {error:.5f}, {kept} of 10")
                wrong += [f"{one} - {other}: {mean:+.5f} +- {error:.5f}, {kept} of 10"] * (kept < 9)
    return wrong, judged


@pytest.mark.parametrize("name", ["critical", "drive"])
def test_differences_beyond_two_errors_keep_their_sign(name: str) -> None:
    """Of all pairs of models of the examples that make their patterns, in at least 9 of 10 splits."""
    wrong, judged = signs_of(EXAMPLES / "population" / f"{name}.toml")
    assert not wrong and judged > 5, (wrong, judged)


@pytest.mark.parametrize("name", ["network", "spines"])
def test_differences_keep_their_sign_after_the_runs_that_examples_ask_for(name: str, tmp_path: Path) -> None:
    """The same of patterns of runs, whose commands are those in the head of the example."""
    path = EXAMPLES / "population" / f"{name}.toml"
    runs = [line for line in path.read_text().splitlines() if line.startswith("#   uv run couple run ")]
    assert len(runs) == 2
    for line in runs:
        command = shlex.split(line)[4:]
        out = tmp_path / Path(command[command.index("--out") + 1]).name
        command[command.index("--out") + 1] = str(out)
        assert couple(*command, "--quiet") == 0
        wrong, judged = signs_of(path, f"data.results={out}")
        assert not wrong, (wrong, judged)


def network(n: int, strength: float) -> NeuralNetwork:
    rng = np.random.default_rng(2)
    weights = rng.normal(0.3, 0.5, (n, n)) * strength / np.sqrt(n)
    np.fill_diagonal(weights, 0.0)
    return NeuralNetwork(dense_synapses(weights), rng.uniform(-0.6, 0.6, n), np.ones(n), 0.8, 0.3, "logistic")


def test_fifteen_neurons() -> None:
    """The error of second order is of third order in the strength of the weights or higher, that of the mean field of
    second order, and the error of linear noise is below its covariances'.
    """
    drive, n, strengths = np.array([0.0, 0.7, 0.7, -0.4]), 15, np.array([0.5, 1.0, 2.0])
    off: dict[str, list[float]] = {"mean_field": [], "second_order": [], "covariances": []}
    for strength in strengths:
        net = network(n, float(strength))
        exact = solve(net, drive, 1.0)
        found: list[NeuralMoments] = [m(net, drive, 1.0) for m in (mean_field, second_order, linear_noise)]
        upper, covariances = np.triu_indices(n, 1), exact.covariances(-1)
        off["mean_field"].append(float(np.abs(found[0].means[-1] - exact.means[-1]).max()))
        off["second_order"].append(float(np.abs(found[1].means[-1] - exact.means[-1]).max()))
        off["covariances"].append(float(np.abs(found[1].covariances[-1] - covariances)[upper].max()))
        size = float(np.abs(covariances[upper]).max())
        assert off["covariances"][-1] < 0.1 * size
        assert float(np.abs(found[2].covariances[-1] - covariances)[upper].max()) < size
    orders = {name: float(np.polyfit(np.log(strengths), np.log(errors), 1)[0]) for name, errors in off.items()}
    assert 1.7 < orders["mean_field"] < 2.5, orders
    assert orders["second_order"] > 2.7 and orders["covariances"] > 1.8, orders


def neurons(experiment: Experiment) -> NeuralNetwork:
    """The network of examples/population/neurons.toml: f linear, and far below 1."""
    plan = make_plan(experiment)
    volume, n = plan.sites[0].geometry.volume, 100
    recurrent, driven, decay = (reaction.rate for reaction in plan.network.reactions)
    weights = np.full((n, n), recurrent / (IONS_PER_MM_UM3 * volume))
    np.fill_diagonal(weights, 0.0)
    return NeuralNetwork(dense_synapses(weights), np.zeros(n), np.full(n, driven * 1e-3), 1.0, decay, "linear")


def test_the_chemistry_of_the_example_is_the_neural_master_equation(tmp_path: Path) -> None:
    """Means and variances of active neurons over the course of the input, of 300 runs each."""
    experiment = Experiment.load(EXAMPLES / "population" / "neurons.toml")
    with sample(experiment, 300, folder=tmp_path / "many", jobs=1) as runs:
        chemical = runs["population.A"]
    start = np.zeros(100, dtype=np.uint8)
    start[:15] = 1
    drive = np.array([1.0] * 100 + [4.0] * 100 + [1.0] * 200)  # uM in each ms
    net = neurons(experiment)
    neural = np.array([simulate(net, drive, 1.0, seed, start, keep=False).active for seed in range(300)])
    for row in (99, 150, 199, 260, 399):
        a, b = chemical[:, row], neural[:, row]
        se = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 300)
        assert abs(a.mean() - b.mean()) < 4.5 * se
        assert abs(np.log(a.var(ddof=1) / b.var(ddof=1))) < 4.5 * np.sqrt(4 / 299)
    assert abs(chemical[:, 199].mean() - neural[:, 99].mean()) > 4.5 * np.sqrt(2 * chemical[:, 199].var() / 300)


def test_a_distribution_is_learned_from_runs_of_neurons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mean and variance under an input that it never saw within 3 % and 10 %."""
    path = EXAMPLES / "population" / "neurons_train.toml"
    assert couple("train", str(path), "--out", str(tmp_path / "out"), "--quiet") == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())["held_out"]
    assert found["mean of A"] < 0.03 and found["variance of A"] < 0.10
