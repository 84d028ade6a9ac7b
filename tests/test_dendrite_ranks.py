"""A dendrite shared by two processes gives the same field as one process alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_dendrite import BUFFER, D_B, D_CA, OFF, ON, TREE

from couple.cable import Branch

ROOT = Path(__file__).parent.parent

SHARED = """
import json, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests"]
par = json.loads(sys.argv[2])
from adapters.fem.importing import MPI
import numpy as np
from networks import build
from adapters.fem.dendrite import mesh_dendrite
from couple.cable import Branch
from adapters.fem.fields import fields_of
from adapters.fem.ranks import SharedStepper
from adapters.fem.stepping import Constants, Tolerance
from couple.network import Species
from couple.units import IONS_PER_MM_UM3

tree = [Branch(n, l, tuple(r), p, a) for n, l, r, p, a in par["tree"]]
d = mesh_dendrite(tree, 2, comm=MPI.COMM_WORLD).discretisation
ca = {"Ca": 1}
species = [Species("Ca", par["D_CA"], contains=ca), Species("B", par["D_B"]), Species("CaB", par["D_B"], contains=ca),
           Species("P", on="membrane"), Species("CaP", on="membrane", contains=ca)]
equations = [("Ca + B <-> CaB", f"{par['ON']} /mM/ms", f"{par['OFF']} /ms"), ("Ca + P <-> CaP", "1.5e8 /M/s", "15 /s")]
fields = fields_of(build(species, equations))
s = SharedStepper(d, fields)
y, base = s.new_state(), s.layout.base
along = np.linalg.norm(d.places, axis=1)
bump = 1e-4 + 2e-3 * np.exp(-(((along - 12.0) / 3.0) ** 2))
for name, value in (("Ca", bump), ("B", np.full(len(along), par["BUFFER"]))):
    y.x[base + fields.moving.index(["Ca", "B", "CaB"].index(name))] = value * IONS_PER_MM_UM3
y.fixed[:, fields.fixed.index(3)] = 200.0
before = s.totals(y)
h, idle = 0.0, Constants(np.zeros(len(y.x)), np.zeros(0), np.zeros(0))
for _ in range(10):
    h = s.window(y, idle, 0.5, h, Tolerance(1e-7, 1e-6, 0), np.empty(len(s.columns)))
after, own = s.totals(y), d.space.dofmap.index_map.size_local
width = s.layout.moving + s.layout.sliding
rows = np.column_stack([d.places[:own], y.x.reshape(-1, width)[:own], y.fixed[:own]])
gathered = MPI.COMM_WORLD.gather(rows, 0)
if MPI.COMM_WORLD.rank == 0:
    print(json.dumps({"rows": np.concatenate(gathered).tolist(), "own": [len(g) for g in gathered],
                      "before": before.tolist(), "after": after.tolist(), "columns": s.columns.tolist()}))
"""


def shared(processes: int, tree: tuple[Branch, ...] = TREE) -> dict[str, list[float]]:
    """What a run on so many processes ends with, nodes in order of their places."""
    par = {"D_CA": D_CA, "D_B": D_B, "ON": ON, "OFF": OFF, "BUFFER": BUFFER,
           "tree": [[b.name, b.length, b.radii, b.parent, b.at] for b in tree]}  # fmt: skip
    mpiexec = Path(sys.executable).parent / "mpiexec"
    if not mpiexec.exists():
        pytest.skip("no mpiexec beside this Python")
    done = subprocess.run(
        [str(mpiexec), "-n", str(processes), sys.executable, "-c", SHARED, str(ROOT), json.dumps(par)],
        capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    rows = np.array(found["rows"])
    found["rows"] = rows[np.lexsort(np.round(rows[:, :3], 6).T)]
    return dict(found)


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    one, two = shared(1), shared(2)
    assert len(two["own"]) == 2 and min(two["own"]) > 20, "the mesh is shared"
    a, b = np.asarray(one["rows"]), np.asarray(two["rows"])
    assert a.shape == b.shape and np.allclose(a[:, :3], b[:, :3], atol=1e-9)
    size = abs(a[:, 3:]).max(axis=0)
    worst = (abs(a - b)[:, 3:] / size).max()
    print(f"largest difference {worst:.1e} of the largest value")
    assert worst < 1e-10
    assert np.ptp(a[:, 3]) > 0.1 * a[:, 3].max(), "nothing varies in this test"
    for found in (one, two):  # calcium, free and bound
        held = [
            sum(n for n, c in zip(found[k], found["columns"], strict=True) if c in (0, 2, 4))
            for k in ("before", "after")
        ]
        assert abs(held[1] / held[0] - 1) < 1e-10
    thin = shared(1, (*TREE[:3], Branch("twig", 6.0, (0.1501,) * 12, parent=1, at=0.5)))
    assert (abs(np.asarray(thin["rows"]) - a)[:, 3:] / size).max() > 1e-10, "another radius would pass"
