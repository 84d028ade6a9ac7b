"""Exponential families whose states can all be listed: every moment is a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError


class ExponentialFamily(Protocol):
    """p(s; θ) ∝ exp(sign · θ·X(s)), whose moments are known exactly. θ: (n,), named by `parameters`."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of θ."""

    @property
    def sign(self) -> int:
        """1, or -1 for energies θ·X."""

    def moments(self, theta: Floats) -> Floats:
        """(n,) ⟨X⟩."""

    def covariance(self, theta: Floats) -> Floats:
        """(n, n) Cov(X_k, X_l)."""


class Enumerated:
    """p(s; θ) = exp(sign · θ·X(s)) / Z over listed states.

    features: (n_states, n) X. sign: +1 (Ising, Boltzmann machines) or -1 (well mixed: energies ν·X).
    Raises InputError for features that are not finite or a sign that is neither.
    """

    def __init__(self, parameters: Sequence[str], features: Floats, sign: int = 1) -> None:
        self.parameters, self.features, self.sign = tuple(parameters), np.asarray(features, dtype=float), sign
        if self.features.ndim != 2 or self.features.shape[1] != len(self.parameters) or sign not in (1, -1):
            raise InputError(
                f"needs features (n_states, {len(self.parameters)}) and a sign of 1 or -1, "
                f"not {self.features.shape} and {sign}"
            )

    def log_z(self, theta: Floats) -> float:
        """ln Z at θ (n,)."""
        energy = self.sign * (self.features @ theta)
        top = energy.max()
        return float(top + np.log(np.exp(energy - top).sum()))

    def probabilities(self, theta: Floats) -> Floats:
        """(n_states,) p(s; θ) at θ (n,)."""
        energy = self.sign * (self.features @ theta)
        p = np.exp(energy - energy.max())
        return np.asarray(p / p.sum())

    def moments(self, theta: Floats) -> Floats:
        """(n,) ⟨X⟩ at θ (n,)."""
        return np.asarray(self.probabilities(theta) @ self.features)

    def covariance(self, theta: Floats) -> Floats:
        """(n, n) Cov(X_k, X_l) at θ (n,)."""
        p = self.probabilities(theta)
        centred = self.features - p @ self.features
        return np.asarray((p[:, None] * centred).T @ centred)

    def slope(self, theta: Floats, data: Floats) -> Floats:
        """(n,) ∂D(data ‖ p)/∂θ for data moments ⟨X⟩ (n,)."""
        return np.asarray(self.sign * (self.moments(theta) - data))

    def divergence(self, theta: Floats, data: Floats) -> float:
        """Kullback-Leibler divergence of p from data probabilities (n_states,)."""
        seen = data > 0
        p = self.probabilities(theta)
        return float((data[seen] * np.log(data[seen] / p[seen])).sum())

    def projection(self, theta: Floats, drift: Floats) -> Floats:
        """(n,) F = sign C⁻¹ ⟨drift⟩; drift (n_states, n): the generator's backward action on X. Max-ent projection."""
        p = self.probabilities(theta)
        return np.asarray(self.sign * np.linalg.solve(self.covariance(theta), p @ drift))

    def projection_jacobian(self, theta: Floats, drift: Floats) -> Floats:
        """(n, n) ∂F_k/∂θ_m: C ∂F/∂θ_m = Cov(drift, X_m) - sign · κ₃(·, ·, X_m) F."""
        p = self.probabilities(theta)
        centred = self.features - p @ self.features
        covariance = (p[:, None] * centred).T @ centred
        rates = self.sign * np.linalg.solve(covariance, p @ drift)
        along = (drift - p @ drift).T @ (p[:, None] * centred)
        third = (p[:, None] * centred * (centred @ rates)[:, None]).T @ centred
        return np.asarray(np.linalg.solve(covariance, along - self.sign * third))
