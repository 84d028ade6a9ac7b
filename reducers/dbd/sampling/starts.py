"""θ of a Markov random field on a lattice without sampling: pseudo-likelihood, Bethe's and the mean-field formulas.

The pseudo-likelihood Π_i p(s_i | neighbours) has its maximum at the true θ in the limit of many configurations (Besag
1975); sums of neighbour codes are its sufficient statistics. On a tree p(s) = Π p(s_i, s_j) / Π p(s_i)^(z - 1), from
which Bethe's θ follows in closed form; it is the start of the TAP expansion without its loop terms.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.data.moments import count_bonds
from reducers.data.trajectories import Snapshots
from reducers.dbd.energy.dbm import DeepBoltzmann


def pseudo_likelihood(
    machine: DeepBoltzmann, states: Snapshots, *, ridge: float = 1e-2, iterations: int = 100
) -> Floats:
    """(n,) θ of the largest pseudo-likelihood of configurations (R, n_sites), by Newton steps.

    ridge: of |θ|²/2 beside the sum over sites: what was never seen stays finite. Raises RunError if steps do not end.
    """
    _check(machine)
    seen, features = _seen(machine, states), _features(machine)
    total, theta = seen.sum(axis=1), np.zeros(len(machine.parameters))
    for _ in range(iterations):
        p = machine.conditionals(theta, 0)
        mean = np.einsum("is,isk->ik", p, features)
        pull = np.einsum("is,isk->k", seen[:, 1:], features) - total @ mean - ridge * theta
        square = np.einsum("i,is,isk,isl->kl", total, p, features, features)
        hessian = square - np.einsum("i,ik,il->kl", total, mean, mean) + ridge * np.eye(len(theta))
        step = np.linalg.solve(hessian, pull)
        theta = theta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-9:
            return theta
    raise RunError(f"the pseudo-likelihood of {', '.join(machine.parameters)} has no maximum within reach")


def bethe(machine: DeepBoltzmann, states: Snapshots) -> Floats:
    """(n,) θ at which a tree of as many neighbours would have the densities and pairs of configurations (R, n_sites).

    With half a pair of each kind beside those that were seen.
    """
    _check(machine)
    single, joint, degree = _probabilities(machine, states)
    theta = np.empty(len(machine.parameters))
    for k, (_, a) in enumerate(machine.biases):
        theta[k] = degree * np.log(joint[a, 0] / joint[0, 0]) - (degree - 1) * np.log(single[a] / single[0])
    for k, (_, a, b) in enumerate(machine.couplings, start=len(machine.biases)):
        theta[k] = np.log(joint[a, b] * joint[0, 0] / (joint[a, 0] * joint[0, b]))
    return theta


def mean_field(machine: DeepBoltzmann, states: Snapshots) -> Floats:
    """(n,) θ of `bethe` with biases by ln p_a/p_0 = a_a + z Σ_b J_ab p_b: each unit in the mean of its neighbours."""
    theta = bethe(machine, states)
    single, _, degree = _probabilities(machine, states)
    for k, (_, a) in enumerate(machine.biases):
        theta[k] = np.log(single[a] / single[0])
    for j, (_, a, b) in zip(theta[len(machine.biases) :], machine.couplings, strict=True):
        theta[a - 1] -= degree * j * single[b]
        if a != b:
            theta[b - 1] -= degree * j * single[a]
    return theta


def _check(machine: DeepBoltzmann) -> None:
    if len(machine.layers) > 1 or not machine.couplings:
        raise InputError("these starts are of one layer with bonds: hidden units have no moments in the data")


def _seen(machine: DeepBoltzmann, states: Snapshots) -> Floats:
    """(n_sums, n_species + 1) how often a unit is in a state beside neighbours of a sum of codes."""
    species, size = len(machine.visible.species), machine.visible.size
    out = np.zeros((len(machine.tally_beside(0)), species + 1))
    padded = np.zeros((len(states), size + 1), dtype=np.int64)
    padded[:, :size] = machine.codes[states]
    sums = padded[:, machine.beside[0]].sum(axis=2)
    np.add.at(out, (sums.ravel(), states.ravel().astype(np.int64)), 1.0)
    return out


def _features(machine: DeepBoltzmann) -> Floats:
    """(n_sums, n_species, n) what each parameter multiplies in the energy of a unit in a state."""
    near, species = machine.tally_beside(0), len(machine.visible.species)
    out = np.zeros((len(near), species, len(machine.parameters)))
    for k, (_, a) in enumerate(machine.biases):
        out[:, a - 1, k] = 1.0
    for k, (_, a, b) in enumerate(machine.couplings, start=len(machine.biases)):
        out[:, a - 1, k] += near[:, b - 1]
        if a != b:
            out[:, b - 1, k] += near[:, a - 1]
    return out


def _probabilities(machine: DeepBoltzmann, states: Snapshots) -> tuple[Floats, Floats, float]:
    """Of one unit (n_states,), of two neighbours (n_states, n_states), and the mean number of neighbours."""
    layer, near = machine.visible, machine.forward[0]
    count, size = len(layer.species) + 1, layer.size
    ends = np.repeat(np.arange(size), near.shape[1])
    inside = near.ravel() < size
    pairs = np.stack([ends[inside], near.ravel()[inside]], axis=1)
    joint = np.empty((count, count))
    for a in range(count):
        for b in range(a, count):
            found = float(count_bonds(states, pairs, a, b).sum()) + 0.5
            joint[a, b] = joint[b, a] = found if a == b else found / 2
    joint /= joint.sum()
    return joint.sum(axis=1), joint, 2.0 * len(pairs) / size
