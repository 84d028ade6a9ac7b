"""Steady states of molecules that turn into each other one by one, while others are held: a linear problem."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from couple.base.errors import InputError
from couple.chemistry.reaction import Reaction


def moiety(reactions: Sequence[Reaction], name: str, clamped: Collection[str], reservoirs: Collection[str]) -> set[str]:
    """Species that `name` can turn into (or come from) while the `clamped` ones and `reservoirs` are held.

    Raises InputError if a reaction joins two members, so that the steady state is not a linear problem.
    """
    held = {*clamped, *reservoirs}
    members, queue = {name}, [name]
    while queue:
        current = queue.pop()
        for reaction in reactions:
            left = [n for n in reaction.reactants if n not in held]
            right = [n for n in reaction.products if n not in held]
            in_law = reaction.law is not None and current in reaction.law.names
            if not in_law and reaction.reactants.count(current) == reaction.products.count(current):
                continue  # a catalyst, or not there
            if (current in left or current in right) and reaction.voltage is not None:
                raise InputError(
                    f'at = "steady" for "{name}": the rate of "{reaction}" depends on the voltage; give the '
                    "amounts of its forms"
                )
            if current in left or current in right or in_law:
                if len(left) != 1 or len(right) != 1 or reaction.law is not None:
                    raise InputError(
                        f'at = "steady" for "{name}" needs reactions that turn one molecule into one other '
                        f'while {", ".join(sorted(clamped)) or "nothing"} is held; "{reaction}" does not'
                    )
                new = {*left, *right} - members
                members |= new
                queue += sorted(new)
    return members


def steady_fractions(
    reactions: Sequence[Reaction], members: Sequence[str], clamped: Mapping[str, float]
) -> dict[str, float]:
    """Share of each member of a moiety at the steady state with `clamped` (name → mM) held."""
    generator = np.zeros((len(members), len(members)))
    for reaction in reactions:
        left = [n for n in reaction.reactants if n in members]
        right = [n for n in reaction.products if n in members]
        if left and right and left != right:
            speed = reaction.rate
            for n in reaction.reactants:
                if n in clamped:
                    speed *= clamped[n]
            i, j = members.index(left[0]), members.index(right[0])
            generator[j, i] += speed
            generator[i, i] -= speed
    system = np.vstack([generator / max(np.abs(generator).max(), 1e-300), np.ones(len(members))])
    shares = np.linalg.lstsq(system, np.r_[np.zeros(len(members)), 1.0], rcond=None)[0]
    shares = np.clip(shares, 0.0, None)
    return dict(zip(members, (shares / shares.sum()).tolist(), strict=True))
