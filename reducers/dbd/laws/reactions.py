"""The analytic functions F_r of reactions: how one reaction moves the parameters of a model, F_r = C⁻¹ ṁ_r.

ṁ_r is the rate of change of the moments by reaction r in the model's own distribution, C their covariance: the
max-ent projection of the master equation. It is linear in the rates, so F = Σ_r k_r F_r.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction
from reducers.dbd.chains.fluxes import Events
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain, chain_projection
from reducers.dbd.chains.projection import Projection
from reducers.dbd.chains.rule import Rule
from reducers.dbd.energy.family import Enumerated
from reducers.dbd.energy.wellmixed_species import MassAction
from reducers.dbd.laws.combination import Combination
from reducers.dbd.laws.law import AUTONOMOUS, Law


def rules_of(reaction: Reaction, network: ReactionNetwork, rate: float = 1.0) -> list[Rule]:
    """What a reaction does on a lattice of single occupancy; state 0 is a vacancy, states 1 … the species in order.

    rate: per molecule (order 1), per neighbouring pair (order 2), per empty site (order 0). A → B + C puts B in
    A's place and C on either neighbour, at half the rate each, if it is empty; B + C → A puts A in B's place.
    Raises InputError for reactions that need more room than two sites.
    """
    left = tuple(network.names.index(n) + 1 for n in reaction.reactants if n in network.names)
    right = tuple(network.names.index(n) + 1 for n in reaction.products if n in network.names)
    if len(left) <= 1 and len(right) <= 1:
        return [Rule(left or (0,), right or (0,), rate)]
    if len(left) > 2 or len(right) > 2 or not left:
        raise InputError(f'"{reaction}" involves more than two neighbouring sites of a lattice')
    before, after = (left[0], left[1] if len(left) == 2 else 0), ((*right, 0)[0], (*right, 0, 0)[1])
    if before[0] == before[1]:
        return [Rule(before, after, rate)] if after[0] == after[1] else _both(before, after, rate / 2)
    return _both(before, after, rate / 2 if len(left) == 1 else rate)


def hops(species: int, rate: float = 1.0) -> list[Rule]:
    """Diffusion: each molecule moves to an empty neighbour at `rate` in each direction."""
    return _both((species, 0), (0, species), rate)


def _both(before: tuple[int, int], after: tuple[int, int], rate: float) -> list[Rule]:
    return [Rule(before, after, rate), Rule(before[::-1], after[::-1], rate)]


class ChainFunction(Law):
    """F_r of some rules on an endless chain (transfer matrix), with its exact Jacobian."""

    def __init__(self, chain: Chain, rules: list[Rule]) -> None:
        self.parameters, self.chain, self.rules = chain.parameters, chain, tuple(rules)
        self._clusters, self._groups, self._gains = chain.events([rules])

    def both(self, theta: Floats) -> tuple[Floats, Floats]:
        """(batch, n) and (batch, n, n): F and ∂F_k/∂θ_m. Raises RunError where the covariance cannot be inverted."""
        n = len(self.parameters)
        rates, jacobian = np.empty((len(theta), n)), np.empty((len(theta), n, n))
        for b, point in enumerate(theta):
            weights = self.chain._log_weights(point)
            try:
                f, j = chain_projection(weights, self.chain.logs, self._clusters, self._groups, self._gains, 1)
            except (np.linalg.LinAlgError, ZeroDivisionError, ValueError) as error:
                raise RunError(f"the covariance of the chain is singular at {point}: {error}") from error
            rates[b], jacobian[b] = f[0], j[0]
        return rates, jacobian

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F_r. Raises RunError where the covariance cannot be inverted."""
        return self.both(theta)[0]

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) ∂F_k/∂θ_m at [:, k, m]. Raises RunError as `rates`."""
        return self.both(theta)[1]

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ. Raises RunError as `rates`."""
        return np.asarray(np.einsum("bk,bkm->bm", weights, self.both(theta)[1]))


