"""Fluctuating fields: the noise against the discrete operator, variances of modes, reactions, negativity."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest
from scipy.linalg import eigh

from adapters.fem.mesh.discretisation import Discretisation
from adapters.fem.solver import thermal_noise
from adapters.fem.spde import FluctuatingFields, MidpointDiffusion, SpdeOptions
from adapters.wellmixed.ode.engine import MassAction
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from couple.rng.streams import stream
from support.networks import HEAD, birth_death, build, spine, spine_site
from support.statistics import z_bound

BOX = Geometry.box(0.4, 0.5, 0.6)
D = 0.2
INERT = build([Species("A", D)], [])


def engine(network: ReactionNetwork, *sites: Site, tick: float = 0.1, **setup: Any) -> FluctuatingFields:
    keys = {k: setup.pop(k) for k in ("injected", "clamped", "seed") if k in setup}
    return FluctuatingFields(EngineSetup("x", network, sites, tick, options=SpdeOptions.model_validate(setup), **keys))


def modes(d: Discretisation) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues λ and vectors v of K v = λ M v with vᵀ M v = 1, the constant left out."""
    values, vectors = eigh(d.stiffness.toarray(), d.mass.toarray())
    return values[1:], vectors[:, 1:]


@pytest.mark.parametrize(
    ("geometry", "cells"),
    [
        (BOX, "tetrahedron"),
        (HEAD, "interval"),
        (HEAD, "triangle"),
        (HEAD, "tetrahedron"),
        (Geometry.sphere(1), "triangle"),
    ],
)
def test_noise_is_made_of_what_dissipates(geometry: Geometry, cells: str) -> None:
    """Covariance of the random fluxes at density 1: 2 D dt K, and no molecule made."""
    d = engine(INERT, Site("s", geometry, (1,)), cells=cells).discretisation()
    c = thermal_noise.cells_of(d)
    made = np.zeros(d.stiffness.shape)
    for nodes, measure, slope in zip(c.nodes, c.measure, c.slope, strict=True):
        made[np.ix_(nodes, nodes)] += measure * slope @ slope.T
    assert abs(made - d.stiffness.toarray()).max() <= 1e-12 * abs(made).max()
    out = np.zeros(len(d.volumes))
    thermal_noise.add_noise(c, 1e3 * d.volumes, d.volumes, 1.0, stream(1, "a", "b", "c"), out)
    assert abs(out).max() > 0
    assert abs(out.sum()) <= 1e-12 * abs(out).sum()


@pytest.mark.parametrize("courant", [1.0, 20.0], ids=["fine steps", "coarse steps"])
def test_variances_of_modes(courant: float) -> None:
    """From an even field (no variance at all) every mode grows to the variance of its density, at any step.

    Bounds: variances of n Gaussian samples vary by sqrt(2 / n); samples are 4 times the slowest decay apart.
    """
    site = Site("s", BOX, (200_000,))
    d = engine(INERT, site, resolution="0.15 um").discretisation()
    values, vectors = modes(d)
    step = courant / (D * values[-1])
    diffusion = MidpointDiffusion(d, thermal_noise.cells_of(d), D, step)
    words, even = stream(1, "spde", "s", "diffusion"), 200_000 * d.volumes / BOX.volume
    apart, samples, n = math.ceil(4 / (D * values[0] * step)), 200, even.copy()
    nothing, found = np.zeros(len(n)), []
    for _ in range(samples + 1):
        for _ in range(apart):
            diffusion.step(n, nothing, words)
        found.append(vectors.T @ n)
    density = 200_000 / BOX.volume
    ratio = np.var(found[1:], axis=0, ddof=1) / density
    bound = z_bound(len(values)) * math.sqrt(2 / samples)
    assert (abs(ratio - 1) < bound).all()
    pooled = z_bound(1) * math.sqrt(2 / (samples * len(values)))
    assert abs(ratio.mean() - 1) < pooled
    # backward Euler would damp the modes to 1 / (1 + D λ dt / 2): seen
    assert abs((1 / (1 + D * values * step / 2)).mean() - 1) > 3 * pooled


