"""A head with its neck as one mesh of finite elements: what crosses its opening, and how fast."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from adapters.fem.mesh.domain import HeadWithNeck, build_spine_domain
from adapters.fem.mesh.library.dolfinx_import import dolfinx
from adapters.fem.mesh.sources.build import exterior_facets
from adapters.fem.pde import ReactionDiffusion
from couple.base.errors import InputError
from couple.exchange.diffusion import neck_resistance
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.simulation.simulation import Simulation

D, IONS = 0.22, 1000
WIDE, LONG, HEAD = 0.1, 0.5, Geometry.cylinder(0.5, 0.5)
SPINE = HeadWithNeck(HEAD, WIDE, LONG)
OPTIONS = {
    "neck": {"diameter": f"{WIDE} um", "length": f"{LONG} um"},
    "head": {"diameter": f"{HEAD.size[0]} um", "length": f"{HEAD.size[1]} um"},
}
END = {"diameter": f"{WIDE} um", "length": "0 um", "ends": 1}
SHAFT = 1.0  # µm³


def experiment(folder: Path, window: float, through: Any = END, geometry: Any = None, **options: Any) -> Experiment:
    """Head and neck beside a well-stirred shaft."""
    content: dict[str, Any] = {
        "experiment": {"name": "pair", "duration": "40 ms", "exchange": f"{window} ms"},
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}, "initial": {"Ca": {"count": 0}}},
        "site": [
            {"name": "spine", "engine": "pde", "pde": options or OPTIONS},
            {"name": "shaft", "engine": "ode", "geometry": {"box": {"size": "1 1 1 um"}}},
        ],
        "link": [{"from": "spine.Ca", "to": "shaft.Ca", "through": through}],
        "record": {"every": f"{window} ms"},
    }
    if geometry is not None:
        content["site"][0]["geometry"] = geometry
    return Experiment.parse(content, path=folder / "pair.toml")


def filled(e: Experiment) -> Simulation:
    """All ions in head and neck."""
    simulation = Simulation.in_memory(e)
    engine = next(x for x in simulation.system.engines if isinstance(x, ReactionDiffusion))
    engine.write_counts([[IONS]], np.random.default_rng(1))
    exchange = simulation.orchestrator.exchange
    exchange.balance[:, 0] = [exchange.held(h) for h in exchange.holdings]
    return simulation


def fock(narrow: float) -> float:
    """Share of the access resistance that is left in a tube, `narrow` times as wide as the opening (Fock 1941)."""
    return 1 - 1.40925 * narrow + 0.33818 * narrow**3 + 0.06793 * narrow**5 - 0.02287 * narrow**6


def theory(shaft: float = SHAFT) -> float:
    """Slowest rate (/ms) of head, neck as a line, and shaft; access resistances at both ends of the neck."""
    area = math.pi * WIDE**2 / 4

    def balance(rate: float) -> float:
        k, open_end = math.sqrt(rate / D), 1 / (2 * WIDE)
        # from the head: concentration 1, what leaves it is rate × volume; then along the neck, then into the shaft
        flux = rate * HEAD.volume / D
        c, slope = 1 - flux * open_end * fock(WIDE / HEAD.size[0]), -flux / area
        c, slope = (
            c * math.cos(k * LONG) + slope * math.sin(k * LONG) / k,
            -c * k * math.sin(k * LONG) + slope * math.cos(k * LONG),
        )
        flux = -slope * area
        return rate * shaft * (c - flux * open_end) + D * flux

    guess = D / neck_resistance([(WIDE, LONG)], [WIDE] * 2) / HEAD.volume
    return float(brentq(balance, 0.3 * guess, 3 * guess))


def observed(simulation: Simulation, shaft: float = SHAFT) -> float:
    """Rate (/ms) at which head and neck relax to their share, over the second half of the run; all ions are there."""
    simulation.run()
    results = simulation.results
    n, time = results.counts("spine", "Ca"), results.time
    for site in simulation.orchestrator.ledger().sites:
        assert abs(site.imbalance) <= 1e-9 * IONS
    assert n[-1] + results.counts("shaft", "Ca")[-1] == pytest.approx(IONS, rel=1e-12)
    assert results.entered("spine", "Ca")[-1] == pytest.approx(n[-1] - IONS, rel=1e-12)
    left = n - IONS * SPINE.geometry.volume / (SPINE.geometry.volume + shaft)
    middle = len(n) // 2
    return float(np.log(left[middle] / left[-1]) / (time[-1] - time[middle]))


def test_the_mesh_has_the_volumes_the_membrane_and_the_opening() -> None:
    mesh = (domain := build_spine_domain(SPINE, 0.06)).mesh
    assert domain.neck_opening is not None and domain.membrane is not None
    assert domain.sizes()[0] == pytest.approx(SPINE.geometry.volume, rel=1e-12)
    # sides of polygons of the same area: wider by a little
    assert 1 < domain.sizes()[1] / SPINE.geometry.area < 1.02
    at = mesh.geometry.x[dolfinx.mesh.entities_to_geometry(mesh, 2, domain.neck_opening)]
    area = np.linalg.norm(np.cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(math.pi * WIDE**2 / 4, rel=1e-12) and (at[:, :, 2] == 0).all()
    assert len(domain.membrane) + len(domain.neck_opening) < len(exterior_facets(mesh)), "tops reflect"


def test_the_segments_of_both_are_head_and_neck() -> None:
    found = HeadWithNeck.within(SPINE.geometry, WIDE, LONG)
    assert found.head.size == pytest.approx(HEAD.size, rel=1e-12)


def test_head_and_neck_relax_into_the_shaft_as_theory_has_it(tmp_path: Path) -> None:
    rate = theory()
    found = [observed(filled(experiment(tmp_path, window))) for window in (1.0, 0.5, 0.25)]
    assert abs(found[-1] / rate - 1) < 0.02, (found, rate)
    finest = found[-1] - (found[-2] - found[-1])  # the exchange is of order 1 in the window
    assert abs((found[0] - finest) / (found[1] - finest) - 2) < 0.5, found
    assert abs(finest / rate - 1) < abs(found[0] / rate - 1)
    neck = SPINE.geometry.volume / HEAD.volume  # controls: no access, and the neck as part of the well
    without = D / neck_resistance([(WIDE, LONG)]) * (1 / HEAD.volume + 1 / SHAFT)
    assert abs(without / rate - 1) > 0.02 and neck > 1.02


@pytest.mark.parametrize(
    "through",
    [
        {"diameter": "0.1 um", "length": "0.5 um"},
        {"diameter": "0.1 um", "length": "0 um"},
        {"diameter": "0.2 um", "length": "0 um", "ends": 1},
        {"conductance": "0.003 um^3/ms"},
    ],
)
def test_a_link_that_would_count_the_neck_twice(tmp_path: Path, through: Any) -> None:
    words = (
        r'link\[0\].through: "spine" holds its neck of 0.1 x 0.5 um, which would count twice: .* length = "0 um", ends'
    )
    with pytest.raises(InputError, match=words):
        Simulation.in_memory(experiment(tmp_path, 0.5, through))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"neck": OPTIONS["neck"]}, r"pde: neck: give head = \{ diameter, length \} too"),
        ({"head": OPTIONS["head"]}, "head: only with a neck"),
        ({**OPTIONS, "cells": "triangle"}, 'neck: built in for cells = "tetrahedron" only'),
        ({**OPTIONS, "neck": {"diameter": "0.6 um", "length": "0.5 um"}}, "must be thinner than the head"),
    ],
)
def test_necks_that_do_not_fit(tmp_path: Path, options: Any, words: str) -> None:
    content = {"diameter": options["neck"]["diameter"] if "neck" in options else "0.1 um", "length": "0 um", "ends": 1}
    with pytest.raises(InputError, match=words):
        Simulation.in_memory(experiment(tmp_path, 0.5, content, **options))


def test_a_neck_that_leaves_no_head() -> None:
    with pytest.raises(InputError, match="leaves no head that is wider: name the segments of both"):
        HeadWithNeck.within(HEAD, 0.1, 0.5)
    with pytest.raises(InputError, match="this is a box"):
        HeadWithNeck.within(Geometry.box(1, 1, 1), 0.1, 0.5)


def test_the_opening_that_a_file_names(tmp_path: Path) -> None:
    """The same spine by gmsh crosses its opening as the built-in one does."""
    gmsh = pytest.importorskip("gmsh", exc_type=(ImportError, OSError))
    gmsh.initialize(interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("Mesh.MeshSizeMax", 0.1)
    gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 16)
    head = gmsh.model.occ.addCylinder(0, 0, LONG, 0, 0, HEAD.size[1], HEAD.size[0] / 2)
    neck = gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, LONG, WIDE / 2)
    ((_, body),), _ = gmsh.model.occ.fuse([(3, head)], [(3, neck)])
    gmsh.model.occ.synchronize()
    low = [t for _, t in gmsh.model.getBoundary([(3, body)], oriented=False)
           if gmsh.model.occ.getCenterOfMass(2, t)[2] < 0.01]  # fmt: skip
    gmsh.model.addPhysicalGroup(3, [body], name="spine")
    gmsh.model.addPhysicalGroup(2, low, name="opening")
    gmsh.model.mesh.generate(3)
    gmsh.write(str(tmp_path / "spine.msh"))
    gmsh.finalize()
    d = 2 * math.sqrt(SPINE.geometry.volume / math.pi)
    whole = {"cylinder": {"diameter": f"{d} um", "length": "1 um"}}
    made = filled(experiment(tmp_path, 0.5, geometry=whole, mesh="spine.msh"))
    assert abs(observed(made) / observed(filled(experiment(tmp_path, 0.5))) - 1) < 0.02


def test_a_saved_opening_goes_on_to_the_bit(tmp_path: Path) -> None:
    first, second = (filled(experiment(tmp_path, 0.5)) for _ in range(2))
    e, f = (next(x for x in s.system.engines if isinstance(x, ReactionDiffusion)) for s in (first, second))
    e.write("influx_opening", -20.0)
    e.advance(3)
    f.restore(e.save())
    assert f.read("counts_opening").tobytes() == e.read("counts_opening").tobytes()
    for x in (e, f):
        x.write("influx_opening", 5.0)
        x.advance(3)
    assert f.read("counts_opening").tobytes() == e.read("counts_opening").tobytes()
    assert f.field(0, "Ca").tobytes() == e.field(0, "Ca").tobytes()


CELL = """
from neuron import h

