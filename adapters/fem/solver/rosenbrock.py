"""Rosenbrock steps of reacting and diffusing fields, as large as the tolerance allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from adapters.fem.mesh.discretisation import Matrices
from adapters.fem.solver import kernels
from adapters.fem.solver.assembly import Pattern, elimination_of, layout_of, pattern_of, stages_of, state_of
from adapters.fem.solver.field_layout import Fields
from adapters.fem.solver.kernels import Layout, State
from adapters.fem.solver.petsc_lu import Direct, Linear
from adapters.wellmixed.ode_kernel import GROW, SAFETY, SHRINK, SMALLEST, STAGES
from couple.base.arrays import Floats


class Collapse(Exception):
    """The step became too small to go on. column: of the states, the field that broke; step: ms."""

    def __init__(self, column: int, step: float) -> None:
        super().__init__(f"column {column} at {step:g} ms")
        self.column, self.step = column, step


@dataclass
class Tolerance:
    """Error allowed in a step, in molecules: atol + rtol × (volume × root mean square of the density).

    steps: that many equal steps for each window instead, 0 for adaptive ones.
    """

    rtol: float
    atol: float
    steps: int


@dataclass
class Constants:
    """Inputs that hold over a window. load: (n_unknowns,) molecules per ms; held, wall_held: clamped densities."""

    load: Floats
    held: Floats
    wall_held: Floats


@dataclass
class Stepper:
    """Steps of all sites with one geometry and one set of fields; the state is handed in.

    columns: (n_fields,) column of the states of each field, in the order of `kernel.totals`.
    watch: linear function of the state, of which `watched` is the integral over the last window.
    """

    d: Matrices
    fields: Fields
    watch: Callable[[State], Floats] | None = None
    layout: Layout = field(init=False)
    pattern: Pattern = field(init=False)

    def __post_init__(self) -> None:
        t = self.layout = layout_of(self.d, self.fields)
        self.pattern = pattern_of(t)
        f = self.fields
        self.columns = np.array([*f.moving, *f.resting, *f.sliding, *f.fixed], dtype=np.int64)
        self.volumes, self.areas = self.d.volumes, self.d.areas
        self.weights = _shares(self.d.mass.diagonal()), _shares(self.d.wall_mass.diagonal())
        inside = t.moving + t.resting
        size = np.where(np.arange(len(self.columns)) < inside, self.volumes.sum(), self.areas.sum())
        self.size = np.where(self.columns < f.n_species, size, 0.0)  # reservoirs follow from the rest
        self._elimination, self._stages = elimination_of(t), stages_of(t)
        self._new = state_of(t)
        self._direct = self._solver()
        self.watched = np.zeros(0) if self.watch is None else 0.0 * self.watch(self.new_state())
        self._factored = 0.0  # the step whose factors are there, if they depend on nothing else

    def _solver(self) -> Linear:
        return Direct(self.pattern.start, self.pattern.column, line=self.d.line)

    def new_state(self) -> State:
        """Zeros."""
        return state_of(self.layout)

    def totals(self, y: State) -> Floats:
        """(n_fields,) molecules."""
        out = np.empty(len(self.columns))
        kernels.totals(self.layout, y, self.volumes, self.areas, out)
        return out

    def _sum(self, values: Floats) -> Floats:
        """Over the processes that share the mesh."""
        return values

    def step(self, y: State, c: Constants, h: float) -> bool:
        """One step from `y`: leaves its end, less the last stage, in `_new`. False if it cannot be solved."""
        t, e, u = self.layout, self._elimination, self._stages
        begun = not (self.pattern.constant and h == self._factored)
        if begun:
            kernels.begin(
                t, y, u, self._new, c.held, c.wall_held, c.load, h, e, self.pattern.entries, self._direct.values
            )
            self._factored = h
            if not self._direct.factorise():
                self._factored = 0.0
                return False
        for i in range(STAGES):
            if i > 0 or not begun:
                kernels.stage(t, i, y, u, self._new, c.held, c.wall_held, c.load, h, e)
            self._direct.solve(u.x[i])
        if t.resting or t.fixed:
            kernels.after(t, STAGES - 1, u, e)
        return True

    def window(self, y: State, c: Constants, span: float, h: float, tolerance: Tolerance, integrals: Floats) -> float:
        """Advance `y` in place by `span` ms, trying `h` first; integrals (n_fields,) = ∫ totals dt.

        Returns the step to try next. Raises Collapse.
        """
        integrals[:] = 0.0
        self.watched[:] = 0.0
        left, limit, todo = span, GROW, tolerance.steps
        h = h if h > 0.0 else span
        while left > 0.0:
            parts = todo if tolerance.steps else max(1.0, math.ceil(left / h * (1.0 - 1e-9)))
            step = left / parts
            solved = self.step(y, c, step)
            error, where = self._error(y, tolerance) if solved else (math.nan, 0)
            if tolerance.steps:
                if math.isnan(error):
                    raise Collapse(int(self.columns[where]), step)
            else:
                # a fourth root by square roots: the same bits on every machine
                factor = SAFETY / math.sqrt(math.sqrt(error)) if error > 0.0 else (GROW if error == 0.0 else SHRINK)
                h = step * min(limit, max(SHRINK, factor))
                if not error <= 1.0:
                    limit = 1.0
                    if h < SMALLEST * span:
                        raise Collapse(int(self.columns[where]), h)
                    continue
            self._accept(y, step, integrals)
            left = 0.0 if parts <= 1.0 else left - step
            todo, limit = todo - 1, GROW
        return min(h, span)

    def _error(self, y: State, tolerance: Tolerance) -> tuple[float, int]:
        """Largest error in units of the tolerance, and its field."""
        found, size = np.empty(len(self.columns)), np.empty(len(self.columns))
        last = State(self._stages.x[-1], self._stages.rest[-1], self._stages.fixed[-1])
        kernels.squares(self.layout, last, *self.weights, found)
        kernels.squares(self.layout, y, *self.weights, size)
        found, size = self._sum(found), self._sum(size)
        scaled = self.size * np.sqrt(found) / (tolerance.atol + tolerance.rtol * self.size * np.sqrt(size))
        if not np.isfinite(scaled).all():
            return math.nan, int(np.argmax(~np.isfinite(scaled)))
        return (float(scaled.max()), int(scaled.argmax())) if len(scaled) else (0.0, 0)

    def _accept(self, y: State, step: float, integrals: Floats) -> None:
        u = self._stages
        at = [State(u.x[i], u.rest[i], u.fixed[i]) for i in range(STAGES)]
        part = np.empty(len(self.columns))
        kernels.integral(np.array([self.totals(s) for s in at]), self.totals(y), step, part)
        integrals += part
        if self.watch is not None:
            part = np.empty(len(self.watched))
            kernels.integral(np.array([self.watch(s) for s in at]), self.watch(y), step, part)
            self.watched += part
        for old, new, stage in zip(y, self._new, u, strict=True):
            old[...] = new + stage[-1]


def _shares(diagonal: Floats) -> Floats:
    """Positive weights that sum to 1."""
    return np.asarray(diagonal / diagonal.sum() if len(diagonal) else diagonal)
