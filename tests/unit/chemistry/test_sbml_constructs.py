"""Every construct of SBML that is read has its right value, at the levels that have it; the rest is refused by name."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from adapters.chemistry_files.sbml.document import read_sbml
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation

NAMESPACE = {
    1: 'xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"',
    2: 'xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"',
    3: 'xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"',
}
MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">{}</math>'
PER_UM3 = 602.214076
"""Molecules of 1 µM in 1 µm³, over 1000 µm³."""


def apply(operator: str, *parts: str) -> str:
    return f"<apply><{operator}/>{''.join(parts)}</apply>"


def call(name: str, *parts: str) -> str:
    return f"<apply><ci>{name}</ci>{''.join(parts)}</apply>"


def ci(name: str) -> str:
    return f"<ci>{name}</ci>"


def cn(value: float) -> str:
    return f"<cn>{value}</cn>"


KA = apply("times", ci("c"), ci("k"), ci("A"))


def species(name: str, level: int, amount: float | None = 1.0, more: str = "") -> str:
    flags = {1: "", 2: "", 3: 'hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"'}[level]
    if "boundaryCondition" in more:
        flags = flags.replace('boundaryCondition="false"', "")
    start = "" if amount is None else f'initialAmount="{amount}"'
    return f'<species id="{name}" compartment="c" {start} {flags} {more}/>'


def model(
    level: int,
    *,
    law: str = KA,
    before: str = "",
    kinds: str = "",
    parameters: str = '<parameter id="k" value="2"/>',
    starts: str = "",
    left: str = "A",
    reaction: str = "",
    attributes: str = 'id="m"',
    compartment: str = 'size="1"',
    head: str = "",
) -> str:
    """A -> B at the rate k A, k = 2 /s, with changes."""
    three = level == 3
    three_d = "constant='true' spatialDimensions='3'" if three else ""
    if three:
        parameters = parameters.replace("/>", ' constant="false"/>')
    stoichiometry = 'stoichiometry="1" constant="true"' if three else ""
    left_ = "".join(f'<speciesReference species="{s}" {stoichiometry}/>' for s in left.split())
    more = {1: "", 2: "", 3: 'fast="false"'}[level]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml {NAMESPACE[level]} {head}><model {attributes}>{before}'
        f'<listOfCompartments><compartment id="c" {compartment} {three_d}/>'
        f"</listOfCompartments><listOfSpecies>{kinds or species('A', level) + species('B', level, 0)}</listOfSpecies>"
        f"<listOfParameters>{parameters}</listOfParameters>{starts}<listOfReactions>"
        f'<reaction id="r" reversible="false" {more}><listOfReactants>{left_}</listOfReactants><listOfProducts>'
        f'<speciesReference species="B" {stoichiometry}/></listOfProducts>{reaction}'
        f"<kineticLaw>{MATH.format(law)}</kineticLaw></reaction></listOfReactions></model></sbml>"
    )


def parse(folder: Path, text: str, **units: str) -> Experiment:
    (folder / "m.xml").write_text(text)
    source = {
        "experiment": {"name": "x", "duration": "0.5 s", "exchange": "0.5 s"},
        "chemistry": {"file": "m.xml", **({"units": units} if units else {})},
        "site": [
            {"name": "s", "engine": "ode", "geometry": {"box": {"size": "10 10 10 um"}}, "ode": {"rtol": 1e-9}},
        ],
    }
    return Experiment.parse(source, path=folder / "x.toml")


def left_over(folder: Path, text: str, **units: str) -> float:
    """Share of A that is left after 0.5 s, of 1000 µM."""
    simulation = Simulation.in_memory(parse(folder, text, **units))
    (engine,) = simulation.system.engines
    before = engine.read("counts")[0, 0]
    simulation.step()
    return float(engine.read("counts")[0, 0] / before)


UNITS = {1: {}, 2: {}, 3: {"amount": "mM", "time": "s"}}
FUNCTION = (
    '<listOfFunctionDefinitions><functionDefinition id="f">'
    + MATH.format(
        "<lambda><bvar><ci>x</ci></bvar><bvar><ci>y</ci></bvar>" + apply("times", ci("x"), ci("y")) + "</lambda>"
    )
    + "</functionDefinition></listOfFunctionDefinitions>"
)


def assignment(name: str, math_: str) -> str:
    return f'<listOfRules><assignmentRule variable="{name}">{MATH.format(math_)}</assignmentRule></listOfRules>'


def initial(name: str, math_: str) -> str:
    return (
        f'<listOfInitialAssignments><initialAssignment symbol="{name}">{MATH.format(math_)}</initialAssignment>'
        "</listOfInitialAssignments>"
    )


TWO = '<parameter id="k"/><parameter id="k0" value="1"/>'
READ = {
    "as it is": {},
    "function definition": {
        "before": FUNCTION, "law": apply("times", ci("c"), call("f", ci("k"), ci("A"))),
    },
    "initial assignment of a rate": {
        "parameters": TWO, "starts": initial("k", apply("times", cn(2), apply("exp", cn(0)), ci("k0"))),
    },
    "assignment rule of constants": {
        "parameters": TWO, "starts": assignment("k", apply("plus", ci("k0"), apply("root", cn(1)))),
    },
    "assignment rule of a species in a law": {
        "parameters": '<parameter id="k" value="2"/><parameter id="X" value="0"/>',
        "starts": assignment("X", apply("times", ci("k"), ci("A"))),
        "law": apply("times", ci("c"), ci("X")),
    },
    "divided by a number": {"law": apply("divide", apply("times", ci("c"), cn(4), ci("A")), ci("k"))},
    "a rate that is a difference of numbers": {
        "law": apply("times", ci("c"), apply("minus", cn(5), cn(3)), ci("A")),
    },
}  # fmt: skip


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("construct", READ)
def test_what_is_read_has_its_right_value(tmp_path: Path, construct: str, level: int) -> None:
    text = model(level, **READ[construct])
    assert left_over(tmp_path, text, **UNITS[level]) == pytest.approx(math.exp(-1), rel=1e-7)


@pytest.mark.parametrize("level", [2, 3])
def test_what_is_held_is_part_of_the_rate(tmp_path: Path, level: int) -> None:
    held = species("S", level, 0.5, 'boundaryCondition="true"')
    kinds = species("A", level) + species("B", level, 0) + held
    law = apply("times", ci("c"), ci("k"), ci("A"), ci("S"))
    text = model(level, kinds=kinds, law=law, left="A S")
    assert left_over(tmp_path, text, **UNITS[level]) == pytest.approx(math.exp(-0.5), rel=1e-7)
    assert "S" not in parse(tmp_path, text, **UNITS[level]).chemistry.network().names


def test_level_one(tmp_path: Path) -> None:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml {NAMESPACE[1]}><model name="m">'
        '<listOfCompartments><compartment name="c"/></listOfCompartments>'
        '<listOfSpecies><species name="A" compartment="c" initialAmount="1"/>'
        '<species name="B" compartment="c" initialAmount="0"/></listOfSpecies><listOfParameters>'
        '<parameter name="k" value="2"/></listOfParameters><listOfReactions><reaction name="r" reversible="false">'
        '<listOfReactants><speciesReference species="A"/></listOfReactants><listOfProducts>'
        '<speciesReference species="B"/>'
        '</listOfProducts><kineticLaw formula="c*k*A"/></reaction></listOfReactions></model></sbml>'
    )
    assert left_over(tmp_path, text) == pytest.approx(math.exp(-1), rel=1e-7)


@pytest.mark.parametrize("level", [2, 3])
def test_sums_become_observables(tmp_path: Path, level: int) -> None:
    rule = assignment("total", apply("plus", ci("A"), apply("times", cn(2), ci("B"))))
    parameters = '<parameter id="k" value="2"/><parameter id="total" value="0"/>'
    chemistry = parse(tmp_path, model(level, parameters=parameters, starts=rule), **UNITS[level]).chemistry
    assert dict(chemistry.observables["total"]) == {"A": 1.0, "B": 2.0}


@pytest.mark.parametrize("level", [2, 3])
def test_sums_in_laws_are_observables_too(tmp_path: Path, level: int) -> None:
    rule = assignment("total", apply("plus", ci("A"), ci("B")))
    parameters = '<parameter id="k" value="2"/><parameter id="total" value="0"/>'
    text = model(level, parameters=parameters, starts=rule, law=apply("times", KA, ci("total")))
    assert dict.fromkeys(parse(tmp_path, text, **UNITS[level]).chemistry.observables["total"]) == {"A": None, "B": None}


def test_starts_are_worked_out(tmp_path: Path) -> None:
    text = model(2, starts=initial("A", apply("times", cn(3), ci("k"))))  # a concentration: 6 mol/l
    (site,) = Simulation.in_memory(parse(tmp_path, text)).system.engines
    np.testing.assert_allclose(site.read("counts")[0, 0], 6e6 * PER_UM3 * 1000, rtol=1e-9)


@pytest.mark.parametrize(("name", "size"), [("volume", 1.0), ("litre", 1.0)])
def test_units_that_need_no_definition(tmp_path: Path, name: str, size: float) -> None:
    text = model(2, compartment=f'size="{size}" units="{name}"')
    assert left_over(tmp_path, text) == pytest.approx(math.exp(-1), rel=1e-7)


MINUTE = (
    '<listOfUnitDefinitions><unitDefinition id="minute"><listOfUnits><unit kind="second" exponent="1" scale="0" '
    'multiplier="60"/></listOfUnits></unitDefinition></listOfUnitDefinitions>'
)


def test_what_the_file_declares_is_used(tmp_path: Path) -> None:
    text = model(3, before=MINUTE, attributes='id="m" timeUnits="minute"')
    assert left_over(tmp_path, text, amount="uM") == pytest.approx(math.exp(-1 / 60), rel=1e-7)
    with pytest.raises(InputError, match=r"declares its unit of time, and chemistry\.units gives another"):
        parse(tmp_path, text, amount="uM", time="s")


COMP = 'xmlns:comp="http://www.sbml.org/sbml/level3/version1/comp/version1" comp:required="true"'


def test_submodels_are_flattened(tmp_path: Path) -> None:
    whole = model(3)
    inner = whole[whole.index("<model ") : whole.index("</sbml>")]
    definition = inner.replace("<model ", "<comp:modelDefinition ").replace("</model>", "</comp:modelDefinition>")
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml {NAMESPACE[3]} {COMP}><model id="top"><comp:listOfSubmodels>'
        '<comp:submodel comp:id="one" comp:modelRef="m"/></comp:listOfSubmodels></model>'
        f"<comp:listOfModelDefinitions>{definition}</comp:listOfModelDefinitions></sbml>"
    )
    assert left_over(tmp_path, text, amount="mM", time="s") == pytest.approx(math.exp(-1), rel=1e-7)


def test_models_beside_the_file_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the file is named relative to another folder."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "inner.xml").write_text(model(3))
    (tmp_path / "models" / "model.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><sbml {NAMESPACE[3]} {COMP}><model id="top"><comp:listOfSubmodels>'
        '<comp:submodel comp:id="one" comp:modelRef="m"/></comp:listOfSubmodels></model>'
        '<comp:listOfExternalModelDefinitions><comp:externalModelDefinition comp:id="m" comp:source="inner.xml"/>'
        "</comp:listOfExternalModelDefinitions></sbml>"
    )
    monkeypatch.chdir(tmp_path)
    found = read_sbml(Path("models", "model.xml"), {"amount": "mM", "time": "s"})
    assert {*found["species"]} == {"one__A", "one__B"} and len(found["reactions"]) == 1


UNKNOWN = 'xmlns:dyn="http://www.sbml.org/sbml/level3/version1/dyn/version1" dyn:required="true"'
MULTI = 'xmlns:multi="http://www.sbml.org/sbml/level3/version1/multi/version1" multi:required="true"'
CONSTRAINT = (
    f"<listOfConstraints><constraint>{MATH.format(apply('lt', ci('A'), cn(9)))}</constraint></listOfConstraints>"
)
REFUSED = {
    "another required package": (model(3, head=MULTI), 'requires the SBML package "multi"'),
    "an unknown required package": (model(3, head=UNKNOWN), "dyn"),
    "constraint": (model(2, starts=CONSTRAINT), "constraint"),
    "rate rule": (
        model(2, starts=f'<listOfRules><rateRule variable="k">{MATH.format(cn(1))}</rateRule></listOfRules>'),
        'rate rule "k"',
    ),
    "compartment without size": (model(2, compartment=""), 'compartment "c" has no size'),
    "start that is no number": (
        model(2, kinds=species("A", 2).replace('"1.0"', '"NaN"') + species("B", 2, 0)), 'species "A" starts with nan',
    ),
    "negative start": (model(2, kinds=species("A", 2, -1) + species("B", 2, 0)), 'species "A" starts with -'),
    "no start": (model(2, kinds=species("A", 2, None) + species("B", 2, 0)), 'species "A" has no initial amount'),
    "no stoichiometry": (
        model(3).replace('stoichiometry="1"', "", 1), 'the stoichiometry of "A" is not given',
    ),
    "a unit of its own": (
        model(2, kinds=species("A", 2, more='substanceUnits="item"') + species("B", 2, 0)), 'species "A" is in "item"',
    ),
    "two of one name": (
        model(2, parameters='<parameter id="k" value="2"/><parameter id="A"/>'), '2 elements have the id "A"',
    ),
    "rule of itself": (
        model(2, starts=assignment("k", apply("plus", ci("k"), cn(1)))), "defined by itself",
    ),
    "no parameter": (model(2, parameters='<parameter id="k0" value="1"/>'), '"k" has no value'),
    "a rate that depends on the time": (
        model(2, law=apply("times", ci("c"), '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/'
                           'time">t</csymbol>')), 'reaction "r": "t" is not read: rates that depend on the time',
    ),
    "a rate that waits": (
        model(2, law=apply("times", ci("c"), '<apply><csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/'
                           f'symbols/delay">delay</csymbol>{ci("A")}{cn(1)}</apply>')), '"delay" is not read',
    ),
}  # fmt: skip


@pytest.mark.parametrize("construct", REFUSED)
def test_what_is_not_read_is_refused_by_name(tmp_path: Path, construct: str) -> None:
    text, message = REFUSED[construct]
    units = UNITS[3] if 'level="3"' in text else {}
    with pytest.raises(InputError, match=message) as refused:
        parse(tmp_path, text, **units)
    assert "m.xml" in str(refused.value) and "\n" not in str(refused.value)
