"""A dendrite stepped by several ranks, piece by piece, has the fields that one process gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import csr_array

from adapters.fem.mesh.dendrite import mesh_dendrite
from adapters.fem.mesh.partition import partition_mesh, partition_nodes
from couple.geometry.cable import Branch
from support.dendrites import BUFFER, D_B, D_CA, OFF, ON, TREE
from support.paths import TESTS
from support.warm import python

MPIEXEC = Path(sys.executable).parent / "mpiexec"

SHARED = """
import json, sys
par = json.loads(sys.argv[1])
from couple.parallel.communicator import world
from adapters.fem.mesh.dendrite import mesh_dendrite
import numpy as np
from support.networks import build
from couple.geometry.cable import Branch
from adapters.fem.solver.distributed import DistributedStepper, HelperRank
from adapters.fem.solver.field_layout import classify_fields
from adapters.fem.solver.rosenbrock import ErrorTolerance, RosenbrockStepper
from adapters.fem.solver.system import WindowInputs
from couple.chemistry.network import Species
from couple.base.units import IONS_PER_MM_UM3

ca = {"Ca": 1}
species = [Species("Ca", par["D_CA"], contains=ca), Species("B", par["D_B"]), Species("CaB", par["D_B"], contains=ca),
           Species("P", on="membrane"), Species("CaP", on="membrane", contains=ca)]
equations = [("Ca + B <-> CaB", f"{par['ON']} /mM/ms", f"{par['OFF']} /ms"), ("Ca + P <-> CaP", "1.5e8 /M/s", "15 /s")]
fields = classify_fields(build(species, equations))

def end(degree, team=None, thin=0.0):
    "Fields, their totals before and after, and the last integrals."
    tree = [Branch(n, l, tuple(x - thin for x in r), p, a) for n, l, r, p, a in par["tree"]]
    d = mesh_dendrite(tree, 2, degree).discretisation
    s = RosenbrockStepper(d, fields)
    shared = None if team is None else DistributedStepper(s, None, team)
    y, base = s.new_state(), s.layout.first_unknown
    along = np.linalg.norm(d.places, axis=1)
    bump = 1e-4 + 2e-3 * np.exp(-(((along - 12.0) / 3.0) ** 2))
    for column, value in ((0, bump), (1, np.full(len(along), par["BUFFER"]))):
        y.mobile[base + fields.mobile_volume.index(column)] = value * IONS_PER_MM_UM3
    y.immobile_membrane[:, fields.immobile_membrane.index(3)] = 200.0
    before, tolerance, integrals = s.totals(y), ErrorTolerance(1e-6, 1e-5, 0), np.empty(len(s.columns))
    h, constants = 0.0, WindowInputs(np.zeros(len(y.mobile)), np.zeros(0), np.zeros(0))
    constants.load[base[7] + fields.mobile_volume.index(0)] = 40.0
    for _ in range(2):
        if shared is None:
            h = s.window(y, constants, 0.5, h, tolerance, integrals)
        else:
            h = shared.window(y, constants, 0.5, h, tolerance, integrals, s.watched)
    return {"x": y.mobile.reshape(len(d.places), -1), "fixed": y.immobile_membrane, "before": before,
            "after": s.totals(y), "integrals": integrals, "columns": s.columns}

ranks = world()
members = tuple(range(ranks.size))
if ranks.first:
    found = [(end(degree), end(degree, ranks.team(members))) for degree in (1, 2)]
    found.append((end(1), end(1, thin=1e-9)))
    print(json.dumps([[{k: v.tolist() for k, v in one.items()} for one in pair] for pair in found]))
else:
    for _ in (1, 2):
        helper = HelperRank("dendrite", ranks.team(members))
        for _ in range(2):
            helper.advance(1)
"""


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest, of the largest value of each field."""
    pairs = [(np.asarray(one[k]), np.asarray(other[k])) for k in ("x", "fixed", "after", "integrals")]
    return max(float((abs(a - b).max(axis=0) / abs(a).max(axis=0)).max()) for a, b in pairs)


@pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec beside this Python")
def test_two_ranks_agree_with_one() -> None:
    par = {"D_CA": D_CA, "D_B": D_B, "ON": ON, "OFF": OFF, "BUFFER": BUFFER,
           "tree": [[b.name, b.length, b.radii, b.parent, b.at] for b in TREE]}  # fmt: skip
    done = subprocess.run(
        [str(MPIEXEC), "-n", "2", *python("-c", SHARED, json.dumps(par))],
        capture_output=True, text=True, timeout=240, 
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    linear, square, thinner = json.loads(done.stdout.splitlines()[-1])
    for one, two in (linear, square):
        assert difference(one, two) < 1e-10
        entered = 2 * 0.5 * 40.0
        held = [
            sum(n for n, c in zip(two[k], two["columns"], strict=True) if c in (0, 2, 4)) for k in ("before", "after")
        ]
        assert abs(held[1] - held[0] - entered) < 1e-10 * held[1]
        assert np.ptp(np.asarray(one["x"])[:, 0]) > 0.1 * np.asarray(one["x"])[:, 0].max(), (
            "nothing varies in this test"
        )
    assert difference(*thinner) > 1e-10, "another radius would pass"


def comb(teeth: int) -> tuple[Branch, ...]:
    """A shaft with many branches, each with one of its own."""
    shaft = Branch("shaft", 40.0, (1.0,) * 40)
    branches = [shaft]
    for k in range(teeth):
        branches.append(Branch(f"tooth{k}", 3.0 + k, (0.4,) * 6, parent=0, at=(k + 1) / (teeth + 2)))
        branches.append(Branch(f"tip{k}", 2.0, (0.2,) * 4, parent=len(branches) - 1, at=0.5))
    return tuple(branches)


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("n", [2, 3, 7])
def test_pieces_are_even_hang_by_few_nodes_and_add_up(degree: int, n: int) -> None:
    d = mesh_dendrite(comb(16), 2, degree).discretisation
    pieces, N = partition_mesh(d, n), len(d.places)
    assert {int(p.own.sum()) for p in pieces} <= {N // n, N // n + 1}
    counted = np.zeros(N, dtype=int)
    for p in pieces:
        counted[p.nodes_of_mesh[p.own]] += 1
        inner = len(p.nodes) - len(p.between)
        alone = np.setdiff1d(np.arange(N), p.nodes_of_mesh)
        # an inner node has no neighbour elsewhere
        assert not csr_array(d.mass)[p.nodes_of_mesh[:inner]][:, alone].nnz
    assert (counted == 1).all()
    assert pieces[0].n_between <= 2 * degree * (n - 1) * np.log2(N)
    for name in ("mass", "stiffness", "membrane_mass", "membrane_stiffness"):
        whole = getattr(d, name)
        total = np.zeros(whole.shape)
        for p in pieces:
            total[np.ix_(p.nodes_of_mesh, p.nodes_of_mesh)] += getattr(p, name).toarray()
        assert np.array_equal(total, whole.toarray()), name


def test_a_walk_that_visits_small_branches_first_leaves_few_edges_behind() -> None:
    graph = csr_array(mesh_dendrite(comb(60), 2).discretisation.mass)

    def cuts(piece: npt.NDArray[np.int64]) -> int:
        rows, columns = graph.nonzero()
        return int((piece[rows] < piece[columns]).sum())

    n = graph.shape[0]
    walk = partition_nodes(graph, n)
    assert max(cuts((walk >= k).astype(np.int64)) for k in range(1, n)) <= np.log2(n)
    across = np.random.default_rng(1).permutation(n) * 2 // n  # control: halves at random
    assert cuts(across) > 10 * np.log2(n)
