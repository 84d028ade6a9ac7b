"""What the fields promise, at length: laws from lattice particles alone, and moving bumps against the baselines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from adapters.fem.field_basis.basis import MeshBasis
from adapters.fem.field_basis.meshes import build_basis, disc, interval, spine
from adapters.lattice.paper.run import run as lattice_run
from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.fields.density.baselines import difference, homogeneous, kernel_density
from reducers.fields.density.cross_validation import choose_prior, folds_of
from reducers.fields.density.particles import ParticleLoads, ParticleRuns, log_likelihoods
from reducers.fields.fit.initial_guess import estimate_all_fields, regress_coefficients
from reducers.fields.fit.learner import LearnedLaw, Learner
from reducers.fields.fit.misfit import ParticleEnsemble
from reducers.fields.laws.law import FieldLaw, constants, diffusion
from reducers.fields.laws.stepper import FieldStepper

pytestmark = pytest.mark.acceptance

# -- laws from the lattice ----------------------------------------------------------------------------------------

WIDTH, HEIGHT, EACH = 241, 120, 30


def lattice_particles(runs: int, decay: float, seed: int) -> ParticleRuns:
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
    return ParticleRuns(time, ("A",), np.concatenate(places)[:, None], runs_of, rows, 0 * rows, runs)


def learned_from(data: ParticleRuns, basis: MeshBasis, places: tuple[str, ...], substeps: int = 6) -> LearnedLaw:
    data = data.thinned(np.arange(2, len(data.time)))  # from t₀ > 0
    loads = ParticleLoads.of(data, basis)
    prior = choose_prior(basis, folds_of(data.thinned(np.array([0])), basis, 1), 0, data.time[:1])
    fields = estimate_all_fields(basis, loads.total(), data.runs, [prior], data.time)
    stepper = FieldStepper(basis, FieldLaw(("A",), constants(("A",), places)), substeps=substeps)
    ensemble = ParticleEnsemble(data.time, loads.total(), data.runs, fields[0], loads)
    stepper.law.assign(regress_coefficients(stepper, [ensemble], [fields]))
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
    data = lattice_particles(8000, 0.001, 20_000)
    within(learned_from(data, interval(-120.5, 120.5, 120), ("F0", "F1", "F2")), [0.001, -0.25, 0.25])


# -- moving bumps -------------------------------------------------------------------------------------------------


def bump(basis: MeshBasis, centre: Floats, width: float, D: float, runs: int, each: int, seed: int) -> ParticleRuns:
    """Independent particles out of a Gaussian bump that diffuse within the mesh (a hop out of it is not made)."""
    rng, inside = np.random.default_rng(seed), in_mesh(basis)
    x = np.empty((0, basis.dimension))
    while len(x) < runs * each:
        drawn = centre + width * rng.normal(size=(4000, basis.dimension))
        x = np.concatenate([x, drawn[inside(drawn)]])
    x, hops, time = x[: runs * each], 40, np.linspace(0, 1, 5)
    places = [x]
    for gap in np.diff(time):
        for _ in range(hops):
            new = x + np.sqrt(2 * D * gap / hops) * rng.normal(size=x.shape)
            x = np.where(inside(new)[:, None], new, x)
        places.append(x)
    run, row = np.tile(np.repeat(np.arange(runs), each), 5), np.repeat(np.arange(5), runs * each)
    return ParticleRuns(time, ("A",), np.concatenate(places), run, row, 0 * row, runs)


def in_mesh(basis: MeshBasis) -> Callable[[Floats], npt.NDArray[np.bool_]]:
    return lambda x: basis._cells_of(x)[1] <= 1e-12


def cases(name: str, tmp_path: Path) -> tuple[MeshBasis, Floats, float, float]:
    """Mesh, centre and width of the bump, D."""
    if name == "line":
        return interval(-2.0, 2.0, 40), np.array([-1.4]), 0.25, 0.4
    if name == "disc":
        return disc(2.0, 0.17), np.array([0.6, 0.0]), 0.2, 0.12
    try:
        solid = build_basis({"file": str(spine_file(tmp_path))})
    except ImportError:
        solid = spine(0.5, 0.16, 0.4, 0.06)
    return solid, np.array([0.0, 0.0, 0.25]), 0.1, 0.05


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
    basis, centre, width, D = cases(name, tmp_path)
    learn, test = bump(basis, centre, width, D, 216, 12, 5).split(200, 1)
    prior = choose_prior(basis, folds_of(learn.thinned(np.array([0])), basis, 1), 0, learn.time[:1])
    loads = ParticleLoads.of(learn, basis)
    fields = estimate_all_fields(basis, loads.total(), learn.runs, [prior], learn.time)
    stepper = FieldStepper(basis, FieldLaw(("A",), [diffusion(("A",))]), substeps=3)
    ensemble = ParticleEnsemble(learn.time, loads.total(), learn.runs, fields[0], loads)
    stepper.law.assign(np.maximum(regress_coefficients(stepper, [ensemble], [fields]), 0.1 * D))
    found = Learner(stepper, [ensemble], [prior]).run()
    ours = log_likelihoods(ParticleLoads.of(test, basis), found.paths[0], basis)
    kernel, bandwidth = kernel_density(learn, test, basis)
    flat = homogeneous(learn, test, basis)
    against = {"kernel": difference(ours, kernel), "homogeneous": difference(ours, flat)}
    print(f"\n{name}: {basis.size} nodes, D {found.values} ± {found.errors}, bandwidth {bandwidth:.3g}, {against}")
    assert all(d.z > 3 for d in against.values()), against
    control = difference(flat, kernel)
    assert control.z < -3, "the kernel estimate itself is no straw man"
