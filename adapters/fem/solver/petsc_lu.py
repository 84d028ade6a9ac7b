"""Direct solution of the sparse system by PETSc's LU."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from adapters.fem.mesh.library.dolfinx_import import MPI, PETSc
from couple.base.arrays import Floats

SUPERNODES = 500
"""Unknowns above which MUMPS, which works on dense blocks, beats PETSc's own factors (30-fold at 7,000)."""


class LinearSolver(Protocol):
    """A sparse system that is solved directly: write `values`, then `factorise`, then `solve` as often as needed."""

    values: Floats

    def factorise(self) -> bool:
        """Factor the values as they are; False if a pivot vanished or is no number."""

    def solve(self, x: Floats) -> None:
        """x (n,) = A⁻¹ x in place."""


class PetscLU:
    """LU with the pattern analysed once; factors are kept until new values come.

    values: (nnz,) entries in compressed rows; write them, then call `factorise`.
    line: whether the mesh is one: its factors are as sparse as it is, and PETSc's own are fastest at any size.
    """

    def __init__(self, start: npt.NDArray[np.int32], column: npt.NDArray[np.int32], *, line: bool = False) -> None:
        n = len(start) - 1
        self.values = np.zeros(len(column))
        self._empty = n == 0  # nothing moves
        if self._empty:
            return
        self._start, self._column = start.astype(PETSc.IntType), column.astype(PETSc.IntType)
        self._matrix = PETSc.Mat().createAIJWithArrays(
            (n, n), (self._start, self._column, self.values), comm=MPI.COMM_SELF
        )
        self._factors = PETSc.PC().create(MPI.COMM_SELF)
        self._factors.setOperators(self._matrix)
        self._factors.setType("lu")
        if n > SUPERNODES and not line and _has_mumps(self._matrix):
            self._factors.setFactorSolverType("mumps")
        else:
            self._factors.setFactorSolverType("petsc")
            self._factors.setFactorOrdering("rcm" if line and n > SUPERNODES else "nd")
        # vectors on arrays of ours: to ask PETSc for theirs takes longer than to solve a small system
        self._given, self._found = np.zeros(n), np.zeros(n)
        self._right, self._left = (
            PETSc.Vec().createWithArray(a, comm=MPI.COMM_SELF) for a in (self._given, self._found)
        )

    def factorise(self) -> bool:
        """Factor the values as they are; False if a pivot vanished or is no number."""
        if self._empty:
            return True
        self._matrix.assemble()
        self._matrix.stateIncrease()
        try:
            self._factors.setUp()
        except PETSc.Error:
            return False
        return bool(np.isfinite(self.values).all())

    def solve(self, x: Floats) -> None:
        """x (n,) = A⁻¹ x in place."""
        if self._empty:
            return
        self._given[:] = x
        self._factors.apply(self._right, self._left)
        x[:] = self._found


def _has_mumps(matrix: PETSc.Mat) -> bool:
    """Whether this PETSc was built with MUMPS."""
    probe = PETSc.PC().create(MPI.COMM_SELF)
    probe.setOperators(matrix)
    probe.setType("lu")
    try:
        probe.setFactorSolverType("mumps")
        probe.setFactorSetUpSolverType()
    except PETSc.Error:
        return False
    return True
