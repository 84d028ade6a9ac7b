"""Mean-field inference of hidden units: independent probabilities that obey the conditionals on average."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import RunError
from reducers.dbd.energy.dbm import DeepBoltzmann


def mean_field(
    machine: DeepBoltzmann, theta: Floats, visible: Ints, *, iterations: int = 500, tolerance: float = 1e-10
) -> list[Floats]:
    """Per layer (n_units, chains, n_species) probabilities given visible states (n_units, chains).

    Odd and even layers in turn until nothing moves by more than `tolerance`. Raises RunError if that never happens.
    """
    means = []
    for level, layer in enumerate(machine.layers):
        species = np.arange(1, len(layer.species) + 1)
        one_hot = (visible[:, :, None] == species).astype(float)
        means.append(one_hot if level == 0 else np.zeros((layer.size, visible.shape[1], len(species))))
    order = [*range(1, len(means), 2), *range(2, len(means), 2)]
    for _ in range(iterations):
        moved = 0.0
        for level in order:
            new = _given_neighbours(machine, theta, level, means)
            moved = max(moved, float(np.abs(new - means[level]).max()))
            means[level] = new
        if moved < tolerance:
            return means
    raise RunError(f"mean field did not settle in {iterations} iterations (last change {moved:.1e})")


def _given_neighbours(machine: DeepBoltzmann, theta: Floats, level: int, means: list[Floats]) -> Floats:
    size, chains, species = means[level].shape
    energy = np.zeros((size, chains, species))
    for k, (where, s) in enumerate(machine.biases):
        if where == level:
            energy[:, :, s - 1] += theta[k]
    for k, (lower, a, b) in enumerate(machine.weights, start=len(machine.biases)):
        if lower == level:
            energy[:, :, a - 1] += theta[k] * _summed(means[level + 1][:, :, b - 1], machine.up[level])
        elif lower == level - 1:
            energy[:, :, b - 1] += theta[k] * _summed(means[level - 1][:, :, a - 1], machine.down[lower])
    top = np.maximum(energy.max(axis=2, keepdims=True), 0.0)
    weight = np.exp(energy - top)
    return np.asarray(weight / (np.exp(-top) + weight.sum(axis=2, keepdims=True)))


def _summed(values: Floats, near: Ints) -> Floats:
    """(n_units, chains) sums over neighbours; the row after the last is nowhere."""
    padded = np.concatenate([values, np.zeros((1, values.shape[1]))])
    return np.asarray(padded[near].sum(axis=1))
