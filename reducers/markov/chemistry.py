"""Which part of a network a reduced block stands for, and a hash that tells whether it is the one that was learned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from couple.base.errors import InputError
from couple.chemistry.catalysis import change_of
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species

DIGITS = 9
"""Significant digits of a rate that count as the same chemistry."""


def own_reactions(network: ReactionNetwork, species: Sequence[str], drive: str) -> tuple[Reaction, ...]:
    """Reactions that change any of `species`; besides them only the drive and reservoirs may take part.

    What they catalyse elsewhere is not their own, and what others catalyse in them stands in `catalysed_reactions`.
    Raises InputError that names a species the network lacks, or a reaction with something else.
    """
    for name in (*species, drive):
        if name not in network.names:
            raise InputError(f'stands for "{name}", which this chemistry does not have')
    members, known = set(species), {*species, drive, *network.reservoirs}
    in_law = {r: {*law.names} for r, law in network.laws.items()}
    found = tuple(
        reaction
        for r, reaction in enumerate(network.reactions)
        if members & {*reaction.reactants, *reaction.products, *in_law.get(r, ())}
        and not _by_others(reaction, members, known)
        and (reaction.law is not None or _changes(reaction, members))
    )
    for reaction in found:
        if reaction.law is not None:
            raise InputError(f'"{reaction}" has the rate law "{reaction.law}": a reduced block takes mass action alone')
        others = {*reaction.reactants, *reaction.products} - known
        if others:
            raise InputError(
                f'"{reaction}" couples it to {", ".join(sorted(others))}, not only to {drive}: '
                "a reduced block must hold both or neither"
            )
    return found


def catalysed_reactions(
    network: ReactionNetwork, species: Sequence[str], drive: str
) -> tuple[tuple[str, Reaction], ...]:
    """(name, reaction) where one other species, which stays, changes one of `species` into another."""
    members, known = set(species), {*species, drive, *network.reservoirs}
    found = [(_by_others(reaction, members, known), reaction) for reaction in network.reactions]
    return tuple((name, reaction) for name, reaction in found if name)


def _changes(reaction: Reaction, members: set[str]) -> bool:
    change = change_of(reaction)
    return bool(members & {*change.left, *change.right})


def _by_others(reaction: Reaction, members: set[str], known: set[str]) -> str:
    """The species beside those `known` by which a reaction turns one member into another; "" if it is none of these."""
    change = change_of(reaction)
    others = set(change.catalysts) - known
    turned = len(change.left) == len(change.right) == 1 and {*change.left, *change.right} <= members
    return others.pop() if reaction.law is None and turned and len(others) == 1 else ""


def signature(network: ReactionNetwork, species: Sequence[str], drive: str) -> str:
    """SHA-256 of the species, what they hold, where they live, and their reactions with rates; order does not matter.

    Raises InputError as `own_reactions`.
    """
    reactions = own_reactions(network, species, drive)
    of = {s.name: s for s in network.species}
    lines = [_species_line(of[name]) for name in species]
    lines += [_reaction_line(r, set(network.reservoirs)) for r in reactions]
    return hashlib.sha256("\n".join([f"drive {drive}", *sorted(lines)]).encode()).hexdigest()


def _species_line(species: Species) -> str:
    held = " ".join(f"{k}:{n}" for k, n in sorted(species.contains.items()) if n)
    return f"species {species.name} {species.on} {held}"


def _reaction_line(reaction: Reaction, reservoirs: set[str]) -> str:
    def side(names: Sequence[str]) -> str:
        return "+".join(sorted("@" if n in reservoirs else n for n in names))

    return f"reaction {side(reaction.reactants)}>{side(reaction.products)} {reaction.rate:.{DIGITS}g} {reaction.per}"
