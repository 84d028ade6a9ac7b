"""The steps of a dendrite by several ranks, each with a piece of the mesh; one of them has the whole state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import csr_array

from adapters.fem.mesh.partition import MeshPiece, partition_mesh
from adapters.fem.solver.field_layout import FieldLayout
from adapters.fem.solver.petsc_lu import PetscLU
from adapters.fem.solver.rosenbrock import ErrorTolerance, RosenbrockStepper, StepUnderflow
from adapters.fem.solver.segment_sums import SegmentSums
from adapters.fem.solver.system import Densities, WindowInputs
from couple.base.arrays import Floats
from couple.components import component
from couple.components.component import Component
from couple.parallel.communicator import ElsewhereError, Team


class SharedSchurSolver:
    """A x = b by the ranks of a team; see `adapters.fem.solver.petsc_lu.LinearSolver`.

    Each rank eliminates its inner nodes I, all of them then solve for the few nodes B between the pieces, alike:

    S = Σ (A_BB - A_BI A_II⁻¹ A_IB),  S x_B = Σ (b_B - A_BI A_II⁻¹ b_I),  x_I = A_II⁻¹ b_I - (A_II⁻¹ A_IB) x_B

    with sums over the ranks: one message for the factors, one for each solution.
    """

    def __init__(
        self, start: npt.NDArray[np.int32], column: npt.NDArray[np.int32], piece: MeshPiece, width: int, team: Team
    ) -> None:
        self.values = np.zeros(len(column))
        self._team, self._size = team, piece.n_between * width
        n = self._inner = (len(piece.nodes) - len(piece.between)) * width
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        inside = (row < n) & (column < n)
        self._entries = np.flatnonzero(inside)
        starts = np.concatenate([[0], np.cumsum(np.bincount(row[inside], minlength=n))]).astype(np.int32)
        self._lu = PetscLU(starts, column[inside], line=True)
        self._places = (piece.between[:, None] * width + np.arange(width)).ravel()
        m = len(self._places)
        self._right = _entries(~inside & (row < n), row, column - n)
        self._corner = _entries((row >= n) & (column >= n), row - n, column - n)
        self._down, to, of = _entries((row >= n) & (column < n), row - n, column)
        # in compressed rows as they are: only the values change
        self._back = csr_array((np.zeros(len(to)), of, np.searchsorted(to, np.arange(m + 1))), shape=(m, n))
        self._reply = np.zeros((m, n))
        self._factors: Any = None

    def factorise(self) -> bool:
        """Factor the values as they are; False, on all ranks, if a pivot vanished or is no number on any."""
        self._lu.values[:] = self.values[self._entries]
        schur = np.zeros((self._size, self._size))
        if self._lu.factorise():
            at, inner, between = self._right
            self._reply[:] = 0.0
            self._reply[between, inner] = self.values[at]
            for reply in self._reply:
                self._lu.solve(reply)
            self._back.data[:] = self.values[self._down]
            own = -(self._back @ self._reply.T)
            at, to, of = self._corner
            own[to, of] += self.values[at]
            schur[np.ix_(self._places, self._places)] = own
        else:
            schur[:] = math.nan
        schur = self._team.summed(schur)
        if not np.isfinite(schur).all():
            return False
        self._factors = lu_factor(schur, check_finite=False)
        return bool((self._factors[0].diagonal() != 0.0).all())

    def solve(self, x: Floats) -> None:
        """x = A⁻¹ x in place; of the nodes between, `x` is the part of this rank before and the whole after."""
        inner, between, rest = x[: self._inner], x[self._inner :], np.zeros(self._size)
        self._lu.solve(inner)
        rest[self._places] = between - self._back @ inner
        between[:] = lu_solve(self._factors, self._team.summed(rest), check_finite=False)[self._places]
        inner -= between @ self._reply


def _entries(chosen: Any, row: Any, column: Any) -> tuple[Any, Any, Any]:
    """Which entries of a matrix are in a block of it, and where: `row` and `column` are counted from the block."""
    at = np.flatnonzero(chosen)
    return at, row[at], column[at]


@dataclass(frozen=True, eq=False)
class RankSetup:
    """The piece, fields and weights that a rank needs of a site before it starts.

    weights, size: see `RosenbrockStepper`, of the whole mesh.
    """

    piece: MeshPiece
    fields: FieldLayout
    weights: tuple[Floats, Floats]
    size: Floats
    watch: SegmentSums | None


@dataclass(frozen=True, eq=False)
class WindowJob:
    """A window, as the leader hands it out: the state at the nodes of a rank's piece, and its part of the load."""

    y: Densities
    inputs: WindowInputs
    span: float
    h: float
    tolerance: ErrorTolerance


@dataclass(frozen=True, eq=False)
class WindowResult:
    """Results of a rank after a window: the state at its nodes, its part of the integrals, the step to try next."""

    y: Densities
    integrals: Floats
    watched: Floats
    h: float


