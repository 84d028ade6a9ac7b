"""Well-mixed models of one species: p(n) = exp(-Σ_k C(n, k) ν_k) / Z, n = 0, 1, 2, … (note the minus).

JCP 149:034107. K = 1 is the geometric distribution; K = 2 is close to a Gaussian of mean 1/2 - ν₁/ν₂ and variance 1/ν₂.
"""

from __future__ import annotations

import numpy as np
from scipy.special import comb

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from reducers.dbd.energy.family import Enumerated


class WellMixedModel(Enumerated):
    """Binomial potentials of order K on 0 … `largest`; what lies beyond is cut off.

    Raises InputError if K < 1 or `largest` < K.
    """

    def __init__(self, order: int, largest: int) -> None:
        if order < 1 or largest < order:
            raise InputError(f"needs order ≥ 1 and largest ≥ order, not {order} and {largest}")
        self.counts = np.arange(largest + 1)
        features = np.stack([comb(self.counts, k) for k in range(1, order + 1)], axis=1)
        super().__init__([f"nu{k}" for k in range(1, order + 1)], features, sign=-1)

    def tail(self, theta: Floats) -> float:
        """Probability at θ (n,) of the largest count: what the cut may hide."""
        return float(self.probabilities(theta)[-1])

    def drift(self, network: ReactionNetwork, reaction: int, rate: float = 1.0) -> Floats:
        """(n_states, K) Σ propensity(n) (X(n + change) - X(n)) of one reaction of the single species.

        rate: of one event per reactant molecule or ordered pair; events that would leave 0 … largest do not happen.
        """
        if len(network.names) != 1:
            raise InputError(f"a well-mixed model has one species, not {', '.join(network.names)}")
        order = int((network.reactant_columns[reaction] == 0).sum())
        change = int(network.change[reaction, 0])
        n = self.counts
        propensity = rate * (np.ones(len(n)), n, n * (n - 1))[order]
        target = n + change
        inside = (target >= 0) & (target < len(n))
        gain = self.features[np.where(inside, target, 0)] - self.features
        return np.asarray(np.where(inside, propensity, 0.0)[:, None] * gain)


def mean_of_geometric(nu: Floats) -> Floats:
    """⟨n⟩ of K = 1: 1 / (e^ν - 1)."""
    return np.asarray(1.0 / np.expm1(nu))
