"""Monomials of a few numbers, each made of an earlier one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np

from couple.base.arrays import Floats, Ints


@dataclass(frozen=True)
class Monomials:
    """All products of up to `degree` of `numbers`, by degree; the first is 1."""

    numbers: int
    degree: int

    @cached_property
    def factors(self) -> list[tuple[int, ...]]:
        """Which numbers each is the product of."""
        return [f for d in range(self.degree + 1) for f in combinations_with_replacement(range(self.numbers), d)]

    @cached_property
    def recipe(self) -> Ints:
        """(M, 2) earlier monomial and number whose product each is; the first row is (0, 0)."""
        place = {f: k for k, f in enumerate(self.factors)}
        return np.array([(0, 0)] + [(place[f[:-1]], f[-1]) for f in self.factors[1:]], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.factors)

    def values(self, x: Floats) -> Floats:
        """(…, M) of numbers (…, n)."""
        out = np.ones((*x.shape[:-1], len(self)))
        for k, (before, by) in enumerate(self.recipe[1:].tolist(), start=1):
            out[..., k] = out[..., before] * x[..., by]
        return out


def fitted(basis: Floats, values: Floats, weights: Floats, ridge: float = 1e-6) -> Floats:
    """(M, …) coefficients of basis (P, M) for values (P, …), by least squares with weights (P,)."""
    w = np.sqrt(weights / weights.mean())[:, None]
    a, b = basis * w, values.reshape(len(values), -1) * w
    gram = a.T @ a
    found = np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), a.T @ b)
    return np.asarray(found.reshape(basis.shape[1], *values.shape[1:]))
