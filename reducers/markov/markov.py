"""Blocks of independent molecules: n states and a generator Q0 + c Q1 that is linear in the drive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from reducers.markov.block import About, DrivenBlock


class MarkovBlock(DrivenBlock):
    """dp/dt = (base + c slope) p for the expected counts p of each state; the states are the species themselves.

    base, slope: (n, n), /ms and /ms/uM, [to, from]; columns add up to 0, off-diagonal entries are not negative. The
    law is linear, so finite numbers of molecules follow it too: over a step each moves by the propagator (the path law
    "multinomial").
    """

    kind = "markov"

    def __init__(self, about: About, base: Floats, slope: Floats) -> None:
        n = len(about.species)
        for key, matrix in (("base", base), ("slope", slope)):
            if matrix.shape != (n, n) or not np.isfinite(matrix).all():
                raise ValueError(f"{key} is not a finite matrix of {n} x {n}")
            off, sums = matrix - np.diag(np.diag(matrix)), abs(matrix.sum(axis=0))
            if (off < 0).any() or sums.max() > 1e-9 * abs(matrix).max():
                raise ValueError(f"{key} is not a generator")
        self.about, self.base, self.slope = about, base, slope

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Base and slope, (n, n) each."""
        return {"base": self.base, "slope": self.slope}

    @classmethod
    def build(cls, about: About, arrays: Mapping[str, npt.NDArray[Any]]) -> MarkovBlock:
        """The block that `arrays` was made from. Raises KeyError or ValueError."""
        return cls(about, np.asarray(arrays["base"], dtype=float), np.asarray(arrays["slope"], dtype=float))
