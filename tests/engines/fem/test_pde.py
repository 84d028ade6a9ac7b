"""Fields on finite elements against exact solutions: orders in space and time, fluxes, mass, the well-mixed limit."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adapters.fem.field_engine import FieldOptions
from adapters.fem.mesh.discretisation import discretise
from adapters.fem.mesh.domain import build_domain
from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.sources.build import CellName
from adapters.fem.pde import ReactionDiffusion
from adapters.fem.solver.rosenbrock import ErrorTolerance, RosenbrockStepper
from adapters.fem.solver.system import WindowInputs
from adapters.fem.xdmf import write_xdmf
from adapters.wellmixed.ode.engine import MassAction
from couple.base.errors import RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.jit_off import outputs, outputs_without_jit
from support.networks import HEAD, build, spine, spine_site

TICK = 0.1
UNIT = Geometry.box(1, 1, 1)


def engine(network: ReactionNetwork, *sites: Site, tick: float = TICK, injected: tuple[str, ...] = (),
           clamped: tuple[str, ...] = (), **options: Any) -> ReactionDiffusion:  # fmt: skip
    if "resolution" in options:
        options["resolution"] = f"{options['resolution']!r} um"
    return ReactionDiffusion(EngineSetup("x", network, sites, tick, injected, clamped, options=FieldOptions(**options)))


def order_of(errors: list[float], ratio: float = 2.0) -> float:
    """Slope of log error by log refinement, by regression."""
    return float(-np.polyfit(np.arange(len(errors)) * math.log(ratio), np.log(errors), 1)[0])


# -- space --------------------------------------------------------------------------------------------------------

PER_MM = 1.0 / IONS_PER_MM_UM3


def manufactured_chemistry(volume_rate: float = 3.0) -> ReactionNetwork:
    """Two species that diffuse, meet and decay in the volume, and of which one is taken up by the membrane.

    Rates are such that densities of order 1 per µm³ react at order 1 per ms.
    """
    species = [Species("A", 1.0), Species("B", 0.5), Species("W", on="membrane")]
    equations = [
        ("A + B -> B", f"{volume_rate * IONS_PER_MM_UM3!r} /mM/ms"),
        ("2 B -> B", f"{IONS_PER_MM_UM3!r} /mM/ms"),
        ("A -> 0", "1 /ms"),
        ("A + W -> W", f"{IONS_PER_MM_UM3!r} /mM/ms"),
    ]
    return build(species, equations)


def steady_error(cell: CellName, degree: int, cells: int, wrong: float = 1.0) -> float:
    """L2 error of A at the steady state whose exact solution is prescribed: no error of time is left.

    With A = a(x) and B = b(x) given, sources in the volume and through the membrane are what the equations leave.
    """
    geometry = UNIT if cell in ("tetrahedron", "hexahedron") else Geometry.cylinder(2, 1, caps=True)
    d = discretise(build_domain(geometry, cell, 0.5 / cells), geometry, degree)
    e = engine(manufactured_chemistry(), Site("s", geometry, (0, 0, 0)))
    s = RosenbrockStepper(d, e._fields)
    domain, accurate = d.domain, {"quadrature_degree": 2 * degree + 4}
    x, v = ufl.SpatialCoordinate(domain.mesh), ufl.TestFunction(d.space)
    wave = ufl.cos(1.3 * x[0] * x[0] + 0.2) * ufl.cos(1.1 * x[1] + 0.4)
    a, b, weight = 2 + wave, 1.5 - 0.5 * wave, domain.weight(x)
    dx = ufl.dx(domain=domain.mesh, metadata=accurate)
    membrane = domain.membrane_measure(metadata=accurate)
    # the weak form of the exact solution: in the half plane the divergence carries the weight too
    inside = ufl.inner(ufl.grad(a), ufl.grad(v)) * weight * dx + (3.0 * wrong * a * b + a) * v * weight * dx
    inside += a * v * weight * membrane
    other = 0.5 * ufl.inner(ufl.grad(b), ufl.grad(v)) * weight * dx + b * b * v * weight * dx
    load = np.zeros(len(s.new_state().mobile))
    for k, form in enumerate((inside, other)):
        load[s.layout.first_unknown + k] = dolfinx.fem.assemble_vector(dolfinx.fem.form(form)).array
    y = s.new_state()
    for k, exact in enumerate((a, b)):
        f = dolfinx.fem.Function(d.space)
        f.interpolate(dolfinx.fem.Expression(exact, d.space.element.interpolation_points))
        y.mobile[s.layout.first_unknown + k] = f.x.array
    y.immobile_membrane[:] = 1.0
    constants = WindowInputs(load, np.zeros(0), np.zeros(0))
    s.window(y, constants, 60.0, 1.0, ErrorTolerance(1e-6, 1e-8, 0), np.empty(len(s.columns)))
    found = d.function(y.mobile[s.layout.first_unknown])
    error = dolfinx.fem.assemble_scalar(dolfinx.fem.form((found - a) ** 2 * weight * dx))
    return math.sqrt(error)


@pytest.mark.parametrize(
    ("cell", "degree", "sizes"),
    [
        ("triangle", 1, (4, 8, 16)),
        ("triangle", 2, (2, 4, 8)),
        ("tetrahedron", 1, (3, 5, 7)),
        pytest.param("tetrahedron", 2, (2, 3, 4), marks=pytest.mark.acceptance),
    ],
)
def test_order_in_space(cell: CellName, degree: int, sizes: tuple[int, ...]) -> None:
    errors = [steady_error(cell, degree, n) for n in sizes]
    order = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(order - (degree + 1)) < 0.2


def test_a_wrong_rate_is_seen_by_the_manufactured_solution() -> None:
    assert steady_error("triangle", 2, 8, wrong=1.01) > 20 * steady_error("triangle", 2, 8)


def test_shells_of_a_sphere_against_the_exact_profile() -> None:
    """Influx J through the membrane and decay k: c(r) = J R² sinh(κr) / (4πR² D r (κR cosh κR - sinh κR)), order 2."""
    radius, D, k, J = 0.5, 0.2, 3.0, 400.0
    network = build([Species("A", D)], [("A -> 0", f"{k!r} /ms")])
    sphere = Geometry.sphere(2 * radius)
    kappa = math.sqrt(k / D)

    def exact(r: np.ndarray) -> np.ndarray:
        r = np.maximum(r, 1e-9)
        steep = kappa * radius * math.cosh(kappa * radius) - math.sinh(kappa * radius)
        return J / (4 * math.pi * D) * np.sinh(kappa * r) / (r * steep)

    def error(cells: CellName, n: int) -> float:
        e = engine(network, Site("s", sphere, (100,)), tick=20.0, injected=("A",), cells=cells, resolution=radius / n)
        e.write("influx", J * 20.0)
        e.advance(1)
        e.advance(1)
        c, r = e.field(0, "A"), np.linalg.norm(e.places(0, "A"), axis=1)
        assert e.read("counts")[0, 0] == pytest.approx(J / k, rel=1e-6), "what enters is what decays"
        return float(np.sqrt((c - exact(r)) ** 2 @ e.discretisation().volumes))

    assert abs(order_of([error("interval", n) for n in (8, 16, 32)]) - 2) < 0.2
    assert abs(order_of([error("triangle", n) for n in (4, 8, 16)]) - 2) < 0.3
    assert error("tetrahedron", 5) < 0.15 * error("tetrahedron", 1)


def test_diffusion_in_the_membrane_of_a_sphere() -> None:
    """z on a sphere decays at 2 D / R²; what the mesh adds is of order 2."""
    radius, D, t = 0.5, 0.1, 1.0
    network = build([Species("W", D, on="membrane")], [])

    def rate_error(n: int) -> float:
        site = Site("s", Geometry.sphere(2 * radius), (1000,))
        e = engine(network, site, tick=t, cells="tetrahedron", resolution=radius / n)
        z = e.places(0, "W")[:, 2]
        e.write_field(0, "W", 300 + 400 * z)
        before = e.field(0, "W")
        held = e.read("counts")[0, 0]
        e.advance(1)
        assert e.read("counts")[0, 0] == pytest.approx(held, rel=1e-12)
        areas = e.discretisation().membrane_mass
        kept = (z @ areas @ (e.field(0, "W") - 300)) / (z @ areas @ (before - 300))
        return abs(-math.log(kept) / t / (2 * D / radius**2) - 1)

    errors = [rate_error(n) for n in (2, 4, 6)]
    assert -np.polyfit(np.log([2, 4, 6]), np.log(errors), 1)[0] > 1.8


# -- time ---------------------------------------------------------------------------------------------------------


def test_order_four_in_time() -> None:
    """The same mesh, more steps: counts and time means of the whole chemistry of a spine."""
    network = spine()
    site = spine_site(network)

    def at(steps: int) -> np.ndarray:
        e = engine(network, site, tick=0.4, injected=("Ca",), resolution=0.05, steps=int(steps))
        e.write("influx", 100.0)
        e.advance(1)
        return np.concatenate([e.read("counts")[0] / site.initial[2], e.read("means")[0]])

    exact, steps = at(1024), np.array([16, 32, 64, 128])
    errors = np.array([abs(at(n) - exact).max() for n in steps])
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 3.7 < order < 4.6


def test_errors_follow_the_tolerance() -> None:
    network = spine()
    site = spine_site(network)

    def at(**options: Any) -> np.ndarray:
        e = engine(network, site, injected=("Ca",), resolution=0.05, **options)
        e.write("influx", 40.0)
        for _ in range(5):
            e.advance(1)
        return e.read("counts")[0].copy()

    exact, tolerances = at(steps=128), np.array([1e-4, 1e-5, 1e-6])
    errors = np.array([(abs(at(rtol=t, atol=10 * t) - exact) / (1 + abs(exact))).max() for t in tolerances])
    assert (errors < tolerances).all()
    assert errors[-1] < 0.1 * errors[0]


# -- mass ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["interval", "tetrahedron"])
def test_mass_to_rounding(cell: CellName) -> None:
    """1e-12 of what is there and came, over windows with influx and outflow through the membrane."""
    network = spine(calbindin=False)
    site = spine_site(network)
    e = engine(network, site, injected=("Ca",), cells=cell, resolution=0.1, rtol=1e-3, atol=1e-2)
    held = network.contents("Ca")
    start, sent = held @ e.read("counts")[0], 0.0
    for window in range(100 if cell == "interval" else 10):
        e.read("influx")[0, 0] = 30.0 * (window % 3) + 0.1
        sent += e.read("influx")[0, 0]
        e.advance(1)
    assert e.read("counts")[0, network.index("Ca_out")] > 1, "nothing was pumped out in this test"
    assert abs(held @ e.read("counts")[0] - start - sent) <= 1e-12 * (start + sent)


# -- the well-mixed limit -----------------------------------------------------------------------------------------


def test_fast_diffusion_is_mass_action() -> None:
    """The difference to `ode` falls with 1 / D, down to the tolerance."""
    site = spine_site(spine())

    def counts(cls: Any, scale: float) -> np.ndarray:
        network = spine()
        fast = ReactionNetwork(
            [Species(s.name, s.D * scale, s.on, s.contains) for s in network.species],
            network.reactions, network.reservoirs, network.observables,
        )  # fmt: skip
        e = cls(EngineSetup("x", fast, (site,), TICK, ("Ca",), options=cls.Options(rtol=1e-7, atol=1e-6)))
        for _ in range(10):
            e.write("influx", 49.0)
            e.advance(1)
        return e.read("counts")[0].copy()

    mixed = counts(MassAction, 1.0)
    off = [abs(counts(ReactionDiffusion, scale) - mixed).max() for scale in (10.0, 100.0, 1000.0)]
    assert off[0] > 1.0, "diffusion limits nothing here"
    assert abs(order_of(off, 10.0) - 1) < 0.1


def test_membrane_sees_more_than_the_mean() -> None:
    """Strong influx, d = 0.5 µm: calcium at the membrane is 1.4 to 1.6 times the volume mean (particles agree)."""
    network = spine(calbindin=False)
    e = engine(network, spine_site(network), injected=("Ca",))
    per_window = 20e-3 * TICK * IONS_PER_MM_UM3 * HEAD.volume  # 20 µM/ms
    for _ in range(10):
        e.write("influx", per_window)
        e.advance(1)
    mean = e.read("counts")[0, 0] / HEAD.volume
    assert 1.3 < e.field(0, "Ca")[e.discretisation().nodes].mean() / mean < 1.7


def test_geometries_and_cells_agree() -> None:
    """The same head in shells, in a half plane, in tetrahedra and in voxels."""
    network = spine(calbindin=False)
    site = spine_site(network)
    ends = []
    for cell, resolution in (("interval", 0.01), ("triangle", 0.04), ("tetrahedron", 0.0625), ("hexahedron", 0.05)):
        e = engine(network, site, injected=("Ca",), cells=cell, resolution=resolution, rtol=1e-3, atol=1e-2)
        e.write("influx", 49.0)
        e.advance(4)
        ends.append(e.read("counts")[0].copy())
    exact = ends[0]
    assert abs(ends[1] - exact).max() < 0.02 * exact[0]
    assert abs(ends[2] - exact).max() < 0.05 * exact[0]
    assert abs(ends[3] - exact).max() < 0.1 * exact[0]


@pytest.mark.acceptance
def test_without_jit_the_bits_are_the_same() -> None:
    for name, plain in outputs_without_jit(("pde", "spde")).items():
        assert plain == outputs(name)


def test_fields_for_paraview(tmp_path: Path) -> None:
    network = spine(calbindin=False)
    e = engine(network, spine_site(network), cells="tetrahedron", resolution=0.125)
    write_xdmf(tmp_path / "head.xdmf", e, species=["Ca", "CBP"])
    with h5py.File(tmp_path / "head.h5") as file:
        (values,) = file["Function/Ca"].values()
        assert values[:, 0].max() == pytest.approx(6 / HEAD.volume)
        assert len(file["Function"]) == 2


XDMF_FILE = dolfinx.io.XDMFFile


class Cut:
    """DOLFINx's writer on a disk that is full at the end, and says nothing."""

    def __init__(self, communicator: object, path: str, mode: str) -> None:
        self.path, self.file = Path(path), XDMF_FILE(communicator, path, mode)

    def __enter__(self) -> object:
        return self.file

    def __exit__(self, *_: object) -> None:
        self.file.close()
        os.truncate(self.path, self.path.stat().st_size // 2)


def test_fields_that_were_cut_do_not_replace_whole_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = spine(calbindin=False)
    e = engine(network, spine_site(network), cells="tetrahedron", resolution=0.125)
    path = tmp_path / "head.xdmf"
    write_xdmf(path, e, species=["Ca"])
    before = path.read_bytes(), path.with_suffix(".h5").read_bytes()
    monkeypatch.setattr(dolfinx.io, "XDMFFile", Cut)
    with pytest.raises(RunError, match=r"head\.xdmf: cannot be written"):
        write_xdmf(path, e)
    assert (path.read_bytes(), path.with_suffix(".h5").read_bytes()) == before
    assert {p.name for p in tmp_path.iterdir()} == {"head.xdmf", "head.h5"}
    with pytest.raises(RunError, match="cannot be written"):
        write_xdmf(tmp_path / "none" / "head.xdmf", e)
