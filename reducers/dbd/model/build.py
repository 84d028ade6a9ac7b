"""From the tables of a training file to models, laws and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError, nearest
from reducers.data.trajectories import Trajectories
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.triplets import TripletChain
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Bonds, Layer, Link, nearest_neighbours, patch
from reducers.dbd.energy.mixture import Mixture
from reducers.dbd.energy.pseudo_counts import ExactModel, has_absent, start_densities, with_pseudo_count
from reducers.dbd.energy.sufficient_statistics import EnergyModel, exact_moments, per_condition
from reducers.dbd.energy.wellmixed import WellMixedModel
from reducers.dbd.energy.wellmixed_species import WellMixedSpecies
from reducers.dbd.fit.adjoint import METHODS, Solver
from reducers.dbd.fit.comparison import ExactComparison, MomentComparison, WakeSleep
from reducers.dbd.fit.fit import Recipe
from reducers.dbd.fit.moment_tracking import TrackingRecipe
from reducers.dbd.fit.optimisers import OPTIMISERS, Optimiser, Schedule
from reducers.dbd.fit.tracking_fit import TrackingFit
from reducers.dbd.laws.law import Law
from reducers.dbd.model.settings import (
    BondsBlock,
    FitBlock,
    LayerBlock,
    LayerLinkBlock,
    ModelBlock,
    TrainingFile,
)
from reducers.dbd.sampling.starts import pseudo_likelihood
from reducers.dbd.sampling.static_fit import match_configurations, match_moments

ODDS = 15.0
"""Largest parameter of a chain that moments of runs can show: exp(15) is one pair in three million."""


def build_model(block: ModelBlock, species: Sequence[str], shape: Sequence[int]) -> EnergyModel:
    """The energy model for data of some species on a lattice of `shape`. Raises InputError for what does not fit."""
    if block.nodes is not None and block.family != "chain":
        raise InputError(f'nodes are those of family = "chain", not of "{block.family}"', where="model.nodes")
    if block.family == "wellmixed":
        if len(species) == 1:
            return WellMixedModel(block.order, block.largest)
        return WellMixedSpecies(block.order, block.largest, species)
    if block.family in ("chain", "triplets"):
        if len(shape) != 1:
            raise InputError(f'family = "{block.family}" needs data on a line, not on a lattice of {tuple(shape)}')
        if block.family == "triplets" and len(species) != 1:
            raise InputError(f"triplets are of one species, not of {', '.join(species)}")
        if block.nodes is not None:
            return InhomogeneousChain(species, shape[0], block.nodes)
        return Chain(species) if block.family == "chain" else TripletChain()
    return _machine(block, species, shape)


def _machine(block: ModelBlock, species: Sequence[str], shape: Sequence[int]) -> DeepBoltzmann | Mixture:
    """A Boltzmann machine whose visible layer has the lattice of the data."""
    if block.family == "rbm":
        hidden = block.hidden or (LayerBlock(species=tuple(species)),)
        links = block.links or (LayerLinkBlock(pairs=tuple((s, s) for s in species), width=2),)
        block = block.model_copy(update={"hidden": hidden, "links": links})
    if block.family == "mrf" and (block.hidden or block.links):
        raise InputError('family = "mrf" has no hidden layers; with them it is "dbm"', where="model")
    if len(block.links) != len(block.hidden):
        raise InputError(f"{len(block.hidden)} hidden layers need as many links, not {len(block.links)}", where="links")
    bonds = BondsBlock() if block.family == "mrf" and block.bonds is None else block.bonds
    layers = [_layer(tuple(shape), tuple(species), bonds)]
    layers += [_layer(tuple(shape) if h.shape is None else h.shape, h.species, h.bonds) for h in block.hidden]
    made = [
        Link(patch(len(shape), link.width) if link.width else link.offsets or (), link.pairs, link.periodic)
        for link in block.links
    ]
    machine = DeepBoltzmann(layers, made)
    return Mixture(machine, block.absent) if block.absent else machine


def check_periodic(block: ModelBlock, periodic: bool) -> None:
    """Raise InputError where bonds wrap around and the data do not, or the other way round."""
    bonds = BondsBlock() if block.family == "mrf" and block.bonds is None else block.bonds
    if bonds is not None and bonds.periodic != periodic:
        said = f"periodic = {str(bonds.periodic).lower()}, and [data] periodic = {str(periodic).lower()}"
        raise InputError(f"{said}: make them equal", where="model.bonds")


def _layer(shape: tuple[int, ...], species: tuple[str, ...], block: BondsBlock | None) -> Layer:
    if block is None:
        return Layer(shape, species)
    pairs = [(a, b) for k, a in enumerate(species) for b in species[k:]]
    offsets = nearest_neighbours(len(shape)) if block.offsets is None else block.offsets
    return Layer(shape, species, Bonds(offsets, tuple(pairs) if block.pairs is None else block.pairs, block.periodic))


def build_start(block: ModelBlock, model: EnergyModel, data: Trajectories, periodic: bool, seed: int = 1) -> Floats:
    """(n_conditions, n) θ at the start, given or from the moments of the data."""
    conditions = np.unique(data.conditions)
    if isinstance(model, DeepBoltzmann | Mixture):
        start = np.stack([model.independent(d.tolist()) for d in start_densities(data, model.visible.size)])
        if block.start is not None:
            named = [model.parameters.index(name) for name in block.start]
            start[:, named] = by_name(block.start, model.parameters, "model.start")[named]
        if block.family == "mrf" and block.start is None and isinstance(model, DeepBoltzmann):
            start = _pseudo_likelihoods(model, data)
        if block.static and isinstance(model, Mixture):
            raise InputError("classes are not fitted to the first times: leave it out", where="model.static")
        return (
            start
            if not block.static or isinstance(model, Mixture)
            else _static(block.static, model, data, start, periodic, seed)
        )
    if block.start is not None:
        return np.tile(by_name(block.start, model.parameters, "model.start"), (len(conditions), 1))
    moments = per_condition(exact_moments(model, data, periodic), data)[:, 0]
    runs = [int((data.conditions == c).sum()) for c in conditions]
    return np.stack([_matched(model, m, n, data) for m, n in zip(moments, runs, strict=True)])


def _matched(model: ExactModel, moments: Floats, runs: int, data: Trajectories) -> Floats:
    """(n,) θ of the moments of `runs` runs; of moments that no finite θ has, those with a pseudo-count.

    Chains with nodes always have it: a few pairs at a node would make a coupling that F blows up.
    """
    largest = np.inf if isinstance(model, WellMixedModel | WellMixedSpecies) else ODDS
    if not has_absent(model, moments) and not isinstance(model, InhomogeneousChain):
        with suppress(RunError):
            return match_moments(model, moments, largest=largest)
    size = int(np.prod(data.shape)) if data.shape else 1
    return match_moments(model, with_pseudo_count(model, moments, runs, size), largest=largest)


def _pseudo_likelihoods(model: DeepBoltzmann, data: Trajectories) -> Floats:
    """(n_conditions, n) θ of the first times of the runs of each initial condition."""
    if data.snapshots is None:
        raise InputError("couplings are learned from snapshots, and the data have none: record them")
    first = [data.snapshots[data.conditions == c, 0] for c in np.unique(data.conditions)]
    return np.stack([pseudo_likelihood(model, states) for states in first])


def _static(steps: int, model: DeepBoltzmann, data: Trajectories, start: Floats, periodic: bool, seed: int) -> Floats:
    """(n_conditions, n) θ fitted to the first times of the runs of each initial condition."""
    if data.snapshots is None:
        raise InputError("a static fit needs snapshots, and the data have none: record them", where="model.static")
    first = [data.snapshots[data.conditions == c, 0] for c in np.unique(data.conditions)]
    pairs = zip(first, start, strict=True)
    return np.stack([match_configurations(model, s, t, periodic=periodic, steps=steps, seed=seed) for s, t in pairs])


def build_comparison(file: TrainingFile, model: EnergyModel, data: Trajectories) -> MomentComparison:
    """Exact where the moments of the model are known, wake and sleep otherwise. Raises InputError for classes."""
    if isinstance(model, Mixture):
        raise InputError("classes are learned by following moments: give a table [follow]", where="model.absent")
    if isinstance(model, DeepBoltzmann):
        fit = file.fit
        return WakeSleep(
            model,
            data,
            chains=fit.chains,
            wake=fit.wake,
            sleep=fit.sleep,
            persistent=fit.persistent,
            centre=fit.centre,
            seed=file.train.seed,
        )
    return ExactComparison(model, per_condition(exact_moments(model, data, file.data.periodic), data))


def build_tracking_fit(file: TrainingFile, model: EnergyModel, data: Trajectories, law: Law) -> TrackingFit:
    """The recipe of [follow]. Raises InputError for another model than a Boltzmann machine."""
    block = file.follow
    assert block is not None
    if not isinstance(model, DeepBoltzmann | Mixture):
        raise InputError("moments are followed by Boltzmann machines", where="follow")
    values = block.model_dump()
    names = model.machine.parameters if isinstance(model, Mixture) else model.parameters
    start, reference = (by_name(values.pop(key), names, f"follow.{key}") for key in ("start", "reference"))
    if not block.start:
        machine = model.machine if isinstance(model, Mixture) else model
        start = machine.independent(start_densities(data, model.visible.size)[0].tolist())
    solver = build_solver(file.fit, data.dt)
    settings, periodic = TrackingRecipe(**values), file.data.periodic
    return TrackingFit(law, model, data, solver, start, reference, settings, periodic=periodic, seed=file.train.seed)


def by_name(values: dict[str, float], parameters: Sequence[str], where: str) -> Floats:
    """(n,) parameters given by name, 0 otherwise. Raises InputError for a name that is none."""
    for name in values:
        if name not in parameters:
            raise InputError(f'unknown parameter "{name}"; {nearest(name, parameters)}', where=where)
    return np.array([values.get(name, 0.0) for name in parameters])


def build_solver(block: FitBlock, dt: float) -> Solver:
    """The integrator of [fit]; dt: of the recorded times, in the time unit of the data."""
    return Solver(dt, METHODS[block.method], block.substeps)


def build_optimiser(block: FitBlock, parameters: Sequence[str]) -> Optimiser:
    """The optimiser of [fit], with a learning rate for each parameter. Raises InputError for a name that is none."""
    rates = np.full(len(parameters), block.rate)
    for pattern, rate in block.rates.items():
        chosen = [k for k, name in enumerate(parameters) if _stands_for(pattern, name)]
        if not chosen:
            raise InputError(f'no parameter "{pattern}"; {nearest(pattern, parameters)}', where="fit.rates")
        rates[chosen] = rate
    made: Optimiser = OPTIMISERS[block.optimiser](rates)
    return made


def _stands_for(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def build_recipe(block: FitBlock, seed: int) -> Recipe:
    """The recipe of [fit]; seed: of windows and batches."""
    return Recipe(
        steps=block.steps,
        window=block.window,
        slide=block.slide,
        order=block.order,
        truncate=block.truncate,
        batch=block.batch,
        trust=block.trust,
        schedule=Schedule(block.schedule, block.end),
        seed=seed,
    )
