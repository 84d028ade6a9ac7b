"""Polynomials in θ."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.dbd.laws.law import AUTONOMOUS, CoefficientTable, Law


class Polynomial(Law):
    """F_k(θ) = Σ over monomials of total degree ≤ `degree` in the parameters of `domain`, about `centre`.

    exponents: (n_terms, d); coefficients (n_terms, n_parameters).
    Raises InputError for an unknown domain or a negative degree.
    """

    def __init__(
        self, parameters: Sequence[str], domain: Sequence[str], degree: int, centre: Sequence[float] | None = None
    ) -> None:
        self.parameters, self.domain, self.degree = tuple(parameters), tuple(domain), degree
        if degree < 0 or not self.domain or any(name not in self.parameters for name in self.domain):
            raise InputError(
                f"needs a degree of 0 or more and a domain out of {', '.join(self.parameters)}, "
                f"not {degree} and {list(domain)}",
                where="domain",
            )
        self.columns = np.array([self.parameters.index(name) for name in self.domain])
        self.centre = np.zeros(len(domain)) if centre is None else np.asarray(centre, dtype=float)
        powers = itertools.product(range(degree + 1), repeat=len(self.domain))
        self.exponents = np.array(sorted((p for p in powers if sum(p) <= degree), key=lambda p: (sum(p), p)))
        self.coefficients = CoefficientTable(len(self.exponents), len(self.parameters))

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """The coefficients (n_terms, n)."""
        return (self.coefficients,)

    def _monomials(self, theta: Floats) -> Floats:
        x = theta[:, self.columns] - self.centre
        return np.asarray(np.prod(x[:, None, :] ** self.exponents, axis=2))

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F: monomials times coefficients."""
        return self._monomials(theta) @ self.coefficients.values

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ; 0 outside of `domain`."""
        x = theta[:, self.columns] - self.centre
        along = weights @ self.coefficients.values.T
        out = np.zeros_like(theta)
        for j, column in enumerate(self.columns):
            lowered = self.exponents.copy()
            lowered[:, j] = np.maximum(lowered[:, j] - 1, 0)
            terms = np.prod(x[:, None, :] ** lowered, axis=2) * self.exponents[:, j]
            out[:, column] = (along * terms).sum(axis=1)
        return out

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights_k × monomials, summed over the batch, to the gradient."""
        self.coefficients.gradient[:] += self._monomials(theta).T @ weights
        self.coefficients.touched[:] = True
