"""[chemistry]: species, reactions, observables and initial amounts, from tables and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from couple.base.errors import InputError, nearest
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block, Integer, Name
from couple.base.units import Diffusion, Temperature
from couple.chemistry.compartments import Home, by_whole_site, check_regions
from couple.chemistry.equations import beside_both, read_law_reaction, read_reaction, warmed
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.chemistry.rounding import RoundingRule
from couple.experiment.chemistry.compartments import Compartment, home_of, homes_of
from couple.experiment.chemistry.species_patterns import by_pattern
from couple.experiment.chemistry.voltage import VoltageBlock
from couple.experiment.merge.chemistry_layers import with_included

Contents = dict[Name, Annotated[int, Field(ge=1, le=1000, strict=True)]]
"""Conserved substance → how much of it one molecule holds."""


class SpeciesBlock(Block):
    """A kind of molecule. D, contains: of none, by the patterns of `Chemistry.D` and `contains`, or 0 and nothing.

    D: diffusion coefficient. on: "volume", "membrane", or the name of a compartment, or of a region of the membrane in
    `geometry.mesh`. contains: conserved substances in
    a molecule, as { Ca = 1 }, which the ledger audits. charge: its charge number, 2 of a calcium ion, -1 of chloride;
    links with drift = true need it.
    """

    D: Diffusion | None = Field(default=None, ge=0)
    on: str = "volume"
    contains: Contents | None = None
    charge: Annotated[int, Field(ge=-20, le=20, strict=True)] | None = None


Weight = Annotated[float, Field(gt=0, le=1e6)]
Observable = Annotated[
    Annotated[tuple[str, ...], Tag("sum")] | Annotated[dict[Name, Weight], Tag("weights")],
    Discriminator(lambda value: "weights" if isinstance(value, Mapping) else "sum"),
]


class ReactionBlock(Block):
    """A reaction, e.g. equation = "Ca + CBP <-> CaCBP" with rates in concentrations.

    rate_law: instead of mass action, how fast it goes, in mM/ms or, on the membrane, /um^2/ms, such as
    "Vmax * S / (Km + S)"; names of species are concentrations (densities on the membrane). parameters: of that law,
    numbers or texts with units, as { Vmax = "2 uM/s", Km = "5 uM", n = 4 }.
    q10, at: the rates were measured `at` a temperature, and grow by `q10` every 10 degrees.
    equation: "A + B <-> C", one arrow "->" for one way. forward: rate to the right, "1e8 /M/s". backward: rate to
    the left. forward_voltage: how the rate to the right depends on V, as { kind = "exponential", scale = "17 mV" }: a
    factor of it. backward_voltage: the same of the rate to the left.
    catalyst: a species or an observable of which every molecule carries out the reaction and stays as it is; of an
    observable each by its weight. Rates are then those of a meeting with one, "2 /uM/s".
    """

    equation: str
    forward: str | None = None
    backward: str | None = None
    forward_voltage: VoltageBlock | None = None
    backward_voltage: VoltageBlock | None = None
    catalyst: Name | None = None
    rate_law: str | None = Field(default=None, min_length=1)
    parameters: dict[Name, Annotated[float, Field(strict=True, allow_inf_nan=False)] | int | str] = {}
    q10: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    at: Temperature | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.q10 is None) != (self.at is None):
            raise ValueError('give q10 and at together, as in q10 = 3.0, at = "22 celsius"')
        if (self.forward is None) == (self.rate_law is None):
            raise ValueError(
                'give either forward = "2 /s" (mass action) or rate_law = "Vmax * S / (Km + S)" with its parameters'
            )
        if self.rate_law is not None and self.catalyst is not None:
            raise ValueError("catalyst: only of mass action; in a rate law its name can stand as a factor")
        if self.rate_law is not None and self.backward is not None:
            raise ValueError("a rate law is of one direction: give the backward reaction as another one")
        if self.backward_voltage is not None and self.backward is None:
            raise ValueError("backward_voltage: there is no backward rate")
        if self.parameters and self.rate_law is None:
            raise ValueError("parameters: only of a rate_law")
        return self

    def reactions(
        self, species: Mapping[str, Species], reservoirs: Iterable[str], observables: Mapping[str, Observable]
    ) -> list[Reaction]:
        """One or two irreversible reactions, for each member of a catalyst. Raises InputError that names the key."""
        if self.catalyst is None:
            return self._reactions(species, self.equation, reservoirs)
        found = []
        for name, weight in _members(self.catalyst, species, observables).items():
            with_it = beside_both(self.equation, name)
            found += [replace(r, rate=weight * r.rate) for r in self._reactions(species, with_it, reservoirs)]
        return found

    def _reactions(self, species: Mapping[str, Species], equation: str, reservoirs: Iterable[str]) -> list[Reaction]:
        if self.rate_law is not None:
            found = [read_law_reaction(species, equation, self.rate_law, self.parameters, reservoirs)]
        else:
            found = read_reaction(species, equation, self.forward, self.backward, reservoirs)
        by_voltage = (self.forward_voltage, self.backward_voltage)
        return [r if v is None else replace(r, voltage=v.factor) for r, v in zip(found, by_voltage, strict=False)]

    def warming(self, celsius: float | None) -> float:
        """Factor of both rates at `celsius`, q10^((T − at)/10 K). Raises InputError if it needs one and has none."""
        if self.q10 is None or self.at is None:
            return 1.0
        if celsius is None:
            raise InputError("the temperature is not known: give experiment.celsius (or neuron.celsius)", where="q10")
        return float(self.q10 ** ((celsius - self.at) / 10.0))


MOST_MOLECULES = 10**15
"""Of a species in a site: up to here floats count one by one, with room to add."""


class Initial(Block):
    """Molecules of a species at the start; with at = "steady", of all the forms that it turns into.

    total: amount as text: "1 uM", or "100 /um^2" on the membrane. count: molecules. at: "steady" spreads them over
    all forms as they are at rest.
    """

    TEXT = True

    total: str | None = None
    count: Integer | None = Field(default=None, ge=0, le=MOST_MOLECULES)
    at: Literal["steady"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _text(cls, data: Any) -> Any:
        return {"total": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.total is None) == (self.count is None):
            raise ValueError('give either total = "1 uM" (or "/um^2") or count = 20')
        return self


def _members(name: str, species: Mapping[str, Species], observables: Mapping[str, Observable]) -> dict[str, float]:
    """Species → weight, of a catalyst. Raises InputError for a name that is neither."""
    if name in species:
        return {name: 1.0}
    if name not in observables:
        raise InputError(
            f'"{name}" is no species and no observable; {nearest(name, [*species, *observables])}', where="catalyst"
        )
    members = observables[name]
    return dict(members) if isinstance(members, Mapping) else dict.fromkeys(members, 1.0)


class Chemistry(Block):
    """Species, reactions, reservoirs, observables and the initial state of every site.

    include: chemistries that ship with couple, by name, with their options; what stands beside them is added.
    D: of species without one of their own, by name or pattern ("Ca", "CaM*", "*": * stands for any characters). Of the
    patterns that fit a name the most specific one is taken.
    contains: conserved substances in a molecule of species that do not say so, by name or pattern likewise, as
    { "Ca*" = { Ca = 1 }, "CaM_2Ca" = { Ca = 2 } }; what the ledger audits.
    rounding: of initial amounts in engines of whole molecules: up with the probability of the fraction ("random"), or
    to the "nearest".
    compartments: parts of the site that species have to themselves, by name, as { ER = { share = 0.1 } }.
    compartment: which of them the site's size is that of; the others keep their size against it.
    file: SBML, BioNetGen (.net) or TOML with chemistry, relative to the experiment. species: by name. reservoirs:
    names outside of the site, which are never used up. observables: name → species that are summed, with weights if
    need be. reactions: all that happen. initial: of species, amounts at the start.
    Raises InputError that names the key, in an Experiment and from `network`.

    >>> from couple import Chemistry
    >>> chemistry = Chemistry(species={"A": {}}, reactions=[{"equation": "A -> 0", "forward": "2 /s"}])
    >>> chemistry.network().reactions[0].rate  # /ms
    0.002
    """

    file: Annotated[str, ReadsFile("chemistry")] | None = None
    include: dict[str, dict[str, Any]] = {}
    compartments: dict[Name, Compartment] = {}
    compartment: str | None = None
    species: dict[Name, SpeciesBlock] = {}
    D: dict[str, Annotated[Diffusion, Field(ge=0)]] = {}
    contains: dict[str, Contents] = {}
    reservoirs: tuple[Name, ...] = ()
    observables: dict[Name, Observable] = {}
    reactions: tuple[ReactionBlock, ...] = ()
    initial: dict[str, Initial] = {}
    rounding: RoundingRule = "random"

    @model_validator(mode="before")
    @classmethod
    def _included(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("include"), Mapping):
            return data
        try:
            return with_included(data)
        except InputError as error:
            raise ValueError(str(error)) from None

    def homes(self, regions: Mapping[str, float] | None = None) -> dict[str, Home]:
        """Species → where it lives. regions: name → share of the membrane, of the mesh of every site.

        Raises InputError that names the key.
        """
        known = homes_of(self.compartments, self.compartment, regions)
        return {k: home_of(known, s.on, f"chemistry.species.{k}.on") for k, s in self.species.items()}

    def network(self, celsius: float | None = None, regions: Mapping[str, float] | None = None) -> ReactionNetwork:
        """The reaction network, with the rates as they are at `celsius`. regions: see `homes`.

        Raises InputError that names the key.
        """
        D = by_pattern("D", self.D, [k for k, s in self.species.items() if s.D is None])
        D |= {k: s.D for k, s in self.species.items() if s.D is not None}
        contains = by_pattern("contains", self.contains, [k for k, s in self.species.items() if s.contains is None])
        contains |= {k: s.contains for k, s in self.species.items() if s.contains is not None}
        homes = self.homes(regions)
        species = {
            k: Species(k, D.get(k, 0.0), homes[k].on, contains.get(k, {}), homes[k].share, homes[k].region, s.charge)
            for k, s in self.species.items()
        }
        reactions: list[Reaction] = []
        for i, block in enumerate(self.reactions):
            try:
                made = warmed(block.reactions(species, self.reservoirs, self.observables), block.warming(celsius))
                for reaction in made:
                    check_regions(reaction, homes, D)
                    reactions.append(by_whole_site(reaction, homes))
            except InputError as error:
                raise error.at(f"chemistry.reactions[{i}]") from None
        try:
            return ReactionNetwork(species.values(), reactions, self.reservoirs, self.observables)
        except InputError as error:
            raise error.at("chemistry") from None
