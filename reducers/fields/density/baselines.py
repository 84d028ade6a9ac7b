"""What a field has to beat on held-out runs: a homogeneous density, and a kernel density estimate.

The kernel estimate is Gaussian, of every time by itself, with one bandwidth for all times chosen by cross-validation
over the training runs. Each particle's kernel is divided by its integral over the mesh, so that no particle is lost at
the walls and the intensity integrates to the mean number of particles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.rng.streams import generator
from reducers.fields.density.basis import FieldBasis
from reducers.fields.density.particles import ParticleRuns

CHUNK = 2_000_000
FLOOR = 1e-12
"""Share of the homogeneous density that is added to the kernel estimate: a particle far from all others is unlikely,
not impossible."""


@dataclass(frozen=True)
class Difference:
    """Held-out log-likelihood per run, ours less theirs: mean and standard error over runs."""

    mean: float
    error: float

    @property
    def z(self) -> float:
        """Mean over its standard error; infinite if that is 0."""
        return self.mean / self.error if self.error > 0 else np.inf


def difference(ours: Floats, theirs: Floats) -> Difference:
    """Mean and standard error of ours - theirs, log-likelihoods (runs,) of the same runs."""
    gap = ours - theirs
    return Difference(float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap))))


def homogeneous(learn: ParticleRuns, test: ParticleRuns, basis: FieldBasis) -> Floats:
    """(runs of test,) log-likelihood under the mean number of each species and time, evenly spread."""
    mean = np.maximum(learn.counts.mean(axis=0), 0.5 / learn.runs)
    return np.asarray((test.counts * np.log(mean / basis.measure)).sum(axis=(1, 2)) - mean.sum())


def kernel_density(
    learn: ParticleRuns, test: ParticleRuns, basis: FieldBasis, bandwidths: Floats | None = None, seed: int = 1
) -> tuple[Floats, float]:
    """(runs of test,) log-likelihood under the kernel estimate, and the bandwidth that was chosen."""
    size = basis.measure ** (1 / (basis.cells.shape[1] - 1))
    grid = size * np.geomspace(0.01, 0.4, 10) if bandwidths is None else bandwidths
    fold = generator(seed, "reducers", "fields", "kernel").permutation(np.arange(learn.runs) % 4)
    scores = []
    for h in grid:
        total = 0.0
        for k in range(4):
            if (fold == k).any() and (fold != k).any():
                part, rest = learn.select(np.flatnonzero(fold != k)), learn.select(np.flatnonzero(fold == k))
                total += float(_logs(part, rest, basis, float(h)).sum())
        scores.append(total)
    best = float(grid[int(np.argmax(scores))])
    return _logs(learn, test, basis, best), best


def _logs(learn: ParticleRuns, test: ParticleRuns, basis: FieldBasis, h: float) -> Floats:
    points, measures, _ = basis.quadrature()
    out = np.zeros(test.runs)
    for k in range(len(learn.time)):
        for a in range(len(learn.species)):
            mine = (learn.row == k) & (learn.kind == a)
            theirs = (test.row == k) & (test.kind == a)
            mean = mine.sum() / learn.runs
            ground = max(mean, 0.5 / learn.runs) / basis.measure
            share = 1.0 / np.maximum(_spread(learn.places[mine], points, h, measures), 1e-30)
            density = _spread(test.places[theirs], learn.places[mine], h, share) / learn.runs + FLOOR * ground
            np.add.at(out, test.run[theirs], np.log(density))
            out -= mean + FLOOR * ground * basis.measure
    return out


def _spread(at: Floats, centres: Floats, h: float, weights: Floats) -> Floats:
    """(n,) Σ_c weights_c exp(-|at - c|²/2h²)."""
    out = np.zeros(len(at))
    rows = max(1, CHUNK // max(len(centres), 1))
    scaled, others = ((x / (2**0.5 * h)).astype(np.float32) for x in (at, centres))
    for start in range(0, len(at), rows):
        square = np.zeros((len(scaled[start : start + rows]), len(others)), dtype=np.float32)
        for k in range(at.shape[1]):
            square += (scaled[start : start + rows, k, None] - others[:, k]) ** 2
        out[start : start + rows] = np.exp(-square) @ weights.astype(np.float32)
    return out
