"""Products of powers of one to three numbers, x^a y^b z^c, in the order in which kernels hold their moments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from couple.base.arrays import Floats, Ints

MOST = 3
"""Numbers that can be moved together."""


@dataclass(frozen=True)
class Powers:
    """Moments of `numbers` (1 to 3) that a distribution of an `order` K has.

    Of degree 0, then 1 … K (`kept`, what its potentials couple to), then K + 1 (`closed`, what reactions of second
    order ask for), then up to 2 K + 1 (what covariances of these are made of).
    """

    numbers: int
    order: int

    @cached_property
    def exponents(self) -> Ints:
        """(n, 3) by degree; 0 for numbers that are not there."""
        top = 2 * self.order + 1
        found = [
            (*e, *(0,) * (MOST - self.numbers)) for e in product(range(top + 1), repeat=self.numbers) if sum(e) <= top
        ]
        return np.array(sorted(found, key=lambda e: (sum(e), [-k for k in e])), dtype=np.int64)

    @cached_property
    def place(self) -> Ints:
        """(2K + 2, 2K + 2, 2K + 2) row of `exponents` at each of them, -1 where there is none."""
        out = np.full((2 * self.order + 2,) * MOST, -1, dtype=np.int64)
        for row, (a, b, c) in enumerate(self.exponents.tolist()):
            out[a, b, c] = row
        return out

    @property
    def kept(self) -> int:
        """How many are of degree 1 … K."""
        return self._up_to(self.order) - 1

    @property
    def low(self) -> int:
        """How many are of degree 0 … K + 1."""
        return self._up_to(self.order + 1)

    def _up_to(self, degree: int) -> int:
        return int((self.exponents.sum(axis=1) <= degree).sum())

    def values(self, x: Floats, rows: int | None = None) -> Floats:
        """(…, rows) of numbers (…, numbers); rows: the first so many of `exponents`, by default `low`."""
        chosen = self.exponents[: self.low if rows is None else rows, : self.numbers]
        return np.asarray(np.prod(x[..., None, :] ** chosen, axis=-1))

    def first(self, s: int) -> int:
        """Row of the mean of number s."""
        return int(self.place[tuple(int(k == s) for k in range(MOST))])

    def second(self, s: int, t: int) -> int:
        """Row of the product of two numbers."""
        return int(self.place[tuple(int(k == s) + int(k == t) for k in range(MOST))])


def binomials(most: int) -> Floats:
    """(most + 1, most + 1) n over k."""
    out = np.zeros((most + 1, most + 1))
    out[:, 0] = 1.0
    for n in range(1, most + 1):
        out[n, 1:] = out[n - 1, 1:] + out[n - 1, :-1]
    return out
