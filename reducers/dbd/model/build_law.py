"""From the table [law] of a training file to a law of motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.chemistry.equations import parse_equation
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.chains.fluxes import events_of
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.rule import Rule
from reducers.dbd.energy.sufficient_statistics import EnergyModel
from reducers.dbd.energy.wellmixed import WellMixedModel
from reducers.dbd.energy.wellmixed_species import MassAction, WellMixedSpecies
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
from reducers.dbd.model.settings import LawBlock, ReactionTerm


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
