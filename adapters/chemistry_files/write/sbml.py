"""SBML, level 3 version 2 core: molecules, µm, ms; a compartment for the volume of a site and one for its membrane."""

from __future__ import annotations

from typing import Any

from adapters.chemistry_files.write.infix import FORMULA, infix
from couple.base.errors import InputError, MissingDependencyError
from couple.chemistry.counted import CountedChemistry, CountedReaction


def write_sbml(chemistry: CountedChemistry) -> str:
    """The text of a file, which libsbml has checked.

    Raises InputError for what SBML cannot say, and MissingDependencyError.
    """
    try:
        import libsbml
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "SBML is written by libsbml, which is not installed: uv pip install python-libsbml"
        ) from None
    document = libsbml.SBMLDocument(3, 2)
    model = document.createModel()
    model.setId("".join(c if c.isalnum() else "_" for c in chemistry.name) or "model")
    _units(libsbml, model)
    for name, size, dimensions in (("volume", chemistry.volume, 3), ("membrane", chemistry.area, 2)):
        if size > 0:
            place = model.createCompartment()
            place.setId(_compartment(chemistry, name))
            place.setSize(size)
            place.setSpatialDimensions(dimensions)
            place.setConstant(True)
    for name, on in chemistry.places.items():
        species = model.createSpecies()
        species.setId(name)
        species.setCompartment(_compartment(chemistry, on))
        species.setInitialAmount(chemistry.counts[name])
        for key in ("HasOnlySubstanceUnits", "BoundaryCondition", "Constant"):
            getattr(species, f"set{key}")(key == "HasOnlySubstanceUnits")
    for k, reaction in enumerate(chemistry.reactions, 1):
        _reaction(libsbml, model, chemistry, reaction, k)
    for name, weights in chemistry.observables.items():
        if not weights:
            continue
        known = _free(chemistry, name, {*chemistry.places})
        parameter = model.createParameter()
        parameter.setId(known)
        parameter.setConstant(False)
        rule = model.createAssignmentRule()
        rule.setVariable(known)
        rule.setMath(_math(libsbml, " + ".join(n if w == 1 else f"{w!r} * {n}" for n, w in weights.items())))
    if document.checkInternalConsistency():
        raise InputError(f"no valid SBML comes of it: {' '.join(document.getError(0).getMessage().split())}")
    return str(libsbml.writeSBMLToString(document))


def _units(libsbml: Any, model: Any) -> None:
    for name, kind, exponent, scale in (
        ("ms", libsbml.UNIT_KIND_SECOND, 1, -3),
        ("um", libsbml.UNIT_KIND_METRE, 1, -6),
        ("um2", libsbml.UNIT_KIND_METRE, 2, -6),
        ("um3", libsbml.UNIT_KIND_METRE, 3, -6),
    ):
        definition = model.createUnitDefinition()
        definition.setId(name)
        unit = definition.createUnit()
        unit.setKind(kind)
        unit.setExponent(exponent)
        unit.setScale(scale)
        unit.setMultiplier(1.0)
    model.setTimeUnits("ms")
    model.setSubstanceUnits("item")
    model.setExtentUnits("item")
    model.setLengthUnits("um")
    model.setAreaUnits("um2")
    model.setVolumeUnits("um3")


def _compartment(chemistry: CountedChemistry, on: str) -> str:
    taken = {*chemistry.places, *chemistry.observables}
    return _free(chemistry, on, taken)


def _free(chemistry: CountedChemistry, name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _reaction(libsbml: Any, model: Any, chemistry: CountedChemistry, reaction: CountedReaction, k: int) -> None:
    taken = {*chemistry.places, *chemistry.observables, "volume", "membrane"}
    made = model.createReaction()
    made.setId(_free(chemistry, f"reaction_{k}", taken))
    made.setName(reaction.text)
    made.setReversible(False)
    for create, side in ((made.createReactant, reaction.reactants), (made.createProduct, reaction.products)):
        for name in dict.fromkeys(side):
            reference = create()
            reference.setSpecies(name)
            reference.setStoichiometry(side.count(name))
            reference.setConstant(True)
    if reaction.law is None:
        rate = _free(chemistry, f"rate_{k}", taken)
        parameter = model.createParameter()
        parameter.setId(rate)
        parameter.setValue(reaction.rate)
        parameter.setConstant(True)
        text = " * ".join([rate, *reaction.reactants])
    else:
        text = infix(reaction.law, FORMULA, reaction.text)
        for name in dict.fromkeys(reaction.law.names()):
            if name not in reaction.reactants and name not in reaction.products:
                made.createModifier().setSpecies(name)
    made.createKineticLaw().setMath(_math(libsbml, text))


def _math(libsbml: Any, text: str) -> Any:
    settings = libsbml.L3ParserSettings()
    settings.setParseCollapseMinus(True)
    settings.setComparisonCaseSensitivity(libsbml.L3P_COMPARE_BUILTINS_CASE_SENSITIVE)  # species may be called PI
    found = libsbml.parseL3FormulaWithSettings(text, settings)
    if found is None:
        raise InputError(f"libsbml does not take {text[:80]}: {libsbml.getLastParseL3Error().splitlines()[-1]}")
    return found
