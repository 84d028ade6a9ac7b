"""The matrix of several coupled fields: blocks that all have the pattern of the basis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats, Integers
from reducers.fields.density.basis import FieldBasis, SparseFactors


class BlockMatrix:
    """Rows and columns are (species, node), species slowest. coupled: whether blocks off the diagonal are there."""

    def __init__(self, basis: FieldBasis, species: int, *, coupled: bool) -> None:
        self.basis, self.species = basis, species
        blocks = species if coupled else 1
        n, count = basis.size, np.diff(basis.start)
        self.start: Integers = np.concatenate([[0], np.cumsum(np.tile(count * blocks, species))]).astype(np.int64)
        row = np.repeat(np.arange(n), count)
        self._at = np.empty((species, blocks, len(basis.column)), dtype=np.int64)
        self.column: Integers = np.empty(self.start[-1], dtype=np.int32)
        inner = np.arange(len(basis.column)) - basis.start[row]
        for a in range(species):
            for b in range(blocks):
                self._at[a, b] = self.start[a * n + row] + b * count[row] + inner
                self.column[self._at[a, b]] = basis.column + (b if coupled else a) * n

    def factors(self) -> SparseFactors:
        """Room for factors."""
        return self.basis.factors(self.start, self.column)

    def diagonal(self, own: Sequence[Floats]) -> Floats:
        """Values without coupling; own: (nnz,) per species."""
        return own[0] if len(own) == 1 else np.concatenate(own)

    def coupled_values(self, own: Sequence[Floats], parts: Sequence[Floats], slopes: Floats) -> Floats:
        """Values with Σ_g parts_a[g] slopes[a, b, g, column] added to the block (a, b)."""
        out = np.empty(len(self.column))
        for a in range(self.species):
            for b in range(self.species):
                block = np.einsum("gp,gp->p", parts[a], slopes[a, b][:, self.basis.column])
                out[self._at[a, b]] = block + own[a] if a == b else block
        return out
