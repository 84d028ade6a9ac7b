"""How likely held-out configurations are under the free-running model, beside independent sites: nats of a lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.data.trajectories import Snapshots, Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.sampling.ais import annealed_log_z


@dataclass(frozen=True)
class Likelihood:
    """Mean ln p of a held-out configuration and its error (runs, and annealing); independent: of sites without
    correlations that have the densities of the runs learned from."""

    time: float
    value: float
    error: float
    independent: float


def log_likelihood(
    machine: DeepBoltzmann, theta: Floats, states: Snapshots, *, chains: int = 64, steps: int = 500, seed: int = 1
) -> tuple[float, float]:
    """Mean ln p(v) over configurations (R, n_sites) and its standard error, by annealing with and without v clamped."""
    each, biases = 4, theta[: len(machine.biases)].copy()
    if machine.couplings:
        counts = np.bincount(states.ravel(), minlength=len(machine.visible.species) + 1) + 1.0
        biases[: len(counts) - 1] = np.log(counts[1:] / counts[0])
    free = annealed_log_z(machine, theta, chains=chains, steps=steps, seed=seed, biases=biases)
    visible = np.repeat(states, each, axis=0).T.astype(np.int64)
    held = annealed_log_z(
        machine, theta, chains=each * len(states), steps=steps, seed=seed, visible=visible, groups=len(states)
    )
    runs = held.log_weights.var(ddof=1) / len(states) if len(states) > 1 else 0.0
    return float(held.log_weights.mean() - free.log_z), float(np.sqrt(runs + free.error**2))


def independent_sites(learned: Snapshots, states: Snapshots, species: int) -> float:
    """Mean ln p of configurations under independent sites with the densities of others, each counted once more than
    seen, so that what never was there is not impossible."""
    counts = np.bincount(learned.ravel(), minlength=species + 1) + 1.0
    logs = np.log(counts / counts.sum())
    return float(logs[states].sum(axis=1).mean())


def likelihoods(
    machine: DeepBoltzmann, theta: Floats, rows: tuple[int, ...], learned: Trajectories, held: Trajectories, seed: int
) -> list[Likelihood]:
    """At some recorded rows of θ (T, n), for the runs of the first initial condition. Raises InputError for a row that
    is not there."""
    first = [
        runs.snapshots[runs.conditions == runs.conditions[0]] for runs in (learned, held) if runs.snapshots is not None
    ]
    out = []
    for row in rows:
        if not 0 <= row < len(theta):
            raise InputError(f"there is no row {row} in data of {len(theta)}", where="report.likelihood")
        value, error = log_likelihood(machine, theta[row], first[1][:, row], seed=seed)
        base = independent_sites(first[0][:, row], first[1][:, row], len(machine.visible.species))
        out.append(Likelihood(float(held.time[row]), value, error, base))
    return out
