"""An SBML model as molecules of compartments.

Read: 3-D and 2-D compartments of constant size, species, parameters, initial assignments, assignment rules, reactions
with mass-action kinetics (reversible ones as the difference of two) or any other rate law. A held species (boundary
condition, constant) is part of the rates in which it stands. A rule that no rate needs becomes an observable, if it is
a sum of species. Everything else is refused by name.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.chemistry.elementary import reactions_of
from adapters.chemistry.mathml import expression, number
from adapters.chemistry.model import CountModel, CountReaction, Size, Units
from adapters.chemistry.polynomial import polynomial
from adapters.chemistry.sbml_units import SbmlUnits
from couple.base.errors import InputError
from couple.chemistry.laws.expression import Expression, apply
from couple.chemistry.laws.expression import name as make_name
from couple.chemistry.laws.expression import number as make_number
from couple.chemistry.reaction import Place

_log = logging.getLogger(__name__)

HEAVIEST = 1e6
"""Weight in an observable."""


class SbmlModel:
    """One model. Symbols of kinetic laws become numbers (parameters, sizes) or molecules × their value.

    units: the table `chemistry.units`, None without. Raises InputError for what is not read, by name.
    """

    def __init__(self, libsbml: Any, model: Any, units: Units | None) -> None:
        if model is None:
            raise InputError("holds no model")
        self.libsbml, self.sbml = libsbml, model
        self._refuse()
        self._refuse_double()
        self.rules = {rule.getVariable(): rule.getMath() for rule in model.getListOfRules()}
        self.starts = {a.getSymbol(): a.getMath() for a in model.getListOfInitialAssignments()}
        self.computed = {*self.rules, *self.starts}
        self._working_out: list[str] = []
        self.units = SbmlUnits(libsbml, model, units)
        self.ms = self.units.time()
        self.species = {s.getId(): s for s in model.getListOfSpecies()}
        self.free = {name: None for name, s in self.species.items() if not _held(s) and name not in self.rules}
        self.bare = {c.getId(): self._bare_size(c) for c in model.getListOfCompartments() if self._is_lived_in(c)}
        self.compartments = self._compartments()
        self.amount = self.units.amount()
        if units is not None and units.concentrations:
            self.amount *= self._concentrated()
        for s in self.species.values():
            self.units.check_species(s)

    def counts(self) -> CountModel:
        """The model in molecules. Raises InputError."""
        symbols = _Symbols(self)
        reactions = tuple(r for found in self.sbml.getListOfReactions() for r in self._reaction(found, symbols))
        places = {name: self.species[name].getCompartment() for name in self.free}
        counts = {name: self._count(self.species[name]) for name in self.free}
        return CountModel(self.compartments, places, counts, reactions, dict(self._observables(symbols)))

    def _refuse(self) -> None:
        """Raise InputError for what changes the meaning of a model and is not read."""
        for what, found in (("event", self.sbml.getListOfEvents()), ("constraint", self.sbml.getListOfConstraints())):
            if found.size():
                raise InputError(f'{what} "{found.get(0).getId() or "unnamed"}": not read')
        for rule in self.sbml.getListOfRules():
            if not rule.isAssignment():
                kind = "rate rule" if rule.isRate() else "algebraic rule"
                raise InputError(f'{kind} "{rule.getVariable() or "unnamed"}": not read')
            if rule.getMath() is None:
                raise InputError(f'rule "{rule.getVariable()}" says nothing')
        for species in self.sbml.getListOfSpecies():
            if species.isSetConversionFactor():
                raise InputError(f'species "{species.getId()}" has a conversion factor: not read')
        if self.sbml.isSetConversionFactor():
            raise InputError("the model has a conversion factor: not read")

    def _refuse_double(self) -> None:
        """Raise InputError for two elements of one name, as exports have them that name species S1, S2, ..."""
        lists = [self.sbml.getListOfCompartments(), self.sbml.getListOfSpecies(), self.sbml.getListOfParameters()]
        names = Counter(element.getId() for found in (*lists, self.sbml.getListOfReactions()) for element in found)
        for name, n in names.items():
            if n > 1:
                raise InputError(f'{n} elements have the id "{name}" (compartments, species, parameters or reactions)')

    # -- places --------------------------------------------------------------------------------------------------

    def _is_lived_in(self, c: Any) -> bool:
        return any(s.getCompartment() == c.getId() for s in self.species.values())

    def _bare_size(self, c: Any) -> float:
        """Size of a compartment with species in it, in the file's unit. Raises InputError for what is not read."""
        name = c.getId()
        if c.getSpatialDimensions() not in (2, 3) or name in self.rules:
            raise InputError(f'compartment "{name}" is not a constant volume or area: not read')
        size = self.value(name)
        if not size > 0:
            raise InputError(f'compartment "{name}" has the size {size:g}: it must be above 0')
        return size

    def _compartments(self) -> dict[str, Size]:
        """What makes a site: the compartments that free species live in; of a kind without any, all of that kind."""
        lived_in = {c.getId(): c for c in self.sbml.getListOfCompartments() if c.getId() in self.bare}
        homes = {self.species[name].getCompartment() for name in self.free}
        found: dict[str, Size] = {}
        places: dict[Place, int] = {"volume": 3, "membrane": 2}
        for place, dimensions in places.items():
            there = {name: c for name, c in lived_in.items() if c.getSpatialDimensions() == dimensions}
            chosen = {name: c for name, c in there.items() if name in homes} or there
            unit = next((c.size / self.bare[name] for name, c in found.items()), 1.0)  # of volumes, which come first
            sizes = self.units.sizes(chosen, self.bare, place, unit)
            found |= {name: Size(size, place) for name, size in sizes.items()}
        if all(c.on != "volume" for c in found.values()):
            raise InputError("has no three-dimensional compartment: a site needs one volume for its species")
        return found

    def _concentrated(self) -> float:
        """µm³ in the file's unit of volume, which makes amounts of units of concentration. Raises InputError."""
        ratios = [c.size / self.bare[name] for name, c in self.compartments.items() if c.on == "volume"]
        if not math.isclose(min(ratios), max(ratios), rel_tol=1e-9):
            raise InputError("its compartments have different units of volume, and chemistry.units says concentrations")
        return ratios[0]

    # -- values at the start -------------------------------------------------------------------------------------

    def value(self, name: str) -> float:
        """What a name stands for at the start, in the file's own units. Raises InputError if it has no value."""
        if name in self._working_out:
            raise InputError(f'"{name}" is defined by itself')
        self._working_out.append(name)
        try:
            math_of = self.starts.get(name) or self.rules.get(name)
            return self._given(name) if math_of is None else number(self.libsbml, math_of, self.value)
        except InputError as error:
            if len(self._working_out) > 1:
                raise
            raise InputError(f'"{name}": {error.message}') from None
        finally:
            self._working_out.pop()

    def _given(self, name: str) -> float:
        found = self.sbml.getElementBySId(name)
        if found is None:
            raise InputError(f'"{name}" has no value')
        kind = found.getTypeCode()
        if kind == self.libsbml.SBML_COMPARTMENT:
            if not found.isSetSize() and self.sbml.getLevel() > 1:
                raise InputError(f'compartment "{name}" has no size: give it one in the file')
            return float(found.getSize())
        if kind in (self.libsbml.SBML_PARAMETER, self.libsbml.SBML_LOCAL_PARAMETER) and found.isSetValue():
            return float(found.getValue())
        if kind == self.libsbml.SBML_SPECIES:
            return self._given_species(found)
        if kind == self.libsbml.SBML_SPECIES_REFERENCE and math.isfinite(found.getStoichiometry()):
            return float(found.getStoichiometry())
        raise InputError(f'"{name}" has no value')

    def _given_species(self, s: Any) -> float:
        """Start of a species as its name means it: a concentration, unless it says amounts."""
        size = self.bare[s.getCompartment()]
        if s.isSetInitialAmount():
            concentration = float(s.getInitialAmount()) / size
        elif s.isSetInitialConcentration():
            concentration = float(s.getInitialConcentration())
        else:
            raise InputError(f'species "{s.getId()}" has no initial amount')
        return concentration * (size if s.getHasOnlySubstanceUnits() else 1.0)

    def _count(self, s: Any) -> float:
        """Molecules of a species at the start."""
        if s.isSetInitialAmount() and s.getId() not in self.starts:
            n = float(s.getInitialAmount()) * self.amount
        else:
            n = self.value(s.getId()) / self.symbol(s.getId())
        if not math.isfinite(n) or n < 0:
            raise InputError(f'species "{s.getId()}" starts with {n:g} molecules')
        return n

    def symbol(self, name: str) -> float:
        """What one molecule adds to the value that the name of a species stands for."""
        s = self.species[name]
        size = 1.0 if s.getHasOnlySubstanceUnits() else self.bare[s.getCompartment()]
        return 1.0 / (size * self.amount)

    # -- reactions -----------------------------------------------------------------------------------------------

    def _reaction(self, r: Any, symbols: _Symbols) -> Iterator[CountReaction]:
        name, law = r.getId(), r.getKineticLaw()
        if r.isSetFast() and r.getFast():
            raise InputError(f'reaction "{name}" is fast: not read')
        if law is None or law.getMath() is None:
            raise InputError(f'reaction "{name}" has no kinetic law')
        self.units.check_law(law, name)
        left, right = self._side(r.getListOfReactants(), name), self._side(r.getListOfProducts(), name)
        if sorted(left) == sorted(right):
            return  # nothing changes
        try:
            tree = expression(self.libsbml, law.getMath(), symbols.within(law).__getitem__)
        except InputError as error:
            raise InputError(f'reaction "{name}": {error.message}') from None
        scaled = apply("mul", make_number(self.amount / self.ms), tree)
        yield from reactions_of(name, left, right, scaled, r.getReversible())

    def _side(self, references: Any, name: str) -> tuple[str, ...]:
        """The free species of one side, each as often as it takes part."""
        found: list[str] = []
        for reference in references:
            species, n = reference.getSpecies(), reference.getStoichiometry()
            computed = getattr(reference, "isSetStoichiometryMath", bool)() or reference.getId() in self.computed
            shared = getattr(reference, "getDenominator", int)() > 1
            if computed or shared or not math.isfinite(n) or n != int(n) or n < 1:
                said = "is not given" if math.isnan(n) else "is not a whole number"
                raise InputError(f'reaction "{name}": the stoichiometry of "{species}" {said}')
            found += [species] * int(n) if species in self.free else []
        return tuple(found)

    # -- rules ---------------------------------------------------------------------------------------------------

    def _observables(self, symbols: _Symbols) -> Iterator[tuple[str, dict[str, float]]]:
        """Rules that are sums, as weights of molecules; others that no rate needs are left out with a warning."""
        used = set(symbols.used)
        for name in self.rules:
            try:
                terms, why = polynomial(symbols[name]) or {}, "it is no sum of species"
            except InputError as error:
                terms, why = None, error.message
            weights = {k[0]: c / self.symbol(k[0]) for k, c in (terms or {}).items() if len(k) == 1}
            if terms is None or len(weights) < len(terms) or any(not 0 < w <= HEAVIEST for w in weights.values()):
                if name not in used:
                    _log.warning('the rule "%s" is left out: %s', name, why)
            elif weights:
                yield name, {s: _whole(w) for s, w in weights.items()}


