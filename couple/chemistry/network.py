"""The chemistry of a site, described once and read by every engine.

Rates are macroscopic (concentrations, surface densities); `ReactionNetwork.count_rates` turns them into
rates per molecule for one volume and membrane area.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, nearest
from couple.base.units import CANONICAL, IONS_PER_MM_UM3
from couple.chemistry.balance import reservoir_contents
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.reaction import Place, Reaction, Species
from couple.chemistry.steady_state import moiety, steady_fractions
from couple.chemistry.voltage import VoltageFactor

LAW_ENGINES = "ode, langevin, ssa, gridded and pde"
"""That declare `SiteEngine.rate_laws`, for messages."""
VOLTAGE_ENGINES = "ode, langevin, ssa and cme, of first order by lattice, gridded and surrogate too"
"""That declare `SiteEngine.voltage_order`, likewise."""


def _weighted(key: str, members: Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """An observable as {species: weight}."""
    if isinstance(members, Mapping):
        return {name: float(weight) for name, weight in members.items()}
    if len(set(members)) < len(members):
        raise InputError(
            f'observable "{key}" names a species twice: {list(members)}; once each, or weights as in {{ D = 2 }}'
        )
    return dict.fromkeys(members, 1.0)


_SCALED = (
    "rate of first order",
    "rate of zeroth order",
    "rate of zeroth order on the membrane",
    "rate of second order",
    "rate of second order on the membrane",
)
"""Dimensions of rates, in the order of what `count_rates` scales them by."""

MOST_KEPT = 10_000
"""Steady states that a network remembers."""


class ReactionNetwork:
    """Species, irreversible reactions, reservoirs and observables.

    observables: sums of counts, as ["A", "B"], or with weights as {"A": 1, "B": 2}.

    Reservoirs stand for the outside: their activity is 1, and what enters or leaves them is counted. Columns of
    all count arrays are `states` = species names, then reservoir names. `clamped`, `absorbed`: see
    `with_clamped`, `with_absorbed`.

    Raises InputError if a name is unknown, an order is unsupported or a reaction does not balance.

    >>> from couple import Reaction, ReactionNetwork, Species
    >>> network = ReactionNetwork(
    ...     [Species("Ca", 0.22, contains={"Ca": 1}), Species("B"), Species("CaB", contains={"Ca": 1})],
    ...     [Reaction(("Ca", "B"), ("CaB",), rate=100.0), Reaction(("CaB",), ("Ca", "B"), rate=0.1)],
    ... )
    >>> network.states, network.substances
    (('Ca', 'B', 'CaB'), ('Ca',))
    >>> network.count_rates(volume=0.1, area=1.0).round(4).tolist()  # per ms and pair, per ms
    [0.0017, 0.1]
    """

    def __init__(
        self,
        species: Iterable[Species],
        reactions: Iterable[Reaction] = (),
        reservoirs: Iterable[str] = (),
        observables: Mapping[str, Sequence[str] | Mapping[str, float]] | None = None,
        clamped: Iterable[str] = (),
        absorbed: Iterable[str] = (),
    ) -> None:
        self.species = tuple(species)
        self.reactions = tuple(reactions)
        self.clamped, self.absorbed = tuple(clamped), tuple(absorbed)
        self._given_reservoirs = tuple(reservoirs)
        added = (*(f"{name}_clamp" for name in self.clamped), *(f"{name}_absorbed" for name in self.absorbed))
        self.reservoirs = self._given_reservoirs + added
        self.observables = {k: _weighted(k, v) for k, v in (observables or {}).items()}
        self.names = tuple(s.name for s in self.species)
        self.states = self.names + self.reservoirs
        self._columns = {name: column for column, name in enumerate(self.states)}
        self._check_names()
        for reaction in self.reactions:
            self.rate_dimension(self.order_reactants(reaction))
        self.substances = tuple(sorted({substance for s in self.species for substance in s.contains}))
        self.reservoir_contents = reservoir_contents(
            self.reactions, {s.name: s for s in self.species}, self._given_reservoirs
        )
        for name, reservoir in zip((*self.clamped, *self.absorbed), added, strict=True):
            self.reservoir_contents[reservoir] = dict(self.species[self.names.index(name)].contains)

    def _check_names(self) -> None:
        if len(self._columns) < len(self.states):
            twice = next(name for name in self.states if self.states.count(name) > 1)
            raise InputError(f'"{twice}" is declared twice among species and reservoirs')
        for reaction in self.reactions:
            if sorted(reaction.reactants) == sorted(reaction.products):
                raise InputError(f'"{reaction}" changes nothing')
            for name in (*reaction.reactants, *reaction.products):
                if name not in self._columns:
                    raise InputError(f'unknown species "{name}" in "{reaction}"; {nearest(name, self.states)}')
            for name in reaction.law.names if reaction.law is not None else ():
                if self._columns.get(name, len(self.names)) >= len(self.names):
                    raise InputError(
                        f'unknown species "{name}" in the rate law of "{reaction}"; {nearest(name, self.names)}'
                    )
        for name in self.clamped:
            if name not in self.names:
                raise InputError(f'cannot clamp "{name}"; {nearest(name, self.names)}')
        for key, members in self.observables.items():
            if key in self.states:
                raise InputError(f'observable "{key}" has the name of a species')
            if not members:
                raise InputError(f'observable "{key}" needs one or more species')
            for name in members:
                if name not in self.names:
                    raise InputError(f'unknown species "{name}" in observable "{key}"; {nearest(name, self.names)}')

    @property
    def shares(self) -> dict[str, float]:
        """Species → share of the site that its compartment takes up, of those in one that is not the whole site."""
        return {s.name: s.share for s in self.species if s.share != 1.0}

    # -- structure ------------------------------------------------------------------------------------------

    def index(self, name: str) -> int:
        """Column of a species or reservoir. Raises InputError if unknown."""
        try:
            return self._columns[name]
        except KeyError:
            raise InputError(f'unknown species "{name}"; {nearest(name, self.states)}') from None

    def order_reactants(self, reaction: Reaction) -> tuple[Species, ...]:
        """The reactants that count towards the order: species, not reservoirs; none of a reaction with a rate law."""
        if reaction.law is not None:
            return ()
        return self._species(reaction.reactants)

    def _species(self, names: Iterable[str]) -> tuple[Species, ...]:
        """Those of some states that are species."""
        n = len(self.species)
        return tuple(self.species[column] for column in map(self.index, names) if column < n)

    def _made_on(self, reaction: Reaction) -> list[Place]:
        """Where the products of a reaction live."""
        return [s.on for s in self._species(reaction.products)]

    @cached_property
    def laws(self) -> dict[int, RateLaw]:
        """Number of a reaction → its rate law, of those that are no mass action."""
        return {r: reaction.law for r, reaction in enumerate(self.reactions) if reaction.law is not None}

    @cached_property
    def voltage_factors(self) -> dict[int, VoltageFactor]:
        """Number of a reaction → how its rate depends on the voltage, of those whose rate does."""
        return {r: reaction.voltage for r, reaction in enumerate(self.reactions) if reaction.voltage is not None}

    @staticmethod
    def rate_dimension(reactants: Sequence[Species], product_places: Iterable[Place] = ()) -> str:
        """Name of the dimension (in `couple.base.units.CANONICAL`) of a rate constant.

        Raises InputError for an order above 2.
        """
        places = [s.on for s in reactants]
        if len(places) > 2:
            names = " + ".join(s.name for s in reactants)
            raise InputError(f'"{names}" is of order {len(places)}; orders 0, 1 and 2 are supported: write it in steps')
        if len(places) == 2:
            surface = places == ["membrane", "membrane"]
            return "rate of second order" + (" on the membrane" if surface else "")
        if len(places) == 1:
            return "rate of first order"
        made = set(product_places)
        return "rate of zeroth order" + (" on the membrane" if made == {"membrane"} else "")

    def rate_unit(self, reaction: Reaction) -> str:
        """The unit of a reaction's rate, as "/mM/ms", or "per step" or "per encounter" on a lattice in steps."""
        if reaction.per != "time":
            return f"per {reaction.per}"
        if reaction.law is not None:
            return CANONICAL["rate of zeroth order" + (" on the membrane" if reaction.law.on == "membrane" else "")]
        return CANONICAL[self.rate_dimension(self.order_reactants(reaction), self._made_on(reaction))].removeprefix("1")

    @cached_property
    def reactant_columns(self) -> Ints:
        """(n_reactions, 2) columns of the species that set the speed; -1 where there is none."""
        table = np.full((len(self.reactions), 2), -1, dtype=np.int64)
        for r, reaction in enumerate(self.reactions):
            for k, s in enumerate(self.order_reactants(reaction)):
                table[r, k] = self.index(s.name)
        return table

    @cached_property
    def changes(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Of each reaction (column, what one event adds to its count), by column, without those that stay."""
        clamp = {self.index(name): self.index(f"{name}_clamp") for name in self.clamped}
        found = []
        for reaction in self.reactions:
            row: dict[int, int] = {}
            for names, by in ((reaction.reactants, -1), (reaction.products, 1)):
                for column in map(self.index, names):
                    row[column] = row.get(column, 0) + by
            found.append(tuple(sorted((clamp.get(column, column), n) for column, n in row.items() if n)))
        return tuple(found)

    @cached_property
    def change(self) -> Ints:
        """(n_reactions, n_states) what one event adds to each count; for many species see `changes`."""
        table = np.zeros((len(self.reactions), len(self.states)), dtype=np.int64)
        for r, row in enumerate(self.changes):
            for column, n in row:
                table[r, column] = n
        return table

    @cached_property
    def observable_weights(self) -> Floats:
        """(n_observables, n_states): by how much each molecule counts in an observable."""
        table = np.zeros((len(self.observables), len(self.states)))
        for i, members in enumerate(self.observables.values()):
            for name, weight in members.items():
                table[i, self.index(name)] = weight
        return table

    def contents(self, substance: str) -> Ints:
        """(n_states,) how much of a conserved substance one molecule of each state holds, reservoirs included."""
        held = [s.contains.get(substance, 0) for s in self.species]
        return np.array(held + [self.reservoir_contents[r].get(substance, 0) for r in self.reservoirs], dtype=np.int64)

    # -- numbers ----------------------------------------------------------------------------------------------

    def count_rates(self, volume: float, area: float, *, laws: bool = False) -> Floats:
        """(n_reactions,) rates per ms in counts, for a site of `volume` µm³ and membrane `area` µm².

        The propensity of a reaction is rate × n_A × n_B, n_A (n_A - 1) for two of a kind. laws: whether the caller
        takes reactions with rate laws, whose propensity is rate × that of their law in events per ms.
        Raises InputError for a rate per step or per encounter, and for a rate law of which the caller knows nothing.
        """
        if not laws:
            self.refuse_laws("this engine")
        amount = IONS_PER_MM_UM3 * volume
        scales = (1.0, amount, area, 1.0 / amount if amount > 0 else np.inf, 1.0 / area if area > 0 else np.inf)
        rates, kinds = self._rates_and_kinds
        return np.asarray(rates * np.array(scales)[kinds])

    @cached_property
    def _rates_and_kinds(self) -> tuple[Floats, Ints]:
        """Of each reaction the rate, and by what it is scaled (`_SCALED`); that of a law is in events per ms already.

        Raises InputError for a rate that is not per time.
        """
        kinds = []
        for reaction in self.reactions:
            if reaction.per != "time":
                raise InputError(
                    f'"{reaction}" has a rate per {reaction.per}: only lattice.mode = "paper" counts in steps; '
                    "give a rate in physical units"
                )
            dimension = _SCALED[0]
            if reaction.law is None:
                dimension = self.rate_dimension(self.order_reactants(reaction), self._made_on(reaction))
            kinds.append(_SCALED.index(dimension))
        return np.array([r.rate for r in self.reactions], dtype=float), np.array(kinds, dtype=np.int64)

    def refuse_laws(self, who: str) -> None:
        """Raise InputError, in the name of an engine, for a reaction with a rate law."""
        for reaction in self.reactions:
            if reaction.law is not None:
                raise InputError(
                    f'"{reaction}" has the rate law "{reaction.law}": {who} takes mass action alone; '
                    f"rate laws are taken by {LAW_ENGINES}"
                )

    def refuse_voltage(self, who: str, order: int | None) -> None:
        """Raise InputError, in the name of an engine, for a rate that depends on V and is not of this `order`.

        order: None takes none at all, 2 every one.
        """
        for r in self.voltage_factors:
            n = len(self.order_reactants(self.reactions[r]))
            if order is None or (order < 2 and n != order):
                which = "takes none" if order is None else f"takes those of order {order}, as of channels, alone"
                raise InputError(
                    f'the rate of "{self.reactions[r]}" depends on the voltage: {who} {which}; '
                    f"such rates are taken by {VOLTAGE_ENGINES}"
                )

    def with_clamped(self, clamped: Iterable[str]) -> ReactionNetwork:
        """The network in which the named species are held by an outside hand.

        Their changes by reactions go to a reservoir `NAME_clamp`, and so does what enters or leaves to hold them.
        """
        return ReactionNetwork(self.species, self.reactions, self._given_reservoirs, self.observables, clamped)

    def with_absorbed(self, absorbed: Iterable[str]) -> ReactionNetwork:
        """The network with a reservoir `NAME_absorbed` for each species that can leave through absorbing walls."""
        return ReactionNetwork(
            self.species, self.reactions, self._given_reservoirs, self.observables, self.clamped, absorbed
        )

    # -- initial state ----------------------------------------------------------------------------------------

    def moiety(self, name: str, clamped: Iterable[str]) -> tuple[str, ...]:
        """Species that `name` can turn into (or come from) while the `clamped` ones are held.

        Raises InputError if a reaction joins two members, so that the steady state is not a linear problem.
        """
        held = frozenset(clamped)
        found = self._moieties.get((name, held))
        if found is None:
            members = moiety(self.reactions, name, held, {*self.reservoirs})
            found = self._moieties[name, held] = tuple(n for n in self.names if n in members)
        return found

    def steady_fractions(self, name: str, clamped: Mapping[str, float]) -> dict[str, float]:
        """Share of each member of the moiety of `name` at the steady state with `clamped` held.

        clamped: name → concentration in mM (volume species).
        """
        key = name, tuple(clamped.items())
        if key not in self._fractions:
            if len(self._fractions) >= MOST_KEPT:
                self._fractions.clear()
            self._fractions[key] = steady_fractions(self.reactions, self.moiety(name, clamped), clamped)
        return self._fractions[key].copy()

    @cached_property
    def _moieties(self) -> dict[tuple[str, frozenset[str]], tuple[str, ...]]:
        """What `moiety` has found: many sites ask the same."""
        return {}

    @cached_property
    def _fractions(self) -> dict[tuple[str, tuple[tuple[str, float], ...]], dict[str, float]]:
        """What `steady_fractions` has found."""
        return {}
