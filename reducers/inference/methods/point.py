"""The parameters whose features are nearest to an observation, by CMA-ES (Hansen 2016), without an uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import MissingDependencyError
from reducers.inference.density.flow import EXTRA
from reducers.inference.density.scaling import Scaling
from reducers.inference.problem.prior import Prior
from reducers.inference.simulation.simulations import Simulations

Simulate = Callable[[int, Floats], Simulations]
"""(number of a generation, (n, d) parameters) → their simulations."""

START = 0.5
"""Standard deviations of the prior, of the first generation."""


def climb(
    prior: Prior, pilot: Simulations, observation: Floats, simulations: int, seed: int, simulate: Simulate
) -> tuple[Simulations, Floats]:
    """All simulations, of generations that move towards the observation (f,), and where they end, (d,).

    The end is the mean of the last generation, in normal coordinates: noise of single simulations averages out.

    pilot: draws of the prior, by which features are scaled; the search begins at the nearest. simulations: of all
    generations, at most. A simulation that lacks features is farther than any other. Raises InputError without `cma`.
    """
    try:
        import cma
    except ModuleNotFoundError:
        raise MissingDependencyError(f'the method cma needs the module "cma": {EXTRA}', where="infer.method") from None
    scaling = Scaling.of(pilot.features[pilot.valid])
    made, first = [pilot], prior.to_normal(pilot.theta[[nearest(pilot, scaling, observation)]])[0]
    search: Any = cma.CMAEvolutionStrategy(first, START, {"seed": seed % 2**31 + 1, "verbose": -9})
    number, done = 1, 0
    while done < simulations and not search.stop():
        z = np.array(search.ask())
        number, done = number + 1, done + len(z)
        made.append(simulate(number, prior.from_normal(z)))
        search.tell(list(z), distances(made[-1], scaling, observation).tolist())
    return Simulations.join(made), prior.from_normal(np.asarray(search.mean)[None])[0]


def distances(made: Simulations, scaling: Scaling, observation: Floats) -> Floats:
    """(n,) squared, of scaled features from an observation; 1e9 where there are none."""
    found = np.sum((scaling(made.features) - scaling(observation)) ** 2, axis=1)
    return np.where(made.valid, found, 1e9)


def nearest(made: Simulations, scaling: Scaling, observation: Floats) -> int:
    """Number of the simulation nearest to an observation."""
    return int(np.argmin(distances(made, scaling, observation)))
