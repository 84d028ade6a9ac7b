"""What every model of patterns can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import Field

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.base.schema import Block, Integer
from reducers.population.models.enumeration import all_patterns
from reducers.population.patterns.patterns import Bits

ENUMERATED = 14
"""Neurons up to which moments and entropies of any model are sums over all patterns."""
SAMPLES = 100_000
"""Patterns that are drawn for them otherwise."""
LARGEST = 1e9
"""Windows that a prior may stand for."""
BLOCK = 1 << 24
"""Numbers that are held at a time where windows are summed over."""


class FitBlock(Block):
    """How models are fitted.

    seed:     of all that is drawn.
    dirichlet: pseudo-count of each number of active neurons, p(k) ∝ n_k + dirichlet.
    prior:    strength of the beta prior of rates at each k, in windows: β₁ + β₂ (O'Donnell et al. 2017: 3); windows of
              independent neurons beside the covariances of a dichotomised Gaussian; 0 for none.
    ridge:    penalty of squared couplings, beside the log-likelihood of all windows: as a normal prior of variance
              1/(2 ridge).
    hidden:   units of Boltzmann machines.
    history:  windows that a GLM looks back.
    chains, sweeps: Gibbs chains, and sweeps of them for each gradient where sums over all patterns are too long.
    iterations: gradients at most.
    exact:    neurons up to which maximum entropy models are sums over all patterns.
    """

    seed: Integer = Field(default=1, ge=0, lt=2**63)
    dirichlet: float = Field(default=0.01, ge=0, le=LARGEST)
    prior: float = Field(default=3.0, ge=0, le=LARGEST)
    ridge: float = Field(default=1.0, ge=0, le=LARGEST)
    hidden: Integer = Field(default=10, ge=1, le=10_000)
    history: Integer = Field(default=3, ge=1, le=1000)
    chains: Integer = Field(default=500, ge=2, le=1_000_000)
    sweeps: Integer = Field(default=2, ge=1, le=10_000)
    iterations: Integer = Field(default=300, ge=1, le=1_000_000)
    exact: Integer = Field(default=12, ge=0, le=20)


class Estimate(NamedTuple):
    """A number and its standard error, 0 where it is exact."""

    value: float
    error: float


@dataclass(frozen=True)
class Moments:
    """rates (n,): probability that each neuron is active in a window. pairs (n, n): E[x_i x_j]. triplets (m,):
    E[x_i x_j x_k] of given triplets. count: (n + 1,) p(k). exact: whether these are no estimates from draws.
    """

    rates: Floats
    pairs: Floats
    triplets: Floats
    count: Floats
    exact: bool

    @property
    def covariances(self) -> Floats:
        """(n, n)."""
        return self.pairs - np.outer(self.rates, self.rates)


def moments_of(states: Bits, triplets: Ints | None = None, weights: Floats | None = None) -> Moments:
    """Moments of patterns (m, n), weighted (m,) or equally. triplets: (t, 3) numbers of neurons."""
    m, n = states.shape
    listed = np.zeros((0, 3), dtype=np.int64) if triplets is None else triplets
    together = (states[:, a] & states[:, b] & states[:, c] for a, b, c in listed)
    active = states.sum(axis=1, dtype=np.int64)
    if weights is None:
        pairs = count_pairs(states) / m
        third = np.array([float(one.mean()) for one in together])
        return Moments(np.diag(pairs).copy(), pairs, third, np.bincount(active, minlength=n + 1) / m, False)
    x = states.astype(np.float64)
    third = np.array([float(weights @ one) for one in together])
    count = np.bincount(active, weights=weights, minlength=n + 1)
    return Moments(weights @ x, x.T @ (x * weights[:, None]), third, count, True)


def count_pairs(states: Bits) -> Floats:
    """(n, n) windows in which both neurons of a pair are active, in memory for a few windows at a time."""
    m, n = states.shape
    step, found = max(1, min(BLOCK // n, 1 << 24)), np.zeros((n, n))
    for a in range(0, m, step):
        x = states[a : a + step].astype(np.float32)  # exact below 2^24 windows
        found += x.T @ x
    return found


class PatternModel(ABC):
    """A probability of patterns x (n,) of 0 and 1.

    KIND: its name in files. DIRECT: "exact" or "estimate": what `log_probability` gives. ORDERED: whether patterns are
    successive windows, each given those before it.
    """

    KIND: ClassVar[str]
    WORDS: ClassVar[str]
    DIRECT: ClassVar[str] = "exact"
    ORDERED: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """The model of patterns (n_windows, n). Raises InputError if it cannot be fitted to them."""

    @property
    @abstractmethod
    def n(self) -> int:
        """Neurons."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Free numbers."""

    @abstractmethod
    def log_probability(self, states: Bits) -> Floats:
        """(m,) natural logarithms of the probabilities of patterns (m, n)."""

    @abstractmethod
    def sample(self, m: int, seed: int) -> Bits:
        """(m, n) patterns."""

    def entropy(self, seed: int = 1) -> Estimate:
        """Of the patterns, in bits: exact, or of patterns that are drawn."""
        if self.n <= ENUMERATED and not self.ORDERED and self.DIRECT == "exact":
            log_p = self.log_probability(all_patterns(self.n))
            p = np.exp(log_p)
            return Estimate(-float(p @ np.where(p > 0, log_p, 0.0)) / np.log(2), 0.0)
        log_p = self.log_probability(self.sample(SAMPLES // 10, seed)) / np.log(2)
        return Estimate(-float(log_p.mean()), float(log_p.std() / np.sqrt(len(log_p))))

    def moments(self, triplets: Ints | None = None, seed: int = 1, samples: int = SAMPLES) -> Moments:
        """Of single neurons, pairs and triplets (t, 3): sums over all patterns of few neurons, else of draws."""
        if self.n <= ENUMERATED and not self.ORDERED and self.DIRECT == "exact":
            states = all_patterns(self.n)
            return moments_of(states, triplets, np.exp(self.log_probability(states)))
        return moments_of(self.sample(samples, seed), triplets)

    @abstractmethod
    def arrays(self) -> dict[str, Floats]:
        """All that the model is, by name, for files."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """The model of `arrays`. Raises KeyError or ValueError for those of another."""

    def check_states(self, states: Bits) -> None:
        """Raise InputError unless patterns have as many neurons as the model."""
        if states.ndim != 2 or states.shape[1] != self.n:
            raise InputError(f"patterns of shape {states.shape} do not fit a model of {self.n} neurons")


def facts_of(model: PatternModel) -> dict[str, Any]:
    """What `couple` prints about a model."""
    return {"model": model.KIND, "neurons": model.n, "parameters": model.parameters, "probabilities": model.DIRECT}
