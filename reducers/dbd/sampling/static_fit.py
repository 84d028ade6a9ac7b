"""θ of given moments: the state from which a reduced model starts."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.data.moments import lattice_moments
from reducers.data.trajectories import Snapshots
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.family import ExponentialFamily
from reducers.dbd.sampling.gibbs import Chains, Conditionals


def match_moments(
    family: ExponentialFamily,
    data: Floats,
    start: Floats | None = None,
    *,
    iterations: int = 500,
    tolerance: float = 1e-9,
    largest: float = np.inf,
) -> Floats:
    """(n,) θ at which the family has the moments `data` (n,): damped Newton, steps of at most 1.

    largest: |θ| that is given up. Raises RunError if there is no such θ within reach (a density of 0 or 1, pairs that
    no distribution has).
    """
    theta = np.zeros(len(family.parameters)) if start is None else np.asarray(start, dtype=float).copy()
    for _ in range(iterations):
        if not np.abs(theta).max() < largest:
            break
        gap = data - family.moments(theta)
        if np.abs(gap).max() <= tolerance * max(1.0, float(np.abs(data).max())):
            return theta
        covariance = family.covariance(theta)
        ridge = 1e-12 * np.trace(covariance) * np.eye(len(theta))
        step = family.sign * np.linalg.solve(covariance + ridge, gap)
        theta = theta + step / max(1.0, float(np.abs(step).max()))
    raise RunError(
        f"no parameters {', '.join(family.parameters)} give the moments {np.array2string(data, precision=4)}; "
        "a species or pair that was never seen needs more runs"
    )


def match_configurations(
    machine: DeepBoltzmann,
    states: Snapshots,
    start: Floats,
    *,
    periodic: bool = True,
    steps: int = 200,
    chains: int = 200,
    sweeps: int = 3,
    ridge: float = 1e-3,
    seed: int = 1,
) -> Floats:
    """(n,) θ at which the visible layer has the densities and neighbour pairs of configurations (R, n_sites).

    Persistent chains are moved by θ += g_k δ with the smallest δ, in the metric Cov(X, X), that closes the gap of the
    visible moments Y: Cov(Y, X) δ = ⟨Y⟩_data - ⟨Y⟩. Gains g_k fall as 1/k; the mean over the second half is returned.
    start: weights of 0 move no pair, give others. Raises RunError if θ leaves what can be sampled.
    """
    layer, none = machine.visible, np.zeros(chains, dtype=np.int64)
    found = lattice_moments(states, layer.species, layer.shape, periodic)
    names, wanted = tuple(found), np.array([values.mean() for values in found.values()])
    made, theta, kept = Chains(machine, chains, seed, "static"), start.copy(), []
    made.randomise(seed, "static")
    for k in range(steps):
        made.sweep(Conditionals(machine, theta), none, sweeps)
        now = lattice_moments(made.states(0).T, layer.species, layer.shape, periodic)
        y, x = np.stack([now[name] for name in names], axis=1), made.moments()
        step = _closing(y, x, wanted - y.mean(axis=0), ridge) / (2 + k / 20)
        theta = theta + step * min(1.0, 0.3 / max(float(np.abs(step).max()), 1e-300))
        if not np.isfinite(theta).all() or np.abs(theta).max() > 50:
            raise RunError("the fit of the start left what can be sampled: give another model.start")
        if 2 * k >= steps:
            kept.append(theta)
    return np.asarray(np.mean(kept, axis=0))


def _closing(y: Floats, x: Floats, gap: Floats, ridge: float) -> Floats:
    """The smallest δ with Cov(Y, X) δ = gap, from samples (n, n_y) and (n, n_x)."""
    scale = np.sqrt(y.var(axis=0) + 1.0)
    jacobian = (y - y.mean(axis=0)).T @ (x - x.mean(axis=0)) / len(x) / scale[:, None]
    metric = np.linalg.inv(np.atleast_2d(np.cov(x.T)) + 0.02 * np.diag(x.var(axis=0) + 1.0))
    system = jacobian @ metric @ jacobian.T
    system += ridge * np.trace(system) / len(system) * np.eye(len(system))
    return np.asarray(metric @ jacobian.T @ np.linalg.solve(system, gap / scale))
