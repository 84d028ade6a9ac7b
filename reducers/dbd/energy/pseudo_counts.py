"""Starts that runs show as impossible: species that are absent, pairs that were never seen, numbers without scatter.

θ of such moments is infinite. Two pseudo-counts, as Bayes would have them, keep it finite: of what is absent
(vacancies, too) there is half a molecule; and to the R runs half a run is added in which sites, or the numbers of
well-mixed molecules, are independent of each other (numbers: Poisson) at the densities of the data, so that nothing is
impossible.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import poisson

from couple.base.arrays import Floats
from reducers.data.trajectories import Trajectories
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.triplets import TripletChain
from reducers.dbd.energy.sufficient_statistics import per_condition
from reducers.dbd.energy.wellmixed import WellMixedModel
from reducers.dbd.energy.wellmixed_species import WellMixedSpecies

ExactModel = Chain | InhomogeneousChain | TripletChain | WellMixedModel | WellMixedSpecies
"""Models whose moments are known exactly."""

HALF = 0.5
"""Of a molecule, and of a run."""


def start_densities(data: Trajectories, size: int) -> Floats:
    """(n_conditions, n_species) densities on `size` sites at the start, half a molecule of what is absent."""
    return _floored(per_condition(data.counts[:, :1], data)[:, 0] / size, HALF / size)


def has_absent(model: ExactModel, moments: Floats) -> bool:
    """Whether a well-mixed species is absent in moments (n,): its θ is finite in numerics only."""
    if isinstance(model, WellMixedSpecies):
        return bool((model.split(moments)[:, 0] == 0.0).any())
    return isinstance(model, WellMixedModel) and float(moments[0]) == 0.0


def with_pseudo_count(model: ExactModel, moments: Floats, runs: int, size: int) -> Floats:
    """(n,) moments of `runs` runs, of `size` sites, with both pseudo-counts."""
    share = HALF / (runs + HALF)
    if isinstance(model, WellMixedModel):
        return _numbers(model, moments, share)
    if isinstance(model, WellMixedSpecies):
        return np.concatenate([_numbers(model.one, m, share) for m in model.split(moments)])
    least = min(HALF / share, size / 4) / size  # so that the mean over runs is half a molecule
    if isinstance(model, InhomogeneousChain):
        return np.asarray((1.0 - share) * moments + share * model.independent_moments(moments, least))
    species = len(model.species) if isinstance(model, Chain) else 1
    density = np.where(moments[:species] * size < HALF, least, moments[:species])
    density = _floored(density, 0.0, least)
    if isinstance(model, TripletChain):
        even = density[0] ** np.arange(1, 4)
    else:
        pairs = [density[a - 1] * density[b - 1] * (1 if a == b else 2) for a, b in model.pairs]
        even = np.concatenate([density, pairs])
    return np.asarray((1.0 - share) * moments + share * even)


def _floored(densities: Floats, least: float, room: float | None = None) -> Floats:
    """Densities (…, n_species) of `least` or more that leave `room` (default `least`) for vacancies."""
    found = np.maximum(densities, least)
    free = 1.0 - (least if room is None else room)
    return np.asarray(found * np.minimum(1.0, free / found.sum(axis=-1, keepdims=True)))


def _numbers(model: WellMixedModel, moments: Floats, share: float) -> Floats:
    """(K,) of one species: those of a Poisson distribution for what is absent, else a share of it."""
    absent = float(moments[0]) == 0.0
    mean = HALF if absent else float(moments[0])
    p = poisson.pmf(model.counts, mean)
    even = p @ model.features / p.sum()
    return np.asarray(even if absent else (1.0 - share) * moments + share * even)
