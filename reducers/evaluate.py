"""What a free-running Boltzmann machine looks like: configurations and moments along a path θ(t)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.random import generator
from reducers.boltzmann.dbm import DeepBoltzmann
from reducers.boltzmann.gibbs import Chains, Conditionals
from reducers.dynamics.law import Floats
from reducers.moments import lattice_moments
from reducers.trajectories import Snapshots


def sampled_chains(
    machine: DeepBoltzmann, theta: Floats, *, chains: int = 50, sweeps: int = 50, seed: int = 1, purpose: str = "sample"
) -> Chains:
    """Chains of every θ (T, n) after `sweeps` from random configurations, chain c of time k at k * chains + c."""
    made = Chains(machine, len(theta) * chains, seed, purpose)
    rng = generator(seed, "reducers", purpose, "start")
    for level, layer in enumerate(machine.layers):
        made.set(level, rng.integers(0, len(layer.species) + 1, (layer.size, len(made))))
    made.sweep(Conditionals(machine, theta), np.repeat(np.arange(len(theta)), chains), sweeps)
    return made


def model_moments(
    machine: DeepBoltzmann,
    theta: Floats,
    *,
    chains: int = 50,
    sweeps: int = 50,
    seed: int = 1,
    periodic: bool = True,
    distances: Sequence[int] = (1,),
    block: int = 32,
) -> dict[str, Floats]:
    """name → (chains, T) moments of the visible layer along θ (T, n); `block` times are sampled at once."""
    parts: list[dict[str, Floats]] = []
    for first in range(0, len(theta), block):
        piece = theta[first : first + block]
        made = sampled_chains(machine, piece, chains=chains, sweeps=sweeps, seed=seed, purpose=f"sample {first}")
        states: Snapshots = made.states(0).T.reshape(len(piece), chains, -1)
        visible = machine.visible
        parts.append(lattice_moments(states, visible.species, visible.shape, periodic, distances))
    return {name: np.concatenate([part[name] for part in parts]).T for name in parts[0]}
