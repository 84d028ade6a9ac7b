"""Networks written as BioNetGen `.net` and as SBML, and experiments that read such files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import libsbml
import numpy as np
import pytest

from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_amounts import initial_amounts
from support.networks import HEAD, build, dimerisation, sk, spine, spine_site

ONE = Geometry.box(1, 1, 1)


def assert_all_are(found: Mapping[str, np.ndarray], wanted: np.ndarray, seed: int) -> float:
    """That all formats end as the toml, and that as another integrator (to its tolerance).

    found: (n_sites, n_species) by format. Returns the largest difference to the other integrator, against the amount.
    """
    for name, counts in found.items():
        np.testing.assert_allclose(counts, found["toml"], rtol=1e-9, atol=1e-7, err_msg=f"{name}, seed {seed}")
    np.testing.assert_allclose(found["toml"][0], wanted, rtol=1e-8, atol=1e-7, err_msg=f"seed {seed}")
    return float(np.max(np.abs(found["toml"][0] - wanted) / np.maximum(wanted, 1.0)))


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
    assert initial_amounts(read, found.chemistry.initial, geometry).counts == pytest.approx(counts, rel=1e-9)


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


def sbml(network: ReactionNetwork, counts: Sequence[float], geometry: Geometry, level: int, *, amounts: bool) -> str:
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


def edited(
    change: Callable[[Any], object], counts: tuple[float, float] = (5, 2), *, amounts: bool = False, left: int = 1
) -> str:
    """A -> B, or as many A as `left`, in SBML after a change to its model; counts: molecules at the start."""
    network = build([Species("A"), Species("B")], [(f"{left} A -> B", "2 /s" if left == 1 else "2 /mM/s")])
    document = libsbml.readSBMLFromString(sbml(network, counts, ONE, 3, amounts=amounts))
    change(document.getModel())
    return str(libsbml.writeSBMLToString(document))


def with_law(
    formula: str,
    reversible: bool = False,
    *,
    starts: tuple[float, float] | None = None,
    amounts: bool = False,
    left: int = 1,
    change: Callable[[Any], object] | None = None,
) -> str:
    """A -> B with this law, k = 2; names are amounts in molecules, or concentrations in zeptomoles per µm³.

    starts: concentrations. change: to the model, besides.
    """

    def changed(model: Any) -> None:
        reaction = model.getReaction(0)
        reaction.setReversible(reversible)
        reaction.getKineticLaw().getParameter(0).setValue(2.0)
        reaction.getKineticLaw().setMath(libsbml.parseL3Formula(formula))
        if change is not None:
            change(model)

    counts = (5.0, 2.0) if starts is None else (starts[0] * 602.214076, starts[1] * 602.214076)
    return edited(changed, counts, amounts=amounts, left=left)
