"""From the tables of a training file to models, laws and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError, nearest
from couple.chemistry.equations import parse_equation
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.data.trajectories import Trajectories
from reducers.dbd.chains.fluxes import events_of
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.rule import Rule
from reducers.dbd.chains.triplets import TripletChain
from reducers.dbd.energy.dbm import DeepBoltzmann, Layer, Link, patch
from reducers.dbd.energy.mixture import Mixture
from reducers.dbd.energy.pseudo_counts import ExactModel, has_absent, start_densities, with_pseudo_count
from reducers.dbd.energy.static_fit import match_configurations, match_moments
from reducers.dbd.energy.sufficient_statistics import EnergyModel, exact_moments, per_condition
from reducers.dbd.energy.wellmixed import WellMixedModel
from reducers.dbd.energy.wellmixed_species import MassAction, WellMixedSpecies
from reducers.dbd.fit.adjoint import METHODS, Solver
from reducers.dbd.fit.comparison import ExactComparison, MomentComparison, WakeSleep
from reducers.dbd.fit.fit import Recipe
from reducers.dbd.fit.moment_tracking import TrackingRecipe
from reducers.dbd.fit.optimisers import OPTIMISERS, Optimiser, Schedule
from reducers.dbd.fit.tracking_fit import TrackingFit
from reducers.dbd.laws.combination import Combination
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.laws.law import Law
from reducers.dbd.laws.polynomial import Polynomial
from reducers.dbd.laws.reactions import (
    ChainFunction,
    EnumeratedFunction,
    InhomogeneousCombination,
    InhomogeneousFunction,
    MassActionFunction,
    hops,
    rules_of,
)
from reducers.dbd.model.settings import (
    FitBlock,
    LawBlock,
    LayerBlock,
    LayerLinkBlock,
    ModelBlock,
    ReactionTerm,
    TrainingFile,
)

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
    if len(block.links) != len(block.hidden):
        raise InputError(f"{len(block.hidden)} hidden layers need as many links, not {len(block.links)}", where="links")
    layers = [Layer(tuple(shape), tuple(species))]
    layers += [Layer(tuple(shape) if h.shape is None else h.shape, h.species) for h in block.hidden]
    made = [
        Link(patch(len(shape), link.width) if link.width else link.offsets or (), link.pairs, link.periodic)
        for link in block.links
    ]
    machine = DeepBoltzmann(layers, made)
    return Mixture(machine, block.absent) if block.absent else machine


def build_start(block: ModelBlock, model: EnergyModel, data: Trajectories, periodic: bool, seed: int = 1) -> Floats:
    """(n_conditions, n) θ at the start, given or from the moments of the data."""
    conditions = np.unique(data.conditions)
    if isinstance(model, DeepBoltzmann | Mixture):
        start = np.stack([model.independent(d.tolist()) for d in start_densities(data, model.visible.size)])
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
    runs = [int((data.conditions == c).sum()) for c in conditions]
    return np.stack([_matched(model, m, n, data) for m, n in zip(moments, runs, strict=True)])


def _matched(model: ExactModel, moments: Floats, runs: int, data: Trajectories) -> Floats:
    """(n,) θ of the moments of `runs` runs; of moments that no finite θ has, those with a pseudo-count."""
    largest = np.inf if isinstance(model, WellMixedModel | WellMixedSpecies) else ODDS
    if not has_absent(model, moments):
        with suppress(RunError):
            return match_moments(model, moments, largest=largest)
    size = int(np.prod(data.shape)) if data.shape else 1
    return match_moments(model, with_pseudo_count(model, moments, runs, size), largest=largest)


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


def build_law(block: LawBlock, model: EnergyModel, start: Floats, species: Sequence[str]) -> Law:
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


def _reactions(block: LawBlock, model: EnergyModel, species: Sequence[str]) -> Law:
    if not block.reactions:
        raise InputError('family = "reactions" needs reactions = [{ equation = "A -> 0" }]', where="law.reactions")
    functions = [_function(term, model, species) for term in block.reactions]
    placed = [f for f in functions if isinstance(f, InhomogeneousFunction)]
    law = InhomogeneousCombination(placed) if placed and block.shared else Combination(functions, block.shared)
    law.coefficients.values[:] = np.array([term.rate for term in block.reactions])[:, None]
    return law


def _function(term: ReactionTerm, model: EnergyModel, species: Sequence[str]) -> Law:
    if not isinstance(model, Chain | InhomogeneousChain | WellMixedModel | WellMixedSpecies):
        raise InputError("functions of reactions are known for chains and well-mixed models", where="law.family")
    if term.at is not None and not isinstance(model, InhomogeneousChain):
        raise InputError("only a chain with nodes knows places: give model.nodes", where="law.reactions")
    equation, hopping = term.equation, term.hopping
    if equation is None:
        unknown = [name for name in hopping if name not in species]
        if not isinstance(model, Chain | InhomogeneousChain) or unknown or not hopping:
            name = unknown[0] if unknown else ", ".join(hopping)
            raise InputError(f'no species "{name}" hops in this model; {nearest(name, species)}', where="law.reactions")
        return _on_chain(model, [rule for name in hopping for rule in hops(species.index(name) + 1)], term)
    left, right, reversible = parse_equation(equation)
    unknown = [name for name in (*left, *right) if name not in species]
    if reversible or unknown:
        reason = f'"{unknown[0]}" is no species' if unknown else "write each direction by itself"
        raise InputError(f'"{equation}": {reason}', where="law.reactions")
    network = ReactionNetwork([Species(name) for name in species], [Reaction(left, right, 1.0)])
    if isinstance(model, WellMixedModel):
        return EnumeratedFunction(model, model.drift(network, 0))
    if isinstance(model, WellMixedSpecies):
        if len(left) > 2:
            raise InputError(f'"{equation}" has more than two reactants', where="law.reactions")
        change = [right.count(name) - left.count(name) for name in species]
        return MassActionFunction(MassAction(model, [left.count(name) for name in species], change))
    return _on_chain(model, rules_of(network.reactions[0], network), term)


def _on_chain(model: Chain | InhomogeneousChain, rules: Sequence[Rule], term: ReactionTerm) -> Law:
    if isinstance(model, Chain):
        return ChainFunction(model, list(rules))
    try:
        return InhomogeneousFunction(model, events_of(rules, model.size, term.at))
    except InputError as error:
        raise InputError(f'"{term.label}": {error}', where="law.reactions") from None


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
