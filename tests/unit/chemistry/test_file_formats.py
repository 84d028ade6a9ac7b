"""Networks written as BioNetGen `.net` and as SBML, read back: the same rates, places and amounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork, Species
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_counts import initial_counts
from support.networks import HEAD, build, dimerisation, sk, spine, spine_site

libsbml = pytest.importorskip("libsbml")
ONE = Geometry.box(1, 1, 1)


def experiment(folder: Path, text: str, suffix: str, **chemistry: object) -> Experiment:
    """An experiment whose chemistry is in a file."""
    (folder / f"model.{suffix}").write_text(text)
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {"file": f"model.{suffix}", **chemistry},
        "site": [{"name": "s", "engine": "ssa", "geometry": {"box": {"size": "1 1 1 um"}}}],
    }
    return Experiment.parse(source, path=folder / "x.toml")


def closed(network: ReactionNetwork) -> ReactionNetwork:
    """Without reservoirs and contents, which these formats do not know."""
    species = [Species(s.name, 0.0, s.on) for s in network.species]
    known = [r for r in network.reactions if not {*r.reactants, *r.products} & {*network.reservoirs}]
    return ReactionNetwork(species, known)


NETWORKS: dict[str, tuple[ReactionNetwork, tuple[int, ...], Geometry]] = {
    "spine": (closed(spine()), spine_site(spine()).initial, HEAD),
    "sk": (closed(sk()), (60, 20, 0, 0, 0, 0, 0), HEAD),
    "dimers": (closed(dimerisation(1.0)), (41, 3), ONE),
    "birth": (build([Species("A"), Species("B")], [("0 -> A", "0.02 mM/ms"), ("A + B -> B", "3 /uM/s")]), (5, 2), ONE),
}


def assert_same(found: Experiment, network: ReactionNetwork, counts: tuple[int, ...], geometry: Geometry) -> None:
    read = found.chemistry.network()
    assert [(s.name, s.on) for s in read.species] == [(s.name, s.on) for s in network.species]
    rates = {(tuple(sorted(r.reactants)), tuple(sorted(r.products))): r.rate for r in read.reactions}
    wanted = {(tuple(sorted(r.reactants)), tuple(sorted(r.products))): r.rate for r in network.reactions}
    assert rates.keys() == wanted.keys()
    for key, rate in wanted.items():
        assert rates[key] == pytest.approx(rate, rel=1e-12), key
    assert initial_counts(read, found.chemistry.initial, geometry) == counts


# -- BioNetGen ------------------------------------------------------------------------------------------------


def net(network: ReactionNetwork, counts: tuple[int, ...], geometry: Geometry, groups: str = "") -> str:
    """As BioNetGen writes it, in counts and seconds; the first rate as an expression of parameters."""
    rates = network.count_rates(geometry.volume, geometry.area) * 1000
    lines = ["# Created by BioNetGen 2.9.2", "begin parameters"]
    lines += [f"    {i + 1} k{i} {float(rate)!r}  # Constant" for i, rate in enumerate(rates)]
    lines += [f"    {len(rates) + 1} twice 2*k0  # ConstantExpression", "end parameters", "begin species"]
    lines += [f"    {i + 1} {s}() {n}" for i, (s, n) in enumerate(zip(network.names, counts, strict=True))]
    lines += ["end species", "begin reactions"]
    for i, reaction in enumerate(network.reactions):
        left, right = (
            ",".join(str(network.index(n) + 1) for n in side) or "0" for side in (reaction.reactants, reaction.products)
        )
        lines.append(f"    {i + 1} {left} {right} {'0.5*twice' if i == 0 else f'k{i}'} #_R{i}")
    lines += ["end reactions", "begin groups", *groups.splitlines(), "end groups", ""]
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["dimers", "birth"])
def test_net_round_trip(tmp_path: Path, name: str) -> None:
    network, counts, geometry = NETWORKS[name]
    units = {"amount": "count", "volume": f"{geometry.volume} um^3", "time": "s"}
    found = experiment(tmp_path, net(network, counts, geometry, "  1 both 1,2\n  2 A 1"), "net", units=units)
    assert_same(found, network, counts, geometry)
    assert found.chemistry.observables == {"both": network.names}


def test_net_round_trip_of_a_spine(tmp_path: Path) -> None:
    """`.net` knows no membrane: places stand beside it."""
    network, counts, geometry = NETWORKS["spine"]
    units = {"amount": "count", "volume": f"{geometry.volume!r} um^3"}
    on = {s.name: {"on": "membrane"} for s in network.species if s.on == "membrane"}
    text = net(network, counts, geometry)
    mixed = ReactionNetwork([Species(s.name) for s in network.species], network.reactions)
    assert_same(experiment(tmp_path, text, "net", units=units), mixed, counts, geometry)
    found = experiment(tmp_path, text, "net", units=units, species=on)
    assert {s.name for s in found.chemistry.network().species if s.on == "membrane"} == on.keys()


def test_net_in_concentrations(tmp_path: Path) -> None:
    text = "begin parameters\n1 kon 5\nend parameters\nbegin species\n1 A(b) 2\n2 A(b!1).A(b!1) 0\nend species\n"
    text += "begin reactions\n1 1,1 2 0.5*kon\n2 2 1,1 3e-1\nend reactions\n"
    found = experiment(tmp_path, text, "net", units={"amount": "uM", "time": "s"}, species={"A_b": {"D": "3 um^2/s"}})
    network = found.chemistry.network()
    assert network.names == ("A_b", "A_b1_A_b1")
    assert [r.rate for r in network.reactions] == pytest.approx([2.5, 3e-4])  # /uM/s = /mM/ms
    assert pytest.approx(3e-3) == network.species[0].D
    assert initial_counts(network, found.chemistry.initial, ONE)[0] == round(2e-3 * IONS_PER_MM_UM3)


BARE = "begin species\n1 A() 5\nend species\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BARE + "begin functions\n1 f() 2*A\nend functions\n", 'line 5: the block "functions" is not read'),
        (BARE.replace("A()", "$A()"), r'line 2: species "\$A\(\)" is held'),
        (BARE.replace("A()", "@PM:A()"), "line 2: .* compartments are not read"),
        (BARE + "begin reactions\n1 1 0 Sat(k,K)\nend reactions\n", r'line 5: the rate law "Sat\(k,K\)"'),
        (BARE + "begin reactions\n1 1 0 kk\nend reactions\n", 'line 5: unknown name "kk"'),
        (BARE + "begin reactions\n1 1 7 1\nend reactions\n", "line 5: there is no species 7"),
        (BARE + "begin reactions\n1 1,1,1 0 1\nend reactions\n", "order 3"),
        (BARE + "begin groups\n1 twice 2*1\nend groups\n", 'line 5: group "twice"'),
        (BARE + "begin parameters\n1 k __import__('os')\nend parameters\n", "line 5: "),
        ("nonsense", 'line 1: "nonsense" is outside'),
        ("", "holds no species"),
    ],
)
def test_net_that_is_not_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        experiment(tmp_path, text, "net", units={"amount": "count", "volume": "1 um^3"})
    assert "model.net" in str(error.value)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (None, "does not say its units"),
        ({"amount": "count"}, "give the volume"),
        ({"amount": "pH"}, "unknown unit|not a unit"),
        ({"volume": "1 um^3"}, "give {"),
        ({"amount": "uM", "tim": "s"}, "give {"),
    ],
)
def test_units_of_a_net(tmp_path: Path, units: dict[str, str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        experiment(tmp_path, BARE, "net", **({} if units is None else {"units": units}))


# -- SBML -----------------------------------------------------------------------------------------------------


def sbml(network: ReactionNetwork, counts: tuple[int, ...], geometry: Geometry, level: int, *, amounts: bool) -> str:
    """In items (if `amounts`) or zeptomoles, µm and s; names in kinetic laws are then amounts or concentrations."""
    document = libsbml.SBMLDocument(level, 4 if level == 2 else 1)
    model = document.createModel()
    mole = not amounts
    _unit(model, "substance", libsbml.UNIT_KIND_MOLE if mole else libsbml.UNIT_KIND_ITEM, -21 if mole else 0, 1)
    _unit(model, "volume", libsbml.UNIT_KIND_METRE, -6, 3)
    _unit(model, "area", libsbml.UNIT_KIND_METRE, -6, 2)
    _unit(model, "time", libsbml.UNIT_KIND_SECOND, 0, 1)
    if level > 2:
        for name in ("substance", "volume", "area", "time"):
            getattr(model, f"set{name.capitalize()}Units")(name)
        model.setExtentUnits("substance")
    amount = 602.214076 if mole else 1.0  # molecules in a zeptomole
    sizes = {"volume": geometry.volume, "membrane": geometry.area}
    for place, size in sizes.items():
        c = model.createCompartment()
        c.setId(place)
        c.setSpatialDimensions(3 if place == "volume" else 2)
        c.setSize(size)
        c.setConstant(True)
    for s, n in zip(network.species, counts, strict=True):
        made = model.createSpecies()
        made.setId(s.name)
        made.setCompartment(s.on)
        made.setHasOnlySubstanceUnits(amounts)
        made.setBoundaryCondition(False)
        made.setConstant(False)
        if amounts:
            made.setInitialAmount(n / amount)
        else:
            made.setInitialConcentration(n / amount / sizes[s.on])
    on = {s.name: s.on for s in network.species}
    for i, (reaction, rate) in enumerate(
        zip(network.reactions, network.count_rates(geometry.volume, geometry.area), strict=True)
    ):
        r = model.createReaction()
        r.setId(f"r{i}")
        r.setReversible(False)
        r.setFast(False)
        for side, create in ((reaction.reactants, r.createReactant), (reaction.products, r.createProduct)):
            for name in dict.fromkeys(side):
                reference = create()
                reference.setSpecies(name)
                reference.setStoichiometry(side.count(name))
                if level > 2:
                    reference.setConstant(True)
        # events per s in substance; a name is an amount or an amount by size
        factors = [name if amounts else f"{name} * {on[name]}" for name in reaction.reactants]
        value = float(rate) * 1000 * amount ** (len(factors) - 1)
        law = r.createKineticLaw()
        parameter = law.createLocalParameter() if level > 2 else law.createParameter()
        parameter.setId("k")
        parameter.setValue(value)
        law.setMath(libsbml.parseL3Formula(" * ".join(["k", *factors])))
    return str(libsbml.writeSBMLToString(document))


def _unit(model: Any, name: str, kind: int, scale: int, exponent: int) -> None:
    definition = model.createUnitDefinition()
    definition.setId(name)
    unit = definition.createUnit()
    unit.setKind(kind)
    unit.setScale(scale)
    unit.setExponent(exponent)
    unit.setMultiplier(1.0)


@pytest.mark.parametrize("amounts", [True, False], ids=["amounts", "concentrations"])
@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_sbml_round_trip(tmp_path: Path, name: str, level: int, amounts: bool) -> None:
    network, counts, geometry = NETWORKS[name]
    text = sbml(network, counts, geometry, level, amounts=amounts)
    assert_same(experiment(tmp_path, text, "xml"), network, counts, geometry)


def edited(change: Callable[[Any], object]) -> str:
    """A <-> B in SBML after a change to its model."""
    network = build([Species("A"), Species("B")], [("A -> B", "2 /s")])
    document = libsbml.readSBMLFromString(sbml(network, (5, 2), ONE, 3, amounts=False))
    change(document.getModel())
    return str(libsbml.writeSBMLToString(document))


def with_law(formula: str, reversible: bool = False) -> str:
    def change(model: Any) -> None:
        model.getReaction(0).setReversible(reversible)
        model.getReaction(0).getKineticLaw().setMath(libsbml.parseL3Formula(formula))

    return edited(change)


def test_reversible_laws_sums_and_catalysts(tmp_path: Path) -> None:
    def rates(text: str) -> dict[str, float]:
        return {str(r): r.rate for r in experiment(tmp_path, text, "xml").chemistry.network().reactions}

    assert rates(with_law("volume * (k * A - 3 * B)", True)) == pytest.approx({"A -> B": 2e-3, "B -> A": 3e-3})
    assert rates(with_law("volume * (A * k / 2 + A^1 * 3)")) == pytest.approx({"A -> B": 4e-3})

    def enzyme(model: Any) -> None:
        model.getReaction(0).createModifier().setSpecies("B")
        model.getReaction(0).getKineticLaw().setMath(libsbml.parseL3Formula("volume * k * A * B"))

    found = rates(edited(enzyme))
    assert list(found) == ["A + B -> B + B"]
    assert found["A + B -> B + B"] == pytest.approx(2.0)  # µM (zmol/µm³) and s: 2 /uM/s = 2 /mM/ms


def test_sbml_keeps_what_stands_beside(tmp_path: Path) -> None:
    text = edited(lambda model: None)
    found = experiment(tmp_path, text, "xml", species={"A": {"D": "5 um^2/s"}}, initial={"B": {"count": 9}})
    assert pytest.approx(5e-3) == found.chemistry.network().species[0].D
    assert initial_counts(found.chemistry.network(), found.chemistry.initial, ONE) == (5, 9)


def no_units(model: Any) -> None:
    for name in ("Substance", "Time", "Volume", "Extent", "Area"):
        getattr(model, f"unset{name}Units")()


def test_sbml_without_units(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not say its unit of .*chemistry\.units"):
        experiment(tmp_path, edited(no_units), "xml")
    text = edited(lambda m: (no_units(m), m.removeCompartment("membrane")))
    found = experiment(tmp_path, text, "xml", units={"amount": "uM", "time": "s"})
    assert found.chemistry.network().reactions[0].rate == pytest.approx(2e-3)


def add_rule(model: Any) -> None:
    rule = model.createRateRule()
    rule.setVariable("A")
    rule.setMath(libsbml.parseL3Formula("1"))


def add_event(model: Any) -> None:
    event = model.createEvent()
    event.setId("spike")
    event.setUseValuesFromTriggerTime(True)
    trigger = event.createTrigger()
    trigger.setMath(libsbml.parseL3Formula("time > 1"))
    trigger.setInitialValue(True)
    trigger.setPersistent(True)


def another_compartment(model: Any) -> None:
    c = model.createCompartment()
    c.setId("er")
    c.setSpatialDimensions(3)
    c.setSize(1)
    c.setConstant(True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda: edited(add_rule), 'rule "A": not read'),
        (lambda: edited(add_event), 'event "spike": not read'),
        (lambda: edited(another_compartment), 'compartment "er": one volume and one membrane'),
        (lambda: edited(lambda m: m.getSpecies("A").setBoundaryCondition(True)), 'species "A" is held'),
        (lambda: edited(lambda m: m.getReaction(0).getReactant(0).setStoichiometry(1.5)), "not a whole number"),
        (lambda: with_law("k * A / (1 + A)"), r'reaction "r0": "1 \+ A" in the kinetic law is not a number'),
        (lambda: with_law("k * exp(A)"), '"exp" in the kinetic law is not read'),
        (lambda: with_law("k * B"), "its rate goes with B, which is not mass action"),
        (lambda: with_law("k * A - B"), "not reversible, but its rate can be negative"),
        (lambda: "<sbml>", "not valid SBML"),
    ],
)
def test_sbml_that_is_not_read(tmp_path: Path, text: Callable[[], str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        experiment(tmp_path, text(), "xml")
    assert "model.xml" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "1 ms"},
        "chemistry": {"file": "no.xml"},
        "site": [],
    }
    with pytest.raises(InputError, match=r"no\.xml.: no such file"):
        Experiment.parse(source, path=tmp_path / "x.toml")


def test_a_read_experiment_runs_again_from_its_own_record(tmp_path: Path) -> None:
    """What results and checkpoints keep no longer needs the file."""
    network, counts, geometry = NETWORKS["dimers"]
    found = experiment(tmp_path, sbml(network, counts, geometry, 3, amounts=True), "xml")
    again = Experiment.parse(found.source)
    np.testing.assert_array_equal(
        again.chemistry.network().count_rates(1.0, 6.0), found.chemistry.network().count_rates(1.0, 6.0)
    )
