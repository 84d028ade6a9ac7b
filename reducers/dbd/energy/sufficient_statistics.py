"""The statistics X of runs that an energy model is fitted to, in the model's own units."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.data.moments import count_bonds
from reducers.data.trajectories import Trajectories
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.triplets import TripletChain
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.mixture import Mixture
from reducers.dbd.energy.wellmixed import WellMixedModel
from reducers.dbd.energy.wellmixed_species import WellMixedSpecies

EnergyModel = DeepBoltzmann | Mixture | Chain | InhomogeneousChain | TripletChain | WellMixedModel | WellMixedSpecies
"""Any energy model that a training file can name."""


def exact_moments(model: EnergyModel, data: Trajectories, periodic: bool) -> Floats:
    """(R, T, n) X of every run in the units of the model: per site on chains. Raises InputError without snapshots."""
    if isinstance(model, WellMixedModel | WellMixedSpecies):
        if data.counts.max() > model.counts[-1]:
            raise InputError(f"the data reach {data.counts.max():g}: give model.largest of more than that")
        numbers = data.counts.astype(np.int64)
        return model.features_of(numbers) if isinstance(model, WellMixedSpecies) else model.features[numbers[:, :, 0]]
    if data.snapshots is None:
        raise InputError("couplings are learned from snapshots, and the data have none: record them")
    if isinstance(model, InhomogeneousChain):
        if periodic:
            raise InputError("a chain with nodes has two ends: give periodic = false", where="data.periodic")
        return model.features_of(data.snapshots)
    size = data.snapshots.shape[2]
    first, second, third = (np.roll(np.arange(size), -k) for k in range(3))
    kept = size if periodic else size - 1
    near = np.stack([first, second], axis=1)[:kept]
    if isinstance(model, Chain):
        columns = [(data.snapshots == s).mean(axis=2) for s in range(1, len(model.species) + 1)]
        columns += [count_bonds(data.snapshots, near, a, b) / kept for a, b in model.pairs]
        return np.stack(columns, axis=2)
    there = data.snapshots == 1
    pairs = there[:, :, first[:kept]] & there[:, :, second[:kept]]
    last = kept if periodic else size - 2
    triplets = pairs[:, :, :last] & there[:, :, third[:last]]
    return np.stack([there.mean(axis=2), pairs.mean(axis=2), triplets.mean(axis=2)], axis=2)


def profiles(model: InhomogeneousChain, moments: Floats) -> dict[str, Floats]:
    """name → (…, K) of moments (…, n): of each field and coupling its sums at the K nodes."""
    count, nodes = len(model.species), len(model.site_nodes)
    names = [f"h_{s}" for s in model.species]
    names += [f"J_{model.species[a - 1]}{model.species[b - 1]}" for a, b in model.pairs]
    sizes = [nodes] * count + [len(model.bond_nodes)] * len(model.pairs)
    return dict(zip(names, np.split(moments, np.cumsum(sizes)[:-1], axis=-1), strict=True))


def per_condition(values: Floats, data: Trajectories) -> Floats:
    """(n_conditions, T, …) means over the runs of each initial condition."""
    return np.stack([values[data.conditions == c].mean(axis=0) for c in np.unique(data.conditions)])
