"""The distribution over all 2^n states of two-state neurons, exactly, by uniformisation (Jensen, 1953).

The engine `cme` (adapters) holds counts of molecules in a table of states that grows; here every state is a number of
n bits, whose neighbours are told by its bits, so that no table is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.cache.kernels import njit
from reducers.population.master_equation.network import NeuralNetwork, activations
from reducers.population.models.enumeration import MOST, all_patterns

LONGEST = 200.0
"""Expected jumps of a piece of a window: the first weight of the series has to be above 0."""
TAIL = 1e-15


@dataclass(frozen=True)
class NeuralDistribution:
    """time (n_rows,) ms. p (n_rows, 2^n): of states in the order of `all_patterns`."""

    time: Floats
    p: Floats
    n: int

    @property
    def means(self) -> Floats:
        """(n_rows, n) probabilities of being active."""
        return np.asarray(self.p @ all_patterns(self.n))

    def covariances(self, row: int) -> Floats:
        """(n, n) at one time."""
        x = all_patterns(self.n).astype(np.float64)
        mean = self.p[row] @ x
        return np.asarray(x.T @ (x * self.p[row][:, None]) - np.outer(mean, mean))

    def active(self, row: int) -> Floats:
        """(n + 1,) p(k) at one time."""
        return np.bincount(all_patterns(self.n).sum(axis=1), weights=self.p[row], minlength=self.n + 1)


def solve(network: NeuralNetwork, drive: Floats, every: float, start: Floats | None = None) -> NeuralDistribution:
    """Over len(drive) windows of `every` ms. start (2^n,): all are quiescent if not given.

    Raises InputError for more than 20 neurons.
    """
    n = network.n
    if n > MOST:
        raise InputError(f"the master equation of {n} neurons has 2^{n} states: {MOST} neurons are the most, simulate")
    check_memory(8.0 * 2**n * (n + len(drive) + 6), f"a master equation of {2**n} states", "take fewer neurons or rows")
    p = np.zeros((len(drive) + 1, 2**n))
    p[0, 0] = 1.0
    if start is not None:
        p[0] = start
    x, matrix = all_patterns(n).astype(np.float64), network.matrix()
    rates = np.empty((2**n, n))
    for w in range(len(drive)):
        if w == 0 or drive[w] != drive[w - 1]:
            u = x @ matrix.T + network.input + network.gain * drive[w]
            rates = np.where(x > 0, network.decay, network.rate * activations(u, network.activation))
        fastest = float(rates.sum(axis=1).max())
        pieces = max(1, math.ceil(fastest * every / LONGEST))
        p[w + 1] = p[w]
        for _ in range(pieces):
            p[w + 1] = _flow(rates, p[w + 1], every / pieces, fastest)
    return NeuralDistribution(np.asarray(np.arange(len(drive) + 1) * every, dtype=np.float64), p, n)


@njit(cache=True)
def _flow(rates: Floats, p: Floats, span: float, fastest: float) -> Floats:
    """exp(A span) p; rates (2^n, n): of each neuron's change of state in each state. Sums of positive terms only."""
    size, n = rates.shape
    x = fastest * span
    weight = math.exp(-x)
    tail, k = 1.0 - weight, 0
    v, w, later, stay = p.copy(), np.empty(size), weight * p, np.empty(size)
    for s in range(size):
        out = 0.0
        for i in range(n):
            out += rates[s, i]
        stay[s] = 1.0 - out / fastest
    while tail > TAIL and k < x + 14.0 * math.sqrt(x) + 60.0:
        for s in range(size):
            total = v[s] * stay[s]
            for i in range(n):
                other = s ^ (1 << i)
                total += v[other] * rates[other, i] / fastest
            w[s] = total
        k += 1
        weight *= x / k
        tail = max(tail - weight, 0.0)
        for s in range(size):
            v[s] = w[s]
            later[s] += weight * w[s]
    return later
