"""Molecules that change one into another at rates that are held over a window: by the voltage, or by catalysts.

A pool of `pools` is driven by one concentration. Where a rate depends on V or on other molecules that stay as they are
(a kinase, a phosphatase, open channels), its pool is left to `held_pools`, which takes V as it is in the window and the
catalysts as they are on average between its ends. Such molecules take up nothing of the drive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adapters.surrogate.blocks.replaced import Replaced
from couple.base.errors import InputError
from couple.chemistry.catalysis import Change, change_of
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction


@dataclass(frozen=True)
class HeldMove:
    """One molecule of `source` becomes one of `target`.

    catalyst: name in the reduced network, "" without one. reaction: whose rate it has; number: of it in the reduced
    network, -1 if it is not there because learned models stand for its catalyst.
    """

    source: str
    target: str
    catalyst: str
    reaction: Reaction
    number: int


def held_species(network: ReactionNetwork, drive: str | None, gone: frozenset[str]) -> frozenset[str]:
    """Species of pools with a rate that is held. gone: those that learned models stand for."""
    changes = [(r, change_of(r)) for r in network.reactions if r.law is None]
    own = [(r, c, _members(network, c, drive)) for r, c in changes if not gone & {*c.left, *c.right}]
    found = {
        name
        for r, c, members in own
        if r.voltage is not None or set(c.catalysts) & set(network.names) - {drive}
        for name in members
    }
    while True:
        more = {name for _, _, members in own if members & found for name in members} - found
        if not more:
            return frozenset(found)
        found |= more


def held_moves(replaced: Replaced, reduced: ReactionNetwork, drive: str | None, held: frozenset[str]) -> list[HeldMove]:
    """What the molecules of `held` do. Raises InputError that names a reaction that is more than that."""
    found: list[HeldMove] = []
    by_block: dict[tuple[str, str, str], list[tuple[str, Reaction]]] = defaultdict(list)
    numbers = {id(r): k for k, r in enumerate(reduced.reactions)}
    for reaction in replaced.full.reactions:
        change = change_of(reaction)
        if not held & {*change.left, *change.right}:
            continue
        _check(reaction, change, drive, held, reduced.clamped)
        catalyst = next((c for c in change.catalysts if c in replaced.full.names), "")
        source, target = change.left[0], change.right[0]
        if catalyst in replaced.gone:
            block = next(n for n, b in replaced.blocks.items() if catalyst in b.about.species)
            by_block[source, target, block].append((catalyst, reaction))
        else:
            found.append(HeldMove(source, target, catalyst, reaction, numbers.get(id(reaction), -1)))
    return found + [_by_observable(replaced, key, each) for key, each in by_block.items()]


def _members(network: ReactionNetwork, change: Change, drive: str | None) -> set[str]:
    return {n for n in (*change.left, *change.right) if n in network.names and n != drive}


def _check(
    reaction: Reaction, change: Change, drive: str | None, held: frozenset[str], clamped: tuple[str, ...]
) -> None:
    one = len(change.left) == len(change.right) == 1 and {*change.left, *change.right} <= held
    if not one or reaction.per != "time" or reaction.law is not None or held & set(clamped):
        raise InputError(
            f'"{reaction}" is not what this engine can do: molecules whose rate depends on V or on others turn '
            f"one into another; they take up no {drive or 'others'}, are not held, made or used up; take another engine"
        )


def _by_observable(replaced: Replaced, key: tuple[str, str, str], each: list[tuple[str, Reaction]]) -> HeldMove:
    """Reactions of which each has another catalyst in a learned model, as one by what the model reports."""
    source, target, block = key
    rates: Mapping[str, float] = {name: reaction.rate for name, reaction in each}
    species = replaced.blocks[block].about.species
    given = np.array([rates.get(s, 0.0) for s in species])
    for name, weights in replaced.observables[block].items():
        w = np.array(weights)
        ratio = given[w > 0] / w[w > 0]
        if not given[w == 0].any() and len(ratio) and np.ptp(ratio) <= 1e-12 * ratio.max():
            k = int(np.argmax(w > 0))
            reaction = next(r for n, r in each if n == species[k])
            if w[k] == 1.0:
                return HeldMove(source, target, f"{block}_{name}", reaction, -1)
    raise InputError(
        f'"{each[0][1]}": the model "{block}" stands for {each[0][0]} and reports observables alone; give the reaction '
        "catalyst = an observable, such as K_phosphorylated"
    )
