"""Whether partners of a reaction can meet in space, and whether cells of a size resolve how they do.

One place for all engines that know where molecules are: they refuse, or warn of, the same with the same words.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species

RETURN = 0.2527
"""Watson's integral over 6: a pair on a cubic grid that misses meets again this many times h²/D later."""
SLOW = 0.05
"""Loss of a rate constant to the grid above which a warning is due."""
COARSE = 2.0
"""Cells this many times as long as the way to a partner do not show where molecules are caught."""


def check_meetings(network: ReactionNetwork, clamped: Collection[str] = ()) -> None:
    """Raise InputError, with what to write, for a reaction whose partners never come together: neither moves.

    clamped: species that are everywhere alike, whatever reactions do; they need not move. See also `check_law_places`.
    """
    check_law_places(network)
    for reaction in network.reactions:
        pair = network.order_reactants(reaction)
        if len(pair) == 2 and reaction.rate > 0 and not any(s.name in clamped for s in pair):
            check_meeting(reaction, pair)


def check_law_places(network: ReactionNetwork) -> None:
    """Raise InputError for a rate law per volume of a reaction that has to do with species of the membrane."""
    membrane = {s.name for s in network.species if s.on == "membrane"}
    for r, law in network.laws.items():
        reaction = network.reactions[r]
        wrong = sorted(membrane & {*reaction.reactants, *reaction.products, *law.names})
        if law.on == "volume" and wrong:
            raise InputError(
                f'"{reaction}" has to do with {wrong[0]} of the membrane, but its rate law "{law}" is per volume '
                "(mM/ms): where molecules have places, give it per area of membrane (/um^2/ms)"
            )


def check_meeting(reaction: Reaction, pair: Sequence[Species]) -> None:
    """Raise InputError unless one of the two moves; of a pair across the membrane, the one in the volume."""
    moving = [s for s in pair if s.D > 0 and (s.on == "volume" or pair[0].on == pair[1].on)]
    if moving:
        return
    inside = [s.name for s in pair if s.on == "volume"] or [s.name for s in pair]
    if pair[0].on == pair[1].on:
        why = "neither partner moves, they never meet"
    else:
        why = "the partner in the volume comes to the membrane, but does not move: they never meet"
    raise InputError(
        f'"{reaction}": {why}; give one a D above 0, as species.{inside[0]} = {{ D = "10 um^2/s" }}, or all as '
        'chemistry.D = { "*" = "10 um^2/s" }'
    )


def coarse_cells(network: ReactionNetwork, initial: Sequence[float], volume: float, h: float) -> Iterator[str]:
    """Warnings where molecules meet a partner, at its amount at the start, well within cells of edge `h` µm.

    initial: (n_species,) molecules in `volume` µm³. A molecule goes sqrt(D / (k c)) until it is caught.
    """
    for reaction in network.reactions:
        pair = network.order_reactants(reaction)
        if len(pair) != 2 or any(s.on != "volume" for s in pair):
            continue
        for a, b in ((pair[0], pair[1]), (pair[1], pair[0])):
            caught = reaction.rate * initial[network.index(b.name)] / (IONS_PER_MM_UM3 * volume)  # per ms
            way = math.sqrt(a.D / caught) if caught > 0 else math.inf
            if 0 < way < h / COARSE:
                yield (
                    f'"{reaction}": {a.name} goes {way * 1e3:.2g} nm until it meets {b.name}, cells of {h * 1e3:.3g} '
                    f"nm do not show where; take {COARSE * way * 1e3:.2g} nm or less"
                )
                break


def slowed_rates(network: ReactionNetwork, h: float) -> Iterator[str]:
    """Warnings of rates that whole molecules in voxels of edge `h` µm lose.

    In three dimensions a rate constant k between voxels acts like k / (1 + 0.2527 k / (D h)).
    """
    for reaction in network.reactions:
        pair = network.order_reactants(reaction)
        if len(pair) == 2 and all(s.on == "volume" for s in pair):
            k, D = reaction.rate / IONS_PER_MM_UM3, sum(s.D for s in pair)
            loss = RETURN * k / (D * h) if D > 0 else 0.0
            if loss > SLOW:
                yield (
                    f'"{reaction}" is {loss / (1 + loss):.0%} slower than its rate with voxels of {h * 1e3:g} nm: '
                    f"molecules must find the same voxel; take {RETURN * k / (D * SLOW) * 1e3:.2g} nm or more"
                )
