"""The gridded method against exact distributions, each with a control that must fail."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import chi2, poisson

from adapters.gridded import Grid, Gridded, GriddedOptions, grid_of
from adapters.gridded.grid import grid_of_mask
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring import wire
from support.jit_off import outputs, outputs_without_jit
from support.networks import birth_death, build, spine, spine_site
from support.statistics import z_bound

ALPHA = 1e-5
HEAD = Geometry.cylinder(0.5, 0.5)
GEOMETRIES = {
    "cylinder": (HEAD, 0.1),
    "sphere": (Geometry.sphere(0.6), 0.1),
    "plane": (Geometry.box(0.55, 0.4, 0.05), 0.1),
    "chain": (Geometry.box(0.9, 0.05, 0.05), 0.1),
    "cable": (Geometry.cylinder(0.1, 1.0), 0.12),
}


def engine(
    network: ReactionNetwork, geometry: Geometry, spacing: float, counts: tuple[int, ...], **setup: object
) -> Gridded:
    options = GriddedOptions.model_validate({"spacing": f"{spacing} um"})
    site = Site("s", geometry, counts)
    return Gridded(
        EngineSetup(**{"tick": 0.1, "seed": 7, **setup}, name="x", network=network, sites=(site,), options=options)
    )  # type: ignore[arg-type]


def chi_square(seen: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Of counts against a multinomial, places with fewer than 10 expected taken together; and its bound."""
    expected = seen.sum() * probability
    rare = expected < 10
    seen, expected = (np.append(x[~rare], x[rare].sum()) for x in (seen, expected))
    kept = expected > 0
    assert not seen[~kept].any()
    return float(((seen - expected)[kept] ** 2 / expected[kept]).sum()), float(chi2.isf(ALPHA, kept.sum() - 1))


# -- geometry -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [0.05, 0.2, 0.3, 0.36, 0.42, 0.5, 1.0])
@pytest.mark.parametrize("geometry", [HEAD, Geometry.sphere(0.5)], ids=["cylinder", "sphere"])
def test_every_spacing_has_voxels(geometry: Geometry, spacing: float) -> None:
    assert len(grid_of(geometry, spacing).areas) >= 1


@pytest.mark.parametrize("name", GEOMETRIES)
def test_volume_and_membrane_are_the_analytic_ones(name: str) -> None:
    geometry, spacing = GEOMETRIES[name]
    grid = grid_of(geometry, spacing)
    assert grid.volume * len(grid.areas) == pytest.approx(geometry.volume, rel=1e-12)
    assert grid.areas.sum() == pytest.approx(geometry.area, rel=1e-12)
    assert abs(grid.hops - grid.hops.T).max() < 1e-9, "diffusion in the volume is not symmetric"
    along = grid.areas[:, None] * grid.surface.toarray()
    np.testing.assert_allclose(along, along.T, rtol=1e-12)


def test_only_the_wall_of_a_cylinder_is_membrane() -> None:
    grid = grid_of(HEAD, 0.1)
    inner = np.hypot(grid.centres[:, 0], grid.centres[:, 1]) < 0.15
    assert (grid.areas[inner] == 0).all()
    assert (grid_of(Geometry.cylinder(0.5, 0.5, caps=True), 0.1).areas[inner & (grid.index[:, 2] == 0)] > 0).all()


def test_steps_round_corners_of_the_membrane() -> None:
    """A flat step of an L: one neighbour each way along the surface, through the inner corner too."""
    inside = np.ones((3, 3, 1), dtype=bool)
    inside[2, 2] = False
    grid = grid_of_mask(inside, (1.0, 1.0, 1.0), membrane=(True, True, False))
    where = {tuple(index): i for i, index in enumerate(grid.index[:, :2].tolist())}
    steps = grid.surface.toarray()
    assert steps[where[1, 2], where[2, 1]] == pytest.approx(1 / 2)  # of two faces one has an inner corner
    assert steps[where[1, 1]].sum() == 0  # surrounded
    assert steps[where[1, 0], where[0, 0]] == steps[where[1, 0], where[2, 0]] == pytest.approx(1.0)


# -- diffusion ------------------------------------------------------------------------------------------------


