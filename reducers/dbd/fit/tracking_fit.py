"""Follow the moments of the data with the closure equation, then learn the law of the path: a recipe without windows.

By the closure equation (arXiv:1905.12122, eq. 14) moving the parameters by δ moves any visible moment by
⟨ΔY⟩ = Σ_ζ Cov(Y, X_ζ) δ_ζ = Jδ. At each time that step is taken which moves densities and neighbour pairs as the data
do, and corrects a share of what they are off, with the least change of the distribution: minimise (δ - d)ᵀ C (δ - d)
subject to Jδ = wanted, C = Cov(X, X). The moments leave freedom in the hidden layers; d = relax (reference - θ) uses it
to stay near parameters that mix well. The smoothed path then gives the law by `regress`; the free-running model repeats
it.

Two things keep θ(t) where machines mix, so that the result does not depend on the number of sweeps or on where chains
begin (`reducers.dbd.fit.moment_tracking`, `reducers.dbd.energy.mixture`):

* each time is sampled from opposite starts; where they disagree, correlations are followed only in part. That is the
  price: pairs of neighbours are then less correlated in the model than in the data;
* runs that lost a species for good are a class of their own with its own machine. Each machine follows the moments of
  its class, log-odds follow the shares of runs, and one law governs all of them.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.components.component import State
from couple.components.state import whole
from reducers.data.moments import data_moments, uncorrelated
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.mixture import AnyDeep, Mixture
from reducers.dbd.fit.adjoint import EULER, Solver
from reducers.dbd.fit.moment_tracking import MomentTracker, TrackingRecipe
from reducers.dbd.fit.regression import regress
from reducers.dbd.laws.law import Law, law_state, restore_law


class TrackingFit:
    """A training that follows the data of one initial condition; steps like `fit.Fit`.

    start, reference: (n,) θ of one machine at which settling begins, and to which the freedom of moments relaxes.
    """

    def __init__(
        self,
        law: Law,
        model: AnyDeep,
        data: Trajectories,
        solver: Solver,
        start: Floats,
        reference: Floats,
        settings: TrackingRecipe,
        *,
        periodic: bool = True,
        seed: int = 1,
    ) -> None:
        _check(model, data, solver, settings)
        self.law, self.model, self.solver, self.settings = law, model, solver, settings
        self.seed, self.points = seed, len(data.time)
        labels = model.labels(data.counts) if isinstance(model, Mixture) else np.zeros(data.counts.shape[:2], np.int64)
        self.trackers = _trackers(model, data, labels, start, reference, settings, periodic)
        self.weights = _shares(labels, len(self.trackers), settings.smooth)
        self.followed = np.zeros((self.points, len(model.parameters)))
        self.theta0 = self._theta(0)[None]
        self.done = 0
        self.history: list[float] = []

    def _theta(self, at: int) -> Floats:
        """(N,) the trackers as they are, with the shares of runs at a time."""
        machines = np.stack([tracker.theta for tracker in self.trackers])
        return self.model.joined(self.weights[at], machines) if isinstance(self.model, Mixture) else machines[0]

    @property
    def steps(self) -> int:
        """Steps in all: settling, then one for each recorded time; the last one learns the law."""
        return self.settings.settle + self.points

    @property
    def ready(self) -> bool:
        """Whether the law has been learned."""
        return self.done >= self.steps

    def step(self) -> float:
        """Sample at one time and move on; returns the mean relative error of the followed moments."""
        at = max(self.done - self.settings.settle, 0)
        following = self.done >= self.settings.settle
        if following:
            self.followed[at] = self._theta(at)
        gaps = [t.step(at, following, self.seed, f"follow {k} {self.done}") for k, t in enumerate(self.trackers)]
        self.done += 1
        gap = float(self.weights[at] @ gaps)
        self.history.append(gap)
        if self.ready:
            self._learn()
        return gap

    def _learn(self) -> None:
        """The law of the smoothed path, and its start."""
        path = gaussian_filter1d(self.followed, self.settings.smooth, axis=0, mode="nearest")
        self.theta0 = path[:1].copy()
        if np.isfinite(self._regressed(path, self.settings.law_ridge)):
            return
        ridges = self.settings.law_ridge * 10.0 ** np.arange(1, 7)
        apart = [self._regressed(path, ridge) for ridge in ridges]
        if not np.isfinite(apart).any():
            raise RunError(f"no law of this family repeats the path that was followed, with ridges to {ridges[-1]:g}")
        self._regressed(path, float(ridges[int(np.argmin(apart))]))

    def _regressed(self, path: Floats, ridge: float) -> float:
        """Set the law of a path (T, n); mean square by which the free-running model is off, infinite if it diverges."""
        rates = np.diff(path, axis=0) / self.solver.dt
        regress(self.law, path[:-1], rates, ridge=ridge, tolerance=1e-6, iterations=10_000)
        try:
            return float(np.mean((self.trajectory()[:, 0] - path) ** 2))
        except RunError:
            return float("inf")

    def trajectory(self) -> Floats:
        """(T, 1, n) θ of the free-running model."""
        path = self.solver.path(self.theta0, self.points - 1)
        self.solver.solve(self.law, path)
        return np.asarray(path)

    def revert(self) -> None:
        """Nothing to undo: the law is learned at the end."""

    def save(self) -> dict[str, State]:
        """All that resuming to the bit needs; samples begin anew at every step."""
        state: State = {"done": self.done, "history": np.array(self.history)}
        state |= {"followed": self.followed, "theta0": self.theta0}
        state |= {"theta": np.stack([t.theta for t in self.trackers])}
        state |= {"share": np.array([t.share for t in self.trackers])}
        return {"follow": state, "law": law_state(self.law)}

    def restore(self, states: dict[str, State]) -> None:
        """Take up a saved state."""
        state = states["follow"]
        self.done, self.history = whole(state, "done"), list(np.asarray(state["history"], dtype=float))
        self.followed = np.asarray(state["followed"], dtype=float).copy()
        self.theta0 = np.asarray(state["theta0"], dtype=float).copy()
        for k, tracker in enumerate(self.trackers):
            tracker.theta = np.asarray(state["theta"], dtype=float)[k].copy()
            tracker.share = float(np.asarray(state["share"], dtype=float)[k])
        restore_law(self.law, states["law"])


def _check(model: AnyDeep, data: Trajectories, solver: Solver, settings: TrackingRecipe) -> None:
    if data.snapshots is None:
        raise InputError("a Boltzmann machine follows snapshots, and the data have none: record them")
    if data.shape != model.visible.shape or data.species != model.visible.species:
        raise InputError(
            f"the data are on a lattice of {data.shape} with {', '.join(data.species)}, the visible layer "
            f"is {model.visible.shape} with {', '.join(model.visible.species)}: make them equal"
        )
    if solver.method is not EULER or solver.substeps != 1:
        raise InputError('a path is followed in Euler steps: method = "euler", substeps = 1', where="fit.method")
    if len(np.unique(data.conditions)) > 1:
        raise InputError("a path is followed from one initial condition: give one")
    known = ("random", "empty", *model.visible.species)
    for start in settings.starts:
        if start not in known:
            raise InputError(f'chains start as one of {", ".join(known)}, not "{start}"', where="follow.starts")
    if not settings.starts or settings.chains < 2 * len(settings.starts):
        raise InputError(f"{settings.chains} chains are too few for {len(settings.starts)} starts", where="follow")


def _trackers(
    model: AnyDeep,
    data: Trajectories,
    labels: np.ndarray,
    start: Floats,
    reference: Floats,
    settings: TrackingRecipe,
    periodic: bool,
) -> list[MomentTracker]:
    """One for each class, with the mean moments of its runs."""
    moments = data_moments(data, periodic)
    names, values = tuple(moments), np.stack(list(moments.values()), axis=2)
    machine = model.machine if isinstance(model, Mixture) else model
    starts, references = (model.pinned(t) if isinstance(model, Mixture) else t[None] for t in (start, reference))
    out = []
    for k in range(len(starts)):
        targets = _class_means(values, labels == k, settings)
        means = dict(zip(names, targets.T, strict=True))
        plain = uncorrelated(means, data.species, data.shape, periodic)
        flat = np.stack([plain[name] for name in names], axis=1)
        pinned = starts[k] != start
        out.append(MomentTracker(machine, names, targets, flat, starts[k], references[k], pinned, settings, periodic))
    return out


def _class_means(values: Floats, inside: np.ndarray, settings: TrackingRecipe) -> Floats:
    """(T, m) smoothed means of values (R, T, m) over the runs that are in a class (R, T).

    Before `least` runs are in it, the first means that are.
    """
    runs = inside.sum(axis=0).astype(float)
    known = np.flatnonzero(runs >= min(settings.least, len(inside)))
    if not len(known):
        raise InputError(f"fewer than {settings.least} runs ever lose the species of a class: leave it out")
    sums = np.einsum("rtm,rt->tm", values, inside.astype(float))
    filtered = gaussian_filter1d(np.column_stack([sums, runs]), 0.7 * settings.smooth, axis=0)
    means = filtered[:, :-1] / np.maximum(filtered[:, -1:], 1e-9)
    means[: known[0]] = means[known[0]]
    if known[0] == 0:
        means[0] = sums[0] / runs[0]
    return np.asarray(means)


def _shares(labels: np.ndarray, classes: int, smooth: float) -> Floats:
    """(T, K) smoothed shares of the runs, with half a run in each class beforehand."""
    runs = np.stack([(labels == k).sum(axis=0) for k in range(classes)], axis=1) + 0.5
    filtered = gaussian_filter1d(runs / runs.sum(axis=1, keepdims=True), 0.7 * smooth, axis=0)
    return np.asarray(filtered / filtered.sum(axis=1, keepdims=True))
