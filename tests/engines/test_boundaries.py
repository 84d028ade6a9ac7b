"""Walls, pumps in the membrane and influx through it, against the diffusion equation: orders in the spacing.

The walk of the lattice and the master equation of voxels are linear here: means are those of matrices, which engines
are held to at a coarse spacing, and whose order is measured without noise. Absorbing walls: lattice/test_walls.
Openings of necks: test_neck, fem/test_neck, lattice/test_neck_opening.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm

from adapters.gridded import Gridded, GriddedOptions
from adapters.gridded.grid import Grid, grid_of_mask
from adapters.lattice import Lattice
from couple.base import registry
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.diffusion import left_between_walls, left_in_a_sphere
from support.networks import build
from support.statistics import z_bound

L, D = 0.5, 0.01
TIMES = (2.0, 5.0, 10.0)
KAPPA = 0.01  # µm/ms: of all pumps together, times their density
CELLS = (8, 16, 32, 64)


def order(errors: list[float], cells: tuple[int, ...] = CELLS) -> float:
    return float(-np.polyfit(np.log(cells), np.log(errors), 1)[0])


def chain(n: int) -> Grid:
    """Voxels in a row between two walls, which are its membrane."""
    h = L / n
    return grid_of_mask(np.ones(n, dtype=bool), (h, h, h), None, None, (True, False, False))


def pumping(kon: float) -> ReactionNetwork:
    """A is let out by proteins M of the membrane; kon in µm³/ms."""
    species = [Species("A", D), Species("M", on="membrane")]
    return build(species, [("A + M -> M", f"{kon * IONS_PER_MM_UM3!r} /mM/ms")])


# -- voxels -----------------------------------------------------------------------------------------------------------


def voxel_mean(n: int, kappa: float) -> np.ndarray:
    grid = chain(n)
    rates = grid.laplacian(D).toarray() - np.diag(kappa * grid.areas / grid.volume)
    return np.array([(expm(rates * t) @ np.full(n, 1 / n)).sum() for t in TIMES])


def test_reflecting_walls_of_voxels_are_of_order_two() -> None:
    """The slowest mode between two walls decays with D (pi / L)²."""
    errors = []
    for n in CELLS:
        values = np.sort(np.linalg.eigvals(chain(n).laplacian(D).toarray()).real)[::-1]
        assert abs(values[0]) < 1e-12, "nothing is lost"
        errors.append(abs(-values[1] / (D * (math.pi / L) ** 2) - 1))
    assert order(errors) == pytest.approx(2.0, abs=0.1)


def slowed(kappa: float, n: int) -> float:
    """What half a voxel between the membrane and the mean leaves of a permeability: 1 / (1 / kappa + h / 2D)."""
    return kappa / (1 + kappa * L / n / (2 * D))


def test_pumps_in_the_membrane_of_voxels_are_of_order_two() -> None:
    exact = left_between_walls(L, D, KAPPA, TIMES)
    errors = [abs(voxel_mean(n, slowed(KAPPA, n)) - exact).max() for n in CELLS]
    assert order(errors) > 1.8
    plain = [abs(voxel_mean(n, KAPPA) - exact).max() for n in CELLS]
    assert order(plain) == pytest.approx(1.0, abs=0.15), "the control: pumps that meet the mean of their voxel"


def pumped(n: int, kappa: float, runs: int, tick: float, injected: tuple[str, ...] = (), start: int = 400) -> Gridded:
    """10 pumps at each wall of n voxels, every run with its own noise."""
    grid = chain(n)
    sites = tuple(Site(f"s{k}", Geometry.box(L, L / n, L / n), (start, 20)) for k in range(runs))
    options = GriddedOptions.model_validate({"spacing": f"{L / n} um"})
    chemistry = pumping(kappa * float(grid.areas.sum()) / 20)
    engine = Gridded(EngineSetup("x", chemistry, sites, tick, injected, seed=3, options=options), [grid] * runs)
    for k in range(runs):
        voxels = engine.voxel_counts(k)
        voxels[:, 1] = np.where(grid.areas > 0, 10, 0)
        engine.write_voxel_counts(k, voxels)
    return engine


@pytest.mark.parametrize("kappa", [KAPPA, pytest.param(20 * KAPPA, marks=pytest.mark.acceptance)])
def test_voxels_do_what_their_matrix_says(kappa: float) -> None:
    n, runs, start = 4, 60, 400
    engine = pumped(n, kappa, runs, 2.0)
    engine.advance(1)
    share = voxel_mean(n, slowed(kappa, n))[0]
    found = engine.read("counts")[:, 0].sum() / (runs * start)
    bound = z_bound(2) * math.sqrt(share * (1 - share) / (runs * start))
    assert abs(found - share) < bound < abs(found - voxel_mean(n, 1.4 * slowed(kappa, n))[0])
    if kappa > KAPPA:
        assert abs(found - voxel_mean(n, kappa)[0]) > bound, "the control: half a voxel matters"


def test_what_enters_at_a_pump_may_be_caught_at_once() -> None:
    """Of a flux through the wall 1 - f is bound before it comes to the middle, f = 1 / (1 + kappa h / 2D)."""
    n, entered, kappa = 4, 20_000, 20 * KAPPA
    engine = pumped(n, kappa, 1, 1e-7, ("A",), start=0)
    engine.write("influx", entered)
    engine.advance(1)
    caught = 1 - slowed(kappa, n) / kappa
    bound = z_bound(1) * math.sqrt(entered * caught * (1 - caught))
    assert abs(entered - engine.read("counts")[0, 0] - entered * caught) < bound


def test_binding_at_the_membrane_rests_where_it_would() -> None:
    """One molecule and its binding sites: both ways are slowed alike, whatever the voxels."""
    n, runs, kon, koff = 4, 1500, 2e-3, 0.5  # µm³/ms, /ms
    species = [Species("A", D), Species("M", on="membrane"), Species("AM", on="membrane")]
    chemistry = build(species, [("A + M <-> AM", f"{kon * IONS_PER_MM_UM3!r} /mM/ms", f"{koff} /ms")])
    grid = chain(n)
    sites = tuple(Site(f"s{k}", Geometry.box(L, L / n, L / n), (1, 20, 0)) for k in range(runs))
    options = GriddedOptions.model_validate({"spacing": f"{L / n} um"})
    engine = Gridded(EngineSetup("x", chemistry, sites, 40.0, seed=3, options=options), [grid] * runs)
    engine.advance(1)
    ratio = kon * 20 / (grid.volume * n) / koff
    bound = ratio / (1 + ratio)
    assert 0.2 < bound < 0.95
    assert abs(engine.read("counts")[:, 2].mean() - bound) < z_bound(1) * math.sqrt(bound * (1 - bound) / runs)


@pytest.mark.parametrize("kind", ["voxels", "lattice"])
def test_influx_through_the_membrane_is_of_order_two(kind: str) -> None:
    """A steady influx through both walls: the mode cos(2 pi x / L) grows to J / (D k²) of what enters per ms."""
    k, t = 2 * math.pi / L, 3.0
    exact = -math.expm1(-D * k**2 * t) / (D * k**2)
    errors = []
    for n in CELLS:
        h = L / n
        x = (np.arange(n) + 0.5) * h
        entering = np.where((x < h) | (x > L - h), 0.5, 0.0)
        if kind == "voxels":
            grid = chain(n)
            np.testing.assert_allclose(grid.areas / grid.areas.sum(), entering)
            rates = grid.laplacian(D).toarray()
            found = np.cos(k * x) @ np.linalg.lstsq(rates, (expm(rates * t) - np.eye(n)) @ entering)[0]
        else:  # the walk of the lattice, steps of h²/6D
            step = h * h / (6 * D)
            walk = np.eye(n) + (np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) - 2 * np.eye(n)) / 6
            walk[0, 0] = walk[-1, -1] = 5 / 6
            p, found = np.zeros(n), 0.0
            for _ in range(round(t / step)):
                p = walk @ (p + entering * step)
            found = float(np.cos(k * x) @ p)
            exact = -math.expm1(-D * k**2 * round(t / step) * step) / (D * k**2)
        errors.append(abs(found / exact - 1))
    assert order(errors) == pytest.approx(2.0, abs=0.25)


# -- lattice ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [25.0, 50.0])
def test_pumps_in_the_membrane_of_a_lattice(spacing: float) -> None:
    """Few of them, far apart: what is left follows the flux kappa c through the walls, within three standard errors."""
    n, edge, pumps, molecules = round(L * 1e3 / spacing), 6, 12, 25
    sites = 800
    options = Lattice.Options.model_validate(
        {
            "spacing": f"{spacing} nm",
            "shape": [n, edge, edge],
            "boundary": {"y": "periodic", "z": "periodic"},
        }
    )
    geometry = Geometry.cells((n, edge, edge), L * (edge * spacing * 1e-3) ** 2, 2 * (edge * spacing * 1e-3) ** 2)
    kappa = 0.002
    network = pumping(kappa * geometry.area / pumps)
    places = tuple(Site(f"s{k}", geometry, (molecules, pumps)) for k in range(sites))
    engine = Lattice(EngineSetup("x", network, places, 5.0, seed=8, options=options))
    engine.advance(1)
    found = engine.read("counts")[:, 0].sum() / (sites * molecules)
    exact = float(left_between_walls(L, D, kappa, (5.0,))[0])
    error = math.sqrt(exact * (1 - exact) / (sites * molecules))
    assert abs(found - exact) < 3 * error
    assert abs(found - left_between_walls(L, D, 1.3 * kappa, (5.0,))[0]) > 3 * error, "the control"


# -- finite elements --------------------------------------------------------------------------------------------------


def field_left(cells: int, kappa: float) -> np.ndarray:
    """Share that is left at 1 and 2 ms in a sphere whose membrane pumps."""
    factory = registry.load("couple.engines", "pde")
    radius = 0.25
    sphere = Geometry.sphere(2 * radius)
    network = pumping(kappa * sphere.area / 1000)
    options = factory.Options.model_validate({"cells": "interval", "resolution": f"{radius / cells} um"})
    engine = factory(EngineSetup("x", network, (Site("s", sphere, (1000, 1000)),), 1.0, options=options))
    found = []
    for _ in range(2):
        engine.advance(1)
        found.append(engine.read("counts")[0, 0] / 1000)
    return np.array(found)


def test_pumps_in_the_membrane_of_elements_are_of_order_two() -> None:
    exact, cells = left_in_a_sphere(0.25, D, KAPPA, (1.0, 2.0)), (6, 12, 24)
    errors = [abs(field_left(n, KAPPA) - exact).max() for n in cells]
    assert order(errors, cells) == pytest.approx(2.0, abs=0.25)
    assert abs(field_left(12, 1.1 * KAPPA) - exact).max() > 10 * errors[1], "the control"
