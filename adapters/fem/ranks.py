"""The same steps by several processes, each with its part of the mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.fem.discretisation import Discretisation
from adapters.fem.fields import Fields
from adapters.fem.importing import PETSc, dolfinx
from adapters.fem.stepping import Stepper
from couple.component import Floats
from couple.errors import InputError


class SharedDirect:
    """LU of a matrix whose rows are shared out; see `adapters.fem.solver.Direct`.

    Values and vectors are those of the picture of this process; rows of its own nodes count.
    """

    def __init__(
        self, start: npt.NDArray[np.int32], column: npt.NDArray[np.int32], space: Any, width: int, comm: Any
    ) -> None:
        nodes = space.dofmap.index_map
        own, everything = nodes.size_local * width, nodes.size_global * width
        place = nodes.local_to_global(np.arange(nodes.size_local + nodes.num_ghosts, dtype=np.int32))
        self.values = np.zeros(len(column))
        self._own, self._entries = own, int(start[own])
        self._start = start[: own + 1].astype(PETSc.IntType)
        self._column = (place[column // width] * width + column % width)[: self._entries].astype(PETSc.IntType)
        self._matrix = PETSc.Mat().createAIJ(
            ((own, everything), (own, everything)),
            csr=(self._start, self._column, np.zeros(self._entries)),
            comm=comm,
        )
        self._factors = PETSc.PC().create(comm)
        self._factors.setOperators(self._matrix)
        self._factors.setType("lu")
        if comm.size > 1:
            self._factors.setFactorSolverType("mumps")
        self._right, self._left = self._matrix.createVecs()
        self._picture = dolfinx.la.vector(nodes, width)

    def factorise(self) -> bool:
        """Factor the values as they are; False if a pivot vanished or is no number on any process."""
        self._matrix.setValuesCSR(self._start, self._column, self.values[: self._entries])
        self._matrix.assemble()
        try:
            self._factors.setUp()
            fine = bool(np.isfinite(self.values[: self._entries]).all())
        except PETSc.Error:
            fine = False
        return bool(self._matrix.comm.tompi4py().allreduce(not fine) == 0)

    def solve(self, x: Floats) -> None:
        """x = A⁻¹ x in place, for all nodes in the picture."""
        self._right.array_w[:] = x[: self._own]
        self._factors.apply(self._right, self._left)
        self._picture.array[: self._own] = self._left.array_r
        self._picture.scatter_forward()
        x[:] = self._picture.array


class SharedStepper(Stepper):
    """Steps of a site whose mesh several processes share; every one of them has to call the same methods.

    A line only: every node of it is on the membrane. Totals are those of the whole mesh on every process, as are the
    steps that follow from them. Raises InputError for other meshes.
    """

    def __init__(self, d: Discretisation, fields: Fields) -> None:
        super().__init__(d, fields)
        self._comm = d.domain.mesh.comm
        if d.domain.membrane is not None:
            raise InputError("only lines, such as dendrites, can be shared between processes")
        own = d.space.dofmap.index_map.size_local
        self.volumes, self.areas = (_own(np.asarray(a.sum(axis=1)).ravel(), own) for a in (d.mass, d.wall_mass))
        self._weights = self._share(d.mass.diagonal(), own), self._share(d.wall_mass.diagonal(), own)
        volume, area = (self._comm.allreduce(float(a.sum())) for a in (self.volumes, self.areas))
        inside = np.arange(len(self.columns)) < self.layout.moving + self.layout.resting
        self._size = np.where(self.columns < fields.n_species, np.where(inside, volume, area), 0.0)
        width = self.layout.moving + self.layout.sliding
        if width:
            self._direct = SharedDirect(self.pattern.start, self.pattern.column, d.space, width, self._comm)

    def _sum(self, values: Floats) -> Floats:
        return np.asarray(self._comm.allreduce(values))

    def _share(self, diagonal: Floats, own: int) -> Floats:
        """Weights of the own nodes, which sum to 1 over all processes."""
        mine = _own(diagonal, own)
        return np.asarray(mine / self._comm.allreduce(float(mine.sum())))


def _own(values: Floats, own: int) -> Floats:
    """Values at the own nodes, 0 at those of others."""
    return np.where(np.arange(len(values)) < own, values, 0.0)
