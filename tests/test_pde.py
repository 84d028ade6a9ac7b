"""Fields on finite elements against exact solutions: orders in space and time, fluxes, mass, the well-mixed limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from networks import HEAD, build, spine, spine_site

from adapters.fem.discretisation import discretise
from adapters.fem.domain import CellName, build_domain
from adapters.fem.importing import dolfinx, ufl
from adapters.fem.pde import Fields, Options
from adapters.fem.stepping import Constants, Stepper, Tolerance
from adapters.wellmixed.ode import MassAction
from couple.engine import EngineSetup, Site
from couple.geometry import Geometry
from couple.network import ReactionNetwork, Species
from couple.units import IONS_PER_MM_UM3

TICK = 0.1
UNIT = Geometry.box(1, 1, 1)


def engine(network: ReactionNetwork, *sites: Site, tick: float = TICK, injected: tuple[str, ...] = (),
           clamped: tuple[str, ...] = (), **options: Any) -> Fields:  # fmt: skip
    return Fields(EngineSetup("x", network, sites, tick, injected, clamped, options=Options(**options)))


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
    s = Stepper(d, e._fields)
    domain, accurate = d.domain, {"quadrature_degree": 2 * degree + 4}
    x, v = ufl.SpatialCoordinate(domain.mesh), ufl.TestFunction(d.space)
    wave = ufl.cos(1.3 * x[0] * x[0] + 0.2) * ufl.cos(1.1 * x[1] + 0.4)
    a, b, weight = 2 + wave, 1.5 - 0.5 * wave, domain.weight(x)
    dx = ufl.dx(domain=domain.mesh, metadata=accurate)
    membrane = ufl.ds(1, domain=domain.mesh, subdomain_data=domain.facet_tags, metadata=accurate)
    # the weak form of the exact solution: in the half plane the divergence carries the weight too
    inside = ufl.inner(ufl.grad(a), ufl.grad(v)) * weight * dx + (3.0 * wrong * a * b + a) * v * weight * dx
    inside += a * v * weight * membrane
    other = 0.5 * ufl.inner(ufl.grad(b), ufl.grad(v)) * weight * dx + b * b * v * weight * dx
    load = np.zeros(len(s.new_state().x))
    for k, form in enumerate((inside, other)):
        load[s.layout.base + k] = dolfinx.fem.assemble_vector(dolfinx.fem.form(form)).array
    y = s.new_state()
    for k, exact in enumerate((a, b)):
        f = dolfinx.fem.Function(d.space)
        f.interpolate(dolfinx.fem.Expression(exact, d.space.element.interpolation_points))
        y.x[s.layout.base + k] = f.x.array
    y.fixed[:] = 1.0
    constants = Constants(load, np.zeros(0), np.zeros(0))
    s.window(y, constants, 60.0, 1.0, Tolerance(1e-6, 1e-8, 0), np.empty(len(s.columns)))
    found = d.function(y.x[s.layout.base])
    error = dolfinx.fem.assemble_scalar(dolfinx.fem.form((found - a) ** 2 * weight * dx))
    return math.sqrt(error)


@pytest.mark.parametrize(
    ("cell", "degree", "sizes"),
    [
        ("triangle", 1, (4, 8, 16)),
        ("triangle", 2, (2, 4, 8)),
        ("tetrahedron", 1, (3, 5, 7)),
        ("tetrahedron", 2, (1, 2, 3)),
    ],
)
def test_order_in_space(cell: CellName, degree: int, sizes: tuple[int, ...]) -> None:
    errors = [steady_error(cell, degree, n) for n in sizes]
    order = -np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(order - (degree + 1)) < 0.2
