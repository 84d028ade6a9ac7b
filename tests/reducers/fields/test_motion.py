"""Fields on finite elements: integrals, weak forms, implicit steps, and the exactness of their derivatives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from adapters.fem.field_basis.basis import MeshBasis
from adapters.fem.field_basis.meshes import build_basis, disc, interval, spine
from adapters.fem.mesh.sources.build import make_mesh
from couple.base.errors import InputError, RunError
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.laws.polynomial import Polynomial
from reducers.fields.laws.law import FieldLaw, LawTerm, MassActionLaw, diffusion, reactions
from reducers.fields.laws.stepper import FieldStepper
from support.field_cases import basis_of, source
from support.paths import ROOT
from support.warm import python


def order(sizes: list[float], errors: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


# -- integrals ----------------------------------------------------------------------------------------------------


def test_integrals_of_a_line_are_those_of_calculus() -> None:
    basis, slope = interval(0.0, 2.0, 40), 1.3
    x = basis.places[:, 0]
    nu = 0.4 + slope * x  # piecewise linear: no error of interpolation; quadrature of degree 4 on cells of 0.05
    total = np.exp(-0.4) * (1 - np.exp(-2 * slope)) / slope
    assert basis.weights(nu).sum() == pytest.approx(total, rel=1e-11)
    first = np.exp(-0.4) * (1 - np.exp(-2 * slope) * (1 + 2 * slope)) / slope**2
    assert basis.weights(nu) @ x == pytest.approx(first, rel=1e-11)
    assert x @ basis.weighted_mass(nu) @ np.ones(len(x)) == pytest.approx(first, rel=1e-11)
    assert basis.squares(nu).sum() == pytest.approx(2 * slope**2, rel=1e-12)
    assert nu @ basis.stiffness @ nu == pytest.approx(2 * slope**2, rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_points_and_quadrature_see_the_same_functions(dimension: int) -> None:
    basis = basis_of(dimension)
    places, measures, phi = basis.quadrature()
    assert measures.sum() == pytest.approx(basis.measure, rel=1e-12)
    nu = np.random.default_rng(1).normal(size=basis.size)
    assert measures @ np.exp(-(phi @ nu)) == pytest.approx(basis.weights(nu).sum(), rel=1e-12)
    assert abs(basis.load(places) - phi).max() < 1e-9
    linear = basis.places @ np.arange(1, dimension + 1)
    assert basis.load(places) @ linear == pytest.approx(places @ np.arange(1, dimension + 1), abs=1e-12)


@pytest.mark.parametrize(
    ("form", "dimension"),
    [
        *[("entropy", 1), ("plain", 2)],  # each is compiled in C
        *(
            pytest.param(*at, marks=pytest.mark.acceptance)
            for at in (("plain", 1), ("entropy", 2), ("entropy", 3), ("plain", 3))
        ),
    ],
)
def test_derivatives_of_the_forms(form: str, dimension: int) -> None:
    basis = basis_of(dimension)
    rng = np.random.default_rng(dimension)
    nu, edge, mu, d = rng.normal(size=(4, basis.size))
    f = rng.normal(size=(3, basis.size))
    made = basis.form(form)
    for ends in (None, edge):
        rates = made.rates(nu, f, ends)
        assert made.residual(nu, f, 0.3, ends) == pytest.approx(made.weights(nu) - 0.3 * rates, abs=1e-12)
        h = 1e-6
        sides = [made.residual(nu + s * h * d, f, 0.3, ends) for s in (1, -1)]
        along = basis.matrix(made.slopes(nu, f, 0.3, ends)) @ d
        assert along == pytest.approx((sides[0] - sides[1]) / (2 * h), abs=1e-8)
        assert (made.products(nu, mu, ends) * f).sum() == pytest.approx(mu @ rates, rel=1e-10)
        parts = made.parts(nu, ends)
        assert sum(basis.matrix(p) @ g for p, g in zip(parts, f, strict=True)) == pytest.approx(rates, abs=1e-11)
        same = made.rates(nu, np.array([0.2, -1.0, 0.7]), ends)
        assert same == pytest.approx(made.rates(nu, np.outer([0.2, -1.0, 0.7], np.ones(basis.size)), ends), abs=1e-11)


# -- laws ---------------------------------------------------------------------------------------------------------


def test_mass_action_of_fields() -> None:
    law = MassActionLaw(("A", "B", "C"), ["A -> 0", "A + B -> C", "2 A -> 0"])
    law.coefficients.values[:, 0] = k = np.array([0.4, 2.0, 0.3])
    nu = np.random.default_rng(0).normal(size=(5, 3))
    a, b, c = np.exp(-nu).T
    change = [-k[0] * a - k[1] * a * b - 2 * k[2] * a * a, -k[1] * a * b, k[1] * a * b]
    assert law.rates(nu) == pytest.approx(np.stack([-d / x for d, x in zip(change, (a, b, c), strict=True)], axis=1))
    weights = np.random.default_rng(1).normal(size=(5, 3))
    h = 1e-6
    for j in range(3):
        e = h * np.eye(3)[j]
        slope = (weights * (law.rates(nu + e) - law.rates(nu - e))).sum(axis=1) / (2 * h)
        assert law.vjp(nu, weights)[:, j] == pytest.approx(slope, abs=1e-7)


def test_tangent_and_adjoint_are_exact() -> None:
    """Two species; diffusion, reactions, polynomials and Hermite elements at once; every form and method."""
    basis, species = basis_of(1), ("A", "B")
    x = basis.places[:, 0]
    rng = np.random.default_rng(0)
    hermite = LawTerm("F2", Hermite(species, species, 1.0, (0.1, 0.2)), (0.0, 0.0, 1.0))
    linear = LawTerm("F1", Polynomial(species, species, 1), (0.0, 1.0, 0.0))
    made = reactions(species, ["A -> 0", "A + B -> 0", "A -> B"])
    law = FieldLaw(species, [diffusion(species), made, linear, hermite])
    nu0, time = np.stack([x**2 / 2, 1 + np.cos(x)]), np.array([0, 0.1, 0.25])
    for shift in (-0.7, 0.0, 0.7):
        law.reserve(nu0 + shift)
    u = 0.05 * rng.normal(size=law.size)
    u[:5] = [0.5, 0.5, 0.3, 0.2, 0.1]
    for form, method in (("entropy", "sdirk2"), ("entropy", "euler"), ("plain", "sdirk2")):
        law.assign(u)
        stepper = FieldStepper(basis, law, form=form, method=method, substeps=2)  # type: ignore[arg-type]
        path = stepper.solve(nu0, time, keep=True)
        slopes = rng.normal(size=path.nu.shape)
        law.clear()
        start, gradient = stepper.pull_back(path, slopes), law.gradient()
        du, d0 = rng.normal(size=law.size) * (gradient != 0), rng.normal(size=nu0.shape)
        change = stepper.tangent(path, d0, du)
        assert (slopes * change).sum() == pytest.approx((start * d0).sum() + gradient @ du, rel=1e-11)
        h, sides = 1e-5, []
        for s in (h, -h):
            law.assign(u + s * du)
            sides.append(stepper.solve(nu0 + s * d0, time).nu)
        assert change == pytest.approx((sides[0] - sides[1]) / (2 * h), abs=1e-7 * abs(change).max())


# -- exact solutions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["entropy", "plain"])
def test_a_point_source_with_the_slope_of_the_solution_at_the_ends(form: str) -> None:
    """From the exact ν at t₀ to t₁, h and dt halved together: order 2."""
    D, first, last = 0.7, 0.5, 1.5
    sizes, errors = [], []
    for cells in (16, 32, 64, 128):
        basis = interval(-3.0, 3.0, cells)
        x = basis.places[:, 0]
        law = FieldLaw(("A",), [diffusion(("A",))])
        law.assign(np.array([D]))
        stepper = FieldStepper(
            basis, law, form=form, substeps=cells // 4, edge=lambda t, x=x: (abs(x) / (2 * D * t))[None]
        )  # type: ignore[arg-type]
        nu = stepper.solve(source(x, first, D)[None], np.array([first, last])).nu[-1, 0]
        sizes.append(6 / cells)
        errors.append(float(abs(nu - source(x, last, D)).max()))
    assert abs(order(sizes, errors) - 2) < 0.05 and errors[-1] < 1e-3, errors


def test_on_a_wide_interval_the_number_of_particles_is_conserved() -> None:
    """By the entropy form, to 1e-10 without renormalising, and order 2; the plain form does not conserve it."""
    D, time = 0.7, np.array([0.5, 1.0, 1.5])
    sizes, errors, lost = [], [], {}
    for cells in (40, 80, 160):
        basis = interval(-6.0, 6.0, cells)
        x = basis.places[:, 0]
        near = abs(x) <= 3
        for form in ("entropy", "plain"):
            law = FieldLaw(("A",), [diffusion(("A",))])
            law.assign(np.array([D]))
            nu = FieldStepper(basis, law, form=form, substeps=cells // 8).solve(source(x, 0.5, D)[None], time).nu[:, 0]  # type: ignore[arg-type]
            numbers = np.array([basis.weights(row).sum() for row in nu])
            lost[form, cells] = float(abs(numbers / numbers[0] - 1).max())
            if form == "entropy":
                sizes.append(12 / cells)
                errors.append(float(abs(nu[-1] - source(x, 1.5, D))[near].max()))
        assert lost["entropy", cells] < 1e-10
        assert lost["plain", cells] > 1e-6, "the control must fail"
    assert abs(order(sizes, errors) - 2) < 0.1, errors


@pytest.mark.parametrize("form", ["entropy", "plain"])
def test_decay_in_closed_form(form: str) -> None:
    """Superposition: diffusion and death give ν = ν_diffusion + k t."""
    basis, k = interval(-4.0, 4.0, 40), 0.8
    nu0, time = 2 * np.cos(np.pi * basis.places.T / 4), np.array([0.0, 0.5])
    law = FieldLaw(("A",), [diffusion(("A",)), reactions(("A",), ["A -> 0"])])
    steps, errors = [1 / 8, 1 / 16, 1 / 32], []
    for h in steps:
        found = []
        for rate in (0.0, k):
            law.assign(np.array([1.0, rate]))
            stepper = FieldStepper(basis, law, form=form, substeps=round(0.5 / h))  # type: ignore[arg-type]
            found.append(stepper.solve(nu0, time).nu[-1, 0])
        errors.append(float(abs(found[1] - found[0] - 0.5 * k).max()))
    assert errors[0] < 1e-9 if form == "plain" else abs(order(steps, errors) - 2) < 0.25, errors


@pytest.mark.parametrize("dimension", [2, 3])
def test_conservation_on_surfaces_and_volumes(dimension: int) -> None:
    basis = disc(2.0, 0.2) if dimension == 2 else spine(0.5, 0.2, 0.4, 0.1)
    nu0 = 2 * np.sin(3 * basis.places[:, 0]) + basis.places[:, -1] ** 2
    law = FieldLaw(("A",), [diffusion(("A",))])
    law.assign(np.array([0.3]))
    nu = FieldStepper(basis, law, substeps=3).solve(nu0[None], np.array([0.0, 0.1, 0.3])).nu[:, 0]
    numbers = np.array([basis.weights(row).sum() for row in nu])
    assert abs(numbers / numbers[0] - 1).max() < 1e-10
    entropy = [basis.weights(row) @ row for row in nu]
    assert (np.diff(entropy) > 0).all(), "-∫λ ln λ grows"


# -- what cannot be used ------------------------------------------------------------------------------------------


def test_meshes_and_particles_that_do_not_fit() -> None:
    basis = basis_of(2)
    with pytest.raises(
        InputError, match=r"1 of 2 particles lie outside of the mesh, one at \(3, 0\) by 2.5: check unit"
    ):
        basis.load(np.array([[0.0, 0.0], [3.0, 0.0]]))
    with pytest.raises(InputError, match="needs finite points of 2 coordinates"):
        basis.load(np.zeros((4, 3)))
    round_ = disc(2.0, 0.5)
    rim = np.array([[np.cos(0.1), np.sin(0.1)]])
    with pytest.raises(InputError, match="outside of the mesh"):
        round_.load(rim)
    assert round_.load(rim, snap=0.05).sum() == pytest.approx(1.0)
    points, cells = np.array([[0, 0], [1, 0], [2, 0], [0, 1]], dtype=float), np.array([[0, 1, 3], [0, 1, 2]])
    with pytest.raises(InputError, match=r"mesh: 1 of 2 cells are flat \(one near \(1, 0\)\)"):
        MeshBasis(make_mesh(points, cells, "triangle"))
    points = np.array([[0, 0], [1, 0], [0, 1], [5, 0], [6, 0], [5, 1]], dtype=float)
    with pytest.raises(InputError, match="mesh: the mesh is in 2 pieces"):
        MeshBasis(make_mesh(points, np.array([[0, 1, 2], [3, 4, 5]]), "triangle"))


MESHES = {
    "two": ({"interval": [0, 1], "disc": 1, "resolution": 1}, "mesh: give one of interval, .* not interval, disc"),
    "order": ({"interval": [1, 0], "resolution": 1}, "mesh: interval: the first end must be below the second"),
    "key": ({"disk": 1, "resolution": 1}, 'mesh: unknown key "disk"; did you mean "disc"'),
    "unit": ({"disc": "1 mV", "resolution": 1}, "mesh.disc: .*not a unit of length|mesh.disc: .*length"),
    "resolution": ({"disc": 1}, "mesh: a built-in mesh needs a resolution"),
    "too fine": (
        {"box": ["1 um", "1 um", "1 um"], "resolution": "1 nm"},
        "mesh.resolution: 0.001 gives 1.0e.09 voxels",
    ),
    "file": ({"file": "none.msh"}, "none.msh: no such file"),
    "neck": ({"spine": {"head": 1, "neck": 2, "length": 1}, "resolution": 1}, "mesh.spine: the neck"),
}


@pytest.mark.parametrize("mistake", MESHES)
def test_tables_of_meshes_that_are_wrong(mistake: str) -> None:
    content, message = MESHES[mistake]
    with pytest.raises(InputError, match=message):
        build_basis(content)


def test_a_step_that_does_not_converge_changes_nothing() -> None:
    basis = interval(-1.0, 1.0, 10)
    squares = LawTerm("F0", Polynomial(("A",), ("A",), 2), (1.0, 0.0, 0.0))
    law = FieldLaw(("A",), [squares])
    u = np.array([0.0, 0.0, 1.0])
    law.assign(u)  # dν/dt = ν², which is infinite at t = 1/2
    stepper, nu0 = FieldStepper(basis, law, form="plain"), np.full((1, 11), 2.0)
    kept = nu0.copy()
    with pytest.raises(
        RunError, match=r"cannot be advanced by 1 to t = .*Newton's method does not converge; take more"
    ):
        stepper.solve(nu0, np.array([0.0, 1.0]))
    assert np.array_equal(nu0, kept) and np.array_equal(law.vector(), u)
    assert stepper.solve(nu0, np.array([0.0, 0.01])).nu[-1] == pytest.approx(2 / (1 - 0.02), rel=1e-4)


def test_without_a_compiler_there_is_one_clear_line(tmp_path: Path) -> None:
    code = "from adapters.fem.field_basis.meshes import interval; interval(0.0, 1.0, 3)"
    env = {**os.environ, "CC": "/nowhere/cc", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(python("-c", code), capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert done.returncode and "need a C compiler once and `/nowhere/cc` is not there" in done.stderr.splitlines()[-1]
