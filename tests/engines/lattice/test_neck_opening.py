"""Ions that come through a neck enter a lattice at the neck's opening."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.fem.field_engine import FieldOptions
from adapters.fem.pde import ReactionDiffusion
from adapters.lattice.common.options import LatticeOptions
from adapters.lattice.physical.engine import PhysicalLattice
from couple.base.errors import RunError
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.storage.records.results import Results
from support.networks import HEAD, build
from support.spine_on_dendrite import FIELD, IONS, pair
from support.statistics import z_bound

OPENING = 0.2


def lattice(ions: int = 0, sites: int = 1, D: float = 0.22, clamped: tuple[str, ...] = ()) -> PhysicalLattice:
    network = build([Species("Ca", D, contains={"Ca": 1})], [])
    options = LatticeOptions.model_validate({"spacing": "25 nm"})
    places = tuple(Site(f"s{i}", HEAD, (ions,), opening_diameter=OPENING) for i in range(sites))
    return PhysicalLattice(EngineSetup("x", network, places, 1e-4, ("Ca",), clamped, seed=1, options=options))


def heights(e: PhysicalLattice) -> np.ndarray:
    """Of all ions above the lower end, µm."""
    return np.concatenate([e.positions(k, "Ca")[:, 2] for k in range(len(e.sites))]) + HEAD.size[1] / 2


def test_they_enter_in_front_of_the_opening_and_leave_from_there() -> None:
    e = lattice(sites=20, D=1e-6)
    e.write("influx_opening", 40)
    e.advance(1)
    assert (heights(e) < 0.05).all() and e.read("counts").sum() == 800
    across = np.concatenate([np.hypot(*e.positions(k, "Ca")[:, :2].T) for k in range(20)])
    inside = across <= OPENING / 2 + 1e-9
    # half of the 52 cells of the opening are full: an ion that meets another goes beside it
    assert inside.mean() > 0.5 and across.max() < OPENING / 2 + 0.06
    full = lattice(ions=400)
    low = np.sort(heights(full))
    full.write("influx_opening", -30)
    full.advance(1)
    left = np.sort(heights(full))
    assert len(left) == 370 and left[:100].mean() > low[:100].mean() + 0.02
    assert np.allclose(left[-150:], low[-150:], atol=0.05), "those far away stay"


def test_in_and_out_in_balance_leave_the_head_uniform() -> None:
    """As many out as in, by turns: heights of the ions stay those of a uniform cylinder within noise."""
    e, rounds = lattice(ions=300, sites=10), 60
    for _ in range(rounds):
        for n in (-5, 5):
            e.write("influx_opening", n)
            e.advance(100)
    h = heights(e)
    sigma = HEAD.size[1] / math.sqrt(12 * len(h))
    assert abs(h.mean() - HEAD.size[1] / 2) < z_bound(2) * sigma
    shift = lattice(ions=300, sites=10)  # the control: as many come in and leave anywhere
    for _ in range(rounds):
        shift.write("influx_opening", 5)
        shift.write("influx", -5)
        shift.advance(1)
    assert abs(heights(shift).mean() - HEAD.size[1] / 2) > z_bound(2) * sigma


def test_more_than_there_are_cannot_leave() -> None:
    e = lattice(ions=3)
    e.write("influx_opening", -4)
    with pytest.raises(RunError, match='"s0": 4 Ca are to leave, it holds 3'):
        e.advance(1)
    e.write("influx_opening", math.nan)
    with pytest.raises(RunError, match="through its opening"):
        e.advance(1)


def test_the_hand_of_a_clamp_settles_up() -> None:
    e = lattice(ions=50, clamped=("Ca",))
    for n in (10, -5):
        e.write("influx_opening", n)
        e.advance(1)
    assert e.read("counts")[0].tolist() == [50, 5]


def test_the_neck_of_a_spine_opens_into_its_head(tmp_path: Path) -> None:
    """All ions in the dendrite: after a window they are in the lower half of the head; currents use the membrane."""
    simulation = pair(tmp_path, "lattice", FIELD)
    head, shaft = simulation.system.engines
    assert isinstance(head, PhysicalLattice) and head.sites[0].opening_diameter == pytest.approx(0.2)
    head.write_counts([[0]], np.random.default_rng(1))
    shaft.write_counts([[40 * IONS]], np.random.default_rng(1))
    exchange = simulation.orchestrator.exchange
    exchange.balance[:, 0] = [exchange.held(h) for h in exchange.holdings]
    simulation.run()
    arrived = float(simulation.read("head.Ca"))
    assert arrived > 500
    with simulation.results as results:
        assert results.entered("head", "Ca")[-1] == arrived
        assert results.entered("dendrite", "Ca")[-1] == pytest.approx(-arrived, abs=1)
        assert isinstance(results, Results)


# -- finite elements ----------------------------------------------------------------------------------------------


def field(cells: str = "triangle", opening: float | None = OPENING, **options: Any) -> ReactionDiffusion:
    network = build([Species("Ca", 0.22, contains={"Ca": 1})], [])
    site = Site("s", HEAD, (100,), opening_diameter=opening)
    chosen = FieldOptions.model_validate(
        {"cells": cells, "resolution": "60 nm", **options} if "mesh" not in options else options
    )
    return ReactionDiffusion(EngineSetup("x", network, (site,), 0.02, ("Ca",), options=chosen))


@pytest.mark.parametrize("cells", ["triangle", "tetrahedron"])
def test_a_field_is_filled_through_the_opening(cells: str) -> None:
    e = field(cells)
    e.write("influx_opening", 300.0)
    e.advance(1)
    assert e.read("counts")[0, 0] == pytest.approx(400.0, rel=1e-12)
    c, height = e.field(0, "Ca"), e.places(0, "Ca")[:, -1] + HEAD.size[1] / 2
    assert c[height < 0.02].max() > 3 * c[height > 0.45].max() > 0
    assert height[c.argmax()] < 0.02 and np.linalg.norm(e.places(0, "Ca")[c.argmax(), :-1]) <= OPENING / 2
    e.write("influx_opening", -20.0)
    e.advance(1)
    assert e.read("counts")[0, 0] == pytest.approx(380.0, rel=1e-12)


def test_shells_have_no_place_for_an_opening() -> None:
    assert "influx_opening" not in field("interval").inputs
    assert "influx_opening" not in field("triangle", opening=None).inputs


def test_an_opening_that_a_file_names(tmp_path: Path) -> None:
    gmsh = pytest.importorskip("gmsh", exc_type=(ImportError, OSError))
    gmsh.initialize(interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("Mesh.MeshSizeMax", 0.12)
    # a head with a neck of its own; the opening is where the neck ends
    head = gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, 0.5, 0.25)
    neck = gmsh.model.occ.addCylinder(0, 0, -0.3, 0, 0, 0.3, 0.1)
    ((_, body),), _ = gmsh.model.occ.fuse([(3, head)], [(3, neck)])
    gmsh.model.occ.synchronize()
    low = [t for _, t in gmsh.model.getBoundary([(3, body)], oriented=False)
           if gmsh.model.occ.getCenterOfMass(2, t)[2] < -0.29]  # fmt: skip
    gmsh.model.addPhysicalGroup(3, [body], name="spine")
    gmsh.model.addPhysicalGroup(2, low, name="opening")
    gmsh.model.mesh.generate(3)
    gmsh.write(str(tmp_path / "spine.msh"))
    gmsh.finalize()
    e = field(mesh=str(tmp_path / "spine.msh"))
    e.write("influx_opening", 200.0)
    e.advance(1)
    assert e.read("counts")[0, 0] == pytest.approx(300.0, rel=1e-12)
    c, z = e.field(0, "Ca"), e.places(0, "Ca")[:, 2]
    assert z[c.argmax()] == pytest.approx(-0.3) and c[z < -0.25].min() > 2 * c[z > 0.3].max()
