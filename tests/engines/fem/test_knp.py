"""Electroneutral fields: a manufactured solution, ambipolar diffusion, charge node by node, a head with a neck."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from adapters.fem.knp import Electrodiffusion
from adapters.fem.mesh.discretisation import Discretisation, discretise
from adapters.fem.mesh.domain import MeshDomain
from adapters.fem.mesh.library.dolfinx_import import MPI, dolfinx
from adapters.fem.nernst_planck import NernstPlanck
from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.engine_under_test import NETWORK, SITES, EngineUnderTest, run
from support.paths import SUPPORT

Z, D = (1.0, -1.0), (1.33, 2.03)
HEAD = Geometry.cylinder(0.5, 0.5)


def square(n: int) -> Discretisation:
    """The unit square in 2 n² triangles."""
    mesh = dolfinx.mesh.create_unit_square(MPI.COMM_SELF, n, n)
    return discretise(MeshDomain(mesh, np.zeros(0, np.int32)), Geometry("cells", (1.0, 1.0, 1.0), volume=1.0, area=0.0))


def manufactured(n: int, charges: tuple[float, float] = Z) -> tuple[float, float]:
    """L2 errors of c and ψ at rest, for the loads of a solution that is known."""
    d = square(n)
    x, y = d.places.T
    pi, cx, cy, c2y = math.pi, np.cos(math.pi * x), np.cos(math.pi * y), np.cos(2 * math.pi * y)
    c, psi = 100 + 20 * cx * cy, 0.5 * cx * c2y
    slopes = -20 * pi * np.sin(pi * x) * cy, -20 * pi * cx * np.sin(pi * y)
    fields = -0.5 * pi * np.sin(pi * x) * c2y, -pi * cx * np.sin(2 * pi * y)
    loads = []
    for z, diffusion in zip(Z, D, strict=True):
        drift = slopes[0] * fields[0] + slopes[1] * fields[1] - c * 5 * pi**2 * psi
        load = d.mass @ (-diffusion * (-40 * pi**2 * cx * cy + z * drift))
        loads.append(load - load.sum() * d.volumes)
    ions = np.array([c, c])
    ions[:] = 100.0
    for _ in range(8):
        ions, found = NernstPlanck(d, charges, D).step(ions, 50.0, np.array(loads), np.zeros(len(x)))
    found, psi = found - d.volumes @ found, psi - d.volumes @ psi
    return norm(d, ions[0] - c), norm(d, found - psi)


def norm(d: Discretisation, values: Floats) -> float:
    return math.sqrt(values @ (d.mass @ values))


def test_orders_of_a_manufactured_solution() -> None:
    """Order 2 in L2 of concentrations and potential for linear elements."""
    sizes = (8, 16, 32)
    errors = np.array([manufactured(n) for n in sizes])
    orders = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert (orders > 1.9).all() and (orders < 2.1).all()
    assert (np.log2(errors[1] / errors[2]) > 1.95).all()
    # Control: with ions of the other charge the potential is another one.
    assert manufactured(32, (-1.0, 1.0))[1] > 10 * errors[-1, 1]


def test_a_salt_diffuses_as_one() -> None:
    """A small wave of salt decays by 2 D₁ D₂ / (D₁ + D₂), in the potential (D₂ − D₁) / (D₁ + D₂) δc/c."""
    d, steps, h = square(16), 25, 2e-3
    wave = np.cos(math.pi * d.places[:, 0])
    transport, c = NernstPlanck(d, Z, D), np.array([100 + 0.1 * wave] * 2)
    for _ in range(steps):
        c, psi = transport.step(c, h, np.zeros_like(c), np.zeros(len(wave)))
    left = (d.mass @ wave) @ (c[0] - 100) / ((d.mass @ wave) @ wave) / 0.1

    def decay(rate: float) -> float:
        """Of an implicit step, as it is taken."""
        return (1 + h * rate * math.pi**2) ** -steps

    # Linear elements have a rate that is (πh)²/12 too large, which makes that part of ln(left).
    mesh = (math.pi / 16) ** 2 / 12 * abs(math.log(left))
    assert left == pytest.approx(decay(2 * D[0] * D[1] / sum(D)), rel=2 * mesh)
    assert all(abs(left / decay(alone) - 1) > 0.05 for alone in D)
    expected = (D[1] - D[0]) / sum(D) * 0.1 * left / 100
    assert (d.mass @ wave) @ psi / ((d.mass @ wave) @ wave) == pytest.approx(expected, rel=2e-3)
    assert np.abs(c[0] - c[1]).max() < 1e-9 * 100  # rounding of 50 steps


def make(network: ReactionNetwork, initial: tuple[float, ...], injected: tuple[str, ...] = ()) -> Electrodiffusion:
    options = Electrodiffusion.Options.model_validate({"resolution": "100 nm", "cells": "triangle"})
    site = Site("head", HEAD, initial)
    return Electrodiffusion(EngineSetup("head", network, (site,), tick=0.025, injected=injected, options=options))


def salt(*, cl: int = -1) -> ReactionNetwork:
    return ReactionNetwork([Species("Na", 1.33, charge=1), Species("Cl", 2.03, charge=cl)])


def test_charge_that_enters_gathers_on_the_membrane() -> None:
    e = make(salt(), (9e6, 9e6), ("Na",))
    d = e.discretisation()
    e.write("influx", 1000.0)
    for _ in range(4):
        e.advance(1)
    assert e.read("counts")[0] == pytest.approx([9e6 + 4000, 9e6], rel=1e-13)
    charge = d.mass @ (e.field(0, "Na") - e.field(0, "Cl"))
    expected = np.zeros(len(charge))
    expected[d.nodes] = 4000 * d.areas / d.areas.sum()
    assert np.abs(charge - expected).max() < 1e-9 * 9e6
    assert expected.max() > 10  # control: it is more than that


def test_without_ions_it_is_pde() -> None:
    rows = [
        run(EngineUnderTest(name, {"resolution": "150 nm"}).make(NETWORK, SITES, injected=("Ca",)), 4)
        for name in ("pde", "knp")
    ]
    assert np.array_equal(*rows)


def test_nothing_conducts() -> None:
    e = make(salt(cl=-1), (0.0, 0.0), ("Na",))
    e.advance(1)  # nothing is there
    e.write("influx", 5.0)
    e.write_field(0, "Cl", np.where(np.arange(len(e.field(0, "Cl"))) == 0, 1.0, 0.0))
    with pytest.raises(RunError, match="cannot be kept electroneutral"):
        for _ in range(3):
            e.write_field(0, "Na", np.zeros(len(e.field(0, "Na"))))
            e.write("influx", 0.0)
            e.advance(1)


SPINE = """
[experiment]
name = "foot"
duration = "0.3 ms"
exchange = "0.025 ms"
[chemistry]
species.Na = { D = "1.5 um^2/ms", contains = { Na = 1 }, charge = 1 }
species.Cl = { D = "2.0 um^2/ms", contains = { Cl = 1 }, charge = -1 }
initial.Na = "150 mM"
initial.Cl = "150 mM"
[[site]]
name = "head"
engine = "knp"
knp.head = { diameter = "0.15 um", length = "0.15 um" }
knp.neck = { diameter = "0.1 um", length = "0.5 um" }
knp.resolution = "50 nm"
[[site]]
name = "shaft"
engine = "ode"
geometry.cylinder = { diameter = "2 um", length = "20 um" }
[[drive]]
to = "head.Na"
influx = { times = "0 1000 ms", rate = "187245.272 /ms" }
[[link]]
from = "head.Na"
to = "shaft.Na"
through = { diameter = "0.1 um", length = "0 um", ends = 1 }
drift = true
[[link]]
from = "shaft.Cl"
to = "head.Cl"
through = { diameter = "0.1 um", length = "0 um", ends = 1 }
drift = true
"""


def read(text: str, *overrides: str) -> Experiment:
    return Experiment.parse(tomllib.loads(text), path=SUPPORT / "foot.toml", overrides=overrides)


def drifting(simulation: Simulation) -> Electrodiffusion:
    (engine,) = (e for e in simulation.system.engines if isinstance(e, Electrodiffusion))
    return engine


def test_charge_leaves_through_the_foot_as_ions() -> None:
    """Electroneutral, each ion in the ledger; the anion, which stays in the end, at its Nernst potential."""
    simulation = Simulation.in_memory(read(SPINE))
    simulation.run()
    ledger, e = simulation.orchestrator.ledger(), drifting(simulation)
    brought = 187245.272 * 0.3
    assert ledger.max_imbalance <= 1e-9 * 1.2e10  # of the shaft, which holds most
    following = {(k.link.split(".")[1].split()[0], k.site): k.sent for k in ledger.links if k.function == "drift"}
    through = {k.species: (k.forth - k.back) * (1 if k.first == "head" else -1) for k in ledger.diffusion}
    left = {ion: through[ion] + following[ion, "shaft"] for ion in ("Na", "Cl")}
    assert following["Na", "head"] == -following["Na", "shaft"]
    # The first window's charge leaves in the second, with what was expected of it: nothing is left over.
    assert left["Na"] - left["Cl"] == pytest.approx(brought, rel=2e-3)
    charge, start = e.field(0, "Na") - e.field(0, "Cl"), 150 * 602214.076 * e.sites[0].geometry.volume
    assert (e.discretisation().mass @ charge).sum() == pytest.approx(e.excess[0], abs=1e-9 * start)
    # What is left is by how much a window brought more than the one before, not what it brought: 4,681.
    assert abs(e.excess[0]) < 0.05 * brought / 12
    gained = e.read("counts")[0] - start
    assert gained == pytest.approx([brought - left["Na"], -left["Cl"]], abs=1e-6 * start)
    assert gained.min() > 1e-3 * start


@pytest.mark.acceptance
def test_a_steady_current_has_the_profile_of_the_neck() -> None:
    """c(z) of a current that enters evenly through the membrane; ln c of the anion is ψ."""
    simulation = Simulation.in_memory(read(SPINE, "experiment.duration=3 ms", "site.head.knp.resolution=25 nm"))
    simulation.run()
    e, amount = drifting(simulation), 187245.272
    z, c, cl = e.places(0, "Na")[:, 2], e.field(0, "Na"), e.field(0, "Cl")
    assert np.ptp(np.log(cl) - e.potential()) < 0.01 * np.ptp(e.potential())
    area, wall_neck = math.pi * 0.05**2, math.pi * 0.1 * 0.5
    wall = wall_neck + math.pi * 0.15 * 0.15
    from_head, from_neck = 1 - wall_neck / wall, wall_neck / wall
    low, high = 0.1, 0.4  # of the neck, which begins at the foot, z = 0

    def fallen(at: float) -> float:
        """Molecules per µm³ by which c is above the foot, by J = 2 D A dc/dz."""
        return amount / (2 * 1.5 * area) * (from_head * at + from_neck * (at - at**2 / (2 * 0.5)))

    found = [c[np.abs(z - at) < 0.02].mean() for at in (low, high)]
    assert found[1] - found[0] == pytest.approx(fallen(high) - fallen(low), rel=0.05)  # facets of a neck of 25 nm


def test_goes_on_to_the_bit(tmp_path: Path) -> None:
    text = SPINE.replace("0.3 ms", "0.15 ms").replace("50 nm", "80 nm")
    Simulation.new(read(text), tmp_path / "straight").run()
    Simulation.new(read(text), tmp_path / "stopped").run(until=0.075)
    Simulation.resumed(tmp_path / "stopped").run()
    with Results(tmp_path / "straight") as one, Results(tmp_path / "stopped") as other:
        for ion in ("Na", "Cl"):
            assert np.array_equal(one.counts("head", ion), other.counts("head", ion))
            assert np.array_equal(one.counts("shaft", ion), other.counts("shaft", ion))


BAD = {
    'give the site engine = "knp"': ('engine = "knp"', 'engine = "pde"'),
    "divides its neck, whose ions carry all": ("drift = true\n", "drift = true\npieces = 4\n"),
    "give species.Na = { charge = 1 }": (", charge = 1 }", " }"),
    "keeps its sites electroneutral": ("influx = {", 'clamp = "150 mM" #'),
}


@pytest.mark.parametrize("said", BAD)
def test_refused_in_one_line(said: str) -> None:
    old, new = BAD[said]
    text = SPINE.replace(old, new, 1)
    if "pde" in new:
        text = text.replace("knp.", "pde.")
    with pytest.raises(InputError) as caught:
        Simulation.in_memory(read(text))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_it_is_registered() -> None:
    assert registry.load("couple.engines", "knp") is Electrodiffusion
