"""The network as reactions at the nodes of a mesh: what diffuses, what only reacts, what is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.common.law_tables import law_numbers
from adapters.wellmixed.common.packing import ragged
from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.laws.tape import LawTape, build_tape
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction


class NodeReactions(NamedTuple):
    """Reactions at one kind of node, in positions of the values at a node (see `FieldLayout`).

    rate: (n,) constants for molecules per µm³ and µm², per ms. first, second: (n,) positions of the reactants, that of
    the constant 1 where there is none. start (n + 1,), changed, change: what each reaction changes and by how much.
    Values of rate laws stand behind the constant 1. law_code, law, constants: their operations, see
    adapters.wellmixed.common.law_tables. slope_start (n + 1,), slope_by, slope: of a reaction with a law, positions
    that it depends on and those of its derivatives.
    """

    rate: Floats
    first: Ints
    second: Ints
    start: Ints
    changed: Ints
    change: Floats
    law_code: Ints
    law: Ints
    constants: Floats
    slope_start: Ints
    slope_by: Ints
    slope: Ints


@dataclass(frozen=True)
class FieldLayout:
    """Columns of the states (species, then reservoirs) by how they are treated.

    mobile_volume:     of the volume, coupled from node to node: they diffuse, react with the membrane or are filled.
    immobile_volume:   of the volume, each node by itself; reservoirs of reactions in the volume among them.
    mobile_membrane:   of the membrane, coupled from node to node: they diffuse in it.
    immobile_membrane: of the membrane, each node by itself; reservoirs of reactions on the membrane among them.
    clamped_volume, clamped_membrane: clamped species.
    n_species: columns of species; the rest are reservoirs.
    D:         (n_states,) µm²/ms.
    volume_reactions, membrane_reactions: at a node of the volume, with values (mobile_volume, immobile_volume,
               clamped_volume, 1), and at a node of the membrane, with (mobile_volume, immobile_volume, mobile_membrane,
               immobile_membrane, clamped_volume, clamped_membrane, 1).
    """

    mobile_volume: tuple[int, ...]
    immobile_volume: tuple[int, ...]
    mobile_membrane: tuple[int, ...]
    immobile_membrane: tuple[int, ...]
    clamped_volume: tuple[int, ...]
    clamped_membrane: tuple[int, ...]
    n_species: int
    D: Floats
    volume_reactions: NodeReactions
    membrane_reactions: NodeReactions


def classify_fields(network: ReactionNetwork, injected: Sequence[str] = ()) -> FieldLayout:
    """The fields of a network whose species `injected` are filled from outside, by how they are treated.

    Raises InputError for a reaction of the volume that makes a membrane species.
    """
    on_membrane = [_on_membrane(network, r) for r in network.reactions]
    n = len(network.species)
    membrane = {k for k, s in enumerate(network.species) if s.on == "membrane"}
    clamped = {network.index(name) for name in network.clamped}
    touched = {int(c) for r, at in enumerate(on_membrane) if at for c in np.flatnonzero(network.change[r])}
    changed_inside = {int(c) for r, at in enumerate(on_membrane) if not at for c in np.flatnonzero(network.change[r])}
    D = np.array([s.D for s in network.species] + [0.0] * len(network.reservoirs))
    filled = {network.index(name) for name in injected}
    free = [k for k in range(n) if k not in clamped]
    mobile = [k for k in free if k not in membrane and (D[k] > 0 or k in touched or k in filled)]
    immobile = [k for k in free if k not in membrane and k not in mobile]
    mobile_membrane = [k for k in free if k in membrane and D[k] > 0]
    immobile_membrane = [k for k in free if k in membrane and k not in mobile_membrane]
    immobile += [k for k in range(n, len(network.states)) if k in changed_inside]
    immobile_membrane += [k for k in range(n, len(network.states)) if k in touched]
    held = [k for k in sorted(clamped) if k not in membrane]
    held_membrane = [k for k in sorted(clamped) if k in membrane]
    volume_reactions = _node_reactions(
        network, [r for r, at in enumerate(on_membrane) if not at], mobile + immobile, [*held, -1]
    )
    membrane_reactions = _node_reactions(
        network,
        [r for r, at in enumerate(on_membrane) if at],
        mobile + [k if k < n else -2 for k in immobile] + mobile_membrane + immobile_membrane,
        [*held, *held_membrane, -1],
    )
    return FieldLayout(
        tuple(mobile), tuple(immobile), tuple(mobile_membrane), tuple(immobile_membrane), tuple(held),
        tuple(held_membrane), n, D, volume_reactions, membrane_reactions,
    )  # fmt: skip


def _on_membrane(network: ReactionNetwork, reaction: Reaction) -> bool:
    """Whether a reaction happens on the membrane."""
    if reaction.law is not None:
        return reaction.law.on == "membrane"
    reactants = network.order_reactants(reaction)
    made = [s for s in network.species if s.name in reaction.products]
    if any(s.on == "membrane" for s in reactants) or (not reactants and made and all(s.on != "volume" for s in made)):
        return True
    wrong = [s.name for s in made if s.on == "membrane"]
    if wrong:
        raise InputError(
            f'"{reaction}" makes {wrong[0]} of the membrane from what is anywhere in the volume: '
            "let it react with a species of the membrane"
        )
    return False


def _node_reactions(network: ReactionNetwork, chosen: list[int], free: list[int], constant: list[int]) -> NodeReactions:
    """The chosen reactions, for values of the columns `free`, then `constant` (-1: the number 1)."""
    place = {k: i for i, k in enumerate(free + constant)}
    change = [[(place[k], int(by)) for k, by in enumerate(network.change[r]) if by and k in place] for r in chosen]
    start, flat = ragged(change)
    pairs = np.array([[place[int(c)] for c in network.reactant_columns[r]] for r in chosen], dtype=np.int64)
    pairs = pairs.reshape(-1, 2)
    tape = _tape(network, [r for r in chosen if r in network.laws], place, len(free) + len(constant))
    laws = dict(zip((r for r in chosen if r in network.laws), tape.values, strict=True))
    pairs[:, 0] = [laws.get(r, first) for r, first in zip(chosen, pairs[:, 0], strict=True)]
    slopes = [[(place[network.index(s)], at) for (of, s), at in tape.slopes.items() if of == r] for r in chosen]
    slope_start, slope = ragged(slopes)
    return NodeReactions(
        np.array([_rate(network, network.reactions[r]) for r in chosen]),
        pairs[:, 0].copy(),
        pairs[:, 1].copy(),
        np.array(start, dtype=np.int64),
        np.array([k for k, _ in flat], dtype=np.int64),
        np.array([float(by) for _, by in flat]),
        tape.code,
        np.array(law_numbers(tape), dtype=np.int64),
        tape.constants(1.0, 1.0),
        np.array(slope_start, dtype=np.int64),
        np.array([by for by, _ in slope], dtype=np.int64),
        np.array([at for _, at in slope], dtype=np.int64),
    )


def _tape(network: ReactionNetwork, chosen: list[int], place: dict[int, int], base: int) -> LawTape:
    """The laws of the chosen reactions, of densities per µm³ and µm²; base: values before those of laws."""
    membrane = {s.name: s.on == "membrane" for s in network.species}
    places = {s: place[i] for i, s in enumerate(network.names) if i in place}
    return build_tape({r: network.laws[r] for r in chosen}, membrane, places, base, slopes=True)


def _rate(network: ReactionNetwork, reaction: Reaction) -> float:
    """The rate constant for densities in molecules per µm³ and µm²; a rate law has its own."""
    if reaction.law is not None:
        return reaction.rate
    reactants = network.order_reactants(reaction)
    made = [s.on for s in network.species if s.name in reaction.products]
    dimension = network.rate_dimension(reactants, made)
    scale = {"rate of zeroth order": IONS_PER_MM_UM3, "rate of second order": 1.0 / IONS_PER_MM_UM3}
    return reaction.rate * scale.get(dimension, 1.0)


def jacobian_sparsity(reactions: NodeReactions, n: int) -> npt.NDArray[np.bool_]:
    """(n, n) whether the rate of change of value i depends on value j, of the first n values."""
    found = np.zeros((n, n), dtype=bool)
    for r in range(len(reactions.rate)):
        for i in reactions.changed[reactions.start[r] : reactions.start[r + 1]]:
            for j in (reactions.first[r], reactions.second[r]):
                if j < n:
                    found[i, j] = True
            for j in reactions.slope_by[reactions.slope_start[r] : reactions.slope_start[r + 1]]:
                if j < n:
                    found[i, j] = True
    return found
