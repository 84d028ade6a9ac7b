"""SBML (levels 2 and 3) through libsbml.

Read: one 3-D compartment and at most one 2-D one (the membrane), species, parameters, reactions with mass-action
kinetics (reversible ones as the difference of two). Everything else is refused by name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.chemistry.model import CountModel, CountReaction, Units, read_units
from adapters.chemistry.polynomial import Polynomial, polynomial
from couple.base.errors import InputError, MissingDependencyError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import Place

AVOGADRO = IONS_PER_MM_UM3 * 1e18


def read_sbml(path: Path, units: object = None) -> dict[str, Any]:
    """The content of `[chemistry]` from an SBML file. units: the table `chemistry.units`, for files without units.

    Raises InputError that names the file and what is not read; MissingDependencyError without libsbml.
    """
    try:
        import libsbml
    except ModuleNotFoundError:
        raise MissingDependencyError(
            f'"{path.name}": SBML needs libsbml, which is not installed: uv pip install python-libsbml'
        ) from None
    if not path.is_file():
        raise InputError("no such file", where=str(path))
    document = libsbml.readSBMLFromFile(str(path))
    errors = document.getErrorLog()
    for k in range(errors.getNumErrors()):
        error = errors.getError(k)
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            message = " ".join(error.getMessage().split())
            raise InputError(f"line {error.getLine()}: is not valid SBML: {message}", where=str(path))
    try:
        return _Reader(libsbml, document.getModel(), read_units(units, path.name)).model().chemistry()
    except InputError as error:
        raise error.inside(str(path)) from None


class _Reader:
    """One model. Symbols of kinetic laws become numbers (parameters, sizes) or molecules × their value."""

    def __init__(self, libsbml: Any, model: Any, units: Units | None) -> None:
        if model is None:
            raise InputError("holds no model")
        self.libsbml, self.sbml, self.units = libsbml, model, units
        self._refuse()
        self.ms = units.time if units else self._scale("time", "second", 1e3)
        self.places: dict[str, Place] = {}
        self.sizes: dict[str, float] = {}
        self.bare: dict[str, float] = {}
        for compartment in model.getListOfCompartments():
            self._compartment(compartment)
        self.volume = next((self.sizes[c] for c, place in self.places.items() if place == "volume"), 0.0)
        self.area = next((self.sizes[c] for c, place in self.places.items() if place == "membrane"), 0.0)
        if not self.volume:
            raise InputError("needs one three-dimensional compartment")
        self.amount = units.amount if units else self._substance()

    def model(self) -> CountModel:
        places = {s.getId(): self.places[s.getCompartment()] for s in self.sbml.getListOfSpecies()}
        counts = {s.getId(): self._count(s) for s in self.sbml.getListOfSpecies()}
        reactions = tuple(r for reaction in self.sbml.getListOfReactions() for r in self._reaction(reaction))
        return CountModel(self.volume, self.area, places, counts, reactions)

    def _refuse(self) -> None:
        """What changes the meaning of a model and is not read."""
        lists = {
            "rule": self.sbml.getListOfRules(),
            "event": self.sbml.getListOfEvents(),
            "initial assignment": self.sbml.getListOfInitialAssignments(),
            "function definition": self.sbml.getListOfFunctionDefinitions(),
            "constraint": self.sbml.getListOfConstraints(),
        }
        for what, found in lists.items():
            if found.size():
                name = found.get(0).getId() or getattr(found.get(0), "getVariable", str)() or "unnamed"
                raise InputError(f'{what} "{name}": not read')
        for species in self.sbml.getListOfSpecies():
            if species.getBoundaryCondition() or species.getConstant():
                raise InputError(
                    f'species "{species.getId()}" is held (boundary condition): not read; drive it by a clamp'
                )
            if species.isSetConversionFactor():
                raise InputError(f'species "{species.getId()}" has a conversion factor: not read')
        if self.sbml.isSetConversionFactor():
            raise InputError("the model has a conversion factor: not read")

    def _compartment(self, c: Any) -> None:
        dimensions = c.getSpatialDimensions()
        if dimensions not in (2, 3) or not c.getConstant():
            raise InputError(f'compartment "{c.getId()}" is not a constant volume or area: not read')
        place: Place = "volume" if dimensions == 3 else "membrane"
        if place in self.places.values():
            raise InputError(f'compartment "{c.getId()}": one volume and one membrane are read, this is another one')
        if not c.isSetSize():
            raise InputError(f'compartment "{c.getId()}" has no size')
        self.places[c.getId()] = place
        self.bare[c.getId()] = c.getSize()
        if self.units and place == "volume":
            self.sizes[c.getId()] = self.units.volume * (c.getSize() if self.units.concentrations else 1.0)
        else:
            own = c.getUnits() if c.isSetUnits() else ""
            kind = ("litre", 1e15) if place == "volume" else ("metre^2", 1e12)
            self.sizes[c.getId()] = c.getSize() * self._scale("volume" if dimensions == 3 else "area", *kind, own=own)

    def _scale(self, what: str, kind: str, canonical: float, own: str = "") -> float:
        """A unit of the model in ours. kind: what it must be; canonical: ours in 1 of `kind`."""
        name = own or self._default(what)
        if not name:
            if self.sbml.getLevel() > 2:
                raise InputError(
                    f'the model does not say its unit of {what}: add chemistry.units = {{ amount = "count", volume = '
                    '"1 um^3", time = "s" } (or amount = "uM" without a volume)'
                )
            return canonical  # level 2 has defaults: second, litre, square metre
        factor, found = self._unit(name)
        metres = {"litre": ({"litre": 1, "metre": 0}, {"litre": 0, "metre": 3}), "metre^2": ({"metre": 2},)}
        if kind in metres:
            if not any(all(found.get(k, 0) == n for k, n in wanted.items()) for wanted in metres[kind]):
                raise InputError(f'"{name}" is not a unit of {what}')
            return factor * canonical * (1e3 if found.get("metre", 0) == 3 else 1.0)
        if found != {kind: 1}:
            raise InputError(f'"{name}" is not a unit of {what}')
        return factor * canonical

    def _default(self, what: str) -> str:
        getters = {
            "time": "getTimeUnits",
            "volume": "getVolumeUnits",
            "area": "getAreaUnits",
            "substance": "getSubstanceUnits",
        }
        if self.sbml.getLevel() > 2:
            return str(getattr(self.sbml, getters[what])())
        return what if self.sbml.getUnitDefinition(what) else ""

    def _unit(self, name: str) -> tuple[float, dict[str, int]]:
        """(factor, base kind → exponent) of a unit by its name."""
        definition = self.sbml.getUnitDefinition(name)
        if definition is None:
            return 1.0, {name.replace("liter", "litre").replace("meter", "metre"): 1} if name != "dimensionless" else {}
        factor, kinds = 1.0, Counter[str]()
        for unit in definition.getListOfUnits():
            exponent = unit.getExponentAsDouble() if unit.getLevel() > 2 else unit.getExponent()
            kind = self.libsbml.UnitKind_toString(unit.getKind()).replace("liter", "litre").replace("meter", "metre")
            factor *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
            kinds[kind] += int(exponent)
        return factor, {k: n for k, n in kinds.items() if n and k != "dimensionless"}

    def _substance(self) -> float:
        """Molecules in a unit of substance."""
        name = self._default("substance")
        if not name:
            return self._scale("substance", "mole", AVOGADRO)
        factor, found = self._unit(name)
        if found not in ({"mole": 1}, {"item": 1}):
            raise InputError(f'"{name}" is not a unit of substance that is read (mole, item)')
        return factor * (AVOGADRO if "mole" in found else 1.0)

    def _count(self, s: Any) -> float:
        if s.isSetInitialAmount():
            return float(s.getInitialAmount()) * self.amount
        if s.isSetInitialConcentration():
            return float(s.getInitialConcentration()) * self.bare[s.getCompartment()] * self.amount
        raise InputError(f'species "{s.getId()}" has no initial amount')

    def _reaction(self, r: Any) -> Iterator[CountReaction]:
        name = r.getId()
        if r.isSetFast() and r.getFast():
            raise InputError(f'reaction "{name}" is fast: not read')
        if not r.isSetKineticLaw() or r.getKineticLaw().getMath() is None:
            raise InputError(f'reaction "{name}" has no kinetic law')
        left, right = self._side(r.getListOfReactants(), name), self._side(r.getListOfProducts(), name)
        helpers = sorted({m.getSpecies() for m in r.getListOfModifiers()})
        try:
            law = polynomial(self.libsbml, r.getKineticLaw().getMath(), self._symbols(r.getKineticLaw()))
        except InputError as error:
            raise InputError(f'reaction "{name}": {error.message}') from None
        for species, coefficient in law.items():
            forward = coefficient > 0
            start, end = (left, right) if forward else (right, left)
            if not forward and not r.getReversible():
                raise InputError(f'reaction "{name}" is not reversible, but its rate can be negative')
            extra = tuple(h for h in helpers if h in species and h not in start)
            if tuple(sorted(start + extra)) != species:
                shown = " * ".join(species) or "a constant"
                raise InputError(
                    f'reaction "{name}": its rate goes with {shown}, which is not mass action of its reactants'
                )
            rate = abs(coefficient) * self.amount / self.ms
            yield CountReaction(name, start + extra, end + extra, rate)

    def _side(self, references: Any, name: str) -> tuple[str, ...]:
        found: list[str] = []
        for reference in references:
            n = reference.getStoichiometry()
            if getattr(reference, "isSetStoichiometryMath", bool)() or n != int(n) or n < 1 or math.isnan(n):
                raise InputError(
                    f'reaction "{name}": the stoichiometry of "{reference.getSpecies()}" is not a whole number'
                )
            found += [reference.getSpecies()] * int(n)
        return tuple(found)

    def _symbols(self, law: Any) -> dict[str, Polynomial]:
        """What each name in a kinetic law stands for, in molecules."""
        symbols: dict[str, Polynomial] = {}
        for s in self.sbml.getListOfSpecies():
            # a name means a concentration, unless the species says amounts
            size = 1.0 if s.getHasOnlySubstanceUnits() else self.bare[s.getCompartment()]
            symbols[s.getId()] = {(s.getId(),): 1.0 / (size * self.amount)}
        numbers = dict(self.bare)
        locals_ = law.getListOfLocalParameters() if self.sbml.getLevel() > 2 else law.getListOfParameters()
        for parameter in [*self.sbml.getListOfParameters(), *locals_]:
            if parameter.isSetValue():
                numbers[parameter.getId()] = parameter.getValue()
        return {**symbols, **{name: {(): value} for name, value in numbers.items()}}
