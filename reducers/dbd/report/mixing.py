"""How slowly the chains of a model forget, and whether replica exchange finds what they do not."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.sampling.autocorrelation import ChainMean
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from reducers.dbd.sampling.tempering import Tempering

CHAINS, LENGTH, BURN = 16, 1000, 200
"""Chains, values of each and sweeps before the first."""
RUNGS, GROUPS = 8, 4
"""Rungs at least, otherwise the root of the number of sites, with which energies spread; and ladders of them."""


RARE = 0.05
"""Share of exchanges below which a ladder is cut in two."""


@dataclass(frozen=True)
class Mixing:
    """At a recorded time, of the slowest of the moments X.

    sweeps: integrated autocorrelation time. settled: 1 if chains of 1000 sweeps are long enough to tell, else 0.
    apart: standard errors between plain and tempered chains, of the moment where they differ most. accepted: smallest
    share of exchanges between neighbouring rungs.
    """

    time: float
    sweeps: float
    settled: float
    apart: float
    accepted: float

    @property
    def words(self) -> str:
        """What it says about the chains."""
        slow = f"autocorrelation over {self.sweeps:.1f} sweeps"
        if not self.settled:
            slow = f"chains stick for {self.sweeps:.0f} sweeps or more"
        rare = f" (exchanges too rare to tell: {self.accepted:.1%})" if self.accepted < RARE else ""
        return f"{slow}, tempered chains {self.apart:.1f} standard errors apart{rare}"


def mixing(machine: DeepBoltzmann, theta: Floats, rows: tuple[int, ...], data: Trajectories, seed: int) -> Floats:
    """(rows, 5) `Mixing` at some recorded rows of θ (T, n). Raises InputError for a row that is not there."""
    found = []
    for row in rows:
        if not 0 <= row < len(theta):
            raise InputError(f"there is no row {row} in data of {len(theta)}", where="report.mixing")
        density = data.counts[:, row].mean(axis=0) / machine.visible.size
        found.append(astuple(_at(machine, theta[row], np.maximum(density, 1e-3), float(data.time[row]), seed)))
    return np.array(found).reshape(-1, 5)


def _at(machine: DeepBoltzmann, theta: Floats, density: Floats, time: float, seed: int) -> Mixing:
    chains = Chains(machine, CHAINS, seed, f"mixing {time:g}")
    chains.randomise(seed, f"mixing {time:g}")
    tables, sets = Conditionals(machine, theta), np.zeros(CHAINS, dtype=np.int64)
    chains.sweep(tables, sets, BURN)
    plain = np.empty((CHAINS, LENGTH, len(theta)))
    for k in range(LENGTH):
        chains.sweep(tables, sets, 1)
        plain[:, k] = chains.moments()
    reference = machine.independent((density * min(1.0, 0.9 / density.sum())).tolist())
    shares = np.linspace(0, 1, max(RUNGS, int(np.sqrt(machine.visible.size))))
    ladder = Tempering(machine, theta, reference, shares, groups=GROUPS, seed=seed)
    ladder.run(BURN)
    tempered = ladder.run(LENGTH)
    means = [[ChainMean.of(x[:, :, k]) for k in range(len(theta))] for x in (plain, tempered)]
    slowest = max(means[0], key=lambda mean: mean.time)
    gaps = [abs(a.value - b.value) / max(np.hypot(a.error, b.error), 1e-9) for a, b in zip(*means, strict=True)]
    return Mixing(time, slowest.time, float(slowest.settled), float(max(gaps)), float(ladder.accepted.min()))
