"""Moments of configurations on a lattice, their means over runs and standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit
from reducers.data.trajectories import Snapshots, Trajectories


@dataclass(frozen=True)
class Estimate:
    """Mean over runs, its standard error and the run-to-run standard deviation; arrays of one shape."""

    mean: Floats
    error: Floats
    deviation: Floats

    @classmethod
    def of(cls, values: Floats) -> Estimate:
        """values: (runs, …)."""
        runs = len(values)
        deviation = values.std(axis=0, ddof=1) if runs > 1 else np.full(values.shape[1:], np.nan)
        return cls(values.mean(axis=0), deviation / np.sqrt(runs), deviation)


def bonds(shape: Sequence[int], distance: int = 1, periodic: bool = True) -> Ints:
    """(n_bonds, 2) pairs of sites at a Manhattan distance, each once; read-only."""
    return _bonds(tuple(int(n) for n in shape), distance, periodic)


@lru_cache(maxsize=32)
def _bonds(shape: tuple[int, ...], distance: int, periodic: bool) -> Ints:
    places = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape), axis=1)
    found = set()
    for offset in np.ndindex(*(2 * distance + 1,) * len(shape)):
        step = np.array(offset) - distance
        if np.abs(step).sum() != distance:
            continue
        target = places + step
        if periodic:
            target %= np.array(shape)
        inside = ((target >= 0) & (target < np.array(shape))).all(axis=1)
        other = np.ravel_multi_index(tuple(target[inside].T), shape)
        found |= {(min(i, j), max(i, j)) for i, j in zip(np.flatnonzero(inside), other, strict=True) if i != j}
    out = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    out.flags.writeable = False
    return out


@njit(cache=True)
def _count(states: Snapshots, pairs: Ints, a: int, b: int) -> Ints:
    out = np.zeros(len(states), dtype=np.int64)
    for k in range(len(states)):
        row = states[k]
        for i in range(len(pairs)):
            first, second = row[pairs[i, 0]], row[pairs[i, 1]]
            if (first == a and second == b) or (first == b and second == a):
                out[k] += 1
    return out


def count_bonds(states: Snapshots, pairs: Ints, a: int, b: int) -> Floats:
    """(…,) bonds between a site in state a and one in state b; states (…, n_sites)."""
    flat = np.ascontiguousarray(states.reshape(-1, states.shape[-1]))
    return np.asarray(_count(flat, pairs, a, b).reshape(states.shape[:-1]), dtype=float)


def lattice_moments(
    states: Snapshots,
    species: Sequence[str],
    shape: Sequence[int],
    periodic: bool = True,
    distances: Sequence[int] = (1,),
) -> dict[str, Floats]:
    """Numbers of each species ("A") and of neighbouring pairs ("AB nn", at distance 2 "AB m2"); states (…, n_sites)."""
    out = {name: (states == s).sum(axis=-1).astype(float) for s, name in enumerate(species, start=1)}
    for distance in distances:
        pairs, label = bonds(shape, distance, periodic), "nn" if distance == 1 else f"m{distance}"
        for a, first in enumerate(species, start=1):
            for b, second in list(enumerate(species, start=1))[a - 1 :]:
                out[f"{first}{second} {label}"] = count_bonds(states, pairs, a, b)
    return out


def uncorrelated(
    means: Mapping[str, Floats], species: Sequence[str], shape: Sequence[int], periodic: bool = True
) -> dict[str, Floats]:
    """Numbers ("A") and pairs of neighbours ("AB nn") of a lattice of independent sites with mean numbers (…,)."""
    density = {name: means[name] / float(np.prod(shape)) for name in species}
    out = {name: means[name] for name in species}
    for a, first in enumerate(species):
        for second in species[a:]:
            both = density[first] * density[second] * (1 if first == second else 2)
            out[f"{first}{second} nn"] = len(bonds(shape, 1, periodic)) * both
    return out


def data_moments(runs: Trajectories, periodic: bool = True, distances: Sequence[int] = (1,)) -> dict[str, Floats]:
    """(R, T) moments of the snapshots of runs, or their counts alone if there are none."""
    if runs.snapshots is None:
        return {name: runs.count(name) for name in runs.species} | dict(runs.moments)
    return lattice_moments(runs.snapshots, runs.species, runs.shape, periodic, distances)


def nrmse(model: Floats, data: Floats) -> float:
    """Root-mean-square error of model (T,) over that of the data (T,) about 0; infinite if those are all 0."""
    scale = float(np.mean(data**2))
    return float(np.sqrt(np.mean((model - data) ** 2) / scale)) if scale else float("inf")
