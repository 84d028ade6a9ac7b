"""Cost of a time step of the law of a field against bare DOLFINx and PETSc doing the same; forms compiled once.

    uv run --group bench python tests/bench/fields.py

The peer writes the same weak form of diffusion in UFL, lets UFL differentiate it, assembles into matrices and vectors
that are reused, and solves with the same PETSc factorisation: implicit Euler by Newton's method from the same state to
the same tolerance. A second process must find all forms on disk.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from figures import interleaved, median_of, report

from adapters.fem.field_basis.basis import MeshBasis
from adapters.fem.field_basis.measures import QUADRATURE
from adapters.fem.field_basis.meshes import box, interval
from adapters.fem.mesh.library.dolfinx_import import MPI, PETSc, dolfinx, ufl
from adapters.fem.solver.petsc_lu import SUPERNODES
from reducers.fields.laws.law import FieldLaw, diffusion
from reducers.fields.laws.stepper import CLOSE, RISE, FieldStepper

importlib.import_module("dolfinx.fem.petsc")  # after dolfinx_solver

D, H, ROUNDS = 0.3, 0.02, 9


def start_of(basis: MeshBasis) -> np.ndarray:
    return 2 * np.cos(3 * basis.places[:, 0]) + basis.places[:, -1] ** 2


def ours(basis: MeshBasis) -> Callable[[], np.ndarray]:
    law = FieldLaw(("A",), [diffusion(("A",))])
    law.assign(np.array([D]))
    stepper = FieldStepper(basis, law, method="euler")
    nu, times = start_of(basis)[None], np.array([0.0, H])
    return lambda: stepper.solve(nu, times).nu[-1, 0]


def bare(basis: MeshBasis) -> Callable[[], np.ndarray]:
    mesh, space = basis.mesh, basis.space
    nu, u, v = dolfinx.fem.Function(space), ufl.TrialFunction(space), ufl.TestFunction(space)
    f0, f1, f2, h = (dolfinx.fem.Constant(mesh, x) for x in (0.0, -D, D, H))
    dx = ufl.dx(domain=mesh, metadata={"quadrature_degree": QUADRATURE})
    slope = ufl.grad(nu)
    gain = f2 * ufl.dot(slope, ufl.grad(v)) - f0 * v - (f1 + f2) * ufl.dot(slope, slope) * v
    weight = dolfinx.fem.form(ufl.exp(-nu) * v * dx)
    residual = ufl.exp(-nu) * v * dx - h * ufl.exp(-nu) * gain * dx
    F, J = dolfinx.fem.form(residual), dolfinx.fem.form(ufl.derivative(residual, nu, u))
    matrix = dolfinx.fem.petsc.create_matrix(J)
    n = basis.size
    right, left, known = (PETSc.Vec().createSeq(n) for _ in range(3))
    solver = PETSc.PC().create(MPI.COMM_SELF)
    solver.setOperators(matrix)
    solver.setType("lu")
    solver.setFactorSolverType("mumps" if n > SUPERNODES else "petsc")
    start = start_of(basis)

    def assembled(vector: PETSc.Vec, form: object) -> None:
        with vector.localForm() as local:
            local.set(0.0)
        dolfinx.fem.petsc.assemble_vector(vector, form)

    def step() -> np.ndarray:
        nu.x.array[:] = start
        assembled(known, weight)
        while True:
            assembled(right, F)
            right.axpy(-1.0, known)
            matrix.zeroEntries()
            dolfinx.fem.petsc.assemble_matrix(matrix, J)
            matrix.assemble()
            solver.setUp()
            solver.apply(right, left)
            change = left.array_r
            nu.x.array[:] -= np.where(change > RISE, np.log1p(np.maximum(change, RISE)), change)
            if np.abs(change).max() <= CLOSE:
                assembled(known, weight)  # where the next step begins
                return np.array(nu.x.array)

    return step


def compare(name: str, basis: MeshBasis, repeats: int) -> None:
    tasks = {"ours": ours(basis), "bare": bare(basis)}
    assert np.allclose(tasks["ours"](), tasks["bare"](), atol=1e-10), "the same step"

    def several(task: Callable[[], object]) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: [task() for _ in range(repeats)]

    seconds = interleaved({key: several(task) for key, task in tasks.items()}, ROUNDS)
    report(f"step of a law / bare DOLFINx + PETSc, {name}, {basis.size} unknowns",
           median_of(lambda a, b: a / b, seconds["ours"], seconds["bare"]), "", 1.15)  # fmt: skip
    report(f"step of a law, {name}", median_of(lambda a: 1e3 * a / repeats, seconds["ours"]), "ms CPU")


def compilation() -> None:
    """A first and a second process with an empty cache; the number of libraries that the second one adds."""
    code = (
        "import numpy as np; from adapters.fem.field_basis.meshes import interval;"
        "from reducers.fields.laws.law import FieldLaw, diffusion;"
        "from reducers.fields.laws.stepper import FieldStepper;"
        "b = interval(0.0, 1.0, 9); law = FieldLaw(('A',), [diffusion(('A',))]); law.assign(np.array([1.0]));"
        "s = FieldStepper(b, law); p = s.solve(np.zeros((1, 10)), np.array([0.0, 1.0]), keep=True);"
        "s.pull_back(p, np.ones((2, 1, 10)))"
    )
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for name in ("first", "second"):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "XDG_CACHE_HOME": folder})
            report(f"forms of a field in one dimension, {name} process", time.perf_counter() - begin, "s")
            made.append(len(list(Path(folder).rglob("*.so"))))
        report("forms that a second process compiles", made[1] - made[0], "", 0)


if __name__ == "__main__":
    compare("line", interval(0.0, 1.0, 2000), 10)
    compare("triangles", box((1.0, 1.0), 0.02), 5)
    compare("tetrahedra", box((1.0, 1.0, 1.0), 0.1), 3)
    compilation()
