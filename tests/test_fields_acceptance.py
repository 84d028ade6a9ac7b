"""What the fields promise, at length: laws from lattice particles alone, and moving bumps against the baselines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from adapters.fem.basis import MeshBasis
from adapters.fem.field_meshes import build_basis, disc, interval, spine
from adapters.lattice.paper.run import run as lattice_run
from couple.network import Reaction, ReactionNetwork, Species
from reducers.fields.baselines import difference, homogeneous, kernel_density
from reducers.fields.guess import guess, start_fields
from reducers.fields.law import FieldLaw, constants
from reducers.fields.learn import Ensemble, LearnedLaw, Learner
from reducers.fields.particles import Loads, Particles, log_likelihoods
from reducers.fields.stepping import Stepper
from reducers.fields.validate import choose, folds_of

Floats = npt.NDArray[np.float64]

pytestmark = pytest.mark.acceptance

# -- laws from the lattice ----------------------------------------------------------------------------------------

WIDTH, HEIGHT, EACH = 241, 120, 30


def lattice_particles(runs: int, decay: float, seed: int) -> Particles:
    """Particles of the paper's lattice that start on one column: a point source along x, one hop a step, D = 1/4.

    Few share a column (30 of 120 sites at the start, as in a dilute gas later), each row is periodic.
    """
    reactions = [Reaction(("A",), (), decay, per="step")] if decay else []
    network = ReactionNetwork([Species("A")], reactions)
    rng = np.random.default_rng(seed)
    places, run, row = [], [], []
    for k in range(runs):
        start = np.zeros((WIDTH, HEIGHT), dtype=np.uint8)
        start[WIDTH // 2, rng.choice(HEIGHT, EACH, replace=False)] = 1
        made = lattice_run(
            network, (WIDTH, HEIGHT), 900, seed + k, initial=start, every=90, moments=False, snapshots=True
        )
        assert made.snapshots is not None
        at, x, _ = np.nonzero(made.snapshots)
        places.append(x + 0.5 - WIDTH / 2)
        row.append(at)
        run.append(np.full(len(x), k))
    rows, runs_of = np.concatenate(row), np.concatenate(run)
    time = 90.0 * np.arange(11)
    return Particles(time, ("A",), np.concatenate(places)[:, None], runs_of, rows, 0 * rows, runs)


def learned_from(data: Particles, basis: MeshBasis, places: tuple[str, ...], substeps: int = 3) -> LearnedLaw:
    data = data.thinned(np.arange(1, len(data.time)))  # from t₀ > 0
    loads = Loads.of(data, basis)
    prior = choose(basis, folds_of(data.thinned(np.array([0])), basis, 1), 0, data.time[:1])
    fields = start_fields(basis, loads.total(), data.runs, [prior], data.time)
    stepper = Stepper(basis, FieldLaw(("A",), constants(("A",), places)), substeps=substeps)
    ensemble = Ensemble(data.time, loads.total(), data.runs, fields[0], loads)
    stepper.law.assign(guess(stepper, [ensemble], [fields]))
    return Learner(stepper, [ensemble], [prior]).run()


def within(found: LearnedLaw, true: list[float]) -> None:
    assert found.errors is not None
    off = found.values - np.array(true)
    lines = [
        f"{n}: {v:.5f} ± {e:.5f} (truth {t:g}, {abs(o / t):.2%}, z = {o / e:.2f})"
        for n, v, e, t, o in zip(found.names, found.values, found.errors, true, off, strict=True)
    ]
    print("\n" + "\n".join(lines))
    assert (abs(off) < 0.03 * abs(np.array(true))).all() and (abs(off) < 3 * found.errors).all(), lines


def test_diffusion_from_lattice_particles() -> None:
    data = lattice_particles(1500, 0.0, 1)
    within(learned_from(data, interval(-120.5, 120.5, 120), ("F1", "F2")), [-0.25, 0.25])


def test_diffusion_and_decay_from_lattice_particles() -> None:
    data = lattice_particles(3000, 0.002, 20_000)
    within(learned_from(data, interval(-120.5, 120.5, 120), ("F0", "F1", "F2")), [0.002, -0.25, 0.25])


# -- moving bumps -------------------------------------------------------------------------------------------------


def bump(
    centre: Callable[[float], Floats], width: float, inside: Callable[[Floats], npt.NDArray[np.bool_]], dimension: int,
    runs: int, each: float, seed: int,
) -> Particles:  # fmt: skip
    """A Poisson number of independent particles per run and time, in a Gaussian bump that moves, where the mesh is."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, 5)
    places, run, row = [], [], []
    for k, t in enumerate(time):
        wanted, found = rng.poisson(each, runs), []
        while sum(map(len, found)) < wanted.sum():
            x = centre(t) + width * rng.normal(size=(4000, dimension))
            found.append(x[inside(x)])
        places.append(np.concatenate(found)[: wanted.sum()])
        run.append(np.repeat(np.arange(runs), wanted))
        row.append(np.full(wanted.sum(), k))
    rows = np.concatenate(row)
    return Particles(time, ("A",), np.concatenate(places), np.concatenate(run), rows, 0 * rows, runs)