def build():
    dend = h.Section(name="dend")
    dend.L, dend.diam, dend.nseg = 3.0, 1.0, 3
    dend.insert("pas")
    return dend
"""


def test_on_a_shaft_of_finite_elements_under_neuron(tmp_path: Path) -> None:
    """Head and neck of a [[spine]] as one mesh, the dendrite as a line; ions exact, both even in the end."""
    (tmp_path / "cell.py").write_text(CELL)
    content = {
        "experiment": {"name": "pair", "duration": "40 ms", "exchange": "0.25 ms"},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "v_init": "-65 mV"},
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}, "initial": {"Ca": {"count": 0}}},
        "spine": [{"name": "spine", "place": {"on": "dend(0.5)", "count": 1, "spread": "even"},
                   "head": OPTIONS["head"], "neck": OPTIONS["neck"]}],
        "site": [
            {"name": "spine", "segment": ["spine_0.neck", "spine_0.head"], "engine": "pde",
             "pde": {"neck": OPTIONS["neck"]}},
            {"name": "shaft", "sections": ["dend"], "engine": "pde"},
        ],
        "link": [{"from": "spine.Ca", "to": "shaft.Ca", "through": END, "at": "dend(0.5)"}],
        "record": {"every": "0.5 ms"},
    }  # fmt: skip
    simulation = filled(Experiment.parse(content, path=tmp_path / "pair.toml"))
    shaft = 3 * math.pi / 4
    assert abs(observed(simulation, shaft) / theory(shaft) - 1) < 0.02
