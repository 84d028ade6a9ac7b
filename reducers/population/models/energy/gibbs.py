"""Gibbs chains of patterns with couplings between any two neurons and with hidden units that are summed over.

The kernels of reducers.dbd draw layers whose units share their couplings, from tables of neighbour counts; here each
pair has its own.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from couple.base.arrays import Floats, Words
from couple.cache.kernels import njit
from couple.rng.streams import generator, stream, uniform
from reducers.population.models.energy.energy import Energy
from reducers.population.models.model import Estimate
from reducers.population.patterns.patterns import Bits

TEMPERATURES = 400
"""Steps of annealed importance sampling."""


@njit(cache=True)
def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@njit(cache=True)
def sweep(
    states: Bits, bias: Floats, pairs: Floats, count: Floats, weights: Floats, hidden: Floats, scale: float,
    sweeps: int, words: Words,
) -> None:  # fmt: skip
    """Draw every neuron of all chains (chains, n) given the others, `sweeps` times. scale: of what hidden units add."""
    chains, n = states.shape
    field, inputs = np.empty(n), np.empty(len(hidden))
    for c in range(chains):
        x, k = states[c], 0
        field[:] = bias
        inputs[:] = hidden
        for j in range(n):
            if x[j]:
                k += 1
                for i in range(n):
                    field[i] += pairs[j, i]
                for h in range(len(hidden)):
                    inputs[h] += weights[h, j]
        for _ in range(sweeps):
            for i in range(n):
                others = k - x[i]
                gain = field[i] + count[others + 1] - count[others]
                for h in range(len(hidden)):
                    without = inputs[h] - (weights[h, i] if x[i] else 0.0)
                    gain += scale * (_softplus(without + weights[h, i]) - _softplus(without))
                new = uniform(words) * (1.0 + math.exp(-min(max(gain, -700.0), 700.0))) <= 1.0
                if new != x[i]:
                    sign = 1.0 if new else -1.0
                    for j in range(n):
                        field[j] += sign * pairs[i, j]
                    for h in range(len(hidden)):
                        inputs[h] += sign * weights[h, i]
                    x[i] = new
                    k = others + new


def sweep_energy(energy: Energy, states: Bits, sweeps: int, words: Words, scale: float = 1.0) -> None:
    """`sweep` with the parameters of an energy."""
    sweep(
        states, energy.bias, energy.pairs, energy.count, np.ascontiguousarray(energy.weights), energy.hidden, scale,
        sweeps, words,
    )  # fmt: skip


def independent_chains(rates: Floats, chains: int, seed: int, purpose: str) -> Bits:
    """(chains, n) of independent neurons."""
    rng = generator(seed, "population", "start", purpose)
    return (rng.random((chains, len(rates))) < rates).astype(np.uint8)


def anneal(energy: Energy, rates: Floats, chains: int, seed: int) -> Estimate:
    """ln Z by annealed importance sampling (Neal, Stat Comput 11:125, 2001) from independent neurons of rates (n,)."""
    start = Energy.independent(rates)
    words = stream(seed, "population", "anneal", "chains")
    states = independent_chains(rates, chains, seed, "anneal")
    log_w = np.zeros(chains)
    base = replace_hidden(start, energy)

    def tilt() -> Floats:
        return energy.log_weight(states) - base.log_weight(states) + len(energy.hidden) * math.log(2.0)

    steps = np.linspace(0.0, 1.0, TEMPERATURES + 1)
    for before, after in pairwise(steps):
        log_w += (after - before) * tilt()
        sweep_energy(energy.between(start, float(after)), states, 1, words, float(after))
    top = float(log_w.max())
    w = np.exp(log_w - top)
    error = float(w.std() / w.mean() / math.sqrt(chains))
    return Estimate(float(np.logaddexp(0.0, start.bias).sum()) + top + math.log(float(w.mean())), error)


def replace_hidden(start: Energy, energy: Energy) -> Energy:
    """`start` with hidden units that feel nothing, as many as `energy` has."""
    empty = np.zeros_like(energy.hidden)
    return Energy(start.bias, start.pairs, start.count, np.zeros_like(energy.weights), empty)
