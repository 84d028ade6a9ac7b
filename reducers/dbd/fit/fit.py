"""The training loop of every reduced model: solve, compare, pull back, step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from couple.components.component import State
from couple.components.state import whole
from couple.rng.streams import generator
from reducers.dbd.fit.adjoint import Solver
from reducers.dbd.fit.comparison import MomentComparison
from reducers.dbd.fit.optimisers import Optimiser, Schedule
from reducers.dbd.fit.trust_region import TrustRegion
from reducers.dbd.laws.law import Law, law_state, restore_law


@dataclass(frozen=True)
class Recipe:
    """How a law is learned.

    steps: of the optimisation. window: recorded steps that are compared at a time (None: all of the data).
    slide: optimisation steps after which the window moves on by one; it rests at the end of the data.
    order: "sliding"; "random" windows, which keep what was learned early from being forgotten; "early": random, evenly
    in the logarithm of the time, for starts that relax fast; or "growing": every second window slides, the others lie
    at random before it, and all of them once it has come to rest.
    truncate: leave out what the coefficients do to the state at the window's begin, as the paper does.
    batch: initial conditions per step (None: all).
    trust: the most that a step may move θ anywhere along the free-running path: longer ones are cut, and one that
    still leads away is not made. Where a step that was cut went too far (the next gradient points back), the radius
    is halved; it grows again by a fifth.
    """

    steps: int = 1000
    window: int | None = None
    slide: int = 2
    order: Literal["sliding", "random", "early", "growing"] = "sliding"
    truncate: bool = False
    batch: int | None = None
    trust: float = 0.5
    schedule: Schedule = field(default_factory=Schedule)
    seed: int = 1

    def first(self, step: int, points: int) -> int:
        """Recorded index at which the window of an optimisation step begins."""
        size = points - 1 if self.window is None else self.window
        room = points - 1 - size
        front = room if self.order in ("random", "early") else min(step // self.slide, room)
        if self.order == "sliding" or (front < room and step % 2):
            return front
        draw = generator(self.seed, "reducers", str(step), "window")
        if self.order == "early":
            return int((room + 2) ** draw.random()) - 1
        return int(draw.integers(front + 1))


class Fit:
    """Learns the coefficients of a law.

    theta0: (n_conditions, n) initial states. Raises InputError for a window longer than the data or an empty batch.
    """

    def __init__(
        self,
        law: Law,
        comparison: MomentComparison,
        solver: Solver,
        theta0: Floats,
        optimiser: Optimiser,
        recipe: Recipe,
    ) -> None:
        self.law, self.comparison, self.solver = law, comparison, solver
        self.theta0, self.optimiser, self.recipe = np.atleast_2d(theta0), optimiser, recipe
        last = comparison.points - 1
        window = last if recipe.window is None else recipe.window
        if not 1 <= window <= last:
            raise InputError(f"a window of {window} steps does not fit data of {last}", where="window")
        if recipe.batch is not None and not 1 <= recipe.batch <= len(self.theta0):
            raise InputError(f"a batch of {recipe.batch} out of {len(self.theta0)} initial conditions", where="batch")
        if self.theta0.shape[1] != len(law.parameters) or not np.isfinite(self.theta0).all():
            raise InputError(
                f"needs {len(law.parameters)} finite initial parameters, not {self.theta0}", where="initial"
            )
        self.path = solver.path(self.theta0, last)
        self._solved = np.zeros(len(self.theta0), dtype=np.int64)  # fine steps of each condition that are up to date
        self.done = 0
        self.history: list[float] = []
        self._before: list[tuple[Ints, Floats]] = []
        self.reach = TrustRegion(law, solver, self.theta0, last, recipe.trust)

    @property
    def steps(self) -> int:
        """Optimisation steps in all."""
        return self.recipe.steps

    @property
    def ready(self) -> bool:
        """Whether the law is worth keeping: always, it gets better step by step."""
        return True

    def window(self, step: int) -> tuple[int, int]:
        """First and last recorded index that are compared at an optimisation step."""
        points = self.comparison.points
        first = self.recipe.first(step, points)
        return first, first + (points - 1 if self.recipe.window is None else self.recipe.window)

    def _conditions(self) -> Ints:
        everything = np.arange(len(self.theta0))
        if self.recipe.batch is None or self.recipe.batch == len(everything):
            return everything
        rng = generator(self.recipe.seed, "reducers", str(self.done), "conditions")
        return np.sort(rng.choice(everything, self.recipe.batch, replace=False))

    def _solve(self, last: int, conditions: Ints) -> Floats:
        """Fine path (points, batch, n) up to recorded index `last`; what did not change is not solved again."""
        end = last * self.solver.substeps
        start = int(self._solved[conditions].min())
        if start < end:
            whole = len(conditions) == len(self.theta0)
            path = self.path[: end + 1] if whole else self.path[: end + 1, conditions].copy()
            self.solver.solve(self.law, path, start=start, reserve=True)
            if not whole:
                self.path[: end + 1, conditions] = path
            self._solved[conditions] = end
        return self.path[: end + 1, conditions] if len(conditions) < len(self.theta0) else self.path[: end + 1]

    def step(self) -> float:
        """One optimisation step; returns the gap between model and data moments before it.

        Raises RunError if the model diverges or a gradient is not finite; coefficients are as before the step then.
        """
        first, last = self.window(self.done)
        conditions = self._conditions()
        path = self._solve(last, conditions)
        recorded = path[first * self.solver.substeps :: self.solver.substeps]
        slopes = self.solver.dt * self.comparison.slopes(recorded, first, conditions, self.done)
        slopes /= len(conditions)
        self.law.clear()
        begin = first if self.recipe.truncate else 0
        self.solver.pull_back(self.law, path, slopes, first=first, begin=begin)
        self._precondition()
        factor = self.recipe.schedule.factor(self.done / max(self.recipe.steps, 1))
        self._remember()
        self.reach.begin()
        self.optimiser.step(self.law.tables, factor)
        self.reach.hold(self._before)
        self._forget()
        self.done += 1
        self.history.append(self.comparison.gap)
        return self.comparison.gap

    def _precondition(self) -> None:
        metric = self.comparison.metric()
        for table in self.law.tables:
            rows = np.flatnonzero(table.touched)
            gradient = table.gradient[rows]
            if not np.isfinite(gradient).all():
                raise RunError(f"the gradient is not finite at optimisation step {self.done}: lower the learning rate")
            if metric is not None and gradient.shape[1] % len(metric) == 0:
                shaped = gradient.reshape(len(rows), -1, len(metric)) @ metric
                table.gradient[rows] = shaped.reshape(gradient.shape)

    def _remember(self) -> None:
        """Keep what the next step changes."""
        touched = [np.flatnonzero(table.touched) for table in self.law.tables]
        self._before = [(rows, t.values[rows].copy()) for rows, t in zip(touched, self.law.tables, strict=True)]

    def revert(self) -> None:
        """Undo the last step: after a RunError, the last model that did not fail."""
        for (rows, values), table in zip(self._before, self.law.tables, strict=False):
            table.values[rows] = values
        self._before, self._solved[:] = [], 0
        self.reach.forget()

    def _forget(self) -> None:
        """Mark as unsolved what the changed coefficients move."""
        exact = len(self.solver.method.b) == 1  # other methods look at states beside the path
        for c in range(len(self.theta0)):
            known = int(self._solved[c])
            self._solved[c] = self.law.first_touched(self.path[:known, c]) if exact else 0

    def run(self, progress: Callable[[int, float], None] | None = None, until: int | None = None) -> None:
        """Go on to the end of the recipe, or to step `until`; progress is told step and gap."""
        while self.done < (self.recipe.steps if until is None else until):
            gap = self.step()
            if progress is not None:
                progress(self.done, gap)

    def trajectory(self) -> Floats:
        """(T, n_conditions, n) θ of the free-running model at all recorded times."""
        path = self.solver.path(self.theta0, self.comparison.points - 1)
        self.solver.solve(self.law, path)
        return np.asarray(path[:: self.solver.substeps])

    def save(self) -> dict[str, State]:
        """All that resuming to the bit needs, by part."""
        return {
            "fit": {"done": self.done, "history": np.array(self.history)},
            "reach": self.reach.save(),
            "law": law_state(self.law),
            "optimiser": self.optimiser.save(),
            "comparison": self.comparison.save(),
        }

    def restore(self, states: dict[str, State]) -> None:
        """Take up a saved state; the law must have been built alike."""
        restore_law(self.law, states["law"])
        self.optimiser.restore(states["optimiser"])
        self.comparison.restore(states["comparison"])
        self.done = whole(states["fit"], "done")
        self.history = list(np.asarray(states["fit"]["history"], dtype=float))
        self.reach.restore(states["reach"])
        self._solved[:] = 0
