"""ln Z of a deep Boltzmann machine by annealed importance sampling (Neal 2001; Salakhutdinov & Hinton 2009).

Chains go from independent units (weights 0, ln Z known) to the machine on a straight line in θ; each collects
ln w = Σ_k (β_{k+1} - β_k) Σ (θ - θ_0) X. With the visible layer clamped the same gives ln Σ_h exp(-E(v, h)), and so
held-out log-likelihoods ln p(v) = that - ln Z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.sampling.gibbs import Chains, Conditionals


@dataclass(frozen=True)
class Annealed:
    """Estimates per group of chains, with standard errors (delta method over the chains of a group)."""

    log_weights: Floats
    errors: Floats

    @property
    def log_z(self) -> float:
        """ln Z, or ln Σ_h exp(-E), of the first group."""
        return float(self.log_weights[0])

    @property
    def error(self) -> float:
        """Standard error of `log_z`."""
        return float(self.errors[0])


def annealed_log_z(
    machine: DeepBoltzmann,
    theta: Floats,
    *,
    chains: int = 100,
    steps: int = 1000,
    seed: int = 1,
    visible: Ints | None = None,
    groups: int = 1,
    biases: Floats | None = None,
) -> Annealed:
    """ln Z (n-vector theta) from `chains` chains in `steps` temperatures.

    biases: of the independent units at the start, (n_biases,); those of theta if not given. Densities like those at the
    end keep the errors small where couplings within layers are strong.
    visible: (n_units, chains) states to clamp; then ln Σ_h exp(-E) of each of `groups` equal groups of chains.
    """
    if chains < 2 * groups or chains % groups or steps < 1:
        raise InputError(f"needs two or more chains for each of {groups} groups and a step, not {chains} and {steps}")
    walkers, start = Chains(machine, chains, seed, "annealing"), len(machine.biases)
    sets, clamped = np.zeros(chains, dtype=np.int64), visible is not None
    cold = np.zeros(len(theta))
    cold[:start] = theta[:start] if biases is None else biases
    if visible is not None:
        walkers.set(0, visible)
    walkers.sweep(Conditionals(machine, cold), sets, 1, clamped=clamped)
    gained = np.zeros(chains)
    for k in range(steps):
        gained += walkers.moments() @ (theta - cold) / steps
        warm = cold + (theta - cold) * ((k + 1) / steps)
        walkers.sweep(Conditionals(machine, warm), sets, 1, clamped=clamped)
    return _average(gained + _log_z_of_biases(machine, cold, walkers, clamped), groups)


def _log_z_of_biases(machine: DeepBoltzmann, theta: Floats, walkers: Chains, clamped: bool) -> Floats:
    """(chains,) ln Z without weights; of the visible layer its own energy, if it is clamped."""
    total = np.zeros(len(walkers))
    for level, layer in enumerate(machine.layers):
        biases = theta[: len(machine.biases)][[where == level for where, _ in machine.biases]]
        if level == 0 and clamped:
            total += walkers.moments()[:, : len(biases)] @ biases
        else:
            total += layer.size * np.log1p(np.exp(biases).sum())
    return total


def _average(log_w: Floats, groups: int) -> Annealed:
    shaped = log_w.reshape(groups, -1)
    top = shaped.max(axis=1, keepdims=True)
    weights = np.exp(shaped - top)
    mean, count = weights.mean(axis=1), shaped.shape[1]
    spread = weights.std(axis=1, ddof=1) / np.sqrt(count)
    return Annealed(top[:, 0] + np.log(mean), spread / mean)
