"""What a foreign file describes, in molecules, and the `[chemistry]` table that it makes.

Sites have their own sizes: amounts become concentrations (densities on membranes) and rates macroscopic ones, by the
sizes of the file's compartments. Several volumes, or membranes, are together those of a site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from couple.base.errors import InputError, quoted
from couple.base.unit_text import split_quantity
from couple.base.units import CANONICAL, IONS_PER_MM_UM3, factor, quantity, ratio
from couple.chemistry.compartments import WHOLE, Home, home_of_rate, law_home
from couple.chemistry.laws.expression import Expression, apply, combine, name, number, show, substitute
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Place, Reaction, Species


@dataclass(frozen=True)
class Size:
    """A compartment of a file. size: µm³ of a volume, µm² of a membrane."""

    size: float
    on: Place = "volume"


@dataclass(frozen=True)
class Units:
    """Units of a file that has none of its own.

    amount: molecules that one unit stands for, in `volume`. volume: µm³. time: ms, None if it is not given.
    concentrations: whether amounts are concentrations, and `volume` that of a compartment of size 1. compartments: the
    sizes of several, if they are given one by one; together they have the `volume`.
    """

    amount: float
    volume: float
    time: float | None
    concentrations: bool = False
    compartments: Mapping[str, Size] = field(default_factory=dict)


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
    """Compartments that are together a site, and what is in them.

    compartments: by name. places, counts: species → its compartment, molecules at the start. observables: name →
    weight of each species.
    """

    compartments: Mapping[str, Size]
    places: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    reactions: tuple[CountReaction, ...] = ()
    observables: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def chemistry(self) -> dict[str, Any]:
        """The content of a `[chemistry]` table. Raises InputError for an order above 2."""
        parts = {h.name: {"share": h.share, "on": h.on} for h in self._parts.values() if h.name not in WHOLE}
        return {
            **({"compartments": parts} if parts else {}),
            "species": {s: {} if home.name == "volume" else {"on": home.name} for s, home in self._homes.items()},
            "reactions": [self._reaction(reaction) for reaction in self.reactions if reaction.rate > 0],
            "observables": {name: _observable(weights) for name, weights in self.observables.items()},
            "initial": {name: self._amount(name, n) for name, n in self.counts.items() if n > 0},
        }

    @cached_property
    def _parts(self) -> dict[str, Home]:
        """Compartment → what it is of a site: all of its volume, or membrane, where there is no other one."""
        sizes = {on: [c.size for c in self.compartments.values() if c.on == on] for on in WHOLE}
        return {
            name: Home(f"{name}_" if name in WHOLE else name, c.on, c.size / sum(sizes[c.on]))
            if len(sizes[c.on]) > 1
            else WHOLE[c.on]
            for name, c in self.compartments.items()
        }

    @cached_property
    def _homes(self) -> dict[str, Home]:
        """Species → where it lives."""
        return {name: self._parts[place] for name, place in self.places.items()}

    @cached_property
    def _sizes(self) -> dict[str, float]:
        """Name of a home → its size in the file."""
        return {self._parts[name].name: c.size for name, c in self.compartments.items()}

    def _one(self, home: Home) -> tuple[float, str]:
        """What one molecule makes there, and its unit."""
        size = self._sizes[home.name]
        return (1.0 / size, "/um^2") if home.on == "membrane" else (1.0 / (IONS_PER_MM_UM3 * size), "mM")

    def _amount(self, name: str, n: float) -> str:
        one, unit = self._one(self._homes[name])
        return f"{n * one!r} {unit}"

    def _reaction(self, reaction: CountReaction) -> dict[str, Any]:
        left, right = (" + ".join(side) or "0" for side in (reaction.reactants, reaction.products))
        equation = f"{left} -> {right}"
        event = Reaction(reaction.reactants, reaction.products, reaction.rate)
        if reaction.law is not None:
            return {"equation": equation, **self._law(event, reaction.law)}
        species = [Species(name, on=self._homes[name].on) for name in reaction.reactants]
        try:
            made = [self._homes[name].on for name in reaction.products]
            dimension = ReactionNetwork.rate_dimension(species, made)
        except InputError as error:
            raise InputError(f'reaction "{reaction.name}": {error.message}') from None
        try:
            home = home_of_rate(event, self._homes)
        except InputError:  # in several compartments, of all of which no rate constant is
            return {"equation": equation, **self._law(event, _propensity(reaction))}
        one = 1.0 if home is None else self._one(home)[0]
        rate = reaction.rate * one if not reaction.reactants else reaction.rate / one
        return {"equation": equation, "forward": f"{rate!r} {CANONICAL[dimension].removeprefix('1')}"}

    def _law(self, event: Reaction, law: Expression) -> dict[str, Any]:
        """A law of molecules as one of concentrations: by what one molecule is in its compartment of the file.

        With a species of the membrane it is one per area.
        """
        involved = {*event.reactants, *event.products, *law.names()}
        on: Place = "membrane" if any(self._homes[name].on == "membrane" for name in involved) else "volume"
        events = law_home(event, RateLaw(law, on, ""), self._homes)
        rate = self._free_name(f"{self._names[events.name]}_per_ms")
        tree = substitute(law, lambda s: apply("div", name(s), name(self._names[self._homes[s].name])))
        tree = apply("mul", name(rate), tree)
        used = {*tree.names()}
        ones = {self._names[h.name]: self._one(h) for h in self._parts.values()}
        one, unit = self._one(events)
        parameters = {rate: f"{one!r} {unit}/ms", **{n: f"{x!r} {u}" for n, (x, u) in ones.items() if n in used}}
        return {"rate_law": show(tree), "parameters": parameters}

    @cached_property
    def _names(self) -> dict[str, str]:
        """Name of a home → of the parameter of laws that is what one molecule makes there."""
        return {n: self._free_name(_ONE.get(n, f"one_in_{n}")) for n in self._sizes}

    def _free_name(self, name: str) -> str:
        while name in self.places:
            name += "_"
        return name


_ONE = {"volume": "one_molecule", "membrane": "one_on_membrane"}


def _propensity(reaction: CountReaction) -> Expression:
    """Mass action of two that live apart, or of what is made in two places, as a law of molecules."""
    return combine("mul", [number(reaction.rate), *(name(s) for s in reaction.reactants)])


def _observable(weights: Mapping[str, float]) -> list[str] | dict[str, float]:
    """As [chemistry] has it: a list where each molecule counts once."""
    return list(weights) if all(w == 1.0 for w in weights.values()) else dict(weights)


def read_units(table: object, path: str) -> Units | None:
    """The table `chemistry.units = { amount = "count" or "uM", volume = "1 um^3", time = "s" }`; None if not given.

    volume may be a table, compartment → volume or area. Raises InputError for unknown keys and units, and for counts
    without a volume.
    """
    if table is None:
        return None
    where = "chemistry.units"
    if not isinstance(table, Mapping) or not set(table) <= {"amount", "volume", "time"} or "amount" not in table:
        raise InputError(f'{table!r}: give {{ amount = "count", volume = "1 um^3", time = "s" }}', where=where)
    try:
        sizes = _sizes(table["volume"]) if isinstance(table.get("volume"), Mapping) else {}
        volume: float | None = sum(c.size for c in sizes.values() if c.on == "volume")
        if not sizes:
            volume = quantity(table["volume"], "volume") if "volume" in table else None
        time = factor(str(table["time"]), "time") if "time" in table else None
        if table["amount"] == "count":
            if volume is None:
                raise InputError(f'amounts of {path} are counts: give the volume they are in, volume = "1 um^3"')
            return Units(1.0, volume, time, compartments=sizes)
        if sizes:
            raise InputError("sizes of compartments are of amounts that are counts", where="volume")
        return Units(factor(str(table["amount"]), "concentration") * IONS_PER_MM_UM3, 1.0, time, True)
    except InputError as error:
        raise error.at(where) from None


def _sizes(table: Mapping[str, object]) -> dict[str, Size]:
    """Compartments by name, from { EC = "10 um^3", PM = "40 um^2" }. Raises InputError that names the key."""
    found = {}
    for key, text in table.items():
        parts = split_quantity(str(text))
        on: Place = "membrane" if parts is not None and ratio(parts[1], CANONICAL["area"]) is not None else "volume"
        try:
            size = quantity(text, "area" if on == "membrane" else "volume")
            if not size > 0:
                raise InputError(f"{quoted(str(text))}: a size is above 0")
        except InputError as error:
            raise error.at(f"volume.{key}") from None
        found[key] = Size(size, on)
    if all(c.on != "volume" for c in found.values()):
        raise InputError('one of the compartments must be a volume, such as "1 um^3"', where="volume")
    return found
