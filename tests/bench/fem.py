"""Cost of a time step of `pde` against bare DOLFINx and PETSc doing the same: assemble, factor, solve.

    uv run --group bench python tests/bench/fem.py

The peer is the UFL form of the same equations with its Jacobian by automatic differentiation, compiled once, assembled
into matrices and vectors that are reused, solved by the same PETSc factorisation. A step of `pde` has six stages: the
peer assembles and factors its Jacobian once, and assembles its residual and solves six times.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from figures import interleaved, median_of, report

sys.path.insert(0, str(Path(__file__).parent.parent))
from adapters.fem.cable_pde import CableReactionDiffusion
from adapters.fem.field_engine import FieldOptions
from adapters.fem.mesh.library.dolfinx_import import MPI, PETSc, basix, dolfinx, ufl
from adapters.fem.pde import ReactionDiffusion
from adapters.fem.solver.petsc_lu import SUPERNODES
from adapters.fem.solver.system import WindowInputs
from adapters.wellmixed.ode.kernel import GAMMA, STAGES
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.cable import Branch, Cable
from couple.geometry.geometry import Geometry
from support.networks import build, spine, spine_site

importlib.import_module("dolfinx.fem.petsc")  # after dolfinx_solver

BOX = Geometry.box(0.5, 0.5, 0.5)
H = 0.01
ROUNDS = 7


def network(*, reacting: bool) -> ReactionNetwork:
    species = [
        Species(name, D, contains=c) for name, D, c in (("A", 0.2, {"X": 1}), ("B", 0.1, {}), ("C", 0.05, {"X": 1}))
    ]
    return build(species, [("A + B <-> C", "1e8 /M/s", "100 /s")] if reacting else [])


def engine(chemistry: ReactionNetwork, resolution: str, degree: int) -> ReactionDiffusion:
    options = FieldOptions.model_validate({"cells": "tetrahedron", "resolution": resolution, "degree": degree})
    return ReactionDiffusion(EngineSetup("x", chemistry, (Site("s", BOX, (600, 500, 400)),), 0.1, options=options))


def dendrite(chemistry: ReactionNetwork, length: float, degree: int) -> ReactionDiffusion:
    """A site along sections: a trunk of that length with two branches, in cells of 0.25 µm."""
    n = round(length)
    tree = tuple(
        Branch(name, length, (r,) * n, parent) for name, r, parent in (("a", 0.5, -1), ("b", 0.4, 0), ("c", 0.3, 0))
    )
    cable = Cable(tree, tuple(f"{b.name}({i})" for b in tree for i in range(n)))
    options = FieldOptions.model_validate({"resolution": "0.25 um", "degree": degree})
    return CableReactionDiffusion(
        EngineSetup("x", chemistry, (Site("s", cable.geometry, (6000, 5000, 4000), cable),), 0.1, options=options)
    )


def ours(e: ReactionDiffusion) -> Callable[[], object]:
    """One step, state as it is."""
    s, y = e.steppers[0], e.densities[0]
    constants = WindowInputs(np.zeros(len(y.mobile)), np.zeros(0), np.zeros(0))
    s.step(y, constants, H)
    return lambda: s.step(y, constants, H)


def bare(e: ReactionDiffusion, *, reacting: bool) -> Callable[[], object]:
    """The same in DOLFINx and PETSc."""
    mesh, degree = e.discretisation().domain.mesh, e.discretisation().space.element.basix_element.degree
    element = basix.ufl.element("Lagrange", mesh.basix_cell(), degree, shape=(3,))
    space = dolfinx.fem.functionspace(mesh, element)
    u, v = dolfinx.fem.Function(space), ufl.TestFunction(space)
    u.x.array[:] = e.densities[0].mobile
    a, b, c = ufl.split(u)
    shift = dolfinx.fem.Constant(mesh, 1 / (H * GAMMA))
    flow = sum(D * ufl.inner(ufl.grad(u[k]), ufl.grad(v[k])) for k, D in enumerate((0.2, 0.1, 0.05)))
    k_on, k_off = (float(r) for r in e._fields.volume_reactions.rate) if reacting else (0.0, 0.0)
    speed = k_on * a * b - k_off * c
    w = e.discretisation().domain.weight(ufl.SpatialCoordinate(mesh))
    residual = flow * w * ufl.dx + (speed * (v[0] + v[1] - v[2]) * w * ufl.dx if reacting else 0)
    trial = ufl.TrialFunction(space)
    slope = ufl.derivative(residual, u, trial) + shift * ufl.inner(trial, v) * w * ufl.dx
    F, J = dolfinx.fem.form(residual), dolfinx.fem.form(slope)
    matrix = dolfinx.fem.petsc.create_matrix(J)
    right, left = PETSc.Vec().createSeq(len(u.x.array)), PETSc.Vec().createSeq(len(u.x.array))
    solver = PETSc.PC().create(MPI.COMM_SELF)
    solver.setOperators(matrix)
    solver.setType("lu")
    line = mesh.topology.dim == 1
    solver.setFactorSolverType("mumps" if len(u.x.array) > SUPERNODES and not line else "petsc")
    if line:
        solver.setFactorOrdering("rcm")

    def assemble() -> None:
        matrix.zeroEntries()
        dolfinx.fem.petsc.assemble_matrix(matrix, J)
        matrix.assemble()
        solver.setUp()

    def step() -> None:
        if reacting:
            assemble()
        for _ in range(STAGES):
            with right.localForm() as local:
                local.set(0.0)
            dolfinx.fem.petsc.assemble_vector(right, F)
            solver.apply(right, left)

    assemble()
    return step


def compare(name: str, reacting: bool, resolution: str, degree: int, repeats: int) -> None:
    measure(name, engine(network(reacting=reacting), resolution, degree), reacting, repeats)


def measure(name: str, e: ReactionDiffusion, reacting: bool, repeats: int) -> None:
    tasks = {"ours": ours(e), "bare": bare(e, reacting=reacting)}

    def several(task: Callable[[], object]) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: [task() for _ in range(repeats)]

    seconds = interleaved({key: several(task) for key, task in tasks.items()}, ROUNDS)
    unknowns = len(e.densities[0].mobile)
    report(f"pde step / bare DOLFINx + PETSc, {name}, {unknowns} unknowns",
           median_of(lambda a, b: a / b, seconds["ours"], seconds["bare"]), "", 1.15)  # fmt: skip
    report(f"pde step, {name}", median_of(lambda a: 1e3 * a / repeats, seconds["ours"]), "ms CPU")


def windows(name: str, options: dict[str, Any], repeats: int) -> None:
    """A window of 0.1 ms of the chemistry of a spine under influx."""
    chemistry = spine()
    setup = EngineSetup(
        "x", chemistry, (spine_site(chemistry),), 0.1, ("Ca",), options=FieldOptions.model_validate(options)
    )
    e = ReactionDiffusion(setup)
    e.write("influx", 5.0)

    def advance() -> None:
        for _ in range(repeats):
            e.advance(1)

    advance()
    seconds = interleaved({"pde": lambda: advance}, 3)
    report(f"window of 0.1 ms, spine, {name}", median_of(lambda a: 1e3 * a / repeats, seconds["pde"]), "ms CPU")


if __name__ == "__main__":
    compare("A + B <-> C, degree 1", True, "0.06 um", 1, 3)
    compare("A + B <-> C, degree 2", True, "0.1 um", 2, 2)
    compare("diffusion only, factors kept, degree 1", False, "0.06 um", 1, 10)
    measure("dendrite of 3 x 20 um", dendrite(network(reacting=True), 20.0, 1), True, 20)
    measure("dendrite of 3 x 500 um", dendrite(network(reacting=True), 500.0, 1), True, 2)
    windows("shells (default)", {}, 30)
    windows("half plane", {"cells": "triangle"}, 5)
    windows("tetrahedra, 100 nm", {"cells": "tetrahedron", "resolution": "100 nm"}, 2)
