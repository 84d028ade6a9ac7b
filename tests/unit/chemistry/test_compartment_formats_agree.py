"""Random networks in two volumes and two membranes, as TOML, `.net` and SBML, are one network, and right.

Each network is a list of reactions with events per ms and combination of molecules, which an integrator of the test's
own takes as they are; each format writes them by the sizes of its compartments.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libsbml
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.chemistry_files import assert_all_are
from support.statistics import z_bound

SIZES = {"cyt": 0.7, "er": 0.3, "pm": 4.5, "inner": 1.5}
"""µm³ of the volumes, µm² of the membranes: together those of a box of 1 µm."""
MEMBRANES = ("pm", "inner")
WINDOWS = 4


@dataclass(frozen=True)
class Random:
    """homes: species → compartment. reactions: reactants, products, events per ms and combination of molecules."""

    homes: dict[str, str]
    counts: dict[str, int]
    reactions: list[tuple[tuple[str, ...], tuple[str, ...], float]]


def random_network(seed: int) -> Random:
    """Orders 0 to 2, catalysts, two of a kind, one species on both sides, across and within compartments."""
    rng = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(rng.integers(4, 8))]
    homes = {s: str(rng.choice(list(SIZES))) for s in names}
    homes |= dict(zip(names, SIZES, strict=False))  # one in each: a file's site is what has species in it
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}
    for _ in range(int(rng.integers(6, 11))):
        left = tuple(sorted(str(s) for s in rng.choice(names, rng.choice([0, 1, 1, 2, 2]))))
        right = tuple(sorted(str(s) for s in rng.choice(names, rng.integers(0, 3))))
        if left != right:
            found[left, right] = [30.0, 0.1, 2e-4][len(left)] * float(rng.uniform(0.2, 2))
    counts = {s: int(rng.integers(0, 400)) for s in names}
    return Random(homes, counts, [(a, b, k) for (a, b), k in found.items()])


def one(place: str) -> tuple[float, str]:
    """What one molecule is in a compartment."""
    size = SIZES[place]
    return (1 / size, "/um^2") if place in MEMBRANES else (1 / (IONS_PER_MM_UM3 * size), "mM")


def experiment(folder: Path, chemistry: dict[str, Any], engine: str, sites: int) -> Experiment:
    options = {"rtol": 1e-11, "atol": 1e-9} if engine == "ode" else {}
    box = {"box": {"size": "1 1 1 um"}}
    source = {
        "experiment": {"name": "x", "duration": "4 ms", "exchange": "1 ms", "seed": 5},
        "chemistry": chemistry,
        "site": [{"name": f"s{k}", "engine": engine, "geometry": box, engine: options} for k in range(sites)],
    }
    return Experiment.parse(source, path=folder / "x.toml")


def toml(network: Random) -> dict[str, Any]:
    total = {"cyt": 1.0, "er": 1.0, "pm": 6.0, "inner": 6.0}
    return {
        "compartments": {
            c: {"share": size / total[c], "on": "membrane" if c in MEMBRANES else "volume"} for c, size in SIZES.items()
        },
        "species": {s: {"on": c} for s, c in network.homes.items()},
        "reactions": [toml_reaction(network, *r) for r in network.reactions],
        "initial": {s: {"count": n} for s, n in network.counts.items()},
    }


def toml_reaction(network: Random, left: tuple[str, ...], right: tuple[str, ...], k: float) -> dict[str, Any]:
    """Mass action with the constant of its compartment; a law in molecules where it has to do with several."""
    equation = f"{' + '.join(left) or '0'} -> {' + '.join(right) or '0'}"
    places = [network.homes[s] for s in left or right]
    volumes, membranes = ({p for p in places if (p in MEMBRANES) == m} for m in (False, True))
    if len(left) == 1:
        return {"equation": equation, "forward": f"{k!r} /ms"}
    if len(volumes) <= 1 and len(membranes) <= 1:
        value, unit = one((volumes or membranes).pop())
        if not left:
            return {"equation": equation, "forward": f"{k * value!r} {unit}/ms"}
        return {"equation": equation, "forward": f"{k / value!r} {'um^2' if unit == '/um^2' else '/mM'}/ms"}
    on_membrane = any(network.homes[s] in MEMBRANES for s in (*left, *right))
    of = next(network.homes[s] for s in (*left, *right) if (network.homes[s] in MEMBRANES) == on_membrane)
    value, unit = one(of)
    used = {f"one_{s}": " ".join(map(str, one(network.homes[s]))) for s in left}
    law = "*".join(["k", *(f"{s}/one_{s}" for s in left)])
    return {"equation": equation, "rate_law": law, "parameters": {"k": f"{k * value!r} {unit}/ms", **used}}


def net(network: Random) -> str:
    names = list(network.homes)
    lines = ["begin species"]
    lines += [f"{i + 1} @{c}::{s}() {network.counts[s]}" for i, (s, c) in enumerate(network.homes.items())]
    lines += ["end species", "begin reactions"]
    for i, (left, right, k) in enumerate(network.reactions):
        sides = (",".join(str(names.index(s) + 1) for s in side) or "0" for side in (left, right))
        lines.append(f"{i + 1} {' '.join(sides)} {k * 1e3!r}")
    return "\n".join([*lines, "end reactions", ""])


def sbml(network: Random, level: int) -> str:
    """In items, µm and s, with concentrations in the laws."""
    document = libsbml.SBMLDocument(3, 1)
    model = document.createModel()
    for name, kind, scale, exponent in (
        ("substance", libsbml.UNIT_KIND_ITEM, 0, 1), ("volume", libsbml.UNIT_KIND_METRE, -6, 3),
        ("area", libsbml.UNIT_KIND_METRE, -6, 2), ("time", libsbml.UNIT_KIND_SECOND, -3, 1),
    ):  # fmt: skip
        definition = model.createUnitDefinition()
        definition.setId(name)
        unit = definition.createUnit()
        unit.setKind(kind)
        unit.setScale(scale)
        unit.setExponent(exponent)
        unit.setMultiplier(1.0)
        getattr(model, f"set{name.capitalize()}Units")(name)
    model.setExtentUnits("substance")
    for name, size in SIZES.items():
        c = model.createCompartment()
        c.setId(name)
        c.setSpatialDimensions(2 if name in MEMBRANES else 3)
        c.setSize(size)
        c.setConstant(True)
    for name, place in network.homes.items():
        s = model.createSpecies()
        s.setId(name)
        s.setCompartment(place)
        s.setInitialConcentration(network.counts[name] / SIZES[place])
        s.setHasOnlySubstanceUnits(False)
        s.setBoundaryCondition(False)
        s.setConstant(False)
    for i, (left, right, k) in enumerate(network.reactions):
        r = model.createReaction()
        r.setId(f"r{i}")
        r.setReversible(False)
        r.setFast(False)
        for side, create in ((left, r.createReactant), (right, r.createProduct)):
            for name, n in Counter(side).items():
                reference = create()
                reference.setSpecies(name)
                reference.setStoichiometry(n)
                reference.setConstant(True)
        law = "*".join([repr(k), *(f"{s}*{network.homes[s]}" for s in left)])
        r.createKineticLaw().setMath(libsbml.parseL3Formula(law))
    assert document.setLevelAndVersion(level, 4 if level == 2 else 1, False)
    return str(libsbml.writeSBMLToString(document))


def ended(experiment: Experiment) -> np.ndarray:
    """(n_sites, n_species) molecules after 4 ms."""
    run = Simulation.in_memory(experiment)
    for _ in range(WINDOWS):
        run.step()
    return np.vstack([e.read("counts")[:, : len(e.network.names)] for e in run.system.engines])


def formats(folder: Path, seed: int, engine: str, sites: int = 1) -> dict[str, np.ndarray]:
    network = random_network(seed)
    sizes = {c: f"{size} {'um^2' if c in MEMBRANES else 'um^3'}" for c, size in SIZES.items()}
    (folder / "m.net").write_text(net(network))
    given = {
        "net": {"file": "m.net", "units": {"amount": "count", "volume": sizes, "time": "s"}},
        "toml": toml(network),
    }
    for level in (2, 3):
        (folder / f"m{level}.xml").write_text(sbml(network, level))
        given[f"sbml{level}"] = {"file": f"m{level}.xml"}
    return {name: ended(experiment(folder, chemistry, engine, sites)) for name, chemistry in given.items()}


def integrated(seed: int) -> np.ndarray:
    network = random_network(seed)
    names = list(network.homes)

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        change = np.zeros(len(names))
        for left, right, k in network.reactions:
            events = k * math.prod(y[names.index(s)] for s in left)
            for side, by in ((left, -1), (right, 1)):
                for s in side:
                    change[names.index(s)] += by * events
        return change

    start = [float(network.counts[s]) for s in names]
    return np.asarray(solve_ivp(slope, (0, WINDOWS), start, method="LSODA", rtol=1e-12, atol=1e-10).y[:, -1])


def assert_formats_agree(folder: Path, seed: int) -> float:
    """The largest difference to the other integrator, against the amount."""
    return assert_all_are(formats(folder, seed, "ode"), integrated(seed), seed)


@pytest.mark.parametrize("seed", range(3))
def test_three_formats_are_one_network(tmp_path: Path, seed: int) -> None:
    assert_formats_agree(tmp_path, seed)


def test_another_size_is_noticed(tmp_path: Path) -> None:
    found = formats(tmp_path, 0, "ode")["toml"]
    chemistry = toml(random_network(0))
    chemistry["compartments"]["cyt"]["share"] = 0.7001
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(ended(experiment(tmp_path, chemistry, "ode", 1)), found, rtol=1e-9, atol=1e-7)


@pytest.mark.acceptance
def test_two_hundred_networks_of_compartments(tmp_path: Path) -> None:
    worst = max(assert_formats_agree(tmp_path, seed) for seed in range(200))
    print(f"200 networks: within {worst:.1e} of another integrator")


@pytest.mark.acceptance
def test_whole_molecules_have_one_distribution(tmp_path: Path) -> None:
    """Means over 400 sites of ssa from each format against those of TOML, where they are not of the same draws."""
    scores: list[float] = []
    for seed in range(20):
        found = formats(tmp_path, seed, "ssa", sites=400)
        for name in ("net", "sbml2", "sbml3"):
            x, y = found["toml"], found[name]
            spread = np.sqrt((x.var(axis=0) + y.var(axis=0)) / len(x))
            if not np.array_equal(x, y):
                scores += list(np.abs(x.mean(axis=0) - y.mean(axis=0))[spread > 0] / spread[spread > 0])
    print(f"{len(scores)} comparisons that are not of the same draws, largest z {max(scores, default=0.0):.2f}")
    assert max(scores, default=0.0) < z_bound(max(len(scores), 1))
