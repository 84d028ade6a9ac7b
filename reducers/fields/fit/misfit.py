"""The misfit of a law of fields: the negative log-likelihood of particles along a whole path, and its gradient.

What is minimised over the coefficients u and, unless they are fixed, the fields ν(t₀) of every ensemble is
    S = Σ_k [b_k·ν(t_k; u, ν₀) + R ∫e^{-ν(t_k)}] + ½ ν₀·Pν₀ + ½ ridge |u|²,
the negative log-likelihood of the particles in all snapshots. (With loads b = R w(ν̂) of given fields it is the
Kullback-Leibler divergence from them: `divergence_loads`.) Gradients are exact discrete adjoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.fields.density.basis import FieldBasis
from reducers.fields.density.estimates import Prior, roughness
from reducers.fields.density.particles import ParticleLoads
from reducers.fields.laws.stepper import FieldPath, FieldStepper


@dataclass(eq=False)
class ParticleEnsemble:
    """Runs from one initial condition.

    loads: (T, species, N) summed over runs; runs: how many; time: (T,). each: the loads of each run, for errors.
    start: (species, N) ν at the first time, where known or to begin with.
    """

    time: Floats
    loads: Floats
    runs: float
    start: Floats
    each: ParticleLoads | None = None


def divergence_loads(basis: FieldBasis, nu: Floats, runs: float = 1.0) -> Floats:
    """(T, species, N) loads with which S is, but for a constant, the divergence KL(e^{-ν̂} ‖ e^{-ν}) of fields ν̂."""
    return np.stack([[runs * basis.weights(x) for x in row] for row in nu])


class PathMisfit:
    """S of a stepper's law on ensembles, at `nu0` and the coefficients of the law.

    priors: per species, of the initial fields, learned with the law; None keeps the starts as they are.
    ridge: weight of |u|²/2. nu0: per ensemble (species, N). paths: per ensemble, those of the last `value`.
    Raises InputError for ensembles that do not fit.
    """

    def __init__(
        self,
        stepper: FieldStepper,
        ensembles: Sequence[ParticleEnsemble],
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
        self.paths: list[FieldPath] = []

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

    def pack(self, u: Floats, starts: Sequence[Floats]) -> Floats:
        """(length,) coefficients (size,) and, if they are learned, initial fields (species, N) as one vector."""
        return np.concatenate([u, *(x.ravel() for x in starts)]) if self.joint else u

    def unpack(self, z: Floats) -> tuple[Floats, list[Floats]]:
        """Coefficients (size,) and initial fields (species, N) of one vector; zeros for fields that are not learned."""
        size = len(z) - (sum(x.size for x in self.nu0) if self.joint else 0)
        if not self.joint:
            return z, [np.zeros_like(x) for x in self.nu0]
        ends = size + np.cumsum([0] + [x.size for x in self.nu0])
        fields = [z[a:b].reshape(x.shape) for a, b, x in zip(ends[:-1], ends[1:], self.nu0, strict=True)]
        return z[:size], fields

    @property
    def length(self) -> int:
        """How many numbers are learned: coefficients and, if they are, initial fields."""
        return self.law.size + (sum(x.size for x in self.nu0) if self.joint else 0)
