"""A chemistry in molecules of one site: what files of other tools hold, rates per event and amounts at the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.laws.expression import Expression, apply, name, number, substitute
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Place


@dataclass(frozen=True)
class CountedReaction:
    """rate: events per ms and product of the reactants' molecules. law: instead of that, events per ms, of molecules.

    text: as the experiment has it. Reservoirs are no species of a file and left out.
    """

    reactants: tuple[str, ...]
    products: tuple[str, ...]
    rate: float
    text: str
    law: Expression | None = None


@dataclass(frozen=True)
class CountedChemistry:
    """volume: µm³. area: µm². places, counts: species → where it lives, molecules. observables: name → weights."""

    name: str
    volume: float
    area: float
    places: Mapping[str, Place]
    counts: Mapping[str, float]
    reactions: tuple[CountedReaction, ...]
    observables: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def count_chemistry(
    network: ReactionNetwork, counts: Sequence[float], volume: float, area: float, title: str
) -> CountedChemistry:
    """A network in a site of `volume` µm³ and `area` µm² of membrane; counts: (n_species,) molecules at the start.

    Raises InputError for rates that depend on the voltage, per step or per encounter: no file of chemistry has them.
    """
    if network.voltage_factors:
        reaction = network.reactions[next(iter(network.voltage_factors))]
        raise InputError(f'the rate of "{reaction}" depends on the voltage, which files of chemistry do not know')
    rates = network.count_rates(volume, area, laws=True)
    found = []
    for reaction, rate in zip(network.reactions, rates.tolist(), strict=True):
        left, right = (tuple(n for n in side if n in network.names) for side in (reaction.reactants, reaction.products))
        law = None
        if reaction.law is not None:
            sizes = {
                s.name: IONS_PER_MM_UM3 * volume if s.on == "volume" else area
                for s in network.species
                if s.name in reaction.law.names
            }
            events = IONS_PER_MM_UM3 * volume if reaction.law.on == "volume" else area
            tree = substitute(reaction.law.tree, lambda n, s=sizes: apply("div", name(n), number(s[n])))  # type: ignore[misc]
            law = apply("mul", number(rate * events), tree)
        found.append(CountedReaction(left, right, rate, str(reaction), law))
    return CountedChemistry(
        title,
        volume,
        area,
        {s.name: s.on for s in network.species},
        dict(zip(network.names, (float(n) for n in counts), strict=True)),
        tuple(found),
        {key: {n: w for n, w in weights.items() if n in network.names} for key, weights in network.observables.items()},
    )
