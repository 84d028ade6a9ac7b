"""A site's chemistry as a model of E-Cell 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecell4_base import core

from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.geometry.geometry import Geometry

type Molecule = Any
"""A species of E-Cell 4."""

REACTION = "reaction"
"""Attribute of a rule: the number of its reaction."""


def molecule(column: int) -> Molecule:
    """A species by its column: its own name could mean something in E-Cell's language of patterns.

    It has no D of its own: where it has, that of the model does not count.
    """
    return core.Species(f"S{column}")


def tracer(reaction: int) -> Molecule:
    """What is left of each event of a reaction that moves something through a reservoir."""
    return core.Species(f"R{reaction}")


def moves_reservoirs(network: ReactionNetwork) -> list[int]:
    """Reactions of which an event changes the count of a reservoir, clamps included."""
    n = len(network.species)
    return [r for r, change in enumerate(network.changes) if any(column >= n for column, _ in change)]


def model_of(
    network: ReactionNetwork,
    rates: Floats,
    volume: float,
    held: Mapping[int, float],
    traced: tuple[int, ...],
    radius: float = 0.0,
    of_a_kind: float = 1.0,
) -> core.NetworkModel:
    """Reactions among the species that are not held; what is held only sets the speed.

    rates: (n_reactions,) in counts, see ReactionNetwork.count_rates; E-Cell's own are per volume. held: column → count.
    traced: reactions that leave a tracer. of_a_kind: by what a rate for two molecules of one kind is multiplied: what
    E-Cell's engines mean by it differs.
    """
    model = core.NetworkModel()
    for column, species in enumerate(network.species):
        if column not in held:
            model.add_species_attribute(core.Species(molecule(column).serial(), radius, species.D))
    for r in traced:
        model.add_species_attribute(core.Species(tracer(r).serial(), radius, 0.0))
    for r, reaction in enumerate(network.reactions):
        reactants = [c for c in network.reactant_columns[r].tolist() if c >= 0]
        rate, free = float(rates[r]), [c for c in reactants if c not in held]
        if len(reactants) == 2 and reactants[0] == reactants[1] and not free:
            rate *= held[reactants[0]] * (held[reactants[0]] - 1)
        else:
            for column in reactants:
                rate *= held.get(column, 1.0)
        made = [network.index(name) for name in reaction.products]
        products = [molecule(c) for c in made if c < len(network.species) and c not in held]
        products += [tracer(r)] if r in traced else []
        rate *= of_a_kind if len(free) == 2 and free[0] == free[1] else 1.0
        if rate > 0:
            scale = volume ** (len(free) - 1)
            rule = core.ReactionRule([molecule(c) for c in free], products, rate * scale)
            rule.set_attribute(REACTION, r)
            model.add_reaction_rule(rule)
    return model


def box_edges(geometry: Geometry) -> tuple[float, ...]:
    """(x, y, z) in µm of the box that stands for a site: a cube of its volume, unless it is a box."""
    return geometry.size if geometry.shape == "box" else (geometry.volume ** (1 / 3),) * 3
