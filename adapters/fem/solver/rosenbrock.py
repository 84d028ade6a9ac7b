"""Rosenbrock steps of reacting and diffusing fields, as large as the tolerance allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from adapters.fem.mesh.discretisation import Matrices
from adapters.fem.solver.assembly import (
    SparsityPattern,
    build_node_system,
    build_pattern,
    empty_densities,
    empty_factors,
    empty_stages,
)
from adapters.fem.solver.field_layout import FieldLayout
from adapters.fem.solver.integrals import integrate_stages, sum_squares, totals
from adapters.fem.solver.petsc_lu import LinearSolver, PetscLU
from adapters.fem.solver.stages import advance_stage, back_substitute, begin_step
from adapters.fem.solver.system import Densities, NodeSystem, WindowInputs
from adapters.wellmixed.ode.kernel import GROW, SAFETY, SHRINK, SMALLEST, STAGES
from couple.base.arrays import Floats


class StepUnderflow(Exception):
    """The step became too small to go on. column: of the states, the field that broke. step: ms."""

    def __init__(self, column: int, step: float) -> None:
        super().__init__(f"column {column} at {step:g} ms")
        self.column, self.step = column, step


@dataclass
class ErrorTolerance:
    """Error allowed in a step, in molecules: atol + rtol × (volume × root mean square of the density).

    steps: that many equal steps for each window instead, 0 for adaptive ones.
    """

    rtol: float
    atol: float
    steps: int


@dataclass
class RosenbrockStepper:
    """Steps of all sites with one geometry and one set of fields; the state is handed in.

    columns: (n_fields,) column of the states of each field, in the order of `integrals.totals`.
    watch: linear function of the state, of which `watched` is the integral over the last window.
    """

    d: Matrices
    fields: FieldLayout
    watch: Callable[[Densities], Floats] | None = None
    layout: NodeSystem = field(init=False)
    pattern: SparsityPattern = field(init=False)

    def __post_init__(self) -> None:
        t = self.layout = build_node_system(self.d, self.fields)
        self.pattern = build_pattern(t)
        f = self.fields
        columns = [*f.mobile_volume, *f.immobile_volume, *f.mobile_membrane, *f.immobile_membrane]
        self.columns = np.array(columns, dtype=np.int64)
        self.volumes, self.areas = self.d.volumes, self.d.areas
        self.weights = _shares(self.d.mass.diagonal()), _shares(self.d.membrane_mass.diagonal())
        inside = t.n_mobile_volume + t.n_immobile_volume
        size = np.where(np.arange(len(self.columns)) < inside, self.volumes.sum(), self.areas.sum())
        self.size = np.where(self.columns < f.n_species, size, 0.0)  # reservoirs follow from the rest
        self._factors, self._stages = empty_factors(t), empty_stages(t)
        self._new = empty_densities(t)
        self._linear = self._linear_solver()
        self.watched = np.zeros(0) if self.watch is None else 0.0 * self.watch(self.new_state())
        self._factored_step = 0.0  # the step whose factors are there, if they depend on nothing else

    def _linear_solver(self) -> LinearSolver:
        return PetscLU(self.pattern.start, self.pattern.column, line=self.d.line)

    def new_state(self) -> Densities:
        """Densities of zero, see `Densities`."""
        return empty_densities(self.layout)

    def totals(self, y: Densities) -> Floats:
        """(n_fields,) molecules."""
        out = np.empty(len(self.columns))
        totals(self.layout, y, self.volumes, self.areas, out)
        return out

    def _sum(self, values: Floats) -> Floats:
        """Over the processes that share the mesh."""
        return values

    def step(self, y: Densities, c: WindowInputs, h: float) -> bool:
        """One step from `y`: leaves its end, less the last stage, in `_new`. False if it cannot be solved."""
        t, e, u = self.layout, self._factors, self._stages
        begun = not (self.pattern.constant and h == self._factored_step)
        if begun:
            begin_step(t, y, u, self._new, c, h, e, self.pattern.entries, self._linear.values)
            self._factored_step = h
            if not self._linear.factorise():
                self._factored_step = 0.0
                return False
        for i in range(STAGES):
            if i > 0 or not begun:
                advance_stage(t, i, y, u, self._new, c, h, e)
            self._linear.solve(u.mobile[i])
        if t.n_immobile_volume or t.n_immobile_membrane:
            back_substitute(t, STAGES - 1, u, e)
        return True

    def window(
        self, y: Densities, c: WindowInputs, span: float, h: float, tolerance: ErrorTolerance, integrals: Floats
    ) -> float:
        """Advance `y` in place by `span` ms, trying `h` first; integrals (n_fields,) = ∫ totals dt.

        Returns the step to try next. Raises StepUnderflow.
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
                    raise StepUnderflow(int(self.columns[where]), step)
            else:
                # a fourth root by square roots: the same bits on every machine
                factor = SAFETY / math.sqrt(math.sqrt(error)) if error > 0.0 else (GROW if error == 0.0 else SHRINK)
                h = step * min(limit, max(SHRINK, factor))
                if not error <= 1.0:
                    limit = 1.0
                    if h < SMALLEST * span:
                        raise StepUnderflow(int(self.columns[where]), h)
                    continue
            self._accept(y, step, integrals)
            left = 0.0 if parts <= 1.0 else left - step
            todo, limit = todo - 1, GROW
        return min(h, span)

    def _error(self, y: Densities, tolerance: ErrorTolerance) -> tuple[float, int]:
        """Largest error in units of the tolerance, and its field."""
        found, size = np.empty(len(self.columns)), np.empty(len(self.columns))
        last = Densities(self._stages.mobile[-1], self._stages.immobile_volume[-1], self._stages.immobile_membrane[-1])
        sum_squares(self.layout, last, *self.weights, found)
        sum_squares(self.layout, y, *self.weights, size)
        found, size = self._sum(found), self._sum(size)
        with np.errstate(over="ignore"):  # of a tolerance next to nothing: no step is small enough, and that is said
            scaled = self.size * np.sqrt(found) / (tolerance.atol + tolerance.rtol * self.size * np.sqrt(size))
        if not np.isfinite(scaled).all():
            return math.nan, int(np.argmax(~np.isfinite(scaled)))
        return (float(scaled.max()), int(scaled.argmax())) if len(scaled) else (0.0, 0)

    def _accept(self, y: Densities, step: float, integrals: Floats) -> None:
        u = self._stages
        at = [Densities(u.mobile[i], u.immobile_volume[i], u.immobile_membrane[i]) for i in range(STAGES)]
        part = np.empty(len(self.columns))
        integrate_stages(np.array([self.totals(s) for s in at]), self.totals(y), step, part)
        integrals += part
        if self.watch is not None:
            part = np.empty(len(self.watched))
            integrate_stages(np.array([self.watch(s) for s in at]), self.watch(y), step, part)
            self.watched += part
        for old, new, stages in zip(y, self._new, u, strict=True):
            old[...] = new + stages[-1]


def _shares(diagonal: Floats) -> Floats:
    """Positive weights that sum to 1."""
    return np.asarray(diagonal / diagonal.sum() if len(diagonal) else diagonal)