def test_modes_decay_as_they_should() -> None:
    """The mean of the slowest mode over many sites, against the exact factor of the steps."""
    sites = tuple(Site(f"s{i}", BOX, (5_000,)) for i in range(60))
    e = engine(INERT, *sites, tick=0.05, resolution="0.15 um", step="0.05 ms")
    values, vectors = modes(e.discretisation())
    d, z = e.discretisation(), D * values[0] * 0.05
    shape = 5_000 * d.volumes / BOX.volume * (1 + 0.5 * vectors[:, 0] / abs(vectors[:, 0]).max())
    for k in range(len(sites)):
        e.field(k, "A")[:] = shape
    start = vectors[:, 0] @ shape
    e.advance(6)
    found = np.array([vectors[:, 0] @ e.field(k, "A") for k in range(len(sites))])
    exact = start * ((1 - z / 2) / (1 + z / 2)) ** 6
    bound = z_bound(1) * found.std(ddof=1) / math.sqrt(len(sites))
    assert abs(found.mean() - exact) < bound
    assert abs(exact * 1.2 - exact) > bound, "a wrong coefficient would pass"


def test_birth_and_death_are_poisson() -> None:
    """Mean and variance of the counts of many sites at the steady state; both equal birth / death."""
    birth, n = 40.0, 300
    sites = tuple(Site(f"s{i}", BOX, (40,)) for i in range(n))
    e = engine(birth_death(BOX.volume, birth), *sites, tick=0.5, resolution="0.3 um")
    e.advance(12)
    counts = e.read("counts")[:, 0]
    assert abs(counts.mean() - birth) < z_bound(2) * math.sqrt(birth / n)
    # variance of a sample variance of Poisson numbers: (m + 2 m²) / n
    assert abs(counts.var(ddof=1) - birth) < z_bound(2) * math.sqrt((birth + 2 * birth**2) / n)


@pytest.mark.parametrize("molecules", [800, 8_000], ids=["ten per node", "a hundred per node"])
def test_means_of_a_reaction(molecules: int) -> None:
    """A + B <-> C in every node's own numbers, whose mean is that of mass action but for one molecule in many."""
    rate = 40.0 / molecules
    on = f"{rate * IONS_PER_MM_UM3 * BOX.volume!r} /mM/ms"
    species = [Species("A", D, contains={"X": 1}), Species("B"), Species("C", contains={"X": 1})]
    network = build(species, [("A + B <-> C", on, "10 /ms")])

    def counts(cls: Any, n: int, **options: Any) -> np.ndarray:
        sites = tuple(Site(f"s{i}", BOX, (molecules, molecules, 0)) for i in range(n))
        e = cls(EngineSetup("x", network, sites, 0.1, options=cls.Options.model_validate(options), seed=7))
        e.advance(5)
        return np.asarray(e.read("counts")[:, 2].copy())

    n = 40
    found = counts(FluctuatingFields, n, resolution="0.2 um")
    exact = float(counts(MassAction, 1)[0])
    bound = z_bound(2) * found.std(ddof=1) / math.sqrt(n)
    assert abs(found.mean() - exact) < bound
    assert bound < 0.02 * exact, "2 % off would pass"


def test_spine_conserves_and_rests() -> None:
    """The chemistry of a spine: whole molecules, exact books, calcium near rest."""
    network = spine(calbindin=False)
    e = engine(network, spine_site(network), injected=("Ca",))
    held = network.contents("Ca")
    start, sent = held @ e.read("counts")[0], 0
    for window in range(30):
        e.write("influx", float(window % 4))
        sent += window % 4
        e.advance(1)
        counts = e.read("counts")[0]
        assert held @ counts == start + sent
        assert (counts == np.rint(counts)).all()
        for name in network.names:
            assert e.field(0, name).sum() == pytest.approx(counts[network.index(name)], abs=1e-9)


def test_negativity_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    rich, poor = Site("rich", BOX, (20_000,)), Site("poor", BOX, (400,))
    e = engine(INERT, rich, poor, resolution="0.1 um")
    assert "fewer than 5 molecules per node" in " ".join(FluctuatingFields.check(e.setup))
    with caplog.at_level(logging.WARNING):
        e.advance(3)
    assert e.negative[0, 0] == 0
    assert e.negative[1, 0] > 0.02
    assert [r for r in caplog.records if '"poor"' in r.getMessage() and "below zero" in r.getMessage()]
    assert not [r for r in caplog.records if '"rich"' in r.getMessage()]


def test_what_it_does_not_do_is_said() -> None:
    slippery = build([Species("W", 0.1, on="membrane")], [])
    with pytest.raises(InputError, match="W diffuse: use pde or lattice"):
        engine(slippery, Site("s", BOX, (3,)))
    with pytest.raises(InputError, match="simplices of degree 1"):
        engine(INERT, Site("s", BOX, (3,)), degree=2)
