"""From the tables of a training file to models, laws and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.chemistry.equations import parse_equation
from couple.chemistry.network import Reaction, ReactionNetwork, Species
from reducers.data.moments import count_bonds
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann, Layer, Link, patch
from reducers.dbd.energy.ising import Chain
from reducers.dbd.energy.mixture import Mixture
from reducers.dbd.energy.static import match_configurations, match_moments
from reducers.dbd.energy.triplets import TripletChain
from reducers.dbd.energy.wellmixed import WellMixed
from reducers.dbd.fit.adjoint import METHODS, Solver
from reducers.dbd.fit.comparison import Comparison, Exact, WakeSleep
from reducers.dbd.fit.fit import Recipe
from reducers.dbd.fit.follow import Follow, Following
from reducers.dbd.fit.optimise import OPTIMISERS, Optimiser, Schedule
from reducers.dbd.laws.combine import Combination
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.laws.law import Law
from reducers.dbd.laws.polynomial import Polynomial
from reducers.dbd.laws.reactions import ChainFunction, EnumeratedFunction, hops, rules_of
from reducers.dbd.model.settings import FitBlock, LawBlock, Model, TrainingFile

ODDS = 15.0
"""Largest parameter of a chain that moments of runs can show: exp(15) is one pair in three million."""

AnyModel = DeepBoltzmann | Mixture | Chain | TripletChain | WellMixed


def build_model(block: Model, species: Sequence[str], shape: Sequence[int]) -> AnyModel:
    """The energy model for data of some species on a lattice of `shape`. Raises InputError for what does not fit."""
    if block.family == "wellmixed":
        return WellMixed(block.order, block.largest)
    if block.family in ("chain", "triplets"):
        if len(shape) != 1:
            raise InputError(f'family = "{block.family}" needs data on a line, not on a lattice of {tuple(shape)}')
        if block.family == "triplets" and len(species) != 1:
            raise InputError(f"triplets are of one species, not of {', '.join(species)}")
        return Chain(species) if block.family == "chain" else TripletChain()
    if len(block.links) != len(block.hidden):
        raise InputError(f"{len(block.hidden)} hidden layers need as many links, not {len(block.links)}", where="links")
    layers = [Layer(tuple(shape), tuple(species))]
    layers += [Layer(tuple(shape) if h.shape is None else h.shape, h.species) for h in block.hidden]
    links = [
        Link(patch(len(shape), link.width) if link.width else link.offsets or (), link.pairs, link.periodic)
        for link in block.links
    ]
    machine = DeepBoltzmann(layers, links)
    return Mixture(machine, block.absent) if block.absent else machine


def exact_moments(model: AnyModel, data: Trajectories, periodic: bool) -> Floats:
    """(R, T, n) X of every run in the units of the model: per site on chains. Raises InputError without snapshots."""
    if isinstance(model, WellMixed):
        if len(data.species) != 1:
            raise InputError(f"a well-mixed model has one species, not {', '.join(data.species)}")
        if data.counts.max() > model.counts[-1]:
            raise InputError(f"the data reach {data.counts.max():g}: give model.largest of more than that")
        return np.asarray(model.features[data.counts[:, :, 0].astype(np.int64)])
    if data.snapshots is None:
        raise InputError("couplings are learned from snapshots, and the data have none: record them")
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


def per_condition(values: Floats, data: Trajectories) -> Floats:
    """(n_conditions, T, …) means over the runs of each initial condition."""
    return np.stack([values[data.conditions == c].mean(axis=0) for c in np.unique(data.conditions)])


def build_start(block: Model, model: AnyModel, data: Trajectories, periodic: bool, seed: int = 1) -> Floats:
    """(n_conditions, n) θ at the start, given or from the moments of the data."""
    conditions = np.unique(data.conditions)
    if isinstance(model, DeepBoltzmann | Mixture):
        densities = per_condition(data.counts[:, :1], data)[:, 0] / model.visible.size
        start = np.stack([model.independent(d.tolist()) for d in densities])
        if block.start is not None:
            named = [model.parameters.index(name) for name in block.start]
            start[:, named] = by_name(block.start, model.parameters, "model.start")[named]
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
    largest = np.inf if isinstance(model, WellMixed) else ODDS
    return np.stack([match_moments(model, m, largest=largest) for m in moments])


def _static(steps: int, model: DeepBoltzmann, data: Trajectories, start: Floats, periodic: bool, seed: int) -> Floats:
    """(n_conditions, n) θ fitted to the first times of the runs of each initial condition."""
    if data.snapshots is None:
        raise InputError("a static fit needs snapshots, and the data have none: record them", where="model.static")
    first = [data.snapshots[data.conditions == c, 0] for c in np.unique(data.conditions)]
    pairs = zip(first, start, strict=True)
    return np.stack([match_configurations(model, s, t, periodic=periodic, steps=steps, seed=seed) for s, t in pairs])


def build_comparison(file: TrainingFile, model: AnyModel, data: Trajectories) -> Comparison:
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
    return Exact(model, per_condition(exact_moments(model, data, file.data.periodic), data))


def build_law(block: LawBlock, model: AnyModel, start: Floats, species: Sequence[str]) -> Law:
    """The law with its coefficients at their initial values; `start` (n,) is put in the middle of a cell."""
    domain = block.domain or model.parameters
    if block.family == "reactions":
        return _reactions(block, model, species)
    for name in domain:
        if name not in model.parameters:
            raise InputError(f'unknown parameter "{name}"; {nearest(name, model.parameters)}', where="law.domain")
    if block.family == "polynomial":
        return Polynomial(model.parameters, domain, block.degree)
    side = np.broadcast_to(np.asarray(block.side, dtype=float), (len(domain),))
    at = start[[model.parameters.index(name) for name in domain]]
    return Hermite(model.parameters, domain, side.tolist(), (at - side / 2).tolist())


def _reactions(block: LawBlock, model: AnyModel, species: Sequence[str]) -> Law:
    if not block.reactions:
        raise InputError('family = "reactions" needs reactions = [{ equation = "A -> 0" }]', where="law.reactions")
    law = Combination(
        [_function(term.equation, term.hopping, model, species) for term in block.reactions], block.shared
    )
    law.coefficients.values[:] = np.array([term.rate for term in block.reactions])[:, None]
    return law


def _function(equation: str | None, hopping: Sequence[str], model: AnyModel, species: Sequence[str]) -> Law:
    if not isinstance(model, Chain | WellMixed):
        raise InputError("functions of reactions are known for chains and well-mixed models", where="law.family")
    if equation is None:
        unknown = [name for name in hopping if name not in species]
        if not isinstance(model, Chain) or unknown or not hopping:
            name = unknown[0] if unknown else ", ".join(hopping)
            raise InputError(f'no species "{name}" hops in this model; {nearest(name, species)}', where="law.reactions")
        return ChainFunction(model, [rule for name in hopping for rule in hops(species.index(name) + 1)])
    left, right, reversible = parse_equation(equation)
    unknown = [name for name in (*left, *right) if name not in species]
    if reversible or unknown:
        reason = f'"{unknown[0]}" is no species' if unknown else "write each direction by itself"
        raise InputError(f'"{equation}": {reason}', where="law.reactions")
    network = ReactionNetwork([Species(name) for name in species], [Reaction(left, right, 1.0)])
    if isinstance(model, WellMixed):
        return EnumeratedFunction(model, model.drift(network, 0))
    return ChainFunction(model, rules_of(network.reactions[0], network))


def build_follow(file: TrainingFile, model: AnyModel, data: Trajectories, law: Law) -> Follow:
    """The recipe of [follow]. Raises InputError for another model than a Boltzmann machine."""
    block = file.follow
    assert block is not None
    if not isinstance(model, DeepBoltzmann | Mixture):
        raise InputError("moments are followed by Boltzmann machines", where="follow")
    values = block.model_dump()
    names = model.machine.parameters if isinstance(model, Mixture) else model.parameters
    start, reference = (by_name(values.pop(key), names, f"follow.{key}") for key in ("start", "reference"))
    solver = build_solver(file.fit, data.dt)
    settings, periodic = Following(**values), file.data.periodic
    return Follow(law, model, data, solver, start, reference, settings, periodic=periodic, seed=file.train.seed)


def by_name(values: dict[str, float], parameters: Sequence[str], where: str) -> Floats:
    """(n,) parameters given by name, 0 otherwise. Raises InputError for a name that is none."""
    for name in values:
        if name not in parameters:
            raise InputError(f'unknown parameter "{name}"; {nearest(name, parameters)}', where=where)
    return np.array([values.get(name, 0.0) for name in parameters])


def build_solver(block: FitBlock, dt: float) -> Solver:
    return Solver(dt, METHODS[block.method], block.substeps)


def build_optimiser(block: FitBlock, parameters: Sequence[str]) -> Optimiser:
    """With a learning rate for each parameter. Raises InputError for a name that stands for none."""
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
    return Recipe(
        steps=block.steps,
        window=block.window,
        slide=block.slide,
        order=block.order,
        truncate=block.truncate,
        batch=block.batch,
        schedule=Schedule(block.schedule, block.end),
        seed=seed,
    )
