"""What changes the meaning of an SBML model and is not read: refused by element and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from adapters.chemistry_files.at_line import at_line
from couple.base.errors import InputError


def refuse_unread(sbml: Any) -> None:
    """Raise InputError for the first element of a model that is not read, or that does not fit the others."""
    for element, complaint in _complaints(sbml):
        with at_line(element.getLine()):
            raise InputError(complaint)


def _complaints(sbml: Any) -> Iterator[tuple[Any, str]]:
    for what, found in (("event", sbml.getListOfEvents()), ("constraint", sbml.getListOfConstraints())):
        for element in found:
            yield element, f'{what} "{element.getId() or "unnamed"}": not read'
    for rule in sbml.getListOfRules():
        if not rule.isAssignment():
            kind = "rate rule" if rule.isRate() else "algebraic rule"
            yield rule, f'{kind} "{rule.getVariable() or "unnamed"}": not read'
        elif rule.getMath() is None:
            yield rule, f'rule "{rule.getVariable()}" says nothing'
        elif sbml.getElementBySId(rule.getVariable()) is None:
            yield rule, f'the rule "{rule.getVariable()}" is of nothing that there is in the model'
    for start in sbml.getListOfInitialAssignments():
        if sbml.getElementBySId(start.getSymbol()) is None:
            yield start, f'the initial assignment "{start.getSymbol()}" is of nothing that there is in the model'
    if sbml.isSetConversionFactor():
        yield sbml, "the model has a conversion factor: not read"
    yield from _species(sbml)
    yield from _reactions(sbml)
    yield from _doubles(sbml)


def _species(sbml: Any) -> Iterator[tuple[Any, str]]:
    for s in sbml.getListOfSpecies():
        if s.isSetConversionFactor():
            yield s, f'species "{s.getId()}" has a conversion factor: not read'
        home = sbml.getCompartment(s.getCompartment())
        if home is None:
            yield s, f'species "{s.getId()}" is in "{s.getCompartment()}", and there is no such compartment'
        elif s.isSetSpatialSizeUnits() and s.getSpatialSizeUnits() != (home.getUnits() or _size_unit(home)):
            yield (
                s,
                f'species "{s.getId()}" is per "{s.getSpatialSizeUnits()}", which is not the unit of its '
                "compartment: not read",
            )


def _size_unit(compartment: Any) -> str:
    """Name of the unit that sizes have at levels 1 and 2 where nothing is said."""
    return {3: "volume", 2: "area"}.get(compartment.getSpatialDimensions(), "length")


def _reactions(sbml: Any) -> Iterator[tuple[Any, str]]:
    for r in sbml.getListOfReactions():
        if r.isSetFast() and r.getFast():
            yield r, f'reaction "{r.getId()}" is fast: not read'
        if r.getKineticLaw() is None or r.getKineticLaw().getMath() is None:
            yield r, f'reaction "{r.getId()}" has no kinetic law'
        for reference in (*r.getListOfReactants(), *r.getListOfProducts(), *r.getListOfModifiers()):
            if sbml.getSpecies(reference.getSpecies()) is None:
                yield reference, f'reaction "{r.getId()}": there is no species "{reference.getSpecies()}"'


def _doubles(sbml: Any) -> Iterator[tuple[Any, str]]:
    """Two elements of one name, as exports have them that name species S1, S2, ..."""
    lists = (sbml.getListOfCompartments(), sbml.getListOfSpecies(), sbml.getListOfParameters())
    elements = [element for found in (*lists, sbml.getListOfReactions()) for element in found]
    names = Counter(element.getId() for element in elements)
    for element in elements:
        if names[element.getId()] > 1:
            n, name = names[element.getId()], element.getId()
            yield element, f'{n} elements have the id "{name}" (compartments, species, parameters or reactions)'
