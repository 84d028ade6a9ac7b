"""Follow the moments of the data with the closure equation, then learn the law of the path: a recipe without windows.

By the closure equation (arXiv:1905.12122, eq. 14) moving the parameters by δ moves any visible moment by
⟨ΔY⟩ = Σ_ζ Cov(Y, X_ζ) δ_ζ = Jδ. At each time that step is taken which moves densities and neighbour pairs as the data
do, and corrects a share of what they are off, with the least change of the distribution: minimise (δ - d)ᵀ C (δ - d)
subject to Jδ = wanted, C = Cov(X, X). The moments leave freedom in the hidden layers; d = relax (reference - θ) uses it
to stay near parameters that mix well. Every time is sampled from random configurations, so that no hysteresis enters.
The smoothed path then gives the law by `regress`; the free-running model repeats it.

The model is what `sweeps` of sampling from random configurations show. Where the machine mixes slowly that is not yet
its equilibrium: compare reports at several numbers of sweeps; raise `sweeps` or weaken the reference if they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from couple.component import State
from couple.errors import InputError, RunError
from reducers.adjoint import EULER, Solver
from reducers.boltzmann.dbm import DeepBoltzmann
from reducers.boltzmann.gibbs import Chains, Conditionals
from reducers.dynamics.law import Floats, Law
from reducers.moments import data_moments, lattice_moments
from reducers.regress import regress
from reducers.trajectories import Trajectories


@dataclass(frozen=True)
class Following:
    """Settings.

    chains, sweeps: of Gibbs sampling from random configurations; then `draws` samples `between` sweeps apart.
    settle: steps spent on the moments of the first time. gain: share of an error that a step corrects.
    relax: rate towards the reference. ridge: relative, of the moment equations. damp: relative, of the metric.
    largest: step of any parameter. smooth: standard deviation in times of the filter over path and data.
    law_ridge: of the regression of the law.
    """

    chains: int = 96
    sweeps: int = 20
    draws: int = 4
    between: int = 3
    settle: int = 40
    gain: float = 0.4
    relax: float = 0.03
    ridge: float = 0.02
    damp: float = 0.05
    largest: float = 0.1
    smooth: float = 3.0
    law_ridge: float = 1e-4


class Follow:
    """A training that follows the data of one initial condition; steps like `fit.Fit`.

    start, reference: (n,) θ at which settling begins, and to which the freedom of the moments is used to relax.
    """

    def __init__(
        self,
        law: Law,
        machine: DeepBoltzmann,
        data: Trajectories,
        solver: Solver,
        start: Floats,
        reference: Floats,
        settings: Following,
        *,
        periodic: bool = True,
        seed: int = 1,
    ) -> None:
        if data.snapshots is None:
            raise InputError("a Boltzmann machine follows snapshots, and the data have none: record them")
        if data.shape != machine.visible.shape or data.species != machine.visible.species:
            raise InputError(
                f"the data are on a lattice of {data.shape} with {', '.join(data.species)}, the visible layer "
                f"is {machine.visible.shape} with {', '.join(machine.visible.species)}: make them equal"
            )
        if solver.method is not EULER or solver.substeps != 1:
            raise InputError('a path is followed in Euler steps: method = "euler", substeps = 1', where="fit.method")
        if len(np.unique(data.conditions)) > 1:
            raise InputError("a path is followed from one initial condition: give one")
        self.law, self.machine, self.solver, self.settings = law, machine, solver, settings
        self.periodic, self.seed = periodic, seed
        means = {name: values.mean(axis=0) for name, values in data_moments(data, periodic).items()}
        self.names = tuple(means)
        self.targets = gaussian_filter1d(np.stack(list(means.values()), axis=1), 0.7 * settings.smooth, axis=0)
        self.targets[0] = [values[0] for values in means.values()]
        self.points = len(self.targets)
        self.theta, self.reference = start.copy(), reference
        self.followed = np.zeros((self.points, len(start)))
        self.theta0 = start[None].copy()
        self.done = 0
        self.history: list[float] = []

    @property
    def steps(self) -> int:
        """In all: settling, following, and the regression at the end."""
        return self.settings.settle + self.points

    @property
    def ready(self) -> bool:
        """Whether the law has been learned."""
        return self.done >= self.steps

    def step(self) -> float:
        """Sample at one time and move on; returns the mean relative error of the followed moments."""
        at = max(self.done - self.settings.settle, 0)
        following = self.done >= self.settings.settle
        visible, hidden = self._sample()
        target = self.targets[at]
        ahead = self.targets[min(at + 1, self.points - 1)] - target if following else np.zeros_like(target)
        wanted = ahead + self.settings.gain * (target - visible.mean(axis=0))
        if following:
            self.followed[at] = self.theta
        self.theta = self.theta + self._move(visible, hidden, wanted)
        if not np.isfinite(self.theta).all():
            raise RunError(f"the parameters left what can be sampled at step {self.done}: lower gain or raise ridge")
        self.done += 1
        gap = float(np.mean(np.abs(visible.mean(axis=0) - target) / (np.abs(target) + 5.0)))
        self.history.append(gap)
        if self.ready:
            self._learn()
        return gap

    def _sample(self) -> tuple[Floats, Floats]:
        """(samples, moments) of the visible layer and (samples, n) X, from random configurations."""
        s, machine = self.settings, self.machine
        chains = Chains(machine, s.chains, self.seed, f"follow {self.done}")
        chains.randomise(self.seed, f"follow {self.done}")
        tables, sets = Conditionals(machine, self.theta), np.zeros(s.chains, dtype=np.int64)
        chains.sweep(tables, sets, s.sweeps)
        visible, hidden = [], []
        for _ in range(s.draws):
            chains.sweep(tables, sets, s.between)
            layer = machine.visible
            found = lattice_moments(chains.states(0).T, layer.species, layer.shape, self.periodic)
            visible.append(np.stack([found[name] for name in self.names], axis=1))
            hidden.append(chains.moments())
        return np.concatenate(visible), np.concatenate(hidden)

    def _move(self, visible: Floats, hidden: Floats, wanted: Floats) -> Floats:
        """δ of the module's text."""
        s = self.settings
        scale = np.sqrt(visible.var(axis=0) + 1.0)
        y, x = (visible - visible.mean(axis=0)) / scale, hidden - hidden.mean(axis=0)
        jacobian = y.T @ x / len(x)
        metric = np.linalg.inv(x.T @ x / len(x) + s.damp * np.diag(x.var(axis=0) + 1.0))
        drift = s.relax * (self.reference - self.theta)
        system = jacobian @ metric @ jacobian.T
        system += s.ridge * np.trace(system) / len(system) * np.eye(len(system))
        delta = drift + metric @ jacobian.T @ np.linalg.solve(system, wanted / scale - jacobian @ drift)
        return np.asarray(delta * min(1.0, s.largest / float(np.abs(delta).max())))

    def _learn(self) -> None:
        """The law of the smoothed path, and its start."""
        path = gaussian_filter1d(self.followed, self.settings.smooth, axis=0, mode="nearest")
        self.theta0 = path[:1].copy()
        regress(
            self.law,
            path[:-1],
            np.diff(path, axis=0) / self.solver.dt,
            ridge=self.settings.law_ridge,
            tolerance=1e-6,
            iterations=10_000,
        )

    def trajectory(self) -> Floats:
        """(T, 1, n) θ of the free-running model."""
        path = self.solver.path(self.theta0, self.points - 1)
        self.solver.solve(self.law, path)
        return np.asarray(path)

    def revert(self) -> None:
        """Nothing to undo: the law is learned at the end."""

    def save(self) -> dict[str, State]:
        """All that resuming to the bit needs; samples begin anew at every step."""
        state: State = {"done": self.done, "history": np.array(self.history), "theta": self.theta}
        state |= {"followed": self.followed, "theta0": self.theta0}
        tables: State = {f"table{k}": table.values.copy() for k, table in enumerate(self.law.tables)}
        return {"follow": state, "law": {**tables, **self.law.save_places()}}

    def restore(self, states: dict[str, State]) -> None:
        """Take up a saved state."""
        state = states["follow"]
        self.done, self.history = int(str(state["done"])), list(np.asarray(state["history"], dtype=float))
        self.theta = np.asarray(state["theta"], dtype=float).copy()
        self.followed = np.asarray(state["followed"], dtype=float).copy()
        self.theta0 = np.asarray(state["theta0"], dtype=float).copy()
        self.law.restore_places(states["law"])
        for k, table in enumerate(self.law.tables):
            values = np.asarray(states["law"][f"table{k}"], dtype=float)
            table.grow(len(values))
            table.values[:] = values
