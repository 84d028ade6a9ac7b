"""The law of motion of fields from particles: maximum likelihood along the whole path, with standard errors.

What is minimised over the coefficients u and, unless they are fixed, the fields ν(t₀) of every ensemble is
    S = Σ_k [b_k·ν(t_k; u, ν₀) + R ∫e^{-ν(t_k)}] + ½ ν₀·Pν₀ + ½ ridge |u|²,
the negative log-likelihood of the particles in all snapshots. (With loads b = R w(ν̂) of given fields it is the
Kullback-Leibler divergence from them: `divergence_loads`.) Gradients are exact discrete adjoints, the Hessian is
Gauss-Newton, H = Tᵀ R ∫e^{-ν}φφ T with the tangent T of the path, and its systems are solved by conjugate gradients.

Particles of one run are the same at all times, so that snapshots are not independent and H⁻¹ (the error from the
observed information) is too small. `errors` are from the spread of the runs' own gradients: H⁻¹ (Σ_r g_r g_rᵀ) H⁻¹.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.fields.basis import FieldBasis
from reducers.fields.estimate import Prior, roughness
from reducers.fields.gaussnewton import System
from reducers.fields.particles import Loads
from reducers.fields.stepping import Path, Stepper

MOST_ITERATIONS = 40
ENOUGH = 1e-5
"""Decrease of S that a step promises below which there are no more steps; 1/2 would be one standard error."""


@dataclass(eq=False)
class Ensemble:
    """Runs from one initial condition.

    loads: (T, species, N) summed over runs; runs: how many; time: (T,). each: the loads of each run, for errors.
    start: (species, N) ν at the first time, where known or to begin with.
    """

    time: Floats
    loads: Floats
    runs: float
    start: Floats
    each: Loads | None = None


def divergence_loads(basis: FieldBasis, nu: Floats, runs: float = 1.0) -> Floats:
    """(T, species, N) loads with which S is, but for a constant, the divergence KL(e^{-ν̂} ‖ e^{-ν}) of fields ν̂."""
    return np.stack([[runs * basis.weights(x) for x in row] for row in nu])


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


class Learner:
    """Gauss-Newton for the law of a stepper.

    priors: per species, of the initial fields, learned with the law; None keeps the starts as they are.
    ridge: weight of |u|²/2. Raises InputError for ensembles that do not fit.
    """

    def __init__(
        self,
        stepper: Stepper,
        ensembles: Sequence[Ensemble],
        priors: Sequence[Prior] | None = None,
        ridge: float = 0.0,
    ) -> None:
        self.stepper, self.ensembles, self.ridge = stepper, list(ensembles), ridge
        self.basis, self.law = stepper.basis, stepper.law
        shape = (len(self.law.species), self.basis.size)
        for e in self.ensembles:
            if e.loads.shape != (len(e.time), *shape) or e.start.shape != shape or len(e.time) < 2:
                raise InputError(f"an ensemble of {e.loads.shape} and a start of {e.start.shape} do not fit {shape}")
        self.joint = priors is not None
        self.rough = [p.smooth * roughness(self.basis, p.kind) for p in priors or ()]
        self.nu0 = [e.start.copy() for e in self.ensembles]
        self.paths: list[Path] = []
        self.history: list[float] = []
        self.done = 0

    # -- objective ------------------------------------------------------------------------------------------------

    def value(self, *, keep: bool) -> float:
        """S. keep: for gradients; the law makes room for what the paths touch. Raises RunError if there is no path."""
        total = 0.5 * self.ridge * float(self.law.vector() @ self.law.vector())
        self.paths = []
        for e, nu0 in zip(self.ensembles, self.nu0, strict=True):
            path = self.stepper.solve(nu0, e.time, keep=keep, reserve=keep)
            self.paths.append(path)
            total += float((e.loads * path.nu).sum())
            total += e.runs * sum(float(self.basis.weights(x).sum()) for row in path.nu for x in row)
            total += sum(0.5 * float(x @ (q @ x)) for x, q in zip(nu0, self.rough, strict=False))
        return total

    def gradient(self) -> tuple[Floats, list[Floats]]:
        """dS/du (size,) and dS/dν₀ per ensemble, at the kept paths."""
        self.law.clear()
        starts = []
        for e, path in zip(self.ensembles, self.paths, strict=True):
            weights = np.stack([[self.basis.weights(x) for x in row] for row in path.nu])
            start = self.stepper.pull_back(path, e.loads - e.runs * weights)
            starts.append(start + self.pull_rough(path.nu[0]))
        return self.law.gradient() + self.ridge * self.law.vector(), starts

    def pull_rough(self, nu: Floats) -> Floats:
        """Gradient of the prior of one initial field (species, N)."""
        return np.stack([q @ x for x, q in zip(nu, self.rough, strict=True)]) if self.joint else np.zeros_like(nu)

    # -- Gauss-Newton ---------------------------------------------------------------------------------------------

    def step(self) -> float:
        """One step; returns the decrease of S that it promised. Raises RunError if no step lowers S."""
        before = self.value(keep=True)
        slope = self.pack(*self.gradient())
        system = System(self)
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
        return share * promised if share == 1.0 else np.inf

    def run(self, progress: Callable[[int, float], None] | None = None, steps: int = MOST_ITERATIONS) -> LearnedLaw:
        """Go on until steps promise nothing; what was learned. Raises RunError if that takes more than `steps`."""
        while self.done < steps:
            promised = self.step()
            if progress is not None:
                progress(self.done, promised)
            if promised < ENOUGH:
                return self.learned()
        raise RunError(f"the law has not converged after {steps} steps: give a larger ridge, or a simpler law")

    def learned(self) -> LearnedLaw:
        """The law as it is, with standard errors."""
        self.value(keep=True)
        system, size = System(self), self.law.size
        columns = [system.solve(unit, 1e-6)[0] for unit in np.eye(size, self._length())]
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

    def _length(self) -> int:
        return self.law.size + (sum(x.size for x in self.nu0) if self.joint else 0)

    def pack(self, u: Floats, starts: Sequence[Floats]) -> Floats:
        """Coefficients and, if they are learned, initial fields as one vector."""
        return np.concatenate([u, *(x.ravel() for x in starts)]) if self.joint else u

    def unpack(self, z: Floats) -> tuple[Floats, list[Floats]]:
        """Their parts again; zeros for fields that are not learned."""
        size = len(z) - (sum(x.size for x in self.nu0) if self.joint else 0)
        if not self.joint:
            return z, [np.zeros_like(x) for x in self.nu0]
        ends = size + np.cumsum([0] + [x.size for x in self.nu0])
        fields = [z[a:b].reshape(x.shape) for a, b, x in zip(ends[:-1], ends[1:], self.nu0, strict=True)]
        return z[:size], fields
