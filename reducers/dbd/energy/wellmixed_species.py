"""Well-mixed models of several species: numbers that are independent of each other, p(n) = Π_s p_s(n_s).

Each p_s is a `WellMixedModel`; what species do to each other stands in the law of motion. K = 1 follows mean numbers,
K = 2 variances as well; correlations between species are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import block_diag

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from reducers.dbd.energy.wellmixed import WellMixedModel


class WellMixedSpecies:
    """Binomial potentials of order K on 0 … `largest` for each species. Parameters: nu1_A, nu2_A, …, nu1_B, …

    Raises InputError if K < 1, `largest` < K, or a species is given twice.
    """

    sign = -1

    def __init__(self, order: int, largest: int, species: Sequence[str]) -> None:
        self.species, self.order, self.one = tuple(species), order, WellMixedModel(order, largest)
        if not self.species or len(set(self.species)) < len(self.species):
            raise InputError(f"needs one or more species, each once, not {list(species)}")
        self.parameters = tuple(f"{name}_{s}" for s in self.species for name in self.one.parameters)

    @property
    def counts(self) -> Ints:
        """(n_states,) numbers that a species may have."""
        return self.one.counts

    def split(self, theta: Floats) -> Floats:
        """(n_species, K) of θ (n,)."""
        return theta.reshape(len(self.species), self.order)

    def features_of(self, counts: Ints) -> Floats:
        """(…, n) X of numbers (…, n_species)."""
        found = self.one.features[counts]
        return np.asarray(found.reshape(*found.shape[:-2], -1))

    def log_z(self, theta: Floats) -> float:
        """ln Z at θ (n,)."""
        return sum(self.one.log_z(t) for t in self.split(theta))

    def moments(self, theta: Floats) -> Floats:
        """(n,) ⟨X⟩ at θ (n,)."""
        return np.concatenate([self.one.moments(t) for t in self.split(theta)])

    def covariance(self, theta: Floats) -> Floats:
        """(n, n) Cov(X_k, X_l) at θ (n,): 0 between species."""
        return np.asarray(block_diag(*(self.one.covariance(t) for t in self.split(theta))))


class MassAction:
    """What one reaction does to the parameters of `WellMixedSpecies`: F = -C⁻¹ ṁ and its Jacobian.

    reactants: how many of each species react, (n_species,) of 0, 1 or 2. change: (n_species,) molecules gained.
    The propensity is Π_s n_s (n_s - 1) … at rate 1; its mean is a product of those of the species.
    """

    def __init__(self, model: WellMixedSpecies, reactants: Sequence[int], change: Sequence[int]) -> None:
        self.model = model
        n = model.counts
        self.factors = [(np.ones(len(n)), n.astype(float), n * (n - 1.0))[order] for order in reactants]
        self.drifts = [self._drift(f, c) if c else None for f, c in zip(self.factors, change, strict=True)]

    def _drift(self, factor: Floats, change: int) -> Floats:
        """(n_states, K) of one species: events that would leave 0 … largest do not happen."""
        n, x = self.model.counts, self.model.one.features
        target = n + change
        inside = (target >= 0) & (target < len(n))
        return np.asarray(np.where(inside, factor, 0.0)[:, None] * (x[np.where(inside, target, 0)] - x))

    def both(self, theta: Floats) -> tuple[Floats, Floats]:
        """(n,) F and (n, n) ∂F_k/∂θ_m at θ (n,). Raises RunError where a covariance cannot be inverted."""
        one, parts, k = self.model.one, self.model.split(theta), self.model.order
        p = [one.probabilities(t) for t in parts]
        means = [float(q @ f) for q, f in zip(p, self.factors, strict=True)]
        slopes = [-(f * q) @ (one.features - q @ one.features) for q, f in zip(p, self.factors, strict=True)]
        rates, jacobian = np.zeros(len(theta)), np.zeros((len(theta), len(theta)))
        for s, drift in enumerate(self.drifts):
            if drift is None:
                continue
            mine, others = slice(s * k, (s + 1) * k), [i for i in range(len(parts)) if i != s]
            try:
                own, turned = one.projection(parts[s], drift), one.projection_jacobian(parts[s], drift)
            except np.linalg.LinAlgError as error:
                raise RunError(f"the numbers of {self.model.species[s]} do not scatter at {parts[s]}") from error
            shared = float(np.prod([means[i] for i in others]))
            rates[mine], jacobian[mine, mine] = shared * own, shared * turned
            for i in others:
                rest = float(np.prod([means[j] for j in others if j != i]))
                jacobian[mine, i * k : (i + 1) * k] = rest * own[:, None] * slopes[i]
        return rates, jacobian
