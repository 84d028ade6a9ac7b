"""Models of patterns and the neural master equation: what a fit, an entropy and an event cost.

    uv run python tests/bench/population.py [fit] [sampling] [events]

`sampling` is the method of O'Donnell et al. (2017), re-implemented in pattern_sampling.py, with an error that
is printed beside; the exact entropy has none (1e-12). Fewer patterns than the authors' cost less, for an error that
Gaussians keep at any number; sums by weights lose theirs as the square root of it, which an extrapolation goes by.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from figures import report
from pattern_sampling import draw_by_rejection, sampled_entropy, sampled_normalisers

from couple.base.arrays import Floats
from couple.rng.streams import stream
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


AUTHORS = 100_000
"""Patterns at each k that the authors draw for an entropy."""


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


def sampling() -> None:
    small = PopulationTracking.fit(correlated(10, 1000), FitBlock())
    sampled_entropy(small, 20)  # compiles
    small.sample(10, 1)
    draw_by_rejection(
        rates_of(small),
        np.cumsum(np.exp(small.log_count)),
        stream(1, "bench", "patterns", "rejection"),
        np.zeros((2, 10), dtype=np.uint8),
    )
    for n in (100, 1000):
        model = PopulationTracking.fit(correlated(n, 100_000), FitBlock())
        exact = model.entropy().value
        fast, _ = timed(lambda model=model: PopulationTracking(model.log_count, model.logits.copy()).entropy())
        report(f"exact entropy of {n} neurons, normalisers included", fast, "s")
        for samples in (1000, 10_000, 100_000):
            slow, found = timed(lambda samples=samples, model=model: sampled_entropy(model, samples))
            assert isinstance(found, float)
            report(f"sampled entropy of {n} neurons, {samples} patterns for each k", slow, "s")
            report(f"its relative error, {n} neurons, {samples}", 1e6 * abs(found / exact - 1), "1e-6")
            target = 20.0 if samples == AUTHORS else None
            report(f"sampled over exact, {n} neurons, {samples}", slow / fast, "1", target, more=True)
        slow, found = timed(lambda model=model: sampled_entropy(model, 10_000, gaussians=False))
        assert isinstance(found, float)
        off = abs(found / exact - 1)
        report(f"relative error by weights in the place of Gaussians, {n} neurons, 10000", 1e6 * off, "1e-6")
        report(f"by weights over exact, {n} neurons, 10000", slow / fast, "1")
        needed = slow / fast * max(off / 1e-6, 1.0) ** 2
        report(f"by weights over exact at an error of 1e-6, {n} neurons, extrapolated", needed, "1", 20.0, more=True)
        slow, log_e = timed(lambda model=model: sampled_normalisers(model, 10_000))
        apart = np.abs(np.asarray(log_e) - model.log_e)[1:-1]
        report(f"error of ln a_k, importance sampling with 10000, {n} neurons, largest", float(apart.max()), "1")
        report(f"sampled normalisers over exact entropy, {n} neurons", slow / fast, "1")
        out = np.zeros((2000, n), dtype=np.uint8)
        rates, cumulative = rates_of(model), np.cumsum(np.exp(model.log_count))
        slow, tries = timed(
            lambda r=rates, c=cumulative, o=out: draw_by_rejection(r, c, stream(1, "bench", "patterns", "rejection"), o)
        )
        assert isinstance(tries, int)
        fast, _ = timed(lambda model=model: model.sample(2000, 1))
        report(f"proposals for a pattern by rejection, {n} neurons", tries / len(out), "1")
        report(f"draws by rejection over exact ones, {n} neurons", slow / fast, "1")


def rates_of(model: PopulationTracking) -> Floats:
    """(n + 1, n) with which the authors propose: 0 of k = 0, and 1 of k = n."""
    rates = 1 / (1 + np.exp(-model.logits))
    rates[0], rates[-1] = 0.0, 1.0
    return np.asarray(rates)


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
