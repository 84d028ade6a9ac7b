"""Rate laws of the membrane, of what is at the wall instead of in the middle of the voxel before it.

A law that takes J_i = Σ ν_im v_m of a species through the wall, over all laws m, leaves c_i - (d / D_i) J_i there, d
away from the middle. To first order in d a law then goes at v - x with x = Σ_i ∂v/∂c_i (d / D_i) J_i: as v² / (v + x),
which is of the same order, never falls below 0, and is what a linear law does to all orders. The error left is of order
two in the spacing, as that of voxels is. Opposite laws are slowed alike, and rest where they did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.laws.calculus import derivative
from couple.chemistry.laws.expression import Expression, apply, combine, name, number
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.laws.tape import DEPTH
from couple.chemistry.network import ReactionNetwork

_ZERO = number(0.0)


def laws_at_wall(network: ReactionNetwork) -> dict[int, RateLaw]:
    """The laws of a network, those of the membrane by the concentrations at the wall; `DEPTH` (µm) stands in them."""
    per_area = {r: law for r, law in network.laws.items() if law.on == "membrane"}
    taken = {s.name: _taken(network, per_area, s.name) for s in network.species if _is_drawn(network, s.name)}
    return {r: _at_wall(network, r, law, taken) if r in per_area else law for r, law in network.laws.items()}


def _is_drawn(network: ReactionNetwork, species: str) -> bool:
    """Whether a species has another concentration at the wall: it diffuses, and nobody holds it."""
    found = network.species[network.index(species)]
    return found.on == "volume" and found.D > 0 and species not in network.clamped


def _taken(network: ReactionNetwork, laws: Mapping[int, RateLaw], species: str) -> Expression:
    """Molecules of a species that laws take through the wall, /µm²/ms."""
    parts = []
    for r, law in laws.items():
        reaction = network.reactions[r]
        n = reaction.reactants.count(species) - reaction.products.count(species)
        if n:
            parts.append(apply("mul", number(n * reaction.rate), law.tree))
    return combine("add", parts) if parts else _ZERO


def _at_wall(network: ReactionNetwork, r: int, law: RateLaw, taken: Mapping[str, Expression]) -> RateLaw:
    terms = list(_lost(network, law, taken))
    if not terms:
        return law
    v, x = law.tree, apply("mul", name(DEPTH), combine("add", terms))
    slowed = apply("div", apply("mul", v, v), apply("add", v, x))
    return replace(law, tree=apply("if", apply("lt", _ZERO, x), slowed, apply("sub", v, x)))


def _lost(network: ReactionNetwork, law: RateLaw, taken: Mapping[str, Expression]) -> Iterator[Expression]:
    """∂v/∂c_i J_i / D_i of every species that differs at the wall."""
    for s in law.names:
        if s in taken and taken[s] != _ZERO:
            D = network.species[network.index(s)].D
            slope = apply("div", derivative(law.tree, s), number(D * IONS_PER_MM_UM3))  # from molecules to mM
            yield apply("mul", slope, taken[s])
