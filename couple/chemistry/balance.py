"""Conserved substances: what reservoirs hold, so that every reaction balances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from couple.base.errors import InputError
from couple.chemistry.reaction import Reaction, Species


def reservoir_contents(
    reactions: Sequence[Reaction], species: Mapping[str, Species], reservoirs: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Reservoir → substance → what one unit holds, from the reactions that name it.

    species: by name. Raises InputError for any other reaction that does not balance, for one that names two reservoirs,
    and for a reservoir of which reactions do not agree.
    """
    contents: dict[str, dict[str, int]] = {r: {} for r in reservoirs}
    first: dict[str, Reaction] = {}
    substances = sorted({substance for s in species.values() for substance in s.contains})
    for reaction in reactions:
        gain = _gain(reaction, species, substances)
        flows = {r: reaction.products.count(r) - reaction.reactants.count(r) for r in reservoirs}
        used = {r: n for r, n in flows.items() if n}
        if len(used) > 1:
            raise InputError(f'"{reaction}" names {len(used)} reservoirs; one is allowed')
        if not used:
            _refuse_unbalanced(reaction, gain, reservoirs)
            continue
        ((reservoir, flow),) = used.items()
        held = {}
        for substance, amount in gain.items():
            if amount % flow:
                raise InputError(
                    f'"{reaction}" moves {amount} {substance} through {abs(flow)} {reservoir}: a fraction each'
                )
            held[substance] = -amount // flow
        if reservoir in first and contents[reservoir] != held:
            raise InputError(
                f'reservoir "{reservoir}" holds {contents[reservoir]} by "{first[reservoir]}" '
                f'but {held} by "{reaction}": use two reservoirs'
            )
        contents[reservoir], first[reservoir] = held, reaction
    return contents


def _refuse_unbalanced(reaction: Reaction, gain: Mapping[str, int], reservoirs: Sequence[str]) -> None:
    for substance, amount in gain.items():
        if amount:
            known = f"one of {', '.join(reservoirs)}" if reservoirs else f'reservoirs = ["{substance}_out"]'
            verb, side = ("makes", "reactant") if amount > 0 else ("loses", "product")
            raise InputError(
                f'"{reaction}" {verb} {abs(amount)} {substance}: declare what its species contain, '
                f"or name a reservoir as {side} ({known})"
            )


def _gain(reaction: Reaction, species: Mapping[str, Species], substances: Sequence[str]) -> dict[str, int]:
    """Substances that one event adds to the species (reservoirs left out)."""
    gain = dict.fromkeys(substances, 0)
    for names, sign in ((reaction.reactants, -1), (reaction.products, 1)):
        for name in names:
            for substance, amount in species[name].contains.items() if name in species else ():
                gain[substance] += sign * amount
    return gain
