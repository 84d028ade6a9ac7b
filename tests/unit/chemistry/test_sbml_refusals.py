"""What an SBML file has besides what is read is refused by element and line; names mean what SBML says they mean."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libsbml
import pytest

from adapters.chemistry_files.sbml.mathml import number
from couple.base.errors import InputError
from support.chemistry_files import edited, experiment

Change = Callable[[Any], object]
formula = libsbml.parseL3Formula


def parameter(model: Any, name: str, value: float | None = None, constant: bool = True) -> None:
    made = model.createParameter()
    made.setId(name)
    made.setConstant(constant)
    if value is not None:
        made.setValue(value)


def law(model: Any, text: str) -> Any:
    """The law of A -> B, whose own k is 2 /s; names are concentrations."""
    found = model.getReaction(0).getKineticLaw()
    found.setMath(formula(text))
    return found


def rule(model: Any, name: str, text: str) -> None:
    made = model.createAssignmentRule()
    made.setVariable(name)
    made.setMath(formula(text))


def start(model: Any, name: str, text: str) -> None:
    made = model.createInitialAssignment()
    made.setSymbol(name)
    made.setMath(formula(text))


def algebraic(model: Any) -> None:
    model.createAlgebraicRule().setMath(formula("A + B - 7"))


def own_stoichiometry(model: Any, text: str, by: Callable[[Any, str, str], None]) -> None:
    reference = model.getReaction(0).getProduct(0)
    reference.setId("n")
    reference.setConstant(by is start)
    by(model, "n", text)


def fractional(model: Any) -> None:
    c = model.createCompartment()
    c.setId("fractal")
    c.setSpatialDimensions(2.5)
    c.setSize(1)
    c.setConstant(True)
    model.getSpecies("B").setCompartment("fractal")


def of_changing_size(model: Any) -> None:
    model.getCompartment("volume").setConstant(False)
    rule(model, "volume", "1 + A")


def in_minutes(model: Any, what: str) -> None:
    unit = model.createUnitDefinition()
    unit.setId("odd")
    made = unit.createUnit()
    made.setKind(libsbml.UNIT_KIND_DIMENSIONLESS)
    made.setExponent(1)
    made.setScale(0)
    made.setMultiplier(1)
    getattr(model, f"set{what}Units")("odd")


def two(*changes: Change) -> Change:
    return lambda model: [change(model) for change in changes]


REFUSED: dict[str, tuple[Change, str]] = {
    "algebraic rule": (algebraic, 'algebraic rule "unnamed": not read'),
    "fast reaction": (lambda m: m.getReaction(0).setFast(True), 'reaction "r0" is fast: not read'),
    "conversion factor of a species": (
        two(lambda m: parameter(m, "f", 2.0), lambda m: m.getSpecies("A").setConversionFactor("f")),
        'species "A" has a conversion factor: not read',
    ),
    "conversion factor of the model": (
        two(lambda m: parameter(m, "f", 2.0), lambda m: m.setConversionFactor("f")),
        "the model has a conversion factor: not read",
    ),
    "no kinetic law": (lambda m: m.getReaction(0).unsetKineticLaw(), 'reaction "r0" has no kinetic law'),
    "rule without math": (lambda m: m.createAssignmentRule().setVariable("A"), 'rule "A" says nothing'),
    "rule of nothing": (lambda m: rule(m, "nix", "2"), 'the rule "nix" is of nothing'),
    "start of nothing": (lambda m: start(m, "nix", "2"), 'the initial assignment "nix" is of nothing'),
    "unknown species": (
        lambda m: m.getReaction(0).getProduct(0).setSpecies("Z"), 'reaction "r0": there is no species "Z"',
    ),
    "unknown modifier": (
        lambda m: m.getReaction(0).createModifier().setSpecies("Z"), 'reaction "r0": there is no species "Z"',
    ),
    "unknown compartment": (
        lambda m: m.getSpecies("B").setCompartment("nowhere"), 'species "B" is in "nowhere", and there is no such',
    ),
    "dimensions between two and three": (fractional, 'compartment "fractal" is not a constant volume or area'),
    "size that changes": (of_changing_size, 'compartment "volume" is not a constant volume or area'),
    "stoichiometry that changes": (
        lambda m: own_stoichiometry(m, "1 + A", rule), 'the stoichiometry of "B" changes in the course of time',
    ),
    "stoichiometry by the time": (
        lambda m: own_stoichiometry(m, "1 + time", rule), 'the stoichiometry of "B" changes in the course of time',
    ),
    "part of a molecule": (lambda m: own_stoichiometry(m, "1/2", start), r'of "B" is not a whole number \(0\.5\)'),
    "value that is no number": (
        two(lambda m: parameter(m, "q", float("nan")), lambda m: law(m, "volume*k*A*q")),
        'reaction "r0": "q" has the value nan: it must be finite',
    ),
    "value without end": (
        two(lambda m: parameter(m, "q", float("inf")), lambda m: law(m, "volume*k*A/q")),
        'reaction "r0": "q" has the value inf: it must be finite',
    ),
    "own parameter without a value": (
        two(lambda m: parameter(m, "q", 3.0), lambda m: law(m, "volume*k*A*q").createLocalParameter().setId("q")),
        'reaction "r0": "q" has no value',
    ),
    "number that is none": (lambda m: law(m, "volume*k*A*NaN"), 'reaction "r0": nan in an expression'),
    "speed of change": (
        lambda m: law(m, "volume*k*A + rateOf(B)"), 'reaction "r0": "rateOf" is not read',
    ),
    "past": (lambda m: law(m, "volume*k*delay(A, 1)"), 'reaction "r0": "delay" is not read'),
    "time": (lambda m: law(m, "volume*k*A*time"), 'reaction "r0": "time" is not read'),
    "unknown function": (lambda m: law(m, "volume*k*massi(A)"), 'reaction "r0": "massi" is not read'),
}  # fmt: skip
UNITS: dict[str, tuple[Change, str]] = {
    what: (lambda m, what=what: in_minutes(m, what), f'"odd" is not a unit of {name}')
    for what, name in {"Time": "time", "Substance": "substance", "Extent": "substance", "Volume": "volume"}.items()
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_refused_by_element_and_line(tmp_path: Path, what: str) -> None:
    change, message = REFUSED[what]
    text = edited(change)
    with pytest.raises(InputError, match=message) as refused:
        experiment(tmp_path, text, "xml")
    found = re.search(r"model\.xml.*?: line (\d+): (.*)", str(refused.value))
    assert found is not None and "\n" not in str(refused.value)
    named = re.findall(r'"(\w+)"', found[2]) or ["model"]
    line = text.splitlines()[int(found[1]) - 1]
    assert any(name in line for name in named) or named == ["unnamed"]  # the line is that of the element


@pytest.mark.parametrize("what", UNITS)
def test_units_that_are_not_read(tmp_path: Path, what: str) -> None:
    change, message = UNITS[what]
    with pytest.raises(InputError, match=message):
        experiment(tmp_path, edited(change), "xml")


def of_its_unit(what: str) -> Change:
    """A unit of its own: of the species, or of time per "minute" in a law."""

    def change(model: Any) -> None:
        unit = model.createUnitDefinition()
        unit.setId("own")
        made = unit.createUnit()
        made.setKind(libsbml.UNIT_KIND_ITEM)
        made.setExponent(1)
        made.setScale(0)
        made.setMultiplier(7)
        getattr(model, what)("own")

    return change


def test_extents_and_species_in_units_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='extents are in "own" and substances in "substance"'):
        experiment(tmp_path, edited(of_its_unit("setExtentUnits")), "xml")
    text = edited(two(of_its_unit("setName"), lambda m: m.getSpecies("A").setSubstanceUnits("own")))
    with pytest.raises(InputError, match=r'line \d+: species "A" is in "own"'):
        experiment(tmp_path, text, "xml")


def without_unit_of_substance(model: Any) -> None:
    model.unsetSubstanceUnits()
    model.unsetExtentUnits()


def of_species(model: Any) -> None:
    without_unit_of_substance(model)
    for s in model.getListOfSpecies():
        s.setSubstanceUnits("substance")


@pytest.mark.parametrize("change", [of_species, lambda m: m.unsetSubstanceUnits()], ids=["species", "extents"])
def test_a_unit_that_only_species_or_extents_say(tmp_path: Path, change: Change) -> None:
    found = experiment(tmp_path, edited(change), "xml").chemistry
    assert found.initial == experiment(tmp_path, edited(lambda m: None), "xml").chemistry.initial
    with pytest.raises(InputError, match=r"declares its unit of substance, and chemistry\.units gives another"):
        experiment(tmp_path, edited(change), "xml", units={"amount": "count", "volume": "1 um^3"})
    with pytest.raises(InputError, match="does not say its unit of substance"):
        experiment(tmp_path, edited(without_unit_of_substance), "xml")


LEVEL_2 = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level2" level="2" version="1"><model id="m">
<listOfUnitDefinitions><unitDefinition id="fl"><listOfUnits><unit kind="litre" scale="-15"/></listOfUnits>
</unitDefinition><unitDefinition id="minute"><listOfUnits><unit kind="second" multiplier="60"/></listOfUnits>
</unitDefinition></listOfUnitDefinitions>
<listOfCompartments><compartment id="c" size="1"/></listOfCompartments><listOfSpecies>
<species id="A" compartment="c" initialConcentration="1"%s/>
<species id="B" compartment="c" initialAmount="0"/></listOfSpecies><listOfReactions><reaction id="r" reversible="false">
<listOfReactants><speciesReference species="A"/></listOfReactants><listOfProducts><speciesReference species="B">%s
</speciesReference></listOfProducts><kineticLaw%s><math xmlns="http://www.w3.org/1998/Math/MathML">
<apply><times/><ci>c</ci><cn>2</cn><ci>A</ci></apply></math></kineticLaw></reaction></listOfReactions></model></sbml>
"""
MATH = '<stoichiometryMath><math xmlns="http://www.w3.org/1998/Math/MathML">%s</math></stoichiometryMath>'


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            (' spatialSizeUnits="fl"', "", ""),
            'line 7: species "A" is per "fl", which is not the unit of its compartment',
        ),
        (("", "", ' timeUnits="minute"'), 'line 8: reaction "r": its rate is in "minute"'),
        (("", "", ' substanceUnits="item"'), 'line 8: reaction "r": its rate is in "item"'),
        (("", MATH % "<ci>A</ci>", ""), 'line 8: reaction "r": the stoichiometry of "B" changes'),
    ],
)
def test_what_only_level_2_has(tmp_path: Path, parts: tuple[str, str, str], message: str) -> None:
    read = experiment(tmp_path, LEVEL_2 % (' spatialSizeUnits="volume"', MATH % "<cn>3</cn>", ""), "xml")
    (reaction,) = read.chemistry.network().reactions
    assert (reaction.products, reaction.rate) == (("B", "B", "B"), pytest.approx(2e-3))
    with pytest.raises(InputError, match=message):
        experiment(tmp_path, LEVEL_2 % parts, "xml")


