"""Replica exchange: chains that stick at θ reach other phases by way of parameters at which machines mix.

Rungs lie on the straight line from a reference to θ. After some sweeps neighbouring rungs offer to exchange their
chains, accepted with probability min(1, exp((θ_i - θ_j)·(X_j - X_i))); each rung keeps its own distribution.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.rng.streams import generator
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.sampling.gibbs import Chains, Conditionals


class Tempering:
    """`groups` ladders of one chain for each share of the way from the reference (0) to θ (1, the last).

    chains: all of them. rungs: (groups, K) the chain on each rung. offered, taken: (K - 1,) exchanges between rungs.
    Raises InputError for shares that do not ascend to 1.
    """

    def __init__(
        self,
        machine: DeepBoltzmann,
        theta: Floats,
        reference: Floats,
        shares: Floats,
        *,
        groups: int = 16,
        seed: int = 1,
        purpose: str = "tempering",
    ) -> None:
        if len(shares) < 2 or (np.diff(shares) <= 0).any() or shares[0] < 0 or shares[-1] != 1.0:
            raise InputError(f"shares of the way to θ ascend from 0 or more to 1, unlike {np.asarray(shares).tolist()}")
        self.thetas = reference + np.asarray(shares)[:, None] * (theta - reference)
        self.chains = Chains(machine, groups * len(shares), seed, purpose)
        self.chains.randomise(seed, purpose)
        self.rungs: Ints = np.arange(groups * len(shares), dtype=np.int64).reshape(groups, -1)
        self.offered, self.taken = (np.zeros(len(shares) - 1, dtype=np.int64) for _ in range(2))
        self._tables, self._rng, self._round = (
            Conditionals(machine, self.thetas),
            generator(seed, "gibbs", "exchange", purpose),
            0,
        )

    def run(self, rounds: int, sweeps: int = 1) -> Floats:
        """(groups, rounds, n) X of the chains at θ after each round of `sweeps` and one offer to every second pair."""
        out = np.empty((len(self.rungs), rounds, self.thetas.shape[1]))
        for k in range(rounds):
            sets = np.empty(len(self.chains), dtype=np.int64)
            sets[self.rungs] = np.arange(self.rungs.shape[1])
            self.chains.sweep(self._tables, sets, sweeps)
            x = self.chains.moments()
            self._exchange(x)
            out[:, k] = x[self.rungs[:, -1]]
        return out

    def _exchange(self, x: Floats) -> None:
        """Offers between rungs 0-1, 2-3, … in even rounds and 1-2, 3-4, … in odd ones; x: (chains, n)."""
        for low in range(self._round % 2, self.rungs.shape[1] - 1, 2):
            first, second = self.rungs[:, low], self.rungs[:, low + 1]
            gain = (x[second] - x[first]) @ (self.thetas[low] - self.thetas[low + 1])
            taken = np.log(self._rng.random(len(gain))) < gain
            self.rungs[taken, low], self.rungs[taken, low + 1] = second[taken], first[taken]
            self.offered[low] += len(gain)
            self.taken[low] += int(taken.sum())
        self._round += 1

    @property
    def accepted(self) -> Floats:
        """(K - 1,) share of offers that were taken: a rung is too far where it is small."""
        return np.asarray(self.taken / np.maximum(self.offered, 1))
