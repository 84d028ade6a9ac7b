"""The closure that a model has learned: which of its interactions drive an observable, and whether their sum is right.

Sampled along the free-running path, by `closure` in every class of a mixture and with one more term for each class
(`reducers.dbd.energy.mixture`). Sum and data are compared after the same Gaussian filter in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from reducers.data.moments import lattice_moments
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.mixture import AnyDeep, Mixture, class_rates, components
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.report.covariances import covariances
from reducers.dbd.report.moment_errors import reported_times, sampled_chains
from reducers.dbd.sampling.gibbs import Conditionals

DRAWS, BETWEEN = 4, 10
"""Samples per chain, and sweeps between them."""


@dataclass(frozen=True)
class Terms:
    """time: (T,). terms: (T, N) of d⟨X⟩/dt as sampled. total, data: (T,) their sum and the data's derivative, filtered.

    correlation: of the two, over all times; NaN if one does not change.
    """

    time: Floats
    terms: Floats
    total: Floats
    data: Floats
    correlation: float


def learned_closure(model: ReducedModel, names: Sequence[str]) -> dict[str, Terms]:
    """Moment such as "P" or "PP nn" → its closure at the reported times. Raises InputError for unknown moments."""
    machine, block = model.model, model.file.report
    if not isinstance(machine, DeepBoltzmann | Mixture):
        raise InputError("closure terms are sampled from Boltzmann machines", where="report.closure")
    for name in names:
        if f"{name} mean" not in model.reference:
            known = (key.removesuffix(" mean") for key in model.reference if key.endswith(" mean"))
            raise InputError(f'no moment "{name}"; {nearest(name, known)}', where="report.closure")
    theta = model.trajectory()[reported_times(model), 0]
    rates = model.law.rates(theta)
    found = [_at(machine, model, theta[k], rates[k], names, k) for k in range(len(theta))]
    time = model.reference["time mean"]
    width = block.smooth * model.dt / float(time[1] - time[0])
    return {
        name: _compared(np.stack([terms[i] for terms in found]), model.reference[f"{name} mean"], time, width)
        for i, name in enumerate(names)
    }


def _compared(terms: Floats, data: Floats, time: Floats, width: float) -> Terms:
    total, slope = (gaussian_filter1d(values, width) for values in (terms.sum(axis=1), np.gradient(data, time)))
    moves = np.ptp(total) > 0 and np.ptp(slope) > 0
    return Terms(time, terms, total, slope, float(np.corrcoef(total, slope)[0, 1]) if moves else np.nan)


def _at(model: AnyDeep, of: ReducedModel, theta: Floats, rates: Floats, names: Sequence[str], k: int) -> Floats:
    """(names, N) terms at one time."""
    machine, weights, thetas = components(model, theta)
    n = len(machine.parameters)
    parts, means = [], []
    for c in range(len(weights)):
        observables, features = _samples(machine, of, thetas[c], names, f"closure {k} class {c}")
        parts.append(np.stack([covariances(y, features) for y in observables]) * weights[c])
        means.append(observables.mean(axis=1))
    if not isinstance(model, Mixture):
        return np.asarray(parts[0] * rates)
    of_class = rates[n:].reshape(-1, n + 1)
    moved = class_rates(weights, np.diag(of_class[:, 0]))[:, 1:]  # row j: what dη_j/dt does to classes ≥ 1
    switch = moved @ (np.stack(means[1:]) - means[0])
    out = [parts[0] * rates[:n]]
    for c in range(1, len(weights)):
        out += [switch[c - 1][:, None], parts[c] * of_class[c - 1, 1:]]
    return np.concatenate(out, axis=1)


def _samples(
    machine: DeepBoltzmann, of: ReducedModel, theta: Floats, names: Sequence[str], purpose: str
) -> tuple[Floats, Floats]:
    """(names, samples) observables and (samples, n) X."""
    block, visible = of.file.report, machine.visible
    chains = sampled_chains(machine, theta[None], chains=max(block.chains, 100), sweeps=block.sweeps, purpose=purpose)
    tables, sets = Conditionals(machine, theta), np.zeros(len(chains), dtype=np.int64)
    observed, features = [], []
    for _ in range(DRAWS):
        chains.sweep(tables, sets, BETWEEN)
        states = chains.states(0).T
        found = lattice_moments(states, visible.species, visible.shape, of.file.data.periodic, block.distances)
        observed.append(np.stack([found[name] for name in names]))
        features.append(chains.moments())
    return np.concatenate(observed, axis=1), np.concatenate(features)
