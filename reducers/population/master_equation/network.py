"""Networks of two-state neurons.

Neuron i becomes active at the rate r f(u_i), u_i = Σ_j w_ij s_j + h_i + g_i h(t), and quiescent at the rate α (Cowan,
NIPS 3:62, 1991; Buice & Cowan, Phys Rev E 75:051919, 2007; Benayoun, Cowan, van Drongelen & Wallace, PLoS Comput Biol
6:e1000846, 2010). f rises from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.cache.kernels import njit

Activation = Literal["logistic", "tanh", "linear"]
CODES: dict[str, int] = {"logistic": 0, "tanh": 1, "linear": 2}


class Synapses(NamedTuple):
    """By the neuron that they come from: those of j are first[j] to first[j + 1]; dense: each on all, in order."""

    first: Ints
    target: npt.NDArray[np.int32]
    weight: Floats
    dense: bool


@dataclass(frozen=True)
class NeuralNetwork:
    """synapses: w. input (n,): h. gain (n,): g, of the drive. rate: r, 1/ms. decay: α, 1/ms. activation: f, as
    "logistic", 1/(1 + e^-u); "tanh", of u > 0; or "linear", u between 0 and 1.
    """

    synapses: Synapses
    input: Floats
    gain: Floats
    rate: float
    decay: float
    activation: Activation

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and math.isfinite(self.decay) and self.rate > 0 and self.decay > 0):
            raise InputError(f"rates of activation and decay have to be above 0, not {self.rate:g} and {self.decay:g}")
        if len(self.synapses.first) != self.n + 1 or self.gain.shape != self.input.shape:
            raise InputError(f"synapses of {len(self.synapses.first) - 1} neurons do not fit {self.n} inputs")
        if not (np.isfinite(self.synapses.weight).all() and np.isfinite(self.input).all()):
            raise InputError("weights and inputs of neurons have to be finite")

    @property
    def n(self) -> int:
        """Neurons."""
        return len(self.input)

    def matrix(self) -> Floats:
        """(n, n) weights, [on, of]."""
        found = np.zeros((self.n, self.n))
        source = np.repeat(np.arange(self.n), np.diff(self.synapses.first))
        np.add.at(found, (self.synapses.target, source), self.synapses.weight)
        return found


def dense_synapses(weights: Floats) -> Synapses:
    """Of a matrix (n, n), [on, of]."""
    n = len(weights)
    target = np.tile(np.arange(n, dtype=np.int32), n)
    return Synapses(np.arange(n + 1, dtype=np.int64) * n, target, np.ascontiguousarray(weights.T).ravel(), True)


def random_synapses(n: int, degree: int, weights: Floats, rng: np.random.Generator) -> Synapses:
    """`degree` others for each neuron, drawn, no other twice; weights (n,): of those that come from each."""
    if not 0 < degree < n:
        raise InputError(f"{degree} synapses of each of {n} neurons: give 1 to {n - 1}")
    target = np.empty((n, degree), dtype=np.int32)
    for j in range(n):
        found = rng.choice(n - 1, degree, replace=False) if degree > n // 20 else _few(n - 1, degree, rng)
        target[j] = np.sort(found + (found >= j))
    return Synapses(np.arange(n + 1, dtype=np.int64) * degree, target.ravel(), np.repeat(weights, degree), False)


def _few(n: int, k: int, rng: np.random.Generator) -> Ints:
    """(k,) distinct integers below n, of k that is far below."""
    found = np.unique(rng.integers(0, n, k))
    while len(found) < k:
        found = np.unique(np.concatenate([found, rng.integers(0, n, k - len(found))]))
    return found.astype(np.int64)


@njit(cache=True, inline="always")
def activate(u: float, code: int) -> float:
    """f(u), between 0 and 1."""
    if code == 0:
        return 1.0 / (1.0 + math.exp(-u))
    if u <= 0.0:
        return 0.0
    return math.tanh(u) if code == 1 else min(u, 1.0)


def activations(u: Floats, activation: Activation) -> Floats:
    """f of an array."""
    if activation == "logistic":
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * u)))
    return np.asarray(np.tanh(np.maximum(u, 0.0)) if activation == "tanh" else np.clip(u, 0.0, 1.0))


def slopes(u: Floats, activation: Activation) -> Floats:
    """f' of an array."""
    f = activations(u, activation)
    if activation == "logistic":
        return np.asarray(f * (1 - f))
    return np.asarray(np.where(u > 0, 1 - f**2, 0.0) if activation == "tanh" else ((u > 0) & (u < 1)) * 1.0)
