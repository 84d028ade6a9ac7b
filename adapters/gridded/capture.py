"""Tables for what reacts with the membrane from the middle of a voxel.

Its proteins meet what is at the wall, half a voxel away from the mean that voxels know. With a permeability kappa of
all that binds a species there, a flux kappa c(wall) = (c - c(wall)) D / d over the distance d gives kappa c f with
f = 1 / (1 + kappa d / D): of order two in the spacing, as voxels are. What comes off the wall, or enters through it,
is caught again at once with the chance 1 - f, so that both ways are slowed alike and rest where they did.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adapters.gridded.grid import Grid
from adapters.wellmixed.common.packing import ragged
from couple.base.arrays import Floats, Ints
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction


class Captures(NamedTuple):
    """Traps are the species that diffuse in the volume and bind to species of the membrane.

    column, D: (n_traps,) of the species. place: column of the counts that holds the first trap's factor f; the others
    follow. start (n_traps + 1,), member, partner: reactions that bind it, and the column of what they bind it to.
    slow: (n_members,) column with the factor of a reaction, of the constant 1 where there is none. groups: that have
    such reactions. alters: (n_events,) 1 where an event changes a partner. release_start (n_events + 1,), release: of
    an event, traps that it sets free at the wall. standoff: (n_voxels,) volume / membrane × distance of the membrane
    from the middle, µm².
    """

    column: Ints
    D: Floats
    place: int
    start: Ints
    member: Ints
    partner: Ints
    slow: Ints
    groups: Ints
    alters: Ints
    release_start: Ints
    release: Ints
    standoff: Floats


def captures(
    network: ReactionNetwork, order: Ints, group_start: Ints, grid: Grid, events: list[dict[int, int]], place: int
) -> Captures:
    """order: (n_members,) reaction of each. events: column → change, of members, then of entries of each species."""
    bound = {m: pair for m, r in enumerate(order.tolist()) if (pair := _binding(network, network.reactions[r]))}
    traps = sorted({trap for trap, _ in bound.values()})
    rows = [[m for m, (trap, _) in bound.items() if trap == column] for column in traps]
    start, members = ragged(rows)
    slow = np.full(len(order), len(network.states), dtype=np.int64)
    for m, (trap, _) in bound.items():
        slow[m] = place + traps.index(trap)
    partners = {partner for _, partner in bound.values()}
    n = len(order)
    free = [{c: by for c, by in change.items() if c in traps} for change in events]
    at_wall = [e >= n or _at_wall(network, int(order[e])) for e in range(len(events))]
    released = [
        [traps.index(c) for c, by in change.items() for _ in range(by if wall else 0)]
        for change, wall in zip(free, at_wall, strict=True)
    ]
    release_start, release = ragged(released)
    area = np.where(grid.areas > 0, grid.areas, 1.0)
    return Captures(
        _ints(traps), np.array([network.species[c].D for c in traps], dtype=float), place, _ints(start),
        _ints(members), _ints([bound[m][1] for m in members]), slow,
        _ints(sorted({int(np.searchsorted(group_start, m, side="right")) - 1 for m in bound})),
        _ints([int(bool(partners & change.keys())) for change in events]),
        _ints(release_start), _ints(release), np.where(grid.areas > 0, grid.volume / area * grid.depths, 0.0),
    )  # fmt: skip


def _binding(network: ReactionNetwork, reaction: Reaction) -> tuple[int, int] | None:
    """(species of the volume, that of the membrane) that a reaction brings together, if the first diffuses."""
    pair = network.order_reactants(reaction)
    if sorted(s.on for s in pair) != ["membrane", "volume"]:
        return None
    inside, wall = sorted(pair, key=lambda s: s.on, reverse=True)
    if inside.D <= 0 or inside.name in network.clamped:
        return None
    return network.index(inside.name), network.index(wall.name)


def _at_wall(network: ReactionNetwork, r: int) -> bool:
    """Whether a reaction happens at the membrane."""
    reaction = network.reactions[r]
    if reaction.law is not None:
        return reaction.law.on == "membrane"
    named = {*reaction.reactants, *reaction.products}
    return any(s.on == "membrane" and s.name in named for s in network.species)


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)