def in_mesh(basis: MeshBasis) -> Callable[[Floats], npt.NDArray[np.bool_]]:
    return lambda x: basis._cells_of(x)[1] <= 1e-12


def cases(tmp_path: Path) -> dict[str, tuple[MeshBasis, Callable[[float], Floats], float]]:
    try:
        solid = build_basis({"file": str(spine_file(tmp_path))})
    except ImportError:
        solid = spine(0.5, 0.16, 0.4, 0.06)
    return {
        "line": (interval(-2.0, 2.0, 40), lambda t: np.array([-1 + 2 * t]), 0.3),
        "disc": (disc(2.0, 0.17), lambda t: 0.5 * np.array([np.cos(2 * t), np.sin(2 * t)]), 0.2),
        "spine": (solid, lambda t: np.array([0.0, 0.0, 0.1 + 0.5 * t]), 0.12),
    }


def spine_file(folder: Path) -> Path:
    """A head of 0.5 µm on a neck of 0.16 µm by gmsh."""
    try:
        import gmsh
    except OSError as error:  # the wheel needs libGLU and libX11
        raise ImportError from error
    file = folder / "spine.msh"
    gmsh.initialize(interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.option.setNumber("Mesh.MeshSizeMax", 0.12)
    head = gmsh.model.occ.addSphere(0, 0, 0.65, 0.25)
    neck = gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, 0.5, 0.08)
    gmsh.model.occ.fuse([(3, head)], [(3, neck)])
    gmsh.model.occ.synchronize()
    gmsh.model.mesh.generate(3)
    gmsh.write(str(file))
    gmsh.finalize()
    return file


@pytest.mark.parametrize("name", ["line", "disc", "spine"])
def test_held_out_likelihood_of_a_moving_bump(name: str, tmp_path: Path) -> None:
    basis, centre, width = cases(tmp_path)[name]
    data = bump(centre, width, in_mesh(basis), basis.dimension, 2016, 12.0, 5)
    learn, test = data.split(2000, 1)
    prior = choose(basis, folds_of(learn, basis, 1), 0, learn.time, couple=True)
    loads = Loads.of(learn, basis)
    nu = start_fields(basis, loads.total(), learn.runs, [prior], learn.time)
    ours = log_likelihoods(Loads.of(test, basis), nu, basis)
    kernel, bandwidth = kernel_density(learn, test, basis)
    flat = homogeneous(learn, test, basis)
    against = {"kernel": difference(ours, kernel), "homogeneous": difference(ours, flat)}
    print(f"\n{name}: {basis.size} nodes, bandwidth {bandwidth:.3g}, {against}")
    assert all(d.z > 3 for d in against.values()), against
    control = difference(flat, kernel)
    assert control.z < -3, "the kernel estimate itself is no straw man"
