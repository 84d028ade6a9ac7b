"""Steps of an optimiser held within a trust region of the natural parameters, along the whole free-running path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import RunError
from couple.components.component import State
from couple.components.state import whole
from reducers.dbd.fit.adjoint import Solver
from reducers.dbd.laws.law import Law

CUTS, DIVERGED = 40, 1 / 16
"""Cuts of a step at most, and by how much where its path diverges; else to what just leads as far as the radius."""
SHRINK, GROW = 0.5, 1.2
"""Of the radius: where the last step went too far, and where it did not."""


class TrustRegion:
    """Cuts the steps of a law's coefficients so that no θ along its path moves by more than a radius, or diverges.

    theta0: (n_conditions, n). points: recorded steps of the path. most: the radius at the start, and at most.
    rejected: steps that were not made.
    """

    def __init__(self, law: Law, solver: Solver, theta0: Floats, points: int, most: float) -> None:
        self._law, self._solver, self._theta0, self._points = law, solver, theta0, points
        self.most = self.radius = most
        self.rejected = 0
        self._cut: list[tuple[Ints, Floats]] = []
        self._path: Floats | None = None

    def begin(self) -> None:
        """Before the optimiser moves: answer to where the gradient points after the last step that was cut."""
        if self._path is None:
            self._path = self._tried()
        if not self._cut:
            return
        pairs = zip(self._cut, self._law.tables, strict=False)
        along = sum(float((table.gradient[rows] * moved).sum()) for (rows, moved), table in pairs)
        self.radius = self.radius * SHRINK if along > 0 else min(self.radius * GROW, self.most)

    def hold(self, before: Sequence[tuple[Ints, Floats]]) -> None:
        """After the optimiser moved: cut the step until it stays within reach, or take it back.

        before: (rows, values) of each table, of what was moved.
        """
        there, share = self._path, 1.0
        steps = [table.values[rows] - values for (rows, values), table in zip(before, self._law.tables, strict=True)]
        for _ in range(CUTS):
            path = self._tried()
            moved = np.inf if path is None or there is None else float(np.abs(path - there).max())
            if moved <= self.radius:
                made = [(rows, share * step) for (rows, _), step in zip(before, steps, strict=True)]
                self._cut, self._path = made if share < 1.0 else [], path
                return
            share *= min(0.5, 0.9 * self.radius / moved) if np.isfinite(moved) else DIVERGED
            self._set(before, [share * step for step in steps])
        self._set(before, [0.0 * step for step in steps])
        self.rejected, self._cut = self.rejected + 1, []

    def _set(self, before: Sequence[tuple[Ints, Floats]], steps: Sequence[Floats]) -> None:
        for (rows, values), step, table in zip(before, steps, self._law.tables, strict=True):
            table.values[rows] = values + step

    def _tried(self) -> Floats | None:
        """The free-running path, None if it diverges."""
        path = self._solver.path(self._theta0, self._points)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                self._solver.solve(self._law, path)
        except RunError:
            return None
        return path

    def forget(self) -> None:
        """The law is another one than after the last step."""
        self._path, self._cut = None, []

    def save(self) -> State:
        """What resuming to the bit needs."""
        state: State = {"radius": self.radius, "rejected": self.rejected, "tables": len(self._cut)}
        for k, (rows, moved) in enumerate(self._cut):
            state |= {f"rows{k}": rows, f"moved{k}": moved}
        return state

    def restore(self, state: State) -> None:
        """Take up what `save` gave; the law has its coefficients."""
        self.radius, self.rejected = float(np.asarray(state["radius"])), whole(state, "rejected")
        self._cut = [
            (np.asarray(state[f"rows{k}"], dtype=np.int64), np.asarray(state[f"moved{k}"], dtype=float))
            for k in range(whole(state, "tables"))
        ]
        self._path = None
