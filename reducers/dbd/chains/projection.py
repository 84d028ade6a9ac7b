"""F = C⁻¹ ṁ of reactions on an inhomogeneous chain, and the transpose of its slope, exactly.

ṁ is the drift of ⟨X⟩ by the reactions in the chain's own distribution, C = Cov(X, X). With λ = C⁻¹ w

    Σ_k w_k ∂F_k/∂θ = ∂(λ · ṁ)/∂θ - κ₃(λ·X, F·X, X),

and λ · ṁ depends on θ through the probabilities of neighbours only: its slope along these is a sum over bonds, G, and
∂(λ · ṁ)/∂θ = Cov(G, X). So each costs two products of transfer matrices, O(N). C⁻¹ is dense where hat functions span
many sites; for one species whose sites are all free it is local, as p = Π_b p_b / Π_inner q gives θ in the
probabilities of neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.cache.kernels import njit
from reducers.dbd.chains.fluxes import Events, drift_transpose, pair_drift
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.transfer import pair_probabilities


class Projection:
    """The chain at θ (n,), ready for any events. Raises RunError where the covariance cannot be inverted."""

    def __init__(self, chain: InhomogeneousChain, theta: Floats) -> None:
        self.chain = chain
        self._weights, self._neighbours = chain.weights(theta), chain.neighbours(theta)
        self._solve = self._solver(theta)

    def rates(self, events: Events) -> Floats:
        """(n,) F."""
        return self._solve(self.chain.contracted(pair_drift(self._neighbours, events)))

    def _solver(self, theta: Floats) -> Callable[[Floats], Floats]:
        """Maps (n,) to C⁻¹ times it."""
        if self.chain.free and len(self.chain.species) == 1:
            return self._local
        covariance = self.chain.covariance(theta)
        scale = 1.0 / np.sqrt(np.maximum(np.diag(covariance), 1e-300))
        try:
            factor = cho_factor(covariance * np.outer(scale, scale), lower=True)
        except (np.linalg.LinAlgError, ValueError) as error:
            raise RunError(f"the covariance of the chain is singular at {theta}: {error}") from error
        return lambda right: np.asarray(scale * cho_solve(factor, scale * right))

    def _local(self, right: Floats) -> Floats:
        """C⁻¹ · right of one species with free sites: the θ̇ at which densities and pairs change by `right`."""
        n, p = self.chain.size, self._neighbours
        density, both = right[:n], right[n:]
        change = np.empty_like(p)
        change[:, 1, 1] = both
        change[:, 1, 0] = density[:-1] - both
        change[:, 0, 1] = density[1:] - both
        change[:, 0, 0] = both - density[:-1] - density[1:]
        logs = change / p
        field = np.zeros(n)
        field[:-1] += logs[:, 1, 0] - logs[:, 0, 0]
        field[1:] += logs[:, 0, 1] - logs[:, 0, 0]
        q = p.sum(axis=2)[1:]
        field[1:-1] -= density[1:-1] / q[:, 1] + density[1:-1] / q[:, 0]
        return np.concatenate([field, logs[:, 1, 1] + logs[:, 0, 0] - logs[:, 1, 0] - logs[:, 0, 1]])

    def pulled(self, events: Events, weights: Floats) -> Floats:
        """(m, n) Σ_k weights_k ∂F_k/∂θ for rows of weights (m, n); the Jacobian of F for the rows of the identity."""
        along = np.stack([self.chain.along(self._solve(row)) for row in weights])
        ahead = self.chain.along(self.rates(events))
        return self.chain.contracted(_pulled(self._weights, self._neighbours, events, along, ahead))


@njit(cache=True)
def _pulled(weights: Floats, neighbours: Floats, events: Events, along: Floats, ahead: Floats) -> Floats:
    """(m, B, S, S) what `Projection.pulled` contracts; along (m, B, S, S): of λ · X, ahead (B, S, S): of F · X."""
    out = np.empty_like(along)
    for k in range(len(along)):
        gains = drift_transpose(neighbours, events, along[k])
        out[k] = pair_probabilities(weights, gains, along[k])[1][1]
        out[k] -= pair_probabilities(weights, along[k], ahead)[1][3]
    return out
