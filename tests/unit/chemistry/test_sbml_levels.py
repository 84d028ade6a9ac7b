"""Each construct of SBML that is read has its right value at every level and version that has it.

The right value is the kinetic law itself, worked out by hand at the start: molecules per ms of each reaction.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import libsbml
import pytest

from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.laws.expression import value
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_amounts import initial_amounts

VOLUME, OTHER, AREA, INNER = 2.0, 0.5, 6.0, 1.5
ZMOL = IONS_PER_MM_UM3 * 1e-3
"""Molecules in a zeptomole, which in 1 µm³ is 1 µM."""
ALL = [(1, 2), (2, 1), (2, 3), (2, 4), (2, 5), (3, 1), (3, 2)]
FROM_2 = ALL[1:]
WITH_STARTS = [v for v in ALL if v >= (2, 3)]
THREE = [(3, 1), (3, 2)]


def unit(model: Any, name: str, kind: int, scale: int, exponent: int, multiplier: float = 1.0) -> None:
    definition = model.createUnitDefinition()
    definition.setId(name)
    made = definition.createUnit()
    made.setKind(kind)
    made.setScale(scale)
    made.setExponent(exponent)
    made.setMultiplier(multiplier)


def empty() -> Any:
    """A document of level 3 in zeptomoles, µm and s, with the volume `c`."""
    document = libsbml.SBMLDocument(3, 1)
    model = document.createModel()
    model.setId("m")
    unit(model, "substance", libsbml.UNIT_KIND_MOLE, -21, 1)
    unit(model, "volume", libsbml.UNIT_KIND_METRE, -6, 3)
    unit(model, "area", libsbml.UNIT_KIND_METRE, -6, 2)
    unit(model, "time", libsbml.UNIT_KIND_SECOND, 0, 1)
    for name in ("substance", "volume", "area", "time"):
        getattr(model, f"set{name.capitalize()}Units")(name)
    model.setExtentUnits("substance")
    compartment(model, "c", VOLUME)
    return document


def compartment(model: Any, name: str, size: float, dimensions: int = 3) -> None:
    c = model.createCompartment()
    c.setId(name)
    c.setSpatialDimensions(dimensions)
    c.setSize(size)
    c.setConstant(True)


def species(
    model: Any, name: str, start: float, *, amounts: bool = False, as_amount: bool = True, place: str = "c",
    held: str = "",
) -> None:  # fmt: skip
    """start: zeptomoles, or µM (zeptomoles per µm²)."""
    s = model.createSpecies()
    s.setId(name)
    s.setCompartment(place)
    s.setHasOnlySubstanceUnits(amounts)
    s.setBoundaryCondition(held != "")
    s.setConstant(held == "constant")
    (s.setInitialAmount if as_amount else s.setInitialConcentration)(start)


def parameter(model: Any, name: str, number: float, constant: bool = True) -> None:
    p = model.createParameter()
    p.setId(name)
    p.setValue(number)
    p.setConstant(constant)


def reaction(
    model: Any, left: str, right: str, law: str, *, reversible: bool = False, modifiers: str = "", **local: float
) -> None:
    """left, right: names, as often as they take part."""
    r = model.createReaction()
    r.setId(f"r{model.getNumReactions()}")
    r.setReversible(reversible)
    r.setFast(False)
    for side, create in ((left.split(), r.createReactant), (right.split(), r.createProduct)):
        for name in dict.fromkeys(side):
            reference = create()
            reference.setSpecies(name)
            reference.setStoichiometry(side.count(name))
            reference.setConstant(True)
    for name in modifiers.split():
        r.createModifier().setSpecies(name)
    made = r.createKineticLaw()
    for name, number in local.items():
        p = made.createLocalParameter()
        p.setId(name)
        p.setValue(number)
    assert made.setMath(libsbml.parseL3Formula(law)) == libsbml.LIBSBML_OPERATION_SUCCESS


def text(document: Any, version: tuple[int, int]) -> str:
    converted = document.clone()
    assert converted.setLevelAndVersion(*version, False), converted.getErrorLog().toString()
    return str(libsbml.writeSBMLToString(converted))


def read(folder: Path, document: Any, version: tuple[int, int], **units: str) -> Experiment:
    (folder / "m.xml").write_text(text(document, version))
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "1 ms"},
        "chemistry": {"file": "m.xml", **({"units": units} if units else {})},
        "site": [{"name": "s", "engine": "ode", "geometry": {"box": {"size": "1 1 1 um"}}}],
    }
    return Experiment.parse(source, path=folder / "x.toml")


def events(found: Experiment, volume: float = VOLUME, area: float = AREA) -> tuple[dict[str, float], dict[str, float]]:
    """Of each equation, events per ms at the start; molecules of each species at the start."""
    network = found.network()
    geometry = Geometry("box", (1.0, 1.0, 1.0), volume, area)
    n = dict(zip(network.names, initial_amounts(network, found.chemistry.initial, geometry).counts, strict=True))
    rates = network.count_rates(volume, area, laws=True)
    per = {s.name: area if s.on == "membrane" else volume * IONS_PER_MM_UM3 for s in network.species}
    speeds: dict[str, float] = {}
    for r, rate in zip(network.reactions, rates.tolist(), strict=True):
        if r.law is None:
            for name in r.reactants:
                rate *= n[name]
        else:
            size = area if r.law.on == "membrane" else volume * IONS_PER_MM_UM3
            rate = value(r.law.tree, {s: n[s] / per[s] for s in n}) * size
        speeds[str(r)] = speeds.get(str(r), 0.0) + rate
    return speeds, n


def with_a(model: Any, start: float = 3.0, **more: Any) -> None:
    species(model, "A", start, **more)
    species(model, "B", 1.0)


def simple(model: Any) -> None:
    with_a(model)
    parameter(model, "k", 2.0)
    reaction(model, "A", "B", "k * A * c")


def shadowed(model: Any) -> None:
    """The parameter of a law hides the global one, and a species."""
    with_a(model)
    parameter(model, "k", 2.0)
    reaction(model, "A", "B", "k * A * c", k=5.0)
    reaction(model, "B", "", "B * c", B=0.25)


def modified(model: Any) -> None:
    with_a(model)
    species(model, "E", 4.0)
    reaction(model, "A", "B", "k * A * E * c", modifiers="E", k=0.5)


def of_order_zero(model: Any) -> None:
    with_a(model)
    reaction(model, "", "B", "k * c", k=0.5)


def both_ways(model: Any) -> None:
    with_a(model)
    reaction(model, "A", "B", "(k1 * A - k2 * B) * c", reversible=True, k1=2.0, k2=0.5)


def two_of_a_kind(model: Any) -> None:
    with_a(model)
    reaction(model, "A A", "B", "k * A^2 * c", k=0.5)


def saturating(model: Any) -> None:
    with_a(model)
    reaction(model, "A", "B", "V * A * c / (K + A)", V=2.0, K=0.5)


def on_the_boundary(model: Any) -> None:
    with_a(model)
    species(model, "S", 4.0, held="boundary")
    reaction(model, "A S", "B", "k * A * S * c", k=0.5)
    reaction(model, "S", "B", "k * S * c", k=0.25)


def on_the_membrane(model: Any) -> None:
    with_a(model)
    compartment(model, "p", AREA, 2)
    species(model, "R", 0.6, place="p")
    reaction(model, "A R", "R", "k * A * R * p", k=0.5)


def two_volumes(model: Any) -> None:
    """A molecule in one volume meets one in the other as well."""
    with_a(model)
    compartment(model, "er", OTHER)
    species(model, "D", 0.8, place="er")
    reaction(model, "A", "D", "P * (A - D)", reversible=True, P=0.3)
    reaction(model, "D D", "", "k * D^2 * er", k=0.7)
    reaction(model, "A D", "B", "k * A * D * c", k=0.9)
    reaction(model, "", "D", "k * er", k=1.1)


def two_membranes(model: Any) -> None:
    with_a(model)
    compartment(model, "p", AREA - INNER, 2)
    compartment(model, "q", INNER, 2)
    species(model, "R", 0.9, place="p")
    species(model, "Q", 0.3, place="q")
    reaction(model, "A R", "R", "k * A * R * p", k=0.5)
    reaction(model, "Q Q", "", "k * Q^2 * q", k=0.4)
    reaction(model, "R", "Q", "k * R * p", k=0.6)


def function(model: Any) -> None:
    with_a(model)
    f = model.createFunctionDefinition()
    f.setId("f")
    f.setMath(libsbml.parseL3Formula("lambda(x, y, x * y + x * y)"))
    reaction(model, "A", "B", "c * f(k, A)", k=1.0)


def ruled(model: Any) -> None:
    with_a(model)
    parameter(model, "k", 1.0)
    parameter(model, "X", 0.0, constant=False)
    rule = model.createAssignmentRule()
    rule.setVariable("X")
    rule.setMath(libsbml.parseL3Formula("2 * k * A"))
    reaction(model, "A", "B", "c * X")


def assigned(model: Any) -> None:
    """A species by its concentration, a size and a number at the start."""
    with_a(model)
    parameter(model, "k", 1.0)
    for name, formula in (("k", "4 / c"), ("A", "1 + k / 4")):
        start = model.createInitialAssignment()
        start.setSymbol(name)
        start.setMath(libsbml.parseL3Formula(formula))
    reaction(model, "A", "B", "k * A * c")


V = VOLUME
A, B = 3.0 / V, 1.0 / V  # µM
CASES: dict[str, tuple[Callable[[Any], None], dict[str, float], list[tuple[int, int]]]] = {
    "simple": (simple, {"A -> B": 2 * A * V}, ALL),
    "parameter of a law": (shadowed, {"A -> B": 5 * A * V, "B -> 0": 0.25 * V}, ALL),
    "modifier": (modified, {"A + E -> B + E": 0.5 * A * 4 / V * V}, ALL),
    "order 0": (of_order_zero, {"0 -> B": 0.5 * V}, ALL),
    "reversible": (both_ways, {"A -> B": 2 * A * V, "B -> A": 0.5 * B * V}, ALL),
    "two of a kind": (two_of_a_kind, {"A + A -> B": 0.5 * A * A * V}, ALL),
    "saturating": (saturating, {"A -> B": 2 * A * V / (0.5 + A)}, ALL),
    "boundary": (on_the_boundary, {"A -> B": 0.5 * A * 4 / V * V, "0 -> B": 0.25 * 4 / V * V}, ALL),
    "membrane": (on_the_membrane, {"A + R -> R": 0.5 * A * 0.6 / AREA * AREA}, FROM_2),
    "function": (function, {"A -> B": 2 * A * V}, FROM_2),
    "rule": (ruled, {"A -> B": 2 * A * V}, ALL),
    "initial assignment": (assigned, {"A -> B": 4 / V * (1 + 4 / V / 4) * V}, WITH_STARTS),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_constructs(tmp_path: Path, case: str) -> None:
    build, wanted, versions = CASES[case]
    document = empty()
    build(document.getModel())
    for version in versions:
        found, _ = events(read(tmp_path, document, version))
        assert found == pytest.approx({k: v * ZMOL / 1e3 for k, v in wanted.items()}, rel=1e-9), version


def test_several_volumes(tmp_path: Path) -> None:
    document = empty()
    two_volumes(document.getModel())
    wanted = {"A -> D": 0.3 * A, "D -> A": 0.3 * 0.8 / OTHER, "D + D -> 0": 0.7 * 0.8**2 / OTHER,
              "A + D -> B": 0.9 * A * 0.8 / OTHER * V, "0 -> D": 1.1 * OTHER}  # fmt: skip
    for version in ALL:
        made = read(tmp_path, document, version)
        found, n = events(made, V + OTHER)
        assert found == pytest.approx({k: v * ZMOL / 1e3 for k, v in wanted.items()}, rel=1e-9), version
        assert n == pytest.approx({"A": 3 * ZMOL, "B": ZMOL, "D": 0.8 * ZMOL}, rel=1e-9)
        own, _ = str(made.chemistry.initial["D"].total).split()  # mM of its own volume
        assert float(own) == pytest.approx(0.8e-3 / OTHER, rel=1e-9)
        twice, _ = events(made, 2 * (V + OTHER))  # a site of another size has its compartments in proportion
        assert twice == pytest.approx({k: 2 * v for k, v in found.items()}, rel=1e-9)


def test_several_membranes(tmp_path: Path) -> None:
    document = empty()
    two_membranes(document.getModel())
    wanted = {"A + R -> R": 0.5 * A * 0.9, "Q + Q -> 0": 0.4 * 0.3**2 / INNER, "R -> Q": 0.6 * 0.9}
    for version in FROM_2:
        found, n = events(read(tmp_path, document, version))
        assert found == pytest.approx({k: v * ZMOL / 1e3 for k, v in wanted.items()}, rel=1e-9), version
        assert n["Q"] == pytest.approx(0.3 * ZMOL, rel=1e-9)


@pytest.mark.parametrize("amounts", [True, False])
@pytest.mark.parametrize("as_amount", [True, False])
@pytest.mark.parametrize("place", ["c", "p", "er"])
def test_amounts_and_concentrations(tmp_path: Path, amounts: bool, as_amount: bool, place: str) -> None:
    document = empty()
    model = document.getModel()
    compartment(model, "p", AREA, 2)
    compartment(model, "er", OTHER)
    size = {"c": VOLUME, "p": AREA, "er": OTHER}[place]
    species(model, "A", 3.0, amounts=amounts, as_amount=as_amount, place=place)
    species(model, "B", 1.0)
    species(model, "R", 1.0, place="p")
    species(model, "E", 1.0, place="er")
    reaction(model, "A", "", "k * A", k=0.5)
    held = 3.0 if as_amount else 3.0 * size
    wanted = 0.5 * (held if amounts else held / size)
    for version in FROM_2:
        found, n = events(read(tmp_path, document, version), VOLUME + OTHER)
        assert n["A"] == pytest.approx(held * ZMOL, rel=1e-9)
        assert found == pytest.approx({"A -> 0": wanted * ZMOL / 1e3}, rel=1e-9)


def test_units_of_minutes_and_items(tmp_path: Path) -> None:
    document = empty()
    model = document.getModel()
    simple(model)
    model.removeUnitDefinition("time")
    model.removeUnitDefinition("substance")
    unit(model, "time", libsbml.UNIT_KIND_SECOND, 0, 1, 60.0)
    unit(model, "substance", libsbml.UNIT_KIND_ITEM, 0, 1)
    for version in FROM_2:
        found, n = events(read(tmp_path, document, version))
        assert n["A"] == pytest.approx(3.0)
        assert found == pytest.approx({"A -> B": 2 * 3.0 / 60e3}, rel=1e-9)


@pytest.mark.parametrize("version", FROM_2)
def test_areas_go_by_the_volume_that_is_given(tmp_path: Path, version: tuple[int, int]) -> None:
    """Of a file without units of size and amount: 2.5 of its volume are 20 µm³, so that its area is in 4 µm²."""
    document = empty()
    model = document.getModel()
    two_volumes(model)
    compartment(model, "p", AREA, 2)
    species(model, "R", 0.6, place="p")
    reaction(model, "A R", "R", "k * A * R * p", k=0.5)
    for name in ("volume", "area", "substance"):
        model.removeUnitDefinition(name)
        getattr(model, f"unset{name.capitalize()}Units")()
    model.unsetExtentUnits()
    found, n = events(read(tmp_path, document, version, amount="count", volume="20 um^3"), 20.0, 4 * AREA)
    assert n == pytest.approx({"A": 3, "B": 1, "D": 0.8, "R": 0.6}, rel=1e-9)
    assert found["A + R -> R"] == pytest.approx(0.5 * A * 0.6 / 1e3, rel=1e-9)
    assert found["A -> D"] == pytest.approx(0.3 * A / 1e3, rel=1e-9)
