"""Models of patterns and the neural master equation: what a fit, an entropy and an event cost.

    uv run python tests/bench/population.py [fit] [sampling] [events]

`sampling` is the method of O'Donnell et al. (2017), re-implemented: normalisers by importance sampling over random
patterns, entropy from the log-probabilities of these patterns by their weights. What it gives has an error of
its own, printed beside; the exact one has none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from figures import report

from couple.base.arrays import Floats
from reducers.population.master_equation.network import NeuralNetwork, dense_synapses, random_synapses
from reducers.population.master_equation.ssa import simulate
from reducers.population.models.dichotomised_gaussian import DichotomisedGaussian
from reducers.population.models.given_count import PopulationTracking
from reducers.population.models.model import FitBlock
from reducers.population.patterns.patterns import Bits


def correlated(n: int, windows: int) -> Bits:
    """Of a dichotomised Gaussian with rates of 1 to 10 % and correlations of 0.03."""
    rates = np.random.default_rng(1).uniform(0.01, 0.1, n)
    sd = np.sqrt(rates * (1 - rates))
    return DichotomisedGaussian.of_moments(rates, 0.03 * np.outer(sd, sd)).sample(windows, 2)


def timed(task: Callable[[], object]) -> tuple[float, object]:
    begun = time.process_time()
    found = task()
    return time.process_time() - begun, found


def fit() -> None:
    PopulationTracking.fit(correlated(10, 100), FitBlock()).sample(10, 1)
    for n, windows in ((100, 100_000), (1000, 100_000)):
        states = correlated(n, windows)
        seconds, model = timed(lambda states=states: PopulationTracking.fit(states, FitBlock()))
        assert isinstance(model, PopulationTracking)
        report(f"fit of {n} neurons in {windows} windows", seconds, "s", 10.0)
        rebuilt, entropy = timed(
            lambda model=model: PopulationTracking(model.log_count, model.logits.copy()).entropy().value
        )
        report(f"exact entropy of {n} neurons ({entropy:.4f} bits)", rebuilt, "s", 60.0)
        drawn, _ = timed(lambda model=model: model.sample(10_000, 1))
        report(f"draws of {n} neurons", 10_000 / drawn, "1/s")


def sampled_entropy(model: PopulationTracking, samples: int, rng: np.random.Generator) -> float:
    """Bits: normalisers and mean log-probabilities at each k by random patterns with k ones, weighted."""
    n, p = model.n, np.exp(model.log_count)
    total = 0.0
    for k in range(n + 1):
        if p[k] < 1e-7:
            continue
        order = rng.random((samples, n)).argpartition(k - 1 if k else 0, axis=1)[:, :k]
        weights: Floats = model.logits[k][order].sum(axis=1) if k else np.zeros(1)
        ways = float(np.sum(np.log(np.arange(n - k + 1, n + 1) / np.arange(1, k + 1))))
        top = weights.max()
        log_e = ways + top + np.log(np.exp(weights - top).mean())
        share = np.exp(weights - top) / np.exp(weights - top).sum()
        total += p[k] * (log_e - share @ weights - model.log_count[k])
    return total / float(np.log(2))


def sampling() -> None:
    model = PopulationTracking.fit(correlated(100, 100_000), FitBlock())
    exact = model.entropy().value
    seconds, _ = timed(lambda: PopulationTracking(model.log_count, model.logits.copy()).entropy())
    for samples in (1000, 10_000, 100_000):
        slow, found = timed(lambda samples=samples: sampled_entropy(model, samples, np.random.default_rng(3)))
        assert isinstance(found, float)
        report(f"sampled entropy of 100 neurons, {samples} patterns for each k", slow, "s")
        report(f"its relative error, {samples}", abs(found / exact - 1), "1")
        report(f"sampled over exact, {samples}", slow / seconds, "1", 20.0, more=True)


def events() -> None:
    rng = np.random.default_rng(4)

    def network(n: int, degree: int) -> NeuralNetwork:
        weights = rng.normal(0.3, 0.5, n) / degree
        if degree == n:
            matrix = np.tile(weights, (n, 1))
            np.fill_diagonal(matrix, 0.0)
            synapses = dense_synapses(matrix)
        else:
            synapses = random_synapses(n, degree, weights, rng)
        return NeuralNetwork(synapses, np.full(n, 0.3), np.ones(n), 1.0, 0.5, "tanh")

    def speed(net: NeuralNetwork, events: float) -> float:
        steps = np.zeros(1)
        simulate(net, steps, 1.0, 1, keep=False)
        span = events / (net.n * 0.18)
        seconds, run = timed(lambda: simulate(net, steps, span, 1, keep=False))
        return run.events / seconds  # type: ignore[attr-defined]

    best = [
        max(speed(network(1000, 1000), 1e6) for _ in range(3)),
        max(speed(network(1000, 20), 4e6) for _ in range(3)),
    ]
    report("events of 1000 neurons on all others", best[0], "1/s", 1e6, more=True)
    report("events of 1000 neurons with 20 synapses", best[1], "1/s", 5e6, more=True)
    report("events of 100000 neurons with 20 synapses", speed(network(100_000, 20), 4e6), "1/s")
    degrees = np.array([10, 20, 50, 100, 200, 400])
    cost = np.array([1e9 / max(speed(network(2000, int(d)), 5e5) for _ in range(3)) for d in degrees])
    slope, base = np.polyfit(degrees, cost, 1)
    report("cost of an event: per synapse", slope, "ns")
    report("cost of an event: without synapses", base, "ns")
    left = cost - (slope * degrees + base)
    report(
        "share of its variance that is linear in the synapses", float(1 - left.var() / cost.var()), "1", 0.98, more=True
    )


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ("fit", "sampling", "events"):
        {"fit": fit, "sampling": sampling, "events": events}[wanted]()
