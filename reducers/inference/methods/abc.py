"""Rejection with regression (Beaumont, Zhang & Balding 2002): the baseline."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.inference.density.scaling import Scaling
from reducers.inference.problem.prior import Prior
from reducers.inference.simulation.simulations import Simulations

KEPT = 0.01
"""Share of simulations that is kept, and at least so many:"""
FEWEST = 100


def accept(prior: Prior, made: Simulations, observation: Floats, share: float = KEPT) -> Floats:
    """(n, d) parameters whose features are nearest to an observation (f,).

    Each is moved by what a linear regression of normal coordinates on features says of the rest of the way.
    Raises InputError for too few simulations.
    """
    made = made.where(made.valid)
    n, f = max(FEWEST, int(share * len(made))), made.features.shape[1]
    if len(made) < n or n <= f + 1:
        raise InputError(f"{len(made)} valid simulations: abc needs {max(n, f + 2)} and more")
    scaling = Scaling.of(made.features)
    apart = scaling(made.features) - scaling(observation)
    distance = np.linalg.norm(apart, axis=1)
    near = np.argsort(distance)[:n]
    z, x = prior.to_normal(made.theta[near]), apart[near]
    weight = np.maximum(1 - (distance[near] / max(distance[near].max(), 1e-300)) ** 2, 1e-9)[:, None] ** 0.5
    design = np.concatenate([np.ones((n, 1)), x], axis=1)
    slope = np.linalg.lstsq(design * weight, z * weight, rcond=None)[0][1:]
    return prior.from_normal(z - x @ slope)
