"""Pair interactions as functions of distance, on top of the fields: p ∝ exp[-Σ_i ν₁(x_i) - Σ_{i<j} ν₂(|x_i - x_j|)].

The normalisation of such a distribution is not known, but its conditional intensity is,
λ_a(u | X) = exp[-ν₁_a(u) - Σ_j ν₂_ab(|u - x_j|)], and with it the pseudo-likelihood (Besag 1975)
    Σ_i ln λ(x_i | X without x_i) - ∫λ(u | X) du,
which is concave in ν₁ and ν₂ together and is maximised by Newton's method with the exact Hessian. The integral is a sum
over the quadrature points of the mesh: its cells should not be larger than the distances that ν₂ resolves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array, hstack
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.fields.density.basis import FieldBasis
from reducers.fields.density.estimates import Prior, roughness
from reducers.fields.density.particles import ParticleRuns

MOST_ITERATIONS = 60
CLOSE = 1e-8


@dataclass(frozen=True, eq=False)
class PairFields:
    """nu1: (species, N). nu2: (pairs, knots) values at the distances `knots`, linear between, 0 from the last on.

    pairs: indices of species, unordered. errors: (pairs, knots) standard errors from the spread of runs.
    """

    knots: Floats
    pairs: tuple[tuple[int, int], ...]
    nu1: Floats
    nu2: Floats
    errors: Floats

    def interaction(self, pair: int, distance: Floats) -> Floats:
        """(…,) ν₂ of a pair of species at distances (…,)."""
        return np.asarray(np.interp(distance, self.knots, self.nu2[pair], right=0.0))


def fit_pairs(
    particles: ParticleRuns, basis: FieldBasis, knots: Sequence[float], priors: Sequence[Prior], ridge: float = 1e-3
) -> PairFields:
    """ν₁ and ν₂ from the runs of one time.

    knots: increasing distances from 0; ν₂ is 0 at the last. priors: of ν₁, per species. ridge: weight of |ν₂|²/2, which
    decides where no two particles ever were that near.
    Raises InputError for several times, too few runs, or knots that do not increase from 0, and RunError if Newton's
    method does not converge.
    """
    at = np.asarray(knots, dtype=float)
    if at.ndim != 1 or len(at) < 2 or at[0] != 0 or not (np.diff(at) > 0).all():
        raise InputError(f"needs distances that increase from 0, not {list(knots)}", where="knots")
    if len(particles.time) != 1 or particles.runs < 2:
        raise InputError(f"pairs are fitted to the runs of one time, not to {particles.runs} of {len(particles.time)}")
    pairs = tuple(itertools.combinations_with_replacement(range(len(particles.species)), 2))
    designs = _Designs(particles, basis, at, pairs)
    n, free = basis.size, len(at) - 1
    penalty = _penalty(basis, priors, ridge, len(pairs) * free)
    theta = np.zeros(penalty.shape[0])
    mean = particles.counts.mean(axis=(0, 1))
    theta[: len(mean) * n] = np.repeat(np.log(basis.measure / np.maximum(mean, 0.5)), n)
    for _ in range(MOST_ITERATIONS):
        slopes, hessian = designs.slopes(theta)
        total = slopes.sum(axis=0) + penalty @ theta
        factors = splu(csc_array(hessian + penalty))
        step = factors.solve(total)
        size = float(np.abs(step).max())
        if not np.isfinite(size):
            break
        theta = theta - step * min(1.0, 2.0 / size)
        if size <= CLOSE:
            last = len(mean) * n
            unit = np.zeros((len(theta), len(theta) - last))
            unit[last:] = np.eye(len(theta) - last)
            influence = slopes @ factors.solve(unit)
            errors = np.sqrt(((influence - influence.mean(axis=0)) ** 2).sum(axis=0))
            shape = (len(pairs), free)
            zeros = np.zeros((len(pairs), 1))
            nu2, spread = (np.hstack([v.reshape(shape), zeros]) for v in (theta[last:], errors))
            return PairFields(at, pairs, theta[:last].reshape(len(mean), n), nu2, spread)
    raise RunError("pair interactions cannot be fitted: Newton's method does not converge; give fewer knots or a ridge")


def _penalty(basis: FieldBasis, priors: Sequence[Prior], ridge: float, pairs: int) -> Any:
    from scipy.sparse import block_diag, diags_array

    blocks = [p.smooth * roughness(basis, p.kind) for p in priors]
    return csr_array(block_diag([*blocks, diags_array(np.full(pairs, ridge))]))


class _Designs:
    """Rows of the linear predictor ν₁(u) + Σν₂ of every run: at its particles, and at the quadrature points."""

    def __init__(
        self, particles: ParticleRuns, basis: FieldBasis, knots: Floats, pairs: tuple[tuple[int, int], ...]
    ) -> None:
        self.points, self.measures, self.phi = basis.quadrature()
        self.knots, self.pairs, self.species = knots, pairs, len(particles.species)
        self.seen: list[Floats] = []
        self.empty: list[list[Any]] = []
        for r in range(particles.runs):
            sets = [particles.places[(particles.run == r) & (particles.kind == a)] for a in range(self.species)]
            rows = [self._row(a, sets[a], basis.load(sets[a]), sets, own=True) for a in range(self.species)]
            self.seen.append(np.sum([np.asarray(row.sum(axis=0)).ravel() for row in rows], axis=0))
            self.empty.append([self._row(a, self.points, self.phi, sets, own=False) for a in range(self.species)])

    def _row(self, a: int, at: Floats, phi: Any, sets: list[Floats], *, own: bool) -> Any:
        """(points, parameters) for a particle of species a at each of the points."""
        blocks = [phi if b == a else csr_array(phi.shape) for b in range(self.species)]
        for first, second in self.pairs:
            if a not in (first, second):
                blocks.append(csr_array((len(at), len(self.knots) - 1)))
                continue
            other = second if a == first else first
            blocks.append(self._hats(at, sets[other], same=own and other == a))
        return csr_array(hstack(blocks))

    def _hats(self, at: Floats, others: Floats, *, same: bool) -> Any:
        """(points, knots - 1) Σ_j h_m(|u - x_j|)."""
        shape = (len(at), len(self.knots) - 1)
        if not len(at) or not len(others):
            return csr_array(shape)
        near = cKDTree(at).sparse_distance_matrix(cKDTree(others), self.knots[-1], output_type="coo_matrix")
        kept = near.row != near.col if same else np.ones(len(near.row), dtype=bool)
        row, r = near.row[kept], near.data[kept]
        cell = np.clip(np.searchsorted(self.knots, r, side="right") - 1, 0, shape[1] - 1)
        upper = (r - self.knots[cell]) / (self.knots[cell + 1] - self.knots[cell])
        inner = cell + 1 < shape[1]
        return csr_array(
            (np.concatenate([1 - upper, upper[inner]]),
             (np.concatenate([row, row[inner]]), np.concatenate([cell, cell[inner] + 1]))), shape=shape,
        )  # fmt: skip

    def slopes(self, theta: Floats) -> tuple[Floats, Any]:
        """(runs, parameters) gradient of each run's negative log-pseudo-likelihood, and the Hessian of the sum."""
        gradients, hessian = [], csr_array((len(theta), len(theta)))
        for seen, empty in zip(self.seen, self.empty, strict=True):
            gradient = seen.copy()
            for rows in empty:
                amount = self.measures * np.exp(-(rows @ theta))
                gradient -= rows.T @ amount
                weighted = rows.copy()
                weighted.data *= np.repeat(amount, np.diff(rows.indptr))
                hessian = hessian + rows.T @ weighted
            gradients.append(gradient)
        return np.stack(gradients), hessian
