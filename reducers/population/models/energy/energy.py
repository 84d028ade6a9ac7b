"""Energies of patterns, and their gradients: everything that maximum entropy and Boltzmann machines have in common.

ln p(x) + ln Z = b·x + ½ x·J x + V_K + Σ_h ln(1 + exp(c_h + W_h·x)): pairwise (V = 0, no hidden units), K-pairwise
(Tkačik et al., PLoS Comput Biol 10:e1003408, 2014), restricted (J = V = 0) and semi-restricted (Köster, Sohl-Dickstein,
Gray & Olshausen, PLoS Comput Biol 10:e1003684, 2014), whose hidden units are summed over.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from couple.base.arrays import Floats
from reducers.population.patterns.patterns import Bits


@dataclass(frozen=True)
class Energy:
    """bias (n,), pairs (n, n) symmetric with a diagonal of 0, count (n + 1,), weights (hidden, n), hidden (hidden,)."""

    bias: Floats
    pairs: Floats
    count: Floats
    weights: Floats
    hidden: Floats

    @classmethod
    def independent(cls, rates: Floats, n_hidden: int = 0) -> Self:
        """Of neurons with these rates (n,), above 0 and below 1."""
        n = len(rates)
        bias = np.log(rates) - np.log1p(-rates)
        return cls(bias, np.zeros((n, n)), np.zeros(n + 1), np.zeros((n_hidden, n)), np.zeros(n_hidden))

    @property
    def n(self) -> int:
        """Neurons."""
        return len(self.bias)

    def log_weight(self, states: Bits) -> Floats:
        """(m,) ln p + ln Z of patterns (m, n)."""
        x = states.astype(np.float64)
        found = x @ self.bias + 0.5 * ((x @ self.pairs) * x).sum(axis=1) + self.count[states.sum(axis=1)]
        if len(self.hidden):
            found += np.logaddexp(0.0, x @ self.weights.T + self.hidden).sum(axis=1)
        return np.asarray(found)

    def mean_gradient(self, states: Bits, weights: Floats) -> Energy:
        """Mean of the derivatives of `log_weight` by all parameters, of patterns (m, n) with weights (m,) of sum 1."""
        x = states.astype(np.float64)
        xw = x * weights[:, None]
        pairs = x.T @ xw
        np.fill_diagonal(pairs, 0.0)
        count = np.bincount(states.sum(axis=1), weights=weights, minlength=self.n + 1)
        if not len(self.hidden):
            return Energy(xw.sum(axis=0), pairs, count, self.weights, self.hidden)
        on = 1.0 / (1.0 + np.exp(-np.clip(x @ self.weights.T + self.hidden, -700, 700)))
        return Energy(xw.sum(axis=0), pairs, count, on.T @ xw, weights @ on)

    def between(self, start: Energy, share: float) -> Energy:
        """start + share (self - start), but for the hidden units, which are scaled by whoever sums over them."""
        mixed = {
            k: getattr(start, k) + share * (getattr(self, k) - getattr(start, k)) for k in ("bias", "pairs", "count")
        }
        return replace(self, **mixed)

    def arrays(self) -> dict[str, Floats]:
        """By name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
