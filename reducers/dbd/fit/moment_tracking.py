"""One machine that follows moments through time: at every time it is sampled, and moved as the moments move.

With opposite starts (empty, full, random) a machine that mixes too slowly gives itself away: samples of the starts
disagree. Correlations are then followed only in part: `share` of what distinguishes them, in logarithm, from those of
independent sites at the same densities; lowered while the starts disagree and raised again when they do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import RunError
from reducers.data.moments import lattice_moments
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.sampling.gibbs import Chains, Conditionals


@dataclass(frozen=True)
class TrackingRecipe:
    """How moments are tracked.

    chains: shared by the `starts` of Gibbs sampling; sweeps: before the first of `draws` samples, `between` sweeps
    apart. settle: steps spent on the moments of the first time. gain: share of an error that a step corrects.
    relax: rate towards the reference. ridge: relative, of the moment equations. damp: relative, of the metric.
    largest: step of any parameter. agree: root-mean-square disagreement of the starts that is aimed at where machines
    mix slowly, relative to each moment's root-mean-square in time; caution: rate at which `share` answers to it.
    least: runs from which on the moments of a class are followed. smooth: standard deviation in times of the filter
    over path and data. law_ridge: of the regression of the law.
    """

    chains: int = 96
    starts: tuple[str, ...] = ("random",)
    sweeps: int = 20
    draws: int = 4
    between: int = 3
    settle: int = 40
    gain: float = 0.4
    relax: float = 0.03
    ridge: float = 0.02
    damp: float = 0.05
    largest: float = 0.1
    agree: float = 0.04
    caution: float = 0.5
    least: int = 5
    smooth: float = 3.0
    law_ridge: float = 1e-4


class MomentTracker:
    """A machine on its way along targets.

    targets: (T, m) moments; plain: (T, m) those of independent sites; names: of the m moments.
    theta, reference: (n,). pinned: (n,) parameters that stay.
    """

    def __init__(
        self,
        machine: DeepBoltzmann,
        names: tuple[str, ...],
        targets: Floats,
        plain: Floats,
        theta: Floats,
        reference: Floats,
        pinned: npt.NDArray[np.bool_],
        settings: TrackingRecipe,
        periodic: bool,
    ) -> None:
        self.machine, self.names, self.targets, self.plain = machine, names, targets, plain
        self.theta, self.reference, self.pinned = theta.copy(), reference, pinned
        self.settings, self.periodic = settings, periodic
        self.size = np.sqrt((targets**2).mean(axis=0)) + 1.0
        self.share = 1.0

    def step(self, at: int, following: bool, seed: int, purpose: str) -> float:
        """Sample at one time and move on to the next; returns the mean relative error of the moments."""
        visible, hidden = self._sample(seed, purpose)
        self._adapt_share(visible)
        found = visible.mean(axis=(0, 1, 2))
        target = self._target(at)
        ahead = self._target(min(at + 1, len(self.targets) - 1)) - target if following else np.zeros_like(target)
        wanted = ahead + self.settings.gain * (target - found)
        self.theta = self.theta + self._move(np.moveaxis(visible, 2, 0).reshape(-1, len(found)), hidden, wanted)
        if not np.isfinite(self.theta).all():
            raise RunError(f"the parameters left what can be sampled ({purpose}): lower gain or raise ridge")
        return float(np.mean(np.abs(found - self.targets[at]) / (np.abs(self.targets[at]) + 5.0)))

    def _target(self, at: int) -> Floats:
        """Correlations raised to the power `share`."""
        plain, target = self.plain[at], self.targets[at]
        ratio = np.divide(target, plain, out=np.ones_like(plain), where=(plain > 0) & (target > 0))
        return np.asarray(plain * ratio**self.share)

    def _adapt_share(self, visible: Floats) -> None:
        """Let `share` answer to how far the starts of visible (starts, chains, draws, m) disagree beyond chance."""
        s, (starts, chains) = self.settings, visible.shape[:2]
        if starts == 1:
            return
        each = visible.mean(axis=2) / self.size
        chance = each.var(axis=1, ddof=1).mean(axis=0) / chains
        between = each.mean(axis=1).var(axis=0, ddof=1) - chance
        excess = (float(between.mean()) - s.agree**2) / s.agree
        self.share = float(np.clip(self.share * np.exp(-s.caution * np.clip(excess, -0.1, 0.1)), 0.1, 1.0))

    def _sample(self, seed: int, purpose: str) -> tuple[Floats, Floats]:
        """(starts, chains, draws, m) moments of the visible layer and (all samples, n) X."""
        s, machine, layer = self.settings, self.machine, self.machine.visible
        each = s.chains // len(s.starts)
        chains = Chains(machine, each * len(s.starts), seed, purpose)
        chains.begin(s.starts, seed, purpose)
        tables, sets = Conditionals(machine, self.theta), np.zeros(len(chains), dtype=np.int64)
        chains.sweep(tables, sets, s.sweeps)
        visible, hidden = [], []
        for _ in range(s.draws):
            chains.sweep(tables, sets, s.between)
            found = lattice_moments(chains.states(0).T, layer.species, layer.shape, self.periodic)
            draw = np.stack([found[name] for name in self.names], axis=1)
            visible.append(draw.reshape(len(s.starts), each, -1))
            hidden.append(chains.moments())
        return np.stack(visible, axis=2), np.concatenate(hidden)

    def _move(self, visible: Floats, hidden: Floats, wanted: Floats) -> Floats:
        """The least change of the distribution that moves the moments as wanted, and towards the reference if free."""
        s = self.settings
        scale = np.sqrt(visible.var(axis=0) + 1.0)
        y, x = (visible - visible.mean(axis=0)) / scale, hidden - hidden.mean(axis=0)
        jacobian = y.T @ x / len(x)
        metric = np.linalg.inv(x.T @ x / len(x) + s.damp * np.diag(x.var(axis=0) + 1.0))
        drift = s.relax * (self.reference - self.theta)
        system = jacobian @ metric @ jacobian.T
        system += s.ridge * np.trace(system) / len(system) * np.eye(len(system))
        delta = drift + metric @ jacobian.T @ np.linalg.solve(system, wanted / scale - jacobian @ drift)
        delta[self.pinned] = 0.0
        return np.asarray(delta * min(1.0, s.largest / float(np.abs(delta).max())))