class RankStepper(RosenbrockStepper):
    """Steps of one rank; all ranks of the team make the same ones."""

    def __init__(self, setup: RankSetup, team: Team) -> None:
        self._piece, self._team = setup.piece, team
        super().__init__(setup.piece, setup.fields, None if setup.watch is None else setup.watch.observed)
        self.weights, self.size = setup.weights, setup.size
        width = self.layout.n_mobile_volume + self.layout.n_mobile_membrane
        self._unknowns = _unknowns(np.flatnonzero(setup.piece.own), width)

    def _linear_solver(self) -> SharedSchurSolver:
        width = self.layout.n_mobile_volume + self.layout.n_mobile_membrane
        return SharedSchurSolver(self.pattern.start, self.pattern.column, self._piece, width, self._team)

    def _sum(self, values: Floats) -> Floats:
        return self._team.summed(values)

    def run_window(self, job: WindowJob) -> list[WindowResult]:
        """The results of all ranks after a window, on the leader. Raises StepUnderflow, on all ranks."""
        integrals, y = np.empty(len(self.columns)), job.y
        h = self.window(y, job.inputs, job.span, job.h, job.tolerance, integrals)
        own = self._piece.own
        return self._team.collect(
            WindowResult(
                Densities(y.mobile[self._unknowns], y.immobile_volume[own], y.immobile_membrane[own]),
                integrals,
                self.watched,
                h,
            )
        )


class DistributedStepper:
    """The leader's side: the window of `whole`, a stepper of the whole mesh, made by all ranks of a team."""

    def __init__(self, whole: RosenbrockStepper, watch: SegmentSums | None, team: Team) -> None:
        pieces = partition_mesh(whole.d, team.size)
        width = whole.layout.n_mobile_volume + whole.layout.n_mobile_membrane
        self._team, self._called = team, False
        self._where = [(p, _unknowns(p.nodes_of_mesh, width), np.repeat(p.own, width)) for p in pieces]
        self._own = RankStepper(team.hand_out([_rank_setup(whole, watch, piece) for piece in pieces]), team)

    def describe(self) -> str:
        """Who does how much."""
        nodes = [int(piece.own.sum()) for piece, _, _ in self._where]
        each = ", ".join(f"{n} nodes by rank {rank}" for n, rank in zip(nodes, self._team.members, strict=True))
        return f"{each}, with {self._where[0][0].n_between} between them"

    @contextmanager
    def calling(self) -> Iterator[None]:
        """An advance: an error before the others are called is told to them, who wait for it."""
        self._called = False
        try:
            yield
        except BaseException:
            if not self._called:
                self._team.hand_out([None] * self._team.size)
            raise

    def window(
        self,
        y: Densities,
        c: WindowInputs,
        span: float,
        h: float,
        tolerance: ErrorTolerance,
        integrals: Floats,
        watched: Floats,
    ) -> float:
        """See RosenbrockStepper.window; watched: what that leaves in `watched`."""
        jobs = [
            WindowJob(
                Densities(y.mobile[at], y.immobile_volume[p.nodes_of_mesh], y.immobile_membrane[p.nodes_of_mesh]),
                WindowInputs(np.where(own, c.load[at], 0.0), c.clamped_volume, c.clamped_membrane),
                span,
                h,
                tolerance,
            )
            for p, at, own in self._where
        ]
        self._called = True
        done = self._own.run_window(self._team.hand_out(jobs))
        integrals[:], watched[:] = 0.0, 0.0
        for (piece, at, own), one in zip(self._where, done, strict=True):
            nodes = piece.nodes_of_mesh[piece.own]
            y.mobile[at[own]], y.immobile_volume[nodes], y.immobile_membrane[nodes] = one.y
            integrals += one.integrals
            watched += one.watched
        return done[0].h


class HelperRank(Component):
    """The side of the other ranks."""

    def __init__(self, name: str, team: Team) -> None:
        super().__init__(name, {}, {})
        self._team = team
        self._own = RankStepper(team.hand_out(), team)

    def advance(self, ticks: int) -> None:
        """See SiteEngine.helper."""
        job = self._team.hand_out()
        try:
            if job is not None:
                self._own.run_window(job)
                return
        except StepUnderflow:
            pass  # of all ranks
        raise ElsewhereError(f"rank {self._team.members[0]} could not advance {self.name}", 1)

    def save(self) -> component.State:
        """Nothing: all of the state is with the leader."""
        return {}

    def restore(self, state: component.State) -> None:
        """Nothing."""


def _unknowns(nodes: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.int64]:
    return np.asarray((nodes[:, None] * width + np.arange(width)).ravel())


def _rank_setup(whole: RosenbrockStepper, watch: SegmentSums | None, piece: MeshPiece) -> RankSetup:
    nodes, own = piece.nodes_of_mesh, piece.own
    first, second = (np.where(own, w[nodes], 0.0) for w in whole.weights)
    return RankSetup(
        piece, whole.fields, (first, second), whole.size, None if watch is None else watch.part(nodes, own)
    )