class InhomogeneousFunction(Law):
    """F_r of some events on a chain that differs from place to place, with its exact Jacobian."""

    def __init__(self, chain: InhomogeneousChain, events: Events) -> None:
        self.parameters, self.chain, self.events = chain.parameters, chain, events

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F_r. Raises RunError where the covariance cannot be inverted."""
        return np.stack([Projection(self.chain, point).rates(self.events) for point in theta])

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ. Raises RunError as `rates`."""
        pairs = zip(theta, weights, strict=True)
        return np.stack([Projection(self.chain, point).pulled(self.events, w[None])[0] for point, w in pairs])

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) ∂F_k/∂θ_m at [:, k, m]. Raises RunError as `rates`."""
        unit = np.eye(len(self.parameters))
        return np.stack([Projection(self.chain, point).pulled(self.events, unit) for point in theta])


class InhomogeneousCombination(Combination):
    """Σ_r c_r F_r on a chain that differs from place to place: all reactions share what is computed at a θ."""

    def __init__(self, functions: Sequence[InhomogeneousFunction]) -> None:
        super().__init__(functions, shared=True)
        self._chain, self._events = functions[0].chain, [f.events for f in functions]

    def _together(self) -> Events:
        """All events, at the rates that were learned."""
        rates = self.coefficients.values[:, 0]
        amounts = [c * e.amounts for c, e in zip(rates, self._events, strict=True)]
        before, after, sizes = (np.concatenate([e[k] for e in self._events]) for k in range(3))
        return Events(before, after, sizes, np.concatenate(amounts))

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_r c_r F_r. Raises RunError where the covariance cannot be inverted."""
        events = self._together()
        return np.stack([Projection(self._chain, point).rates(events) for point in theta])

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_rk weights_k c_r ∂F_rk/∂θ. Raises RunError as `rates`."""
        events, pairs = self._together(), zip(theta, weights, strict=True)
        return np.stack([Projection(self._chain, point).pulled(events, w[None])[0] for point, w in pairs])

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) Σ_r c_r ∂F_rk/∂θ_j at [:, k, j]. Raises RunError as `rates`."""
        events, unit = self._together(), np.eye(len(self.parameters))
        return np.stack([Projection(self._chain, point).pulled(events, unit) for point in theta])

    def by_coefficient(self, theta: Floats) -> Floats:
        """(batch, n, n_coefficients) ∂F/∂c: each F_r. Raises RunError as `rates`."""
        made = [Projection(self._chain, point) for point in theta]
        return np.stack([np.stack([at.rates(e) for e in self._events], axis=1) for at in made])

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights_k F_rk, summed over the batch, to the gradient of c."""
        self.coefficients.gradient[:, 0] += np.einsum("bk,bkr->r", weights, self.by_coefficient(theta))
        self.coefficients.touched[:] = True


class MassActionFunction(Law):
    """F_r of one reaction among well-mixed species, with its exact Jacobian."""

    def __init__(self, reaction: MassAction) -> None:
        self.parameters, self.reaction = reaction.model.parameters, reaction

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F_r. Raises RunError where the covariance cannot be inverted."""
        return np.stack([self.reaction.both(point)[0] for point in theta])

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) ∂F_k/∂θ_m at [:, k, m]. Raises RunError as `rates`."""
        return np.stack([self.reaction.both(point)[1] for point in theta])

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ. Raises RunError as `rates`."""
        return np.asarray(np.einsum("bk,bkm->bm", weights, self.jacobian(theta)))


class EnumeratedFunction(Law):
    """F_r in a family whose states are listed; drift (n_states, n) as made by `drift` of the family."""

    def __init__(self, family: Enumerated, drift: Floats) -> None:
        self.parameters, self.family, self.drift = family.parameters, family, drift

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F_r, see `Enumerated.projection`."""
        return np.stack([self.family.projection(point, self.drift) for point in theta])

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) ∂F_k/∂θ_m, see `Enumerated.projection_jacobian`."""
        return np.stack([self.family.projection_jacobian(point, self.drift) for point in theta])

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ."""
        return np.asarray(np.einsum("bk,bkm->bm", weights, self.jacobian(theta)))
