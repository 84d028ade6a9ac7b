"""The machine nearest to the runs at every time: its parameters along each stimulus.

Nearest in likelihood, with a weak pull of the couplings to given ones, which decides what the runs leave open where
few are there to meet: parameters are a function of the distribution of runs, not of where they came from. Newton's
steps with the Fisher information of what is seen, G = Cov(⟨X | v⟩), from two draws of the hidden units of each chain;
chains go on from time to time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from reducers.machines.sampling import UnitRuns

CHAINS, SWEEPS = 512, 3
"""Of the machine for each stimulus, and of these between two looks."""
FIRST, ROUNDS, AVERAGED = 80, 16, 10
"""Newton steps at the first time, and at each later one; of these the last so many are averaged."""
GAIN, LARGEST, CAREFUL = 0.5, 0.5, 0.05
"""Share of a step that is taken; the most that a bias of what is seen moves, and that any other parameter does: with
too large a coupling molecules order themselves, and chains do not come back."""


@dataclass(frozen=True)
class Path:
    """theta: (C, T, n) of all parameters. fisher: (C, T, n, n). means: (C, T, S) molecules in each state; covariances:
    (C, T, S, S); of the machine.
    """

    theta: Floats
    fisher: Floats
    means: Floats
    covariances: Floats


def follow(
    machine: DeepBoltzmann,
    runs: UnitRuns,
    moving: np.ndarray,
    start: Floats,
    prior: float,
    seed: int,
    tell: Callable[[str], None] = lambda text: None,
) -> Path:
    """Parameters at the times of the configurations.

    moving: (n,) those that are found; start: (n,) where they begin, what couplings are drawn to, and the values of the
    others. prior: see `MachineSettings`.
    """
    n_stimuli, times, _, n_runs = runs.states.shape
    n, seen = len(machine.parameters), len(machine.visible.species)
    deep = len(machine.layers) > 2
    model = Chains(machine, n_stimuli * CHAINS, seed, "model")
    data = Chains(machine, n_stimuli * n_runs, seed, "data")
    model.randomise(seed, "model")
    mine, theirs = (np.repeat(np.arange(n_stimuli), k) for k in (CHAINS, n_runs))
    theta = np.tile(start, (n_stimuli, 1))
    out = Path(
        np.empty((n_stimuli, times, n)),
        np.empty((n_stimuli, times, n, n)),
        np.empty((n_stimuli, times, seen)),
        np.empty((n_stimuli, times, seen, seen)),
    )
    at = np.flatnonzero(moving)
    most = np.where(np.arange(n) < seen, LARGEST, CAREFUL)
    pulled = prior * machine.visible.size * (np.arange(n) >= seen)
    for t in range(times):
        data.set(0, runs.states[:, t].transpose(1, 0, 2).reshape(-1, n_stimuli * n_runs))
        sums = [np.zeros_like(x[:, 0]) for x in (out.theta, out.fisher, out.means, out.covariances)]
        rounds = FIRST if t == 0 else ROUNDS
        for k in range(rounds):
            tables = Conditionals(machine, theta)
            model.sweep(tables, mine, SWEEPS)
            data.sweep(tables, theirs, 4 if deep else 1, clamped=True)
            x = model.moments().reshape(n_stimuli, CHAINS, n)
            wanted = data.moments().reshape(n_stimuli, n_runs, n).mean(axis=1)
            visible = x[..., :seen] - x[..., :seen].mean(axis=1, keepdims=True)
            model.sweep(tables, mine, 4 if deep else 1, clamped=True)
            other = model.moments().reshape(x.shape)
            found = 0.5 * (x + other).mean(axis=1)
            fisher = np.einsum("cri,crj->cij", x - x.mean(axis=1, keepdims=True), other) / CHAINS
            fisher = 0.5 * (fisher + fisher.transpose(0, 2, 1))
            pull = wanted - found - pulled * (theta - start)
            system = fisher[:, at][:, :, at] + np.diag(pulled[at] + 0.3)
            step = np.linalg.solve(system, pull[:, at, None])[..., 0]
            late = k - (rounds - AVERAGED)
            if late >= 0:
                covariance = np.einsum("cri,crj->cij", visible, visible) / (CHAINS - 1)
                for total, value in zip(sums, (theta, fisher, found[:, :seen], covariance), strict=True):
                    total += value / AVERAGED
            theta[:, at] += np.clip(GAIN * step, -most[at], most[at])
        for array, total in zip((out.theta, out.fisher, out.means, out.covariances), sums, strict=True):
            array[:, t] = total
        if t % 20 == 0:
            tell(f"machines of {t + 1} of {times} times are found")
    return out
