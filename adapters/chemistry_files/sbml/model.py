"""An SBML model as molecules of compartments.

Read: 3-D and 2-D compartments of constant size, species, parameters, initial assignments, assignment rules, reactions
with mass-action kinetics (reversible ones as the difference of two) or any other rate law. A held species (boundary
condition, constant) is part of the rates in which it stands. A rule that no rate needs becomes an observable, if it is
a sum of species. Everything else is refused by name.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

from adapters.chemistry_files.at_line import at_line
from adapters.chemistry_files.elementary import reactions_of
from adapters.chemistry_files.model import CountModel, CountReaction, Size, Units
from adapters.chemistry_files.polynomial import polynomial
from adapters.chemistry_files.sbml.mathml import expression, number
from adapters.chemistry_files.sbml.refusals import refuse_unread
from adapters.chemistry_files.sbml.symbols import Symbols, finite
from adapters.chemistry_files.sbml.units import SbmlUnits
from couple.base.errors import InputError
from couple.chemistry.laws.expression import apply
from couple.chemistry.laws.expression import number as make_number
from couple.chemistry.reaction import Place

_log = logging.getLogger(__name__)

HEAVIEST = 1000
"""Weight in an observable, which is a whole number: what all engines count."""


class SbmlModel:
    """One model. Symbols of kinetic laws become numbers (parameters, sizes) or molecules × their value.

    units: the table `chemistry.units`, None without. Raises InputError for what is not read, by name.
    """

    def __init__(self, libsbml: Any, model: Any, units: Units | None) -> None:
        if model is None:
            raise InputError("holds no model")
        self.libsbml, self.sbml = libsbml, model
        refuse_unread(model)
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
            with at_line(s.getLine()):
                self.units.check_species(s)

    def counts(self) -> CountModel:
        """The model in molecules. Raises InputError."""
        symbols = Symbols(self)
        reactions: list[CountReaction] = []
        for found in self.sbml.getListOfReactions():
            with at_line(found.getLine()):
                reactions += self._reaction(found, symbols)
        places = {name: self.species[name].getCompartment() for name in self.free}
        counts = {}
        for name in self.free:
            with at_line(self.species[name].getLine()):
                counts[name] = self._count(self.species[name])
        return CountModel(self.compartments, places, counts, tuple(reactions), dict(self._observables(symbols)))

    # -- places --------------------------------------------------------------------------------------------------

    def _is_lived_in(self, c: Any) -> bool:
        return any(s.getCompartment() == c.getId() for s in self.species.values())

    def _bare_size(self, c: Any) -> float:
        """Size of a compartment with species in it, in the file's unit. Raises InputError for what is not read."""
        name = c.getId()
        with at_line(c.getLine()):
            if c.getSpatialDimensionsAsDouble() not in (2.0, 3.0) or self._changes(self.rules.get(name)):
                raise InputError(f'compartment "{name}" is not a constant volume or area: not read')
            size = self.value(name)
            if not size > 0:
                raise InputError(f'compartment "{name}" has the size {size:g}: it must be above 0')
            return size

    def _changes(self, math_of: Any, seen: tuple[str, ...] = ()) -> bool:
        """Whether the value of an expression (None: of nothing) can change: by species, speeds of reactions, time."""
        if math_of is None:
            return False
        if math_of.getType() == self.libsbml.AST_NAME:
            name = math_of.getName()
            if name in self.free or self.sbml.getReaction(name) is not None:
                return True
            return name not in seen and self._changes(self.rules.get(name), (*seen, name))
        if math_of.getType() == self.libsbml.AST_NAME_TIME:
            return True
        return any(self._changes(math_of.getChild(k), seen) for k in range(math_of.getNumChildren()))

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
        if not self.free:
            raise InputError("holds no species that reactions can change")
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
            if len(self._working_out) > 1 or error.message.startswith(f'"{name}" '):
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
            return finite(name, float(found.getSize()))
        if kind == self.libsbml.SBML_PARAMETER and found.isSetValue():
            return finite(name, float(found.getValue()))
        if kind == self.libsbml.SBML_SPECIES:
            return finite(name, self._given_species(found))
        if kind == self.libsbml.SBML_SPECIES_REFERENCE:
            n = float(found.getStoichiometry())
            return finite(name, None if math.isnan(n) else n / getattr(found, "getDenominator", lambda: 1)())
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

    def _reaction(self, r: Any, symbols: Symbols) -> Iterator[CountReaction]:
        name, law = r.getId(), r.getKineticLaw()
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
            species = reference.getSpecies()
            if species in self.free:
                n = self._stoichiometry(reference, f'reaction "{name}": the stoichiometry of "{species}"')
                found += [species] * n
        return tuple(found)

    def _stoichiometry(self, reference: Any, what: str) -> int:
        """How often a species takes part: given, or worked out from what never changes."""
        math_of, own = None, reference.getId()
        if getattr(reference, "isSetStoichiometryMath", bool)():
            math_of = reference.getStoichiometryMath().getMath()
        if self._changes(math_of or self.rules.get(own)):
            raise InputError(f"{what} changes in the course of time: not read")
        if math_of is not None:
            n = number(self.libsbml, math_of, self.value)
        else:
            n = self.value(own) if own in self.computed else float(reference.getStoichiometry())
        n /= getattr(reference, "getDenominator", lambda: 1)()
        if not math.isfinite(n) or n != int(n) or n < 0:
            raise InputError(f"{what} is {'not given' if math.isnan(n) else f'not a whole number ({n:g})'}")
        return int(n)

    # -- rules ---------------------------------------------------------------------------------------------------

    def _observables(self, symbols: Symbols) -> Iterator[tuple[str, dict[str, float]]]:
        """Rules that are sums, as weights of molecules; others that no rate needs are left out with a warning."""
        used = set(symbols.used)
        for name in self.rules:
            try:
                terms, why = polynomial(symbols[name]) or {}, "it is no sum of species with whole weights"
            except InputError as error:
                terms, why = None, error.message
            weights = {k[0]: _whole(c / self.symbol(k[0])) for k, c in (terms or {}).items() if len(k) == 1}
            whole = all(0 < w <= HEAVIEST and w == int(w) for w in weights.values())
            if terms is None or len(weights) < len(terms) or not whole:
                if name not in used:
                    _log.warning('the rule "%s" is left out: %s', name, why)
            elif weights:
                yield name, weights


def _held(species: Any) -> bool:
    return bool(species.getBoundaryCondition() or species.getConstant())


def _whole(weight: float) -> float:
    """The number that a weight is but for rounding."""
    return float(round(weight)) if math.isclose(weight, round(weight), rel_tol=1e-9) and round(weight) else weight
