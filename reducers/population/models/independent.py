"""Neurons that know nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.rng.streams import generator
from reducers.population.models.conditional_bernoulli import fill_table
from reducers.population.models.model import Estimate, FitBlock, Moments, PatternModel
from reducers.population.patterns.patterns import Bits


class Independent(PatternModel):
    """rates: (n,) probabilities of being active, above 0 and below 1."""

    KIND, WORDS = "independent", "independent"

    def __init__(self, rates: Floats) -> None:
        self.rates = np.asarray(rates, dtype=np.float64)

    @property
    def n(self) -> int:
        """Neurons."""
        return len(self.rates)

    @property
    def parameters(self) -> int:
        """One for each neuron."""
        return self.n

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """Rates with a pseudo-count (`dirichlet`) of each state."""
        a = settings.dirichlet
        return cls(np.asarray((states.sum(axis=0, dtype=np.int64) + a) / (len(states) + 2 * a), dtype=np.float64))

    def log_probability(self, states: Bits) -> Floats:
        """(m,) natural logarithms."""
        self.check_states(states)
        with np.errstate(divide="ignore"):
            one, zero = np.log(self.rates), np.log1p(-self.rates)
        if np.isfinite(one).all() and np.isfinite(zero).all():
            return np.asarray(states @ (one - zero) + zero.sum())
        return np.asarray(np.where(states, one, zero).sum(axis=1))

    def sample(self, m: int, seed: int) -> Bits:
        """(m, n)."""
        rng = generator(seed, "population", "draw", self.KIND)
        return (rng.random((m, self.n)) < self.rates).astype(np.uint8)

    def entropy(self, seed: int = 1) -> Estimate:
        """Bits, exact."""
        terms = [p * np.log2(p) for p in (*self.rates, *(1 - self.rates)) if p > 0]
        return Estimate(-float(np.sum(terms)), 0.0)

    def moments(self, triplets: Ints | None = None, seed: int = 1, samples: int = 0) -> Moments:
        """Exact."""
        pairs = np.outer(self.rates, self.rates)
        np.fill_diagonal(pairs, self.rates)
        listed = np.zeros((0, 3), dtype=np.int64) if triplets is None else triplets
        table = np.zeros((self.n + 1, self.n + 2))
        count = np.zeros(self.n + 1)
        for k in range(self.n + 1):
            fill_table(self.rates, 1 - self.rates, k, table)
            count[k] = table[self.n, k]
        return Moments(self.rates, pairs, self.rates[listed].prod(axis=1), count, True)

    def arrays(self) -> dict[str, Floats]:
        """rates."""
        return {"rates": self.rates}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """Of `arrays`."""
        return cls(arrays["rates"])
