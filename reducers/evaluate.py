"""What a free-running Boltzmann machine looks like: configurations and moments along a path θ(t)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reducers.boltzmann.dbm import DeepBoltzmann
from reducers.boltzmann.gibbs import Chains, Conditionals
from reducers.build import AnyModel, exact_moments
from reducers.dynamics.law import Floats
from reducers.model import ReducedModel
from reducers.moments import Estimate, data_moments, lattice_moments, nrmse
from reducers.trajectories import Snapshots, Trajectories


def sampled_chains(
    machine: DeepBoltzmann, theta: Floats, *, chains: int = 50, sweeps: int = 50, seed: int = 1, purpose: str = "sample"
) -> Chains:
    """Chains of every θ (T, n) after `sweeps` from random configurations, chain c of time k at k * chains + c."""
    made = Chains(machine, len(theta) * chains, seed, purpose)
    made.randomise(seed, purpose)
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


def reference_moments(model: AnyModel, runs: Trajectories, periodic: bool, every: int) -> dict[str, Floats]:
    """ "NAME mean", "NAME deviation", "NAME error" (T,) of the first initial condition, for every n-th time."""
    chosen = np.flatnonzero(runs.conditions == runs.conditions[0])
    first = runs.select(chosen).thinned(np.arange(0, len(runs.time), every))
    if isinstance(model, DeepBoltzmann):
        moments = data_moments(first, periodic)
    else:
        exact = exact_moments(model, first, periodic)
        moments = {f"<{name}>": exact[:, :, k] for k, name in enumerate(model.parameters)}
    out = {"time mean": first.time}
    for name, values in moments.items():
        found = Estimate.of(values)
        out |= {f"{name} mean": found.mean, f"{name} deviation": found.deviation, f"{name} error": found.error}
    return out


def free_moments(model: ReducedModel, times: int) -> dict[str, Floats]:
    """name → (samples, T) moments of the free-running model of the first initial condition at `times` points."""
    block, path = model.file.report, model.trajectory()[:, 0]
    every = max(1, -(-len(path) // times))
    theta = path[::every]
    if isinstance(model.model, DeepBoltzmann):
        periodic = model.file.data.periodic
        seed = model.file.train.seed
        return model_moments(model.model, theta, chains=block.chains, sweeps=block.sweeps, seed=seed, periodic=periodic)
    exact = np.stack([model.model.moments(t) for t in theta])
    return {f"<{name}>": exact[None, :, k] for k, name in enumerate(model.model.parameters)}


def held_out_errors(model: ReducedModel) -> dict[str, float]:
    """name → NRMSE of the free-running model's moments against the mean of its reference runs."""
    times = len(model.reference["time mean"])
    found = free_moments(model, times)
    return {name: nrmse(values.mean(axis=0), model.reference[f"{name} mean"]) for name, values in found.items()}
