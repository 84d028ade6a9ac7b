"""The law of motion of fields from particles: maximum likelihood along the whole path, with standard errors.

`PathMisfit` is minimised by Gauss-Newton steps, H = Tᵀ R ∫e^{-ν}φφ T with the tangent T of the path, whose systems are
solved by conjugate gradients.

Particles of one run are the same at all times, so that snapshots are not independent and H⁻¹ (the error from the
observed information) is too small. `errors` are from the spread of the runs' own gradients: H⁻¹ (Σ_r g_r g_rᵀ) H⁻¹.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.fields.density.estimates import Prior
from reducers.fields.fit.gauss_newton import GaussNewtonSystem
from reducers.fields.fit.misfit import ParticleEnsemble, PathMisfit
from reducers.fields.laws.stepper import FieldStepper

MOST_ITERATIONS = 40
ENOUGH = 1e-5
"""Decrease of S that a step promises below which there are no more steps; 1/2 would be one standard error."""


@dataclass(eq=False)
class LearnedLaw:
    """values: (size,) coefficients. errors: their standard errors from the spread of runs; None for a single run.

    information: their errors if all snapshots were independent. covariance: (size, size) behind `errors`, or behind
    `information`. nu0: per ensemble. paths: per ensemble (T, species, N). history: S after every step.
    """

    names: tuple[str, ...]
    values: Floats
    errors: Floats | None
    information: Floats
    covariance: Floats
    nu0: list[Floats]
    paths: list[Floats]
    history: list[float] = field(default_factory=list)


class Learner(PathMisfit):
    """Gauss-Newton steps down a misfit. done: steps so far. history: S after each. promised: by the last, of S."""

    def __init__(
        self,
        stepper: FieldStepper,
        ensembles: Sequence[ParticleEnsemble],
        priors: Sequence[Prior] | None = None,
        ridge: float = 0.0,
    ) -> None:
        super().__init__(stepper, ensembles, priors, ridge)
        self.history: list[float] = []
        self.done = 0
        self.promised = np.inf

    def step(self) -> float:
        """One step; returns the decrease of S that it promised. Raises RunError if no step lowers S."""
        before = self.value(keep=True)
        slope = self.pack(*self.gradient())
        system = GaussNewtonSystem(self)
        move, _ = system.solve(-slope, 1e-3)
        promised = -0.5 * float(slope @ move)
        u, starts = self.law.vector(), [x.copy() for x in self.nu0]
        share = 1.0
        while share > 1e-6:
            change, fields = self.unpack(share * move)
            self.law.assign(u + change)
            self.nu0 = [x + d for x, d in zip(starts, fields, strict=True)]
            try:
                after, reason = self.value(keep=False), "take more substeps"
            except RunError as error:
                after, reason = np.inf, str(error)
            if after <= before - 1e-4 * share * 2 * promised + 1e-10 * abs(before):
                break
            share /= 2
        else:
            self.law.assign(u)
            self.nu0 = starts
            raise RunError(f"no step along the gradient lowers the misfit: {reason}")
        self.done += 1
        self.history.append(after)
        self.promised = promised if share == 1.0 else np.inf
        return self.promised

    def run(self, progress: Callable[[int, float], None] | None = None, steps: int = MOST_ITERATIONS) -> LearnedLaw:
        """Go on until steps promise nothing; what was learned. Raises RunError if that takes more than `steps`."""
        while self.promised >= ENOUGH and self.done < steps:
            self.step()
            if progress is not None:
                progress(self.done, self.promised)
        if self.promised < ENOUGH:
            return self.learned()
        raise RunError(f"the law has not converged after {steps} steps: give a larger ridge, or a simpler law")

    def learned(self) -> LearnedLaw:
        """The law as it is, with standard errors."""
        self.value(keep=True)
        system, size = GaussNewtonSystem(self), self.law.size
        columns = [system.solve(unit, 1e-6)[0] for unit in np.eye(size, self.length)]
        inverse = np.stack([c[:size] for c in columns])
        inverse = (inverse + inverse.T) / 2
        influence = self._influence(columns)
        covariance = inverse if influence is None else influence.T @ influence
        return LearnedLaw(
            self.law.names,
            self.law.vector(),
            None if influence is None else np.sqrt(np.diag(covariance)),
            np.sqrt(np.maximum(np.diag(inverse), 0.0)),
            covariance,
            [x.copy() for x in self.nu0],
            [p.nu for p in self.paths],
            self.history,
        )

    def _influence(self, columns: list[Floats]) -> Floats | None:
        """(runs of all ensembles, size) how far each run moves each coefficient; None unless runs are several."""
        parts = []
        for c, (e, path) in enumerate(zip(self.ensembles, self.paths, strict=True)):
            if e.each is None or e.each.runs < 2:
                return None
            moved = []
            for column in columns:
                u, starts = self.unpack(column)
                moved.append(e.each.dots(self.stepper.tangent(path, starts[c], u)))
            found = np.stack(moved, axis=1)
            runs = e.each.runs
            parts.append((found - found.mean(axis=0)) * np.sqrt(runs / (runs - 1)))
        return np.concatenate(parts)
