"""Distributions over time of a well-mixed network, as a library function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.cme.size import check_size
from adapters.cme.space import StateSpace
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.geometry.geometry import Geometry


@dataclass(frozen=True, eq=False)
class MasterEquationSolution:
    """Solution of the master equation.

    species: names. times: (n_times,) ms. states: (n_states, n_species). probability: (n_times, n_states).
    error: (n_times,) bound on the probability that is missing, and with it on every error of a probability.
    """

    species: tuple[str, ...]
    times: Floats
    states: npt.NDArray[np.int64]
    probability: Floats
    error: Floats

    def mean(self) -> Floats:
        """(n_times, n_species)."""
        return np.asarray(self.probability @ self.states)

    def covariance(self) -> Floats:
        """(n_times, n_species, n_species)."""
        second = np.einsum("ti,ij,ik->tjk", self.probability, self.states, self.states, optimize=True)
        mean = self.mean()
        return np.asarray(second - mean[:, :, None] * mean[:, None, :])

    def marginal(self, name: str) -> Floats:
        """(n_times, largest count + 1) probabilities of 0, 1, ... molecules. Raises InputError if unknown."""
        if name not in self.species:
            raise InputError(f'unknown species "{name}"; {nearest(name, self.species)}')
        column = self.states[:, self.species.index(name)]
        return np.array([np.bincount(column, p, column.max() + 1) for p in self.probability])


def solve(
    network: ReactionNetwork,
    geometry: Geometry,
    initial: Sequence[int],
    times: Sequence[float],
    *,
    leak: float = 1e-10,
    states: int = 1_000_000,
) -> MasterEquationSolution:
    """Distributions at `times` (ms, increasing) from whole counts `initial` (n_species,) at 0.

    leak: probability that may be lost in all. states: most that are held. Raises InputError if they do not suffice,
    with the size of what does not fit.
    """
    check_size(network, initial, states)
    at = np.asarray(times, dtype=float)
    if at.ndim != 1 or not len(at) or at[0] < 0 or (np.diff(at) <= 0).any():
        raise InputError(f"times {list(times)} must increase from 0 or later")
    if len(initial) != len(network.species) or min(initial, default=0) < 0:
        raise InputError(f"{len(network.species)} initial counts of at least 0 are needed, not {list(initial)}")
    space = StateSpace(network, initial, states)
    rates = network.count_rates(geometry.volume, geometry.area)
    rows, error, now = [], [], 0.0
    for t in at:
        if t > now:
            space.flow(rates, t - now, leak * (t - now) / at[-1])
        now = float(t)
        rows.append(space.p.copy())
        error.append(space.leak)
    probability = np.array([np.pad(row, (0, space.n - len(row))) for row in rows])
    return MasterEquationSolution(network.names, at, space.states.astype(np.int64), probability, np.array(error))
