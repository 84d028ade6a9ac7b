"""Fields and their laws from particles: estimates, pair interactions, coefficients with errors, baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numba import njit

from adapters.fem.field_basis.meshes import box, interval
from couple.base.errors import InputError, RunError
from reducers.data.trajectories import Trajectories
from reducers.fields.density.baselines import difference, homogeneous, kernel_density
from reducers.fields.density.cross_validation import choose_prior, folds_of
from reducers.fields.density.estimates import Prior, estimate_fields, normalised, roughness
from reducers.fields.density.pairs import fit_pairs
from reducers.fields.density.particles import ParticleLoads, ParticleRuns, log_likelihoods
from reducers.fields.fit.initial_guess import estimate_all_fields, regress_coefficients
from reducers.fields.fit.learner import Learner
from reducers.fields.fit.misfit import ParticleEnsemble, divergence_loads
from reducers.fields.laws.law import FieldLaw, constants, diffusion, reactions
from reducers.fields.laws.stepper import FieldStepper
from support.field_cases import brownian, source

# -- particles ----------------------------------------------------------------------------------------------------


def test_particles_of_a_lattice_and_of_a_file(tmp_path: Path) -> None:
    states = np.zeros((2, 3, 4, 5), dtype=np.uint8)
    states[0, 1, 3, 2], states[1, 2, 0, 4] = 1, 2
    data = Trajectories.of_snapshots(np.arange(3.0), ("A", "B"), states, (4, 5))
    found = ParticleRuns.of_lattice(data, 0.1)
    assert found.places == pytest.approx(np.array([[0.15, 0.0], [-0.15, 0.2]]))
    assert [found.run.tolist(), found.row.tolist(), found.kind.tolist()] == [[0, 1], [1, 2], [0, 1]]
    found.write(tmp_path / "p.h5")
    again = ParticleRuns.load(tmp_path / "p.h5")
    assert again.digest() == found.digest() and again.runs == 2
    assert found.select(np.array([1])).counts.tolist() == [[[0, 0], [0, 0], [0, 1]]]
    assert found.thinned(np.array([1, 2])).row.tolist() == [0, 1]
    assert found.along([1]).places[:, 0].tolist() == pytest.approx([0.0, 0.2])
    with pytest.raises(InputError, match="no such file of particles"):
        ParticleRuns.load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(InputError, match=r"text.h5: is not a file of particles"):
        ParticleRuns.load(tmp_path / "text.h5")
    with pytest.raises(InputError, match="row must hold 1 numbers from 0 to 0"):
        ParticleRuns(np.zeros(1), ("A",), np.zeros((1, 1)), np.zeros(1, int), np.ones(1, int), np.zeros(1, int), 1)


def test_the_likelihood_is_that_of_a_poisson_process() -> None:
    basis = interval(-12.0, 12.0, 60)
    data = brownian(5, 7, np.array([0.5, 1.0]), 1)
    nu = np.stack([source(basis.places[:, 0], t) - np.log(7) for t in data.time])[:, None]
    found = log_likelihoods(ParticleLoads.of(data, basis), nu, basis)
    for r in range(5):
        own = data.run == r
        at = [np.interp(x, np.linspace(-12, 12, 61), nu[k, 0][np.argsort(basis.places[:, 0])])
              for x, k in zip(data.places[own, 0], data.row[own], strict=True)]  # fmt: skip
        expected = sum(basis.weights(row[0]).sum() for row in nu)
        assert found[r] == pytest.approx(-sum(at) - expected, rel=1e-12)


# -- estimates ----------------------------------------------------------------------------------------------------


def test_estimates_count_right_and_get_better() -> None:
    """∫e^{-ν} is the mean number exactly; the error falls with the number of runs; smooth → ∞ is homogeneous."""
    basis = interval(-6.0, 6.0, 48)
    x, errors, sizes = basis.places[:, 0], [], [40, 4000]
    for runs in sizes:
        data = brownian(runs, 10, np.array([1.0]), 3, half=6.5)
        loads = ParticleLoads.of(data.select(np.arange(runs)), basis) if abs(data.places).max() <= 6 else None
        assert loads is not None
        prior = choose_prior(basis, folds_of(data, basis, 1), 0, data.time)
        nu = estimate_fields(basis, loads.total()[:, 0], runs, prior)[0]
        assert basis.weights(nu).sum() == pytest.approx(10.0, rel=1e-9)
        assert basis.weights(normalised(basis, nu)).sum() == pytest.approx(1.0, rel=1e-12)
        true = source(x, 1.0) - np.log(10)
        errors.append(float(basis.weights(true) @ (nu - true) ** 2 / 10))
    assert errors[1] < errors[0] / 10 and errors[1] < 0.01, errors
    flat = estimate_fields(basis, loads.total()[:, 0], runs, Prior("gradient", 1e9))[0]
    assert flat == pytest.approx(-np.log(10 / 12), abs=1e-4)


def test_the_prior_of_the_laplacian_is_the_integral_of_its_square() -> None:
    basis = interval(0.0, 1.0, 200)
    nu = np.cos(2 * np.pi * basis.places[:, 0])
    assert nu @ roughness(basis, "laplacian") @ nu == pytest.approx((2 * np.pi) ** 4 / 2, rel=1e-3)
    assert nu @ roughness(basis, "gradient") @ nu == pytest.approx((2 * np.pi) ** 2 / 2, rel=1e-3)


def fresh(runs: int, each: int, time: np.ndarray, seed: int) -> ParticleRuns:  # type: ignore[type-arg]
    """As `brownian`, with other particles at every time."""
    parts = [brownian(runs, each, np.array([t]), 1000 * seed + k) for k, t in enumerate(time)]
    run = np.concatenate([p.run for p in parts])
    row = np.repeat(np.arange(len(time)), runs * each)
    return ParticleRuns(time, ("A",), np.concatenate([p.places for p in parts]), run, row, 0 * row, runs)


def test_coupled_times_share_what_they_know() -> None:
    """With few particles a time, and others each time, coupling by cross-validation is better on held-out runs."""
    basis, time = interval(-12.0, 12.0, 36), np.linspace(0.8, 1.2, 4)
    learn, test = fresh(12, 5, time, 4), fresh(300, 5, time, 5)
    folds, loads = folds_of(learn, basis, 1), ParticleLoads.of(learn, basis)
    logs = []
    for couple in (False, True):
        prior = choose_prior(basis, folds, 0, time, couple=couple)
        nu = estimate_fields(basis, loads.total()[:, 0], 12, prior, time)
        logs.append(log_likelihoods(ParticleLoads.of(test, basis), nu[:, None], basis))
    ahead = difference(logs[1], logs[0])
    assert prior.couple > 0 and ahead.z > 3, ahead
    with pytest.raises(InputError, match="there are no particles at time 1"):
        estimate_fields(basis, np.stack([np.ones(basis.size), np.zeros(basis.size)]), 2, Prior())


# -- laws ---------------------------------------------------------------------------------------------------------


def test_laws_of_exact_fields_are_found_again() -> None:
    """Divergence from fields that a law made: diffusion, death and a reaction of two species come out to 1e-6."""
    basis, species, time = interval(-3.0, 3.0, 30), ("A", "B"), np.linspace(0, 0.5, 4)
    x = basis.places[:, 0]
    law = FieldLaw(species, [diffusion(species), reactions(species, ["A -> 0", "A + B -> B"])])
    true = np.array([1.0, 0.3, 0.5, 0.8])
    law.assign(true)
    stepper = FieldStepper(basis, law, substeps=2)
    nu0 = np.stack([1.5 * np.cos(np.pi * x / 3), np.sin(np.pi * x / 6)])
    fields = stepper.solve(nu0, time).nu
    ensemble = ParticleEnsemble(time, divergence_loads(basis, fields, 50.0), 50.0, nu0)
    law.assign(np.zeros(4))
    first = regress_coefficients(stepper, [ensemble], [fields])
    assert first == pytest.approx(true, abs=0.1), "the regression is near already"
    law.assign(0.5 * true)
    found = Learner(stepper, [ensemble]).run()
    assert found.values == pytest.approx(true, abs=1e-6) and found.errors is None
    assert found.names == ("D A", "D B", "A -> 0", "A + B -> B")


def test_the_gradient_of_the_misfit_is_exact() -> None:
    basis = interval(-12.0, 12.0, 40)
    data = brownian(20, 10, np.array([0.5, 0.8, 1.2]), 2)
    loads = ParticleLoads.of(data, basis)
    law = FieldLaw(("A",), constants(("A",)))
    u = np.array([0.1, -0.8, 0.9])
    law.assign(u)
    start = estimate_fields(basis, loads.total()[:1, 0], 20, Prior(smooth=3.0))
    learner = Learner(
        FieldStepper(basis, law), [ParticleEnsemble(data.time, loads.total(), 20, start, loads)], [Prior(smooth=3.0)]
    )
    learner.value(keep=True)
    gradient, (slope,) = learner.gradient()
    rng, h = np.random.default_rng(0), 1e-5
    du, d0 = rng.normal(size=3), 0.1 * rng.normal(size=start.shape)
    sides = []
    for s in (h, -h):
        law.assign(u + s * du)
        learner.nu0 = [start + s * d0]
        sides.append(learner.value(keep=False))
    assert (sides[0] - sides[1]) / (2 * h) == pytest.approx(gradient @ du + (slope * d0).sum(), rel=1e-6)


@pytest.mark.acceptance
def test_a_law_from_particles_has_honest_errors() -> None:
    """D and k of Brownian particles that vanish, in six independent sets: z-scores as they should be."""
    basis, time = interval(-12.0, 12.0, 72), np.linspace(0.5, 2.0, 5)
    true, z, kept = np.array([0.5, -1.0, 1.0]), [], None
    for seed in range(6):
        data = brownian(100, 20, time, seed, decay=0.5)
        loads = ParticleLoads.of(data, basis)
        prior = Prior(smooth=2.0)
        fields = estimate_all_fields(basis, loads.total(), 100, [prior], time)
        stepper = FieldStepper(basis, FieldLaw(("A",), constants(("A",))), substeps=2)
        ensemble = ParticleEnsemble(time, loads.total(), 100, fields[0], loads)
        stepper.law.assign(regress_coefficients(stepper, [ensemble], [fields]))
        kept = Learner(stepper, [ensemble], [prior]).run()
        assert kept.errors is not None
        z.append((kept.values - true) / kept.errors)
    scores = np.array(z)
    assert abs(scores).max() < 3.5  # 18 numbers: P(any) = 0.8 %
    assert abs(scores.mean(axis=0)).max() < 3.0 / np.sqrt(6) * 1.2
    assert kept is not None and kept.errors is not None
    assert ((kept.values - [0.0, -1.2, 1.2]) / kept.errors)[0] > 5, "the control: no decay is refuted"


def test_what_cannot_be_learned() -> None:
    basis, time = interval(-1.0, 1.0, 4), np.array([0.0, 1.0])
    stepper = FieldStepper(basis, FieldLaw(("A",), [diffusion(("A",))]))
    with pytest.raises(InputError, match="do not fit"):
        Learner(stepper, [ParticleEnsemble(time, np.zeros((2, 1, 4)), 1, np.zeros((1, 5)))])
    with pytest.raises(InputError, match='unknown species "C"'):
        reactions(("A",), ["A + C -> 0"])
    with pytest.raises(InputError, match="needs a positive weight"):
        Prior(smooth=-1.0)
    with pytest.raises(InputError, match="one at least"):
        FieldLaw(("A",), [])
    with pytest.raises(RunError, match="cannot be advanced"):
        stepper.law.assign(np.array([np.nan]))
        stepper.solve(np.zeros((1, 5)), time)


# -- baselines ----------------------------------------------------------------------------------------------------


def test_baselines_are_densities() -> None:
    """On a mesh of one cell's width the kernel's integral is one, walls or not: its log-likelihood says so."""
    basis = interval(-4.0, 4.0, 80)
    rng = np.random.default_rng(1)
    x = rng.uniform(-4, 4, size=(50, 20, 1))
    run = np.repeat(np.arange(50), 20)
    data = ParticleRuns(np.zeros(1), ("A",), x.reshape(-1, 1), run, 0 * run, 0 * run, 50)
    test = data.select(np.arange(25, 50))
    flat = homogeneous(data.select(np.arange(25)), test, basis)
    assert flat == pytest.approx(np.full(25, 20 * np.log(20 / 8) - 20), rel=1e-12)
    smooth, width = kernel_density(data.select(np.arange(25)), test, basis)
    gap = difference(smooth, flat)
    assert width > 1 and abs(gap.mean) < 3 * gap.error + 1.0, "even particles are even to the kernel, walls included"


# -- pairs --------------------------------------------------------------------------------------------------------


@njit
def repelling(rng: np.random.Generator, steps: int, beta: float, reach: float, strength: float) -> np.ndarray:  # type: ignore[type-arg]
    """Birth and death of particles in a unit square with ν₂(r) = strength (1 - r/reach): Metropolis-Hastings."""
    x, n = np.zeros((1000, 2)), 0
    for _ in range(steps):
        birth = rng.random() < 0.5
        if not birth and n == 0:
            continue
        i = n if birth else int(rng.random() * n)
        if birth:
            x[n, 0], x[n, 1] = rng.random() - 0.5, rng.random() - 0.5
        energy = 0.0
        for j in range(n):
            if j != i:
                r = np.sqrt((x[i, 0] - x[j, 0]) ** 2 + (x[i, 1] - x[j, 1]) ** 2)
                energy += strength * max(0.0, 1 - r / reach)
        ratio = beta * np.exp(-energy)
        if birth and rng.random() < ratio / (n + 1):
            n += 1
        elif not birth and rng.random() < n / ratio:
            x[i] = x[n - 1]
            n -= 1
    return x[:n].copy()


def test_pair_interactions_by_distance() -> None:
    runs, beta, reach, strength = 40, 120.0, 0.12, 1.5
    sets = [repelling(np.random.default_rng(k), 20_000, beta, reach, strength) for k in range(runs)]
    run = np.repeat(np.arange(runs), [len(x) for x in sets])
    data = ParticleRuns(np.zeros(1), ("A",), np.concatenate(sets), run, 0 * run, 0 * run, runs)
    basis, knots = box((1.0, 1.0), 0.06), [0, 0.03, 0.06, 0.09, 0.12, 0.18, 0.24]
    found = fit_pairs(data, basis, knots, [Prior("gradient", 10.0)])
    true = strength * np.maximum(0.0, 1 - np.array(knots) / reach)
    z = (found.nu2[0] - true)[:-1] / found.errors[0, :-1]
    assert abs(z).max() < 3.2, (found.nu2, found.errors)  # 6 numbers: P(any) = 0.8 %
    assert found.nu2[0, 1] / found.errors[0, 1] > 5, "the control: no interaction is refuted"
    assert found.interaction(0, np.array([0.5])) == 0.0
    with pytest.raises(InputError, match="knots: needs distances that increase from 0"):
        fit_pairs(data, basis, [0.1, 0.2], [Prior()])
