"""Sites that a mesh of triangles describes: regions, entry and diffusion in every engine that knows places."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from scipy.special import gammaln

from couple.base import registry
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from couple.geometry.surface.checks import checked_surface
from couple.geometry.surface.surface import joined_surface
from couple.geometry.surface.voxels import nearest_region
from support import surfaces
from support.statistics import z_bound

RADIUS, CAP, D = 0.25, 0.18, 0.1
SPACING = {"lattice": 0.02, "gridded": 0.05}
MODE = 2.0815759778181006
"""First zero of the derivative of the spherical Bessel function j1: the slowest mode in a ball that reflects."""


@functools.cache
def ball(times: int = 3) -> Geometry:
    return Geometry.mesh(checked_surface(joined_surface([*surfaces.sphere(RADIUS, times, CAP).items()]), "ball"))


@functools.cache
def tube(n: int = 24) -> Geometry:
    regions = surfaces.capped_cylinder(0.15, 0.6, n, n // 4)
    return Geometry.mesh(checked_surface(joined_surface([*regions.items()]), "tube"))


def engine(
    name: str, network: ReactionNetwork, geometry: Geometry, counts: tuple[float, ...], entry: str = "", **more: Any
) -> Any:
    factory = registry.load("couple.engines", name)
    spacing = more.pop("spacing", SPACING.get(name))
    options = factory.Options.model_validate({} if spacing is None else {"spacing": f"{spacing} um"})
    site = Site("s", geometry, counts, entry=entry)
    return factory(EngineSetup("x", network, (site,), **{"tick": 0.01, "seed": 3, **more}, options=options))


def receptors(region: str, share: float) -> ReactionNetwork:
    species = [Species("A", D), Species("R", on="membrane", share=share, region=region), Species("W", on="membrane")]
    return ReactionNetwork(species)


@pytest.mark.parametrize(("shape", "region"), [("ball", "north"), ("tube", "ends")])
def test_molecules_of_a_region_are_there_all_of_them(shape: str, region: str) -> None:
    geometry = ball() if shape == "ball" else tube()
    surface = geometry.surface
    assert surface is not None
    share = surface.region_areas[region] / surface.area
    network, start = receptors(region, share), (50, 37, 60)
    at = surface.regions.index(region)

    lattice = engine("lattice", network, geometry, start)
    assert (nearest_region(surface, lattice.positions(0, "R")) == at).all() and len(lattice.positions(0, "R")) == 37
    elsewhere = nearest_region(surface, lattice.positions(0, "W")) != at
    assert 0 < elsewhere.sum() < 60 or share > 0.9  # the control: what is on all of the membrane is elsewhere too
    inside = lattice.positions(0, "A")
    assert (inside > surface.low).all() and (inside < surface.high).all()

    gridded = engine("gridded", network, geometry, start)
    grid, counts = gridded.grids[0], gridded.voxel_counts()
    assert counts[:, 1].sum() == 37 and not counts[grid.regions[region] == 0, 1].any()
    assert grid.areas.sum() == pytest.approx(geometry.area, rel=1e-12)
    assert grid.volume * len(grid.areas) == pytest.approx(geometry.volume, rel=1e-12)

    pde = engine("pde", network, geometry, start)
    d = pde.discretisation()
    assert d.volumes.sum() == pytest.approx(geometry.volume, rel=1e-12) and abs(d.off) < 1e-12
    assert d.areas_of(region).sum() == pytest.approx(surface.region_areas[region], rel=1e-12)
    assert d.areas @ pde.field(0, "R") == pytest.approx(37, rel=1e-12)
    assert not pde.field(0, "R")[d.areas_of(region) == 0].any()
    rng = np.random.default_rng(0)
    for made in (lattice, gridded, pde):
        made.write_counts([[5, 11, 3]], rng)
        assert made.read_counts().tolist() == [[5, 11, 3]]
    assert (nearest_region(surface, lattice.positions(0, "R")) == at).all()


def test_what_enters_through_a_region_is_below_it() -> None:
    geometry, network = ball(), ReactionNetwork([Species("A", 1e-6)])
    surface = geometry.surface
    assert surface is not None
    for name in ("lattice", "gridded", "pde"):
        made = engine(name, network, geometry, (0,), entry="north", injected=("A",))
        made.write("influx", 200)
        made.advance(1)
        if name == "lattice":
            heights = made.positions(0, "A")[:, 2]
        elif name == "gridded":
            heights = np.repeat(made.grids[0].centres[:, 2], made.voxel_counts()[:, 0].astype(int))
        else:
            d = made.discretisation()
            assert (d.volumes @ (made.field(0, "A") * d.places[:, 2])) / 200 > 0.7 * CAP
            continue
        assert len(heights) == 200 and heights.min() > CAP - 1.5 * SPACING[name]
    with pytest.raises(InputError, match='no region "south"; '):
        engine("lattice", network, geometry, (0,), entry="south", injected=("A",))


def test_a_spacing_that_cuts_the_mesh_is_refused() -> None:
    regions = surfaces.capped_cylinder(0.2, 1.0, 24, 20)
    corners = np.concatenate([*regions.values()])
    corners[:, :, :2] *= np.where(abs(corners[:, :, 2:]) < 0.2, 0.1, 1.0)  # a neck of 40 nm between two heads
    geometry = Geometry.mesh(checked_surface(joined_surface([("membrane", corners)]), "dumbbell"))
    for name in ("lattice", "gridded"):
        with pytest.raises(InputError, match=r"cuts the mesh into 2 pieces|leaves no"):
            engine(name, ReactionNetwork([Species("A", D)]), geometry, (1,), spacing=0.1)
    with pytest.raises(InputError, match="is filled with tetrahedra"):
        factory = registry.load("couple.engines", "pde")
        options = factory.Options.model_validate({"cells": "hexahedron"})
        factory(
            EngineSetup("x", ReactionNetwork([Species("A", D)]), (Site("s", geometry, (1,)),), 0.1, options=options)
        )


# -- campaigns --------------------------------------------------------------------------------------------------------


def mean_height(made: Any, name: str) -> float:
    """Mean z of A."""
    if name == "lattice":
        return float(made.positions(0, "A")[:, 2].mean())
    if name == "gridded":
        counts = made.voxel_counts()[:, 0]
        return float(counts @ made.grids[0].centres[:, 2] / counts.sum())
    d = made.discretisation()
    c = made.field(0, "A")
    return float((d.mass @ c) @ d.places[:, 2] / (d.volumes @ c))


def decay(name: str, times: int, runs: int, molecules: int, **more: Any) -> tuple[float, float]:
    """ln of the ratio of mean heights 0.06 and 0.16 ms after an entry at the pole, and its standard error."""
    first, second = [], []
    for seed in range(runs):
        made = engine(
            name, ReactionNetwork([Species("A", D)]), ball(times), (0,), "north", seed=seed, injected=("A",), **more
        )
        made.write("influx", molecules)
        made.advance(1)
        made.write("influx", 0)
        made.advance(6)
        first.append(mean_height(made, name))
        made.advance(10)
        second.append(mean_height(made, name))
    a, b = np.mean(first), np.mean(second)
    spread = 0.0
    if runs > 1:
        parts = np.var(first, ddof=1) / a**2 + np.var(second, ddof=1) / b**2
        spread = math.sqrt((parts - 2 * np.cov(first, second)[0, 1] / (a * b)) / runs)
    return math.log(a / b), spread


SPAN = 0.1
EXACT = D * (MODE / RADIUS) ** 2 * SPAN
"""ln of what is left of the slowest mode; the next odd one, 5.940 / R, is 1e-4 of it after 0.06 ms."""


@pytest.mark.acceptance
def test_relaxation_on_elements_converges_to_that_in_a_ball() -> None:
    off = []
    for times in (2, 3, 4):
        surface = ball(times).surface
        assert surface is not None
        inner = np.linalg.norm(surface.corners.mean(axis=1), axis=1).min() / RADIUS
        found = decay("pde", times, 1, 1000)[0]
        off.append(abs(found / EXACT - 1))
        assert off[-1] < 2 * (inner**-2 - 1)  # that of the ball inside of it, and as much for straight elements
    order = np.polyfit(np.log(2.0 ** -np.arange(3)), np.log(off), 1)[0]
    assert 1.5 < order < 2.6, off


@pytest.mark.acceptance
@pytest.mark.parametrize("name", ["lattice", "gridded"])
def test_relaxation_of_molecules_is_that_in_a_ball(name: str) -> None:
    """A ball of voxels of edge h has a wall that is off by h/2 at most, (h / 2R)² of what is even on both sides."""
    runs, spacing = 60, SPACING[name] / 2
    found, error = decay(name, 4, runs, 400, spacing=spacing)
    surface = ball(4).surface
    assert surface is not None
    grid = (spacing / RADIUS) + (1 - surface.volume / (4 / 3 * math.pi * RADIUS**3))
    assert abs(found - EXACT) < z_bound(1) * error + grid * EXACT
    assert error < 0.1 * EXACT  # the control: it would see that nothing decays
    assert abs(found) > z_bound(1) * error


def bound_distribution(n: int, sites: int, K: float) -> tuple[float, float]:
    """Mean and variance of the bound of n ligands and `sites` receptors with K = kf / (kb V): exact."""
    b = np.arange(min(n, sites) + 1)
    w = b * math.log(K) - gammaln(n - b + 1) - gammaln(sites - b + 1) - gammaln(b + 1)
    p = np.exp(w - w.max())
    p /= p.sum()
    mean = float(p @ b)
    return mean, float(p @ (b - mean) ** 2)


@pytest.mark.acceptance
@pytest.mark.parametrize("name", ["lattice", "gridded", "pde", "ssa"])
@pytest.mark.parametrize("shape", ["ball", "tube"])
def test_equilibrium_with_receptors_of_a_region(name: str, shape: str) -> None:
    geometry, region = (ball(), "north") if shape == "ball" else (tube(), "ends")
    surface = geometry.surface
    assert surface is not None
    share = surface.region_areas[region] / surface.area
    forward, backward = 50.0, 1.0  # /mM/ms, /ms
    species = [
        Species("A", D),
        Species("R", on="membrane", share=share, region=region),
        Species("AR", on="membrane", share=share, region=region),
    ]
    reactions = [Reaction(("A", "R"), ("AR",), forward), Reaction(("AR",), ("A", "R"), backward)]
    network = ReactionNetwork(species, reactions)
    K = forward / (backward * IONS_PER_MM_UM3 * geometry.volume)
    mean, variance = bound_distribution(120, 60, K)
    made = engine(name, network, geometry, (120, 60, 0), tick=0.1)
    made.advance(100)
    if name == "pde":
        made.advance(900)
        x = made.read("counts")[0, 2]
        # mass action at the nodes, which all have one concentration: x / ((n - x)(m - x)) = K
        root = np.roots([1, -(120 + 60 + 1 / K), 120 * 60]).min()
        assert x == pytest.approx(root, rel=1e-4)
        return
    seen = []
    for _ in range(1500):
        made.advance(20)  # 2 ms: the slowest time is below 1 / backward
        seen.append(made.read_counts()[0, 2])
    apart = 2.0 * backward
    independent = len(seen) * (1 - math.exp(-apart)) / (1 + math.exp(-apart))
    bound = z_bound(8) * math.sqrt(variance / independent)
    assert abs(np.mean(seen) - mean) < bound + (0.01 * mean if name == "lattice" else 0.0)
    wrong = bound_distribution(120, 60, K * 1.3)[0]
    assert abs(np.mean(seen) - wrong) > bound  # the control: another volume would be seen
