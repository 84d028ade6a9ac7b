"""Calcium in a branched dendrite: the mesh, its order, and NEURON's own rxd on the same sections."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters.fem.cable_pde import CableReactionDiffusion
from adapters.fem.field_engine import FieldOptions
from adapters.fem.mesh.dendrite import Dendrite, mesh_dendrite
from adapters.fem.pde import ReactionDiffusion
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.experiment import Experiment
from couple.geometry.cable import Branch
from couple.simulation.simulation import Simulation
from support.dendrites import BUFFER, D_B, D_CA, OFF, ON, TREE
from support.networks import build


def start(distance: np.ndarray) -> np.ndarray:
    """Calcium at the start, mM, by distance from the root along the tree (µm)."""
    return np.asarray(1e-4 + 2e-3 * np.exp(-(((distance - 24.0) / 4.0) ** 2)))


def distances(dendrite: Dendrite) -> np.ndarray:
    """(N,) distance of each node from the root along the tree, µm."""
    found = np.zeros(len(dendrite.discretisation.places))
    for k, b in enumerate(dendrite.branches):
        base = 0.0 if b.parent < 0 else found[dendrite.nodes[k][0]]
        found[dendrite.nodes[k]] = base + dendrite.positions[k] * b.length
    return found


def after(dendrite: Dendrite, time: float) -> np.ndarray:
    """(N,) calcium in mM after `time` ms of diffusion and binding."""
    species = [Species("Ca", D_CA, contains={"Ca": 1}), Species("B", D_B), Species("CaB", D_B, contains={"Ca": 1})]
    network = build(species, [("Ca + B <-> CaB", f"{ON} /mM/ms", f"{OFF} /ms")])
    setup = EngineSetup(
        "x", network, (Site("shaft", dendrite.geometry, (0, 0, 0)),), time, options=FieldOptions(rtol=1e-6)
    )
    e = ReactionDiffusion(setup, meshes={"shaft": dendrite.discretisation})
    e.write_field(0, "Ca", start(distances(dendrite)) * IONS_PER_MM_UM3)
    e.write_field(0, "B", BUFFER * IONS_PER_MM_UM3)
    held = e.read("counts")[0] @ network.contents("Ca")
    e.advance(1)
    assert e.read("counts")[0] @ network.contents("Ca") == pytest.approx(held, rel=1e-12)
    return e.field(0, "Ca") / IONS_PER_MM_UM3


def centres(dendrite: Dendrite, values: np.ndarray) -> np.ndarray:
    """Values at the centres of all segments, branch by branch."""
    return np.array(
        [
            values[dendrite.node(k, (i + 0.5) / len(b.radii))]
            for k, b in enumerate(dendrite.branches)
            for i in range(len(b.radii))
        ]
    )


def test_volume_area_and_quality() -> None:
    d = mesh_dendrite(TREE, cells=2)
    volume = sum(math.pi * b.radii[0] ** 2 * b.length for b in TREE)
    area = sum(2 * math.pi * b.radii[0] * b.length for b in TREE)
    assert d.geometry.volume == pytest.approx(volume, rel=1e-12)
    assert d.geometry.area == pytest.approx(area, rel=1e-12)
    assert d.discretisation.volumes.sum() == pytest.approx(volume, rel=1e-12)
    assert d.quality() == pytest.approx({"cells": 206, "shortest": 0.25, "longest": 0.25, "largest_jump": 1.0})


def test_order_two_in_space() -> None:
    coarse = tuple(Branch(b.name, b.length, b.radii[: max(3, len(b.radii) // 5)], b.parent, b.at) for b in TREE)
    found = [centres(d, after(d, 5.0)) for d in (mesh_dendrite(coarse, cells=n) for n in (2, 4, 8, 64))]
    errors = [np.abs(f - found[-1]).max() for f in found[:-1]]
    order = -np.polyfit(np.log([2, 4, 8]), np.log(errors), 1)[0]
    assert abs(order - 2) < 0.2


RXD = """
import json, math, sys
import numpy as np
from neuron import h, rxd
h.load_file("stdrun.hoc")
tree, par, refine = json.loads(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
sections, base = [], []
for name, length, radii, parent, at in tree:
    s = h.Section(name=name)
    s.L, s.nseg, s.diam = length, len(radii) * refine, 2 * radii[0]
    if parent >= 0:
        s.connect(sections[parent](at), 0)
    base.append(0.0 if parent < 0 else base[parent] + at * tree[parent][1])
    sections.append(s)
where = rxd.Region(sections, nrn_region="i")
def ca(node):
    d = base[[s.name() for s in sections].index(node.segment.sec.name())] + node.segment.x * node.segment.sec.L
    return 1e-4 + 2e-3 * math.exp(-((d - 24.0) / 4.0) ** 2)
Ca = rxd.Species(where, name="Ca", d=par["D_CA"], initial=ca)
B = rxd.Species(where, name="B", d=par["D_B"], initial=par["BUFFER"])
CaB = rxd.Species(where, name="CaB", d=par["D_B"], initial=0.0)
r = rxd.Reaction(Ca + B, CaB, par["ON"], par["OFF"])
h.dt = 0.0025  # backward Euler
h.finitialize(-65)
while h.t < 5.0 - 1e-9:
    h.fadvance()
print(json.dumps([float(np.mean([Ca.nodes(s((i * refine + k + .5) / s.nseg)).concentration[0] for k in
                  ([refine // 2] if refine % 2 else [refine // 2 - 1, refine // 2])]))
                  for s in sections for i in range(s.nseg // refine)]))
"""


def rxd(folder: Path, refine: int) -> np.ndarray:
    tree = [[b.name, b.length, b.radii, b.parent, b.at] for b in TREE]
    par = {"D_CA": D_CA, "D_B": D_B, "ON": ON, "OFF": OFF, "BUFFER": BUFFER}
    done = subprocess.run(
        [sys.executable, "-c", RXD, json.dumps(tree), json.dumps(par), str(refine)],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="NEURON's rxd compiles its reactions")
def test_against_neurons_own_rxd(tmp_path: Path) -> None:
    """Diffusion and a buffer on the same sections: within 1 % of the local value everywhere."""
    theirs = rxd(tmp_path, 3)
    dendrite = mesh_dendrite(TREE, cells=2)
    ours = centres(dendrite, after(dendrite, 5.0))
    assert theirs.max() > 5 * theirs.min(), "nothing varies in this test"
    assert abs(start(distances(dendrite)).max() / theirs.max() - 1) > 0.2, "nothing happens in this test"
    assert (abs(ours / theirs - 1) < 0.01).all()
    thin = mesh_dendrite([TREE[0], Branch("left", 15.5, (0.27,) * 31, 0), *TREE[2:]], cells=2)
    assert (abs(centres(thin, after(thin, 5.0)) / theirs - 1) > 0.01).any(), "a thinner branch would pass"


TWO = """
from neuron import h

def build():
    a, b = h.Section(name="a"), h.Section(name="b")
    a.L, a.diam, a.nseg, b.L, b.diam, b.nseg = 10, 2, 5, 4, 1, 3
    b.connect(a(0.45), 0)
    return a, b
"""


def test_sections_of_neuron(tmp_path: Path) -> None:
    """Membrane and volume are NEURON's; a branch grows from the centre of a segment, as it does there."""
    (tmp_path / "cell.py").write_text(TWO)
    content = {
        "experiment": {"name": "two", "duration": "1 ms", "exchange": "0.1 ms"},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "v_init": "-65 mV"},
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s"}}, "initial": {"Ca": {"count": 9}}},
        "site": [{"name": "shaft", "sections": ["b", "a"], "engine": "pde"}],
    }
    simulation = Simulation.in_memory(Experiment.parse(content, path=tmp_path / "two.toml"))
    (shaft,) = simulation.system.engines
    assert isinstance(shaft, CableReactionDiffusion)
    from neuron import h

    a, b = (next(s for s in h.allsec() if s.name() == name) for name in "ab")
    g, branches = shaft.dendrite.geometry, shaft.dendrite.branches
    assert g.area == pytest.approx(sum(s.area() for sec in (a, b) for s in sec), rel=1e-12)
    assert g.volume == pytest.approx(sum(s.volume() for sec in (a, b) for s in sec), rel=1e-12)
    grown = branches[[x.name for x in branches].index("b")]
    assert grown.at == pytest.approx(0.5) and branches[grown.parent].name == "a"


def test_branches_that_cannot_be_meshed() -> None:
    with pytest.raises(InputError, match=r"in 2 pieces \(a, b\): give those of one tree"):
        mesh_dendrite([Branch("a", 1.0, (0.5,)), Branch("b", 1.0, (0.5,))])
    ring = [Branch("r", 1.0, (0.5,)), Branch("a", 1.0, (0.5,), 2), Branch("b", 1.0, (0.5,), 1)]
    with pytest.raises(InputError, match="a, b grow from each other in a ring"):
        mesh_dendrite(ring)
