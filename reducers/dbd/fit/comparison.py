"""Where model and data meet: the slope of the divergence at points of a path, exact or by wake and sleep sampling."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.components.component import State
from couple.components.state import whole
from couple.rng.streams import generator
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.family import ExponentialFamily
from reducers.dbd.sampling.gibbs import Chains, Conditionals


class MomentComparison(ABC):
    """Compares the model at states of a path with data at the same times.

    points: recorded times that the data have. gap: mean |model - data| of the last comparison, relative to the data.
    """

    points: int
    gap: float = np.nan

    @abstractmethod
    def slopes(self, theta: Floats, first: int, conditions: Ints, step: int) -> Floats:
        """(points, batch, n) ∂D/∂θ for theta (points, batch, n) at recorded times first, first + 1, …

        conditions: (batch,) initial condition of each column. step: of the optimisation, for random choices.
        """

    def metric(self) -> Floats | None:
        """(n, n) what gradients with respect to the n parameters are multiplied with, if not the identity."""
        return None

    def save(self) -> State:
        """State that resuming needs; none by default."""
        return {}

    def restore(self, state: State) -> None:
        """Take up what `save` gave."""
        return


class ExactComparison(MomentComparison):
    """Moments of the model in closed form against mean moments of the data (n_conditions, T, n)."""

    def __init__(self, family: ExponentialFamily, data: Floats) -> None:
        self.family, self.data, self.points = family, data, data.shape[1]
        if data.shape[2] != len(family.parameters):
            raise InputError(
                f"data moments {data.shape} do not fit the {len(family.parameters)} parameters of the model"
            )

    def slopes(self, theta: Floats, first: int, conditions: Ints, step: int) -> Floats:
        """(points, batch, n) sign · (⟨X⟩ of the model - ⟨X⟩ of the data), see `MomentComparison.slopes`."""
        data = np.swapaxes(self.data[conditions, first : first + len(theta)], 0, 1)
        model = np.array([[self.family.moments(t) for t in row] for row in theta])
        self.gap = float(np.abs(model - data).mean() / max(np.abs(data).mean(), 1e-300))
        return np.asarray(self.family.sign * (model - data))


class WakeSleep(MomentComparison):
    """Wake and sleep moments of a Boltzmann machine by block Gibbs sampling.

    Wake: the visible layer holds random runs (the same ones at all times of a step), hidden layers are sampled for
    `wake` sweeps. Sleep: everything is sampled for `sleep` sweeps. With `persistent`, every time of the window keeps
    its chains from step to step; a time that enters takes over those of the time before it. Otherwise sleep starts from
    the wake state (contrastive divergence).
    centre: r of the sliding centres, in which the update is made (0: the plain gradient).
    Raises InputError if lattice or species of the data are not those of the machine.
    """

    def __init__(
        self,
        machine: DeepBoltzmann,
        data: Trajectories,
        *,
        chains: int = 5,
        wake: int = 10,
        sleep: int = 10,
        persistent: bool = True,
        centre: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.machine, self.data, self.points = machine, data, len(data.time)
        self.chains, self.wake, self.sleep, self.persistent = chains, wake, sleep, persistent
        self.seed, self.centre = seed, centre
        if data.snapshots is None:
            raise InputError("a Boltzmann machine learns from snapshots, and the data have none: record them")
        if data.shape != machine.visible.shape or data.species != machine.visible.species:
            raise InputError(
                f"the data are on a lattice of {data.shape} with {', '.join(data.species)}, the visible layer "
                f"is {machine.visible.shape} with {', '.join(machine.visible.species)}: make them equal"
            )
        if min(chains, wake, sleep) < 1:
            raise InputError(f"needs chains, wake and sleep of 1 or more, not {chains}, {wake}, {sleep}")
        self._snapshots = data.snapshots
        self._members = [np.flatnonzero(data.conditions == c) for c in range(int(data.conditions.max()) + 1)]
        self._at: tuple[int, int] = (-1, 0)
        self._awake: Chains | None = None
        self._asleep: Chains | None = None
        self.centres = np.array([0.1 if level == 0 else 0.33 for level, _ in machine.biases])

    def slopes(self, theta: Floats, first: int, conditions: Ints, step: int) -> Floats:
        """(points, batch, n) ⟨X⟩ asleep - ⟨X⟩ awake, means over chains, see `MomentComparison.slopes`.

        Raises InputError for an initial condition without runs.
        """
        points, batch, n = theta.shape
        awake, asleep = self._chains(points, batch, first)
        sets = np.repeat(np.arange(points * batch), self.chains)
        tables = Conditionals(self.machine, theta.reshape(-1, n))
        awake.set(0, self._batch(first, points, conditions, step))
        awake.sweep(tables, sets, self.wake, clamped=True)
        if not self.persistent:
            for mine, theirs in zip(asleep.layers, awake.layers, strict=True):
                mine[:] = theirs
        asleep.sweep(tables, sets, self.sleep)
        data, model = (c.moments().reshape(points, batch, self.chains, n).mean(axis=2) for c in (awake, asleep))
        self.gap = float(np.abs(model - data).mean() / max(np.abs(data).mean(), 1e-300))
        self._slide_centres(data)
        return np.asarray(model - data)

    def _batch(self, first: int, points: int, conditions: Ints, step: int) -> Floats:
        """(n_sites, points × batch × chains) states of random runs."""
        rng = generator(self.seed, "reducers", str(step), "batch")
        runs = []
        for condition in conditions:
            members = self._members[condition]
            if not len(members):
                raise InputError(f"no run belongs to initial condition {condition}")
            runs.append(rng.choice(members, self.chains, replace=len(members) < self.chains))
        chosen = self._snapshots[np.concatenate(runs), first : first + points]
        return np.asarray(chosen.transpose(2, 1, 0).reshape(chosen.shape[2], -1))

    def _chains(self, points: int, batch: int, first: int) -> tuple[Chains, Chains]:
        """Chains of this window, moved on from the one before."""
        lanes = points * batch * self.chains
        if self._awake is None or self._asleep is None or len(self._awake) != lanes:
            self._awake = Chains(self.machine, lanes, self.seed, "wake")
            self._asleep = Chains(self.machine, lanes, self.seed, "sleep")
            self._at = (first, points)
        shift = first - self._at[0]
        if self.persistent and shift:
            source = np.clip(np.arange(points) + shift, 0, points - 1)
            each = batch * self.chains
            moved = (source[:, None] * each + np.arange(each)).ravel()
            for chains in (self._awake, self._asleep):
                chains.layers = [np.ascontiguousarray(layer[:, moved]) for layer in chains.layers]
        self._at = (first, points)
        return self._awake, self._asleep

    def _slide_centres(self, awake: Floats) -> None:
        sizes = np.array([self.machine.layers[level].size for level, _ in self.machine.biases])
        fresh = awake.reshape(-1, awake.shape[-1])[:, : len(sizes)].mean(axis=0) / sizes
        self.centres = (1 - self.centre) * self.centres + self.centre * fresh

    def metric(self) -> Floats | None:
        """B Bᵀ of θ = B θ̃ with θ̃ the parameters of the centred machine: a = ã - Σ q W μ (arXiv:1905.12122, eq. 8).

        A gradient step in θ̃ is a step with this metric in θ: the centred update, which eq. 15-17 reduce to nothing.
        """
        if not self.centre:
            return None
        n, start = len(self.machine.parameters), len(self.machine.biases)
        back = np.eye(n)
        for k, (level, a, b) in enumerate(self.machine.weights, start=start):
            connected = (self.machine.up[level] < self.machine.layers[level + 1].size).sum()
            low, high = self.machine.biases.index((level, a)), self.machine.biases.index((level + 1, b))
            back[low, k] -= connected / self.machine.layers[level].size * self.centres[high]
            back[high, k] -= connected / self.machine.layers[level + 1].size * self.centres[low]
        for k, (level, a, b) in enumerate(self.machine.couplings, start=start + len(self.machine.weights)):
            size = self.machine.layers[level].size
            degree = (self.machine.beside[level] < size).sum() / size
            mine, other = self.machine.biases.index((level, a)), self.machine.biases.index((level, b))
            back[mine, k] -= degree * self.centres[other]
            if a != b:
                back[other, k] -= degree * self.centres[mine]
        return back @ back.T

    def save(self) -> State:
        """Window, centres, and the chains with their random numbers."""
        state: State = {"first": self._at[0], "points": self._at[1], "centres": self.centres}
        for name, chains in (("awake", self._awake), ("asleep", self._asleep)):
            if chains is not None:
                state[f"{name}_words"] = chains.words
                state.update({f"{name}_{level}": layer for level, layer in enumerate(chains.layers)})
        return state

    def restore(self, state: State) -> None:
        """Take up what `save` gave."""
        self._at = (whole(state, "first"), whole(state, "points"))
        self.centres = np.asarray(state["centres"], dtype=float).copy()
        if "awake_words" not in state:
            return
        made = []
        for name in ("awake", "asleep"):
            words = np.asarray(state[f"{name}_words"], dtype=np.uint32)
            chains = Chains(self.machine, words.shape[1], self.seed, name)
            chains.words = words.copy()
            depth = range(len(chains.layers))
            chains.layers = [np.asarray(state[f"{name}_{i}"], dtype=np.uint16).copy() for i in depth]
            made.append(chains)
        self._awake, self._asleep = made