def rates(folder: Path, change: Change) -> dict[str, float]:
    """Reactions → rates, /s."""
    network = experiment(folder, edited(change), "xml").chemistry.network()
    return {str(r): 1e3 * r.rate for r in network.reactions}


def other_law(model: Any) -> None:
    """B -> A by the speed of A -> B, in which k means another one."""
    made = model.createReaction()
    made.setId("back")
    made.setReversible(False)
    made.setFast(False)
    for side, name in ((made.createReactant(), "B"), (made.createProduct(), "A")):
        side.setSpecies(name)
        side.setStoichiometry(1)
        side.setConstant(True)
    own = made.createKineticLaw()
    p = own.createLocalParameter()
    p.setId("k")
    p.setValue(5.0)
    own.setMath(formula("k * volume * B + r0 * 0"))


RIGHT: dict[str, tuple[Change, dict[str, float]]] = {
    "a law's own parameter before the model's": (lambda m: parameter(m, "k", 7.0), {"A -> B": 2.0}),
    "a rule does not see a law's own": (
        two(lambda m: parameter(m, "k", 7.0), lambda m: parameter(m, "X", constant=False),
            lambda m: rule(m, "X", "k*A"), lambda m: law(m, "volume*X")),
        {"A -> B": 7.0},
    ),
    "a law's own before a species": (
        lambda m: law(m, "volume*k*A*B").createLocalParameter().setId("B") or m.getReaction(0).getKineticLaw()
        .getLocalParameter("B").setValue(3.0),
        {"A -> B": 6.0},
    ),
    "the speed of another reaction": (other_law, {"A -> B": 2.0, "B -> A": 5.0}),
    "a stoichiometry worked out at the start": (
        two(lambda m: parameter(m, "q", 2.0), lambda m: own_stoichiometry(m, "q + 1", start)), {"A -> B + B + B": 2.0},
    ),
    "a stoichiometry by a rule of what is constant": (
        two(lambda m: parameter(m, "q", 2.0), lambda m: own_stoichiometry(m, "q", rule)), {"A -> B + B": 2.0},
    ),
    "a stoichiometry in a law": (
        two(lambda m: own_stoichiometry(m, "2", start), lambda m: law(m, "volume*k*A*n")), {"A -> B + B": 4.0},
    ),
    "no time has passed at the start": (
        two(lambda m: parameter(m, "q"), lambda m: start(m, "q", "time + 3"), lambda m: law(m, "volume*q*A")),
        {"A -> B": 3.0},
    ),
    "functions of numbers": (
        lambda m: law(m, "volume*A*(arctan(tan(0.3)) + arcsin(sin(0.2)) + arccos(cos(0.1)) + sinh(arcsinh(-0.5)) "
                      "+ cosh(arccosh(2)) + tanh(arctanh(0.4)) + 1/sec(0))"),
        {"A -> B": 0.3 + 0.2 + 0.1 - 0.5 + 2 + 0.4 + 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", RIGHT)
def test_names_and_functions_mean_what_sbml_says(tmp_path: Path, what: str) -> None:
    change, wanted = RIGHT[what]
    assert rates(tmp_path, change) == pytest.approx(wanted, rel=1e-12)


def test_functions_of_level_3_version_2() -> None:
    parts = {"quotient(-7, 2)": -3.0, "rem(-7, 2)": -1.0, "min(3, 1, 2)": 1.0, "max(3, 1)": 3.0, "implies(1, 0)": 0.0}
    parts |= {"xor(1, 1, 1)": 1.0, "xor(1, 1)": 0.0, "xor(1, 0, 0)": 1.0, "implies(0, 0)": 1.0, "log(2, 8)": 3.0}
    for text, wanted in parts.items():
        assert number(libsbml, formula(text), {}.__getitem__) == pytest.approx(wanted, rel=1e-14), text


def test_a_compartment_by_a_rule_of_what_is_constant(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        parameter(model, "q", 4.0)
        model.getCompartment("volume").setConstant(False)
        rule(model, "volume", "q / 2")

    network = experiment(tmp_path, edited(change), "xml").chemistry.network()
    assert 1e3 * network.reactions[0].rate == pytest.approx(2.0)


def test_sums_with_weights_that_nobody_counts_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also where a rate needs them: the rate is read all the same."""

    def change(model: Any) -> None:
        for name in "XY":
            parameter(model, name, constant=False)
        rule(model, "X", "0.5 * A")
        rule(model, "Y", "0.25 * A + 3 * B")
        law(model, "volume*k*X")

    with caplog.at_level(logging.WARNING):
        network = experiment(tmp_path, edited(change), "xml").chemistry.network()
    assert dict(network.observables) == {} and 1e3 * network.reactions[0].rate == pytest.approx(1.0)
    assert 'the rule "Y" is left out: it is no sum of species with whole weights' in caplog.text


@pytest.mark.parametrize("name", ["_e", "_pi", "e", "pi", "_1", "exp", "lambda", "inf"])
def test_species_of_any_name_stand_in_rate_laws(tmp_path: Path, name: str) -> None:
    def change(model: Any) -> None:
        model.getSpecies("B").setId(name)
        model.getReaction(0).getProduct(0).setSpecies(name)
        law(model, "volume*k*A / (1 + 0)")
        node = formula("volume*k*A / (1 + zzz)")
        node.renameSIdRefs("zzz", name)
        model.getReaction(0).getKineticLaw().setMath(node)

    network = experiment(tmp_path, edited(change), "xml").chemistry.network()
    assert network.reactions[0].law is not None and network.reactions[0].law.names == tuple(sorted(("A", name)))
