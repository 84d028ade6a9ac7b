"""Boltzmann learning of μ at every time slice, by listing states: natural gradient, begun at the slice before."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.dbd.energy.family import Enumerated

PSEUDO = 0.5
"""Molecules added to the data, spread evenly over the states: where a state was never seen μ stays finite."""


def smooth_counts(counts: Floats, pseudo: float = PSEUDO) -> Floats:
    """(…, n_states) probabilities of counts with `pseudo` molecules more, evenly spread."""
    n_states = counts.shape[-1]
    return np.asarray((counts + pseudo / n_states) / (counts.sum(axis=-1, keepdims=True) + pseudo))


def fit_slice(
    family: Enumerated, moments: Floats, start: Floats, *, tolerance: float = 1e-10, iterations: int = 200
) -> Floats:
    """(n,) μ with ⟨V⟩ = moments (n,).

    Each step is C⁻¹ (⟨V⟩_data - ⟨V⟩), halved until the log-likelihood μ·⟨V⟩_data - ln Z does not fall.
    Raises RunError if it is not found.
    """
    mu = start.copy()
    value = float(mu @ moments) - family.log_z(mu)
    for _ in range(iterations):
        gap = moments - family.moments(mu)
        if np.abs(gap).max() <= tolerance:
            return mu
        covariance = family.covariance(mu)
        ridge = 1e-13 * np.trace(covariance) * np.eye(len(mu))
        step = np.linalg.solve(covariance + ridge, gap)
        step *= min(1.0, 5.0 / float(np.abs(step).max()))
        for _ in range(30):
            new = float((mu + step) @ moments) - family.log_z(mu + step)
            if new >= value - 1e-12 * abs(value):
                break
            step = step / 2
        mu, value = mu + step, new
    raise RunError(f"Boltzmann learning did not converge: moments are {np.abs(gap).max():.2g} off")


def fit_slices(family: Enumerated, probabilities: Floats) -> Floats:
    """(T, n) μ of every slice of one stimulus from probabilities (T, n_states) without zeros."""
    moments = probabilities @ family.features
    out = np.empty((len(moments), len(family.parameters)))
    mu = np.zeros(len(family.parameters))
    for k, target in enumerate(moments):
        mu = out[k] = fit_slice(family, target, mu, tolerance=1e-9)
    return out
