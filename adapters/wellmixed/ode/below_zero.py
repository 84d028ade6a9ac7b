"""Species that a written rate law takes below zero, where real numbers may follow it.

Mass action never does: its rates vanish with what they consume. A law of a file, or of a user, need not, and its
equations go on below zero as any other solver of them does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from couple.chemistry.laws.expression import value
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.network import ReactionNetwork

PROBES = (1e-5, 1e-2, 10.0)
"""Concentrations (mM), or densities (/µm²), about which laws are looked at."""
VANISHES = 1e-9
"""A rate without a species is none if it is this part of that with it."""


def taken_below_zero(network: ReactionNetwork) -> frozenset[str]:
    """Species that a law consumes where there are none, if all laws that depend on them are defined below zero."""
    takers: set[str] = set()
    for r, law in network.laws.items():
        for column, change in network.changes[r]:
            if column < len(network.species) and change and _takes(law, network.names[column], change):
                takers.add(network.names[column])
    return frozenset(s for s in takers if all(_goes_on(law, s) for law in network.laws.values() if s in law.names))


def _takes(law: RateLaw, species: str, change: int) -> bool:
    """Whether a law changes a species downwards at zero; change: molecules of it in an event."""
    for scale in PROBES:
        there = _around(law, scale)
        without, usual = _rate(law, {**there, species: 0.0}), _rate(law, there)
        if math.isfinite(without) and change * without < -VANISHES * abs(usual if math.isfinite(usual) else without):
            return True
    return False


def _goes_on(law: RateLaw, species: str) -> bool:
    """Whether a law has a rate below zero, as far from it as others are above."""
    return all(
        math.isfinite(_rate(law, {**_around(law, scale), species: -part * scale}))
        for scale in PROBES
        for part in (1e-3, 0.7)
    )


def _around(law: RateLaw, scale: float) -> dict[str, float]:
    """Values for all species of a law that are in no simple ratio to each other."""
    return {name: scale * (1 + 0.37 * math.sqrt(k + 2)) for k, name in enumerate(law.names)}


def _rate(law: RateLaw, names: Mapping[str, float]) -> float:
    """At concentrations (mM) and densities (/µm²); NaN where it is not defined."""
    try:
        return float(value(law.tree, names))
    except (ArithmeticError, ValueError, TypeError):  # TypeError: of a complex number
        return math.nan
