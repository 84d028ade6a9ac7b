"""Many copies of a site for the tests of exact stochastic simulation, and a law to compare them with."""

from __future__ import annotations

import numpy as np

from adapters.wellmixed.ssa.engine import Gillespie
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry

ONE = Geometry.box(1, 1, 1)
"""1 µm³."""


def replicas(network: ReactionNetwork, n: int, initial: tuple[int, ...], tick: float, **setup: object) -> Gillespie:
    """Many equal sites with their own random streams."""
    sites = tuple(Site(f"s{i}", ONE, initial) for i in range(n))
    return Gillespie(EngineSetup(**{"seed": 5, **setup}, name="x", network=network, sites=sites, tick=tick))  # type: ignore[arg-type]


def dimers(total: int, forward: float, backward: float) -> np.ndarray:
    """P(number of dimers) at equilibrium, from detailed balance."""
    weights = [1.0]
    for m in range(total // 2):
        left = total - 2 * m
        weights.append(weights[-1] * forward * left * (left - 1) / (backward * (m + 1)))
    return np.array(weights) / sum(weights)