def spread(grid_case: str, D: float, on: str, seed: int = 7) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Where 40,000 molecules are that started in one voxel, and the probabilities by the matrix exponential."""
    geometry, spacing = GEOMETRIES[grid_case]
    n, t, right = 40_000, 0.5, 0.05
    network = ReactionNetwork([Species("A", D, on)])  # type: ignore[arg-type]
    e = engine(network, geometry, spacing, (0,), seed=seed)
    start = np.zeros((len(e.grids[0].areas), 1))
    first = int(np.argmax(e.grids[0].areas > 0))
    start[first] = n
    e.write_voxel_counts(0, start)
    e.advance(2)
    e.advance(3)
    hops = (e.grids[0].hops if on == "volume" else e.grids[0].surface).toarray() * right
    generator = hops.T - np.diag(hops.sum(axis=1))
    return e.voxel_counts()[:, 0], expm(t * generator)[:, first], e.grids[0]


@pytest.mark.parametrize("on", ["volume", "membrane"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_diffusion_is_the_exponential_of_the_discrete_laplacian(name: str, on: str) -> None:
    seen, probability, _ = spread(name, 0.05, on)
    found, bound = chi_square(seen, probability)
    assert found < bound
    found, bound = chi_square(spread(name, 0.06, on)[0], probability)
    assert found > bound, "a D wrong by a fifth would pass"


def test_the_laplacian_converges_with_order_two() -> None:
    """The first mode of a reflecting box decays as exp(-D (π/L)² t)."""
    errors, sizes = [], np.array([8, 16, 32, 64])
    for n in sizes:
        grid = grid_of(Geometry.box(1.0, 0.01, 0.01), 1 / float(n))
        mode = np.cos(math.pi * (grid.centres[:, 0] + 0.5))
        later = expm(grid.laplacian(0.1).toarray()) @ mode
        errors.append(abs(later / mode - math.exp(-0.1 * math.pi**2)).max())
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(-2, abs=0.05)


# -- reactions ------------------------------------------------------------------------------------------------


def test_birth_and_death_are_poisson_in_every_voxel() -> None:
    network = birth_death(1.0, birth=3000.0)
    e = engine(network, Geometry.box(1, 1, 1), 0.1, (3000,), tick=10.0)
    e.advance(1)
    counts = e.voxel_counts()[:, 0].astype(int)
    assert counts.sum() == e.read("counts")[0, 0]
    exact = poisson.pmf(np.arange(40), 3.0)
    found, bound = chi_square(np.bincount(counts, minlength=40).astype(float), exact)
    assert found < bound
    found, bound = chi_square(np.bincount(counts, minlength=40).astype(float), poisson.pmf(np.arange(40), 3.6))
    assert found > bound, "a rate wrong by a fifth would pass"


def test_molecules_bind_where_the_membrane_is() -> None:
    """A turns into M at the membrane: as often as in a mixed site while A is spread evenly."""
    network = build(
        [
            Species("A", 5.0),
            Species("M", 0.0, "membrane"),
            Species("P", 0.001, "membrane"),
            Species("Q", 0.0, "membrane"),
        ],
        [("A -> M", "0.2 /ms"), ("0 -> P", "200 /um^2/ms"), ("2 P -> Q", "0.004 um^2/ms")],
    )
    e = engine(network, HEAD, 0.1, (20_000, 0, 0, 0))
    e.advance(5)
    voxels, grid = e.voxel_counts(), e.grids[0]
    assert (voxels[grid.areas == 0, 1:] == 0).all()
    p = -math.expm1(-0.2 * 0.5)
    assert (
        abs(voxels[:, 1].sum() - 20_000 * p) < z_bound(2, ALPHA) * math.sqrt(20_000 * p * (1 - p)) + 20
    )  # 1e-3: slow A
    found, bound = chi_square(voxels[:, 1], grid.areas / grid.areas.sum())
    assert found < bound


def test_a_held_species_meets_its_own_kind_as_in_a_mixed_site() -> None:
    """2 A -> D with 40 A held in 125 voxels: D is Poisson with mean rate × 40 × 39."""
    network = build([Species("A", 0.1), Species("D")], [("2 A -> D", f"{0.01 * IONS_PER_MM_UM3!r} /mM/ms")])
    e = engine(network, Geometry.box(1, 1, 1), 0.2, (40, 0), clamped=("A",), tick=10.0)
    e.advance(1)
    mean = 0.01 * 40 * 39 * 10
    assert abs(e.read("counts")[0, 1] - mean) < z_bound(1, ALPHA) * math.sqrt(mean)


def test_influx_enters_at_the_membrane_by_area() -> None:
    e = engine(ReactionNetwork([Species("A", 0.0)]), HEAD, 0.1, (0,), injected=("A",))
    for n in (15_000, 5000, -3000):
        e.write("influx", n)
        e.advance(1)
    assert e.read("counts")[0, 0] == 17_000
    areas = e.grids[0].areas
    found, bound = chi_square(e.voxel_counts()[:, 0], areas / areas.sum())
    assert found < bound
    found, bound = chi_square(e.voxel_counts()[:, 0], (areas > 0) / (areas > 0).sum())
    assert found > bound, "entry by voxel rather than by area would pass"


def test_spine_keeps_calcium_exactly() -> None:
    network = spine()
    e = engine(network, HEAD, 0.1, spine_site(network).initial, injected=("Ca",))
    held = network.contents("Ca") @ e.read("counts")[0]
    for k in range(200):
        n = 49 if k % 100 < 20 else -(k % 50 == 0) * min(3, e.read("counts")[0, 0])
        held += n
        e.write("influx", n)
        e.advance(1)
        assert network.contents("Ca") @ e.read("counts")[0] == held
    voxels = e.voxel_counts()
    assert (voxels >= 0).all()
    assert (voxels.sum(axis=0) == e.read_counts()[0]).all()
    surface = [s.on == "membrane" for s in network.species]
    assert (voxels[e.grids[0].areas == 0][:, surface] == 0).all()


def test_grids_of_your_own() -> None:
    ring = np.ones((5, 5), dtype=bool)
    ring[2, 2] = False
    grid = grid_of_mask(ring, (0.1, 0.1, 0.1))
    options = GriddedOptions.model_validate({"spacing": "1 um"})
    site = Site("s", Geometry.box(1, 1, 1), (2400,))
    e = Gridded(EngineSetup("x", ReactionNetwork([Species("A", 1.0)]), (site,), 1.0, options=options), [grid])
    e.advance(1)
    found, bound = chi_square(e.voxel_counts()[:, 0], np.full(24, 1 / 24))
    assert found < bound


# -- what cannot be -------------------------------------------------------------------------------------------


def test_bad_inputs() -> None:
    still = ReactionNetwork([Species("A", 0.1)])
    with pytest.raises(InputError, match="voxels: that takes"):
        engine(still, Geometry.box(10, 10, 10), 0.01, (0,))
    with pytest.raises(InputError, match=r'gridded\.spacing = "50 nm"'):
        Gridded(EngineSetup("x", still, (Site("s", HEAD, (0,)),), 0.1))
    e = engine(still, HEAD, 0.1, (5,), injected=("A",))
    e.write("influx", -9.0)
    with pytest.raises(RunError, match='site "s" of "x": more molecules leave'):
        e.advance(1)
    with pytest.raises(InputError, match="whole, non-negative counts of shape"):
        e.write_voxel_counts(0, [[1.0]])
    other = engine(still, HEAD, 0.05, (5,))
    with pytest.raises(InputError, match="does not fit"):
        other.restore(e.save())


def test_reactions_that_voxels_slow_down_are_named() -> None:
    network = build([Species("A", 0.01), Species("B", 0.01)], [("A + B -> 0", "1e9 /M/s")])
    options = GriddedOptions.model_validate({"spacing": "20 nm"})
    found = Gridded.check(EngineSetup("x", network, (Site("s", HEAD, (0, 0)),), 0.1, options=options))
    assert len(found) == 1
    assert '"A + B -> 0" is 51% slower than its rate with voxels of 20 nm' in found[0]


def test_without_jit_the_bits_are_the_same() -> None:
    assert outputs_without_jit()["gridded"] == outputs("gridded")


def test_a_mask_from_a_file(tmp_path: Path) -> None:
    """Two chambers and a corridor: one molecule of each chamber per volume in the end, and the books of the file."""
    inside = np.zeros((5, 3, 3), dtype=bool)
    inside[:2], inside[3:], inside[2, 1, 1] = True, True, True
    np.save(tmp_path / "mask.npy", inside)
    content: dict[str, Any] = {
        "experiment": {"name": "mask", "duration": "50 ms", "exchange": "50 ms"},
        "chemistry": {"species": {"A": {"D": "50 um^2/s"}}, "initial": {"A": {"count": 370}}},
        "site": [{"name": "s", "engine": "gridded", "gridded": {"spacing": "0.1 um", "mask": "mask.npy"}}],
    }
    experiment = Experiment.parse(content, path=tmp_path / "mask.toml")
    engine = cast("Gridded", wire(experiment).engines[0])
    assert engine.sites[0].geometry.volume == pytest.approx(37e-3)
    assert len(engine.grids[0].areas) == 37
    engine.write_voxel_counts(0, np.where(np.arange(37) < 18, 370 / 37 * 37 // 18, 0)[:, None])
    start = engine.voxel_counts()[:18].sum()
    engine.advance(1)
    voxels = engine.voxel_counts()[:, 0]
    assert voxels.sum() == start
    share = 18 / 37
    assert abs(voxels[:18].sum() - start * share) < 4.5 * np.sqrt(start * share * (1 - share))
    content["site"][0]["gridded"]["mask"] = "none.npy"
    with pytest.raises(InputError, match=r"site\[0\]\.gridded.*none\.npy.*\.npy file of a mask"):
        wire(Experiment.parse(content, path=tmp_path / "mask.toml"))