class _Symbols(Mapping[str, Expression]):
    """What names in kinetic laws and rules stand for, of molecules; raises InputError for a name without a value.

    own: of one law. used: rules that some law has asked for; None where no law asks.
    """

    def __init__(
        self, model: SbmlModel, own: Mapping[str, Expression] | None = None, used: set[str] | None = None
    ) -> None:
        self.model, self.own = model, own or {}
        self.in_law, self.used = used is not None, set() if used is None else used
        self._open: list[str] = []

    def within(self, law: Any) -> _Symbols:
        """The names as one law sees them, with parameters of its own."""
        local = law.getListOfLocalParameters() if self.model.sbml.getLevel() > 2 else law.getListOfParameters()
        own = {p.getId(): make_number(p.getValue()) for p in local if p.isSetValue()}
        return _Symbols(self.model, own, self.used)

    def __getitem__(self, name: str) -> Expression:
        model = self.model
        if name in self.own:
            return self.own[name]
        if name in model.rules:
            return self._opened("rule", name, model.rules[name], self)
        if name in model.free:
            return apply("mul", make_number(model.symbol(name)), make_name(name))
        reaction = model.sbml.getReaction(name)
        if reaction is not None and (law := reaction.getKineticLaw()) is not None:
            return self._opened("reaction", name, law.getMath(), self.within(law))
        return make_number(model.value(name))

    def _opened(self, kind: str, name: str, math_of: Any, names: _Symbols) -> Expression:
        if name in self._open:
            raise InputError(f'the {kind} "{name}" is defined by itself')
        self._open.append(name)
        names._open = self._open
        try:
            tree = expression(self.model.libsbml, math_of, names.__getitem__)
        finally:
            self._open.pop()
        if self.in_law and kind == "rule":
            self.used.add(name)
        return tree

    def __iter__(self) -> Iterator[str]:
        return iter((*self.own, *self.model.rules, *self.model.free))

    def __len__(self) -> int:
        return len([*self])


def _held(species: Any) -> bool:
    return bool(species.getBoundaryCondition() or species.getConstant())


def _whole(weight: float) -> float:
    """The number that a weight is but for rounding."""
    return float(round(weight)) if math.isclose(weight, round(weight), rel_tol=1e-9) and round(weight) else weight
