"""What a foreign file describes, in molecules of one compartment, and the `[chemistry]` table that it makes.

Sites have their own sizes: amounts become concentrations (densities on the membrane) and rates macroscopic ones, by the
volume and area of the file's compartment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from couple.base.errors import InputError
from couple.base.units import CANONICAL, IONS_PER_MM_UM3, factor, quantity
from couple.chemistry.laws.expression import Expression, apply, name, show, substitute
from couple.chemistry.network import Place, ReactionNetwork, Species


@dataclass(frozen=True)
class Units:
    """Units of a file that has none of its own.

    amount: molecules that one unit stands for, in `volume`. volume: µm³. time: ms, None if it is not given.
    concentrations: whether amounts are concentrations, and `volume` that of a compartment of size 1.
    """

    amount: float
    volume: float
    time: float | None
    concentrations: bool = False


@dataclass(frozen=True)
class CountReaction:
    """rate: events per ms and combination of reactant molecules. law: instead of that, events per ms, of molecules."""

    name: str
    reactants: tuple[str, ...]
    products: tuple[str, ...]
    rate: float
    law: Expression | None = None


@dataclass(frozen=True)
class CountModel:
    """One compartment of `volume` µm³ with `area` µm² of membrane.

    places, counts: species → where it lives, molecules at the start. observables: name → weight of each species.
    """

    volume: float
    area: float = 0.0
    places: Mapping[str, Place] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    reactions: tuple[CountReaction, ...] = ()
    observables: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def chemistry(self) -> dict[str, Any]:
        """The content of a `[chemistry]` table. Raises InputError for an order above 2."""
        blocks = [self._reaction(reaction) for reaction in self.reactions if reaction.rate > 0]
        return {
            "species": {name: {"on": place} if place == "membrane" else {} for name, place in self.places.items()},
            "reactions": blocks,
            "observables": {name: _observable(weights) for name, weights in self.observables.items()},
            "initial": {name: self._amount(name, n) for name, n in self.counts.items() if n > 0},
        }

    def _amount(self, name: str, n: float) -> str:
        if self.places[name] == "membrane":
            return f"{n / self.area!r} /um^2"
        return f"{n / (IONS_PER_MM_UM3 * self.volume)!r} mM"

    def _reaction(self, reaction: CountReaction) -> dict[str, Any]:
        left, right = (" + ".join(side) or "0" for side in (reaction.reactants, reaction.products))
        equation = f"{left} -> {right}"
        if reaction.law is not None:
            return {"equation": equation, **self._law(reaction, reaction.law)}
        species = [Species(name, on=self.places[name]) for name in reaction.reactants]
        try:
            dimension = ReactionNetwork.rate_dimension(species, [self.places[name] for name in reaction.products])
        except InputError as error:
            raise InputError(f'reaction "{reaction.name}": {error.message}') from None
        scale = {
            "rate of zeroth order": 1.0 / (IONS_PER_MM_UM3 * self.volume),
            "rate of zeroth order on the membrane": 1.0 / self.area if self.area else math.inf,
            "rate of first order": 1.0,
            "rate of second order": IONS_PER_MM_UM3 * self.volume,
            "rate of second order on the membrane": self.area,
        }[dimension]
        unit = CANONICAL[dimension]
        return {"equation": equation, "forward": f"{reaction.rate * scale!r} {unit.removeprefix('1')}"}

    def _law(self, reaction: CountReaction, law: Expression) -> dict[str, Any]:
        """A law of molecules as one of concentrations: by what one molecule is in the file's compartment.

        With a species of the membrane it is one per area.
        """
        involved = {*reaction.reactants, *reaction.products, *law.names()}
        of: dict[Place, str] = {"volume": "one_molecule", "membrane": "one_on_membrane"}
        units: dict[Place, str] = {
            "volume": f"{1.0 / (IONS_PER_MM_UM3 * self.volume)!r} mM",
            "membrane": f"{1.0 / self.area if self.area else math.inf!r} /um^2",
        }
        for place in of:
            while of[place] in self.places:
                of[place] += "_"
        on: Place = "membrane" if any(self.places[name] == "membrane" for name in involved) else "volume"
        rate = of[on] + "_per_ms"
        while rate in self.places:
            rate += "_"
        tree = substitute(law, lambda s: apply("div", name(s), name(of[self.places[s]])))
        tree = apply("mul", name(rate), tree)
        used = {*tree.names()}
        parameters = {of[place]: unit for place, unit in units.items() if of[place] in used}
        return {"rate_law": show(tree), "parameters": {rate: f"{units[on]}/ms", **parameters}}


def _observable(weights: Mapping[str, float]) -> list[str] | dict[str, float]:
    """As [chemistry] has it: a list where each molecule counts once."""
    return list(weights) if all(w == 1.0 for w in weights.values()) else dict(weights)


def read_units(table: object, path: str) -> Units | None:
    """The table `chemistry.units = { amount = "count" or "uM", volume = "1 um^3", time = "s" }`; None if not given.

    Raises InputError for unknown keys and units, and for counts without a volume.
    """
    if table is None:
        return None
    where = "chemistry.units"
    if not isinstance(table, Mapping) or not set(table) <= {"amount", "volume", "time"} or "amount" not in table:
        raise InputError(f'{table!r}: give {{ amount = "count", volume = "1 um^3", time = "s" }}', where=where)
    try:
        volume = quantity(table["volume"], "volume") if "volume" in table else None
        time = factor(str(table["time"]), "time") if "time" in table else None
        if table["amount"] == "count":
            if volume is None:
                raise InputError(f'amounts of {path} are counts: give the volume they are in, volume = "1 um^3"')
            return Units(1.0, volume, time)
        return Units(factor(str(table["amount"]), "concentration") * IONS_PER_MM_UM3, 1.0, time, True)
    except InputError as error:
        raise error.at(where) from None
