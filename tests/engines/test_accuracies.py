"""Three accuracies of one chemistry agree where they must: `lattice` with `ssa`, and `ssa` with `ode`.

A spine head with the chemistry of examples/spine is driven by a weak influx, open loop. Without a gradient below the
membrane (D of Ca x 20) molecules on a lattice follow the well-mixed master equation; in a volume 100 times as large
the master equation follows mass action. Every comparison must also find an influx, or an on-rate of the buffer,
that is a fifth off. At the end, two laws of the membrane that only a comparison with theory can show.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import f, t

from adapters.wellmixed.ode.engine import MassAction
from adapters.wellmixed.ssa.engine import Gillespie
from couple.base.arrays import Floats
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.chemistry.whole_counts import whole_amounts
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_amounts import initial_amounts
from support.lattice_cases import binding, copies, equilibrium, lattice, relaxation
from support.networks import HEAD, build
from support.paths import EXAMPLES
from support.statistics import z_bound

SPINE = EXAMPLES / "spine" / "spine.toml"
ALPHA = 1e-3
"""Chance that a comparison of two equal laws fails."""

WINDOW = 1.0  # ms
WINDOWS, BLOCK = 20, 5
INFLUX = np.where((np.arange(WINDOWS) >= 2) & (np.arange(WINDOWS) < 12), 50.0, 0.0)
"""Ions in each window, a fifth of them a whole number: 0.85 µM/ms for 10 ms, free calcium goes from 6 ions to 20."""

QUANTITIES = ("free", "CaCBP", "CaPMCA", "CaNCX", "SK_C1", "SK_open", "Ca_out")
"""Compared at the end of each block of windows, `free` and `SK_open` as means over it."""

JOINT = ("free", "CaCBP", "CaPMCA", "Ca_out")
"""Compared together, after half of the time and at the end. Not all: the sum of all calcium does not vary."""

CALBINDIN = ("CB_H0M0", "CB_H2M2")
"""Compared as well where there is calbindin."""

ERRORS = [{"influx": 1.2}, {"influx": 0.8}, {"buffer": 1.2}, {"buffer": 0.8}]
"""What every comparison must find: factors on the influx and on the on-rate of CBP."""


@functools.cache
def experiment() -> Experiment:
    return Experiment.load(SPINE)


def chemistry(*, calbindin: bool = False, mixing: float = 1.0, buffer: float = 1.0) -> ReactionNetwork:
    """The chemistry of examples/spine; `mixing` multiplies the D of calcium, `buffer` the on-rate of CBP."""
    whole = experiment().chemistry.network()

    def kept(*names: str) -> bool:
        return calbindin or not any(name.startswith("CB_") for name in names)

    species = [replace(s, D=s.D * mixing) if s.name == "Ca" else s for s in whole.species if kept(s.name)]
    reactions = [r for r in whole.reactions if kept(*r.reactants)]
    (binding,) = (k for k, r in enumerate(reactions) if r.reactants == ("Ca", "CBP"))
    reactions[binding] = replace(reactions[binding], rate=reactions[binding].rate * buffer)
    return ReactionNetwork(species, reactions, whole.reservoirs, {**whole.observables, "free": ["Ca"]})


def sites(network: ReactionNetwork, n: int, scale: int = 1) -> tuple[Site, ...]:
    """`n` heads at rest, independent of each other: random streams are keyed by the site's name.

    `scale` multiplies the length of the cylinder, hence volume, membrane area and all counts.
    """
    initial = {k: v for k, v in experiment().chemistry.initial.items() if k in network.names}
    amounts, together = initial_amounts(network, initial, HEAD)
    counts = tuple(scale * k for k in whole_amounts(amounts, network.names, together, "nearest", lambda _: 0.0))
    diameter, length = HEAD.size
    geometry = Geometry.cylinder(diameter, scale * length)
    assert math.isclose(geometry.volume, scale * HEAD.volume)
    assert math.isclose(geometry.area, scale * HEAD.area)
    return tuple(Site(f"s{i}", geometry, counts) for i in range(n))


def course(engine: SiteEngine, ions: Floats) -> Floats:
    """(n_sites, n_blocks, n_quantities) of an engine that receives `ions` (n_windows,)."""
    network, rows = engine.network, []
    seen = tuple(network.observables)
    means = np.zeros((len(engine.sites), len(seen)))
    for k, n in enumerate(ions):
        engine.write("influx", n)
        engine.advance(1)
        means += engine.read("means") / BLOCK
        if (k + 1) % BLOCK == 0:
            counts = engine.read("counts")
            names = [q for q in (*QUANTITIES, *CALBINDIN) if q in (*network.states, *seen)]
            rows.append([means[:, seen.index(q)] if q in seen else counts[:, network.index(q)].copy() for q in names])
            means = np.zeros_like(means)
    return np.moveaxis(np.array(rows), -1, 0)


def on_a_lattice(n: int, *, calbindin: bool = False, mixing: float = 20.0, seed: int = 1) -> Floats:
    """Courses of `n` heads, molecule by molecule on a lattice of 10 nm."""
    network = chemistry(calbindin=calbindin, mixing=mixing)
    return course(lattice(network, sites(network, n), tick=WINDOW, injected=("Ca",), seed=seed), INFLUX)


def well_mixed(
    of: type[Gillespie] | type[MassAction],
    n: int,
    *,
    scale: int = 1,
    calbindin: bool = False,
    influx: float = 1.0,
    buffer: float = 1.0,
    seed: int = 2,
) -> Floats:
    """Courses of `n` well-mixed heads, `scale` times as large; `influx` and `buffer` are the errors of controls."""
    network = chemistry(calbindin=calbindin, buffer=buffer)
    setup = EngineSetup("x", network, sites(network, n, scale), WINDOW, ("Ca",), seed=seed)
    return course(of(setup), np.rint(INFLUX * influx) * scale)


@dataclass(frozen=True)
class Comparison:
    """The means of two samples of courses, or of a sample and of an exact course.

    z:        (n_blocks, n_quantities) differences over both standard errors together.
    limit:    what the largest |z| exceeds with a chance of ALPHA / 2 (Student, Sidak) if both follow one law.
    distance: (n_blocks // 2,) Hotelling's T² of the JOINT quantities, which knows how they vary together.
    reach:    what the largest T² exceeds with a chance of ALPHA / 2.
    """

    z: Floats
    limit: float
    distance: Floats
    reach: float

    @property
    def agrees(self) -> bool:
        return bool((abs(self.z) < self.limit).all() and (self.distance < self.reach).all())

    def __str__(self) -> str:
        worst = (*QUANTITIES, *CALBINDIN)[int(abs(self.z).max(axis=0).argmax())]
        far = " ".join(f"{d:.1f}" for d in self.distance)
        return f"|z| up to {abs(self.z).max():.2f} ({worst}; limit {self.limit:.2f}), T² {far} (limit {self.reach:.1f})"


def compare(sample: Floats, other: Floats) -> Comparison:
    """Compare `sample` with `other`, which is exact if it holds one course only.

    Both standard errors come from the pooled variance, as one law has it: a few open channels in the smaller sample
    alone would not tell their own variance.
    """
    samples = [s - s.mean(axis=0) for s in (sample, other) if len(s) > 1]
    rest, freedom = np.concatenate(samples), sum(len(s) - 1 for s in samples)
    share = sum(1 / len(s) for s in samples)
    difference = sample.mean(axis=0) - other.mean(axis=0)
    z = difference / np.sqrt(share * (rest**2).sum(axis=0) / freedom)
    columns, blocks = [QUANTITIES.index(q) for q in JOINT], range(1, len(z), 2)
    distance = []
    for b in blocks:
        covariance = share * rest[:, b, columns].T @ rest[:, b, columns] / freedom
        distance.append(difference[b, columns] @ np.linalg.solve(covariance, difference[b, columns]))
    each, joint = (-math.expm1(math.log1p(-ALPHA / 2) / n) for n in (z.size, len(blocks)))
    p, left = len(JOINT), freedom - len(JOINT) + 1
    reach = p * freedom / left * f.isf(joint, p, left)
    return Comparison(z, float(t.isf(each / 2, freedom)), np.array(distance), float(reach))


def check(found: Floats, other: Callable[..., Floats]) -> None:
    """`found` agrees with `other()`, and with none of its ERRORS; prints the figures (pytest -s)."""
    right = compare(found, other())
    print(f"\n{right}")
    assert right.agrees, right
    for error in ERRORS:
        wrong = compare(found, other(**error))
        print(error, wrong)
        assert not wrong.agrees, f"{error} would pass: {wrong}"


def test_lattice_agrees_with_ssa() -> None:
    """Without calbindin. Each head adds 65 or more to the T² of every error: 8 bring it above 500; the limit is 22."""
    check(on_a_lattice(8), functools.partial(well_mixed, Gillespie, 1000))


def test_ssa_agrees_with_ode_in_a_large_volume() -> None:
    """Fluctuations shift the mean by about one molecule whatever the volume; of 100 heads this is not seen."""
    check(well_mixed(Gillespie, 40, scale=100), functools.partial(well_mixed, MassAction, 1, scale=100))


@pytest.mark.acceptance
def test_lattice_agrees_with_ssa_in_full_chemistry() -> None:
    check(on_a_lattice(200, calbindin=True), functools.partial(well_mixed, Gillespie, 4000, calbindin=True))


@pytest.mark.acceptance
def test_ssa_agrees_with_ode_in_full_chemistry() -> None:
    check(
        well_mixed(Gillespie, 200, scale=100, calbindin=True),
        functools.partial(well_mixed, MassAction, 1, scale=100, calbindin=True),
    )


BOX = Geometry.box(0.3, 0.3, 0.3)


def test_release_from_the_membrane() -> None:
    """The off-rate, where a fifth of all releases are undone at once: without calibration they would be that slow."""
    proteins, n, D, koff, duration = 20, 400, 0.22, 2.0, 0.3
    kon = 0.6 * D * 0.01 * IONS_PER_MM_UM3
    network = binding(kon, koff, D=(D, 0.0), on="membrane")
    engine = lattice(network, copies(n, BOX, (0, 0, proteins)), tick=duration, seed=22)
    engine.advance(1)
    found = engine.read("counts")[:, 2].mean()
    pair = kon / IONS_PER_MM_UM3 / BOX.volume
    mean, variance = relaxation(0, 0, proteins, pair, koff, duration)
    limit = z_bound(1) * math.sqrt(variance / n)
    assert abs(found - mean) < limit
    assert abs(found - relaxation(0, 0, proteins, pair, 1.2 * koff, duration)[0]) > limit
    assert abs(found - relaxation(0, 0, proteins, pair, 0.8 * koff, duration)[0]) > limit


@pytest.mark.acceptance
def test_an_immobile_crowd_does_not_screen_the_membrane() -> None:
    """Proteins at equilibrium with what moves, however many cells an immobile buffer takes."""
    crowd, n = round(0.2 * BOX.volume / 0.01**3), 24
    kon, koff = 150.0, 0.15
    species = [Species("A", 0.22), Species("M", on="membrane"), Species("AM", on="membrane"), Species("B")]
    network = build(species, [("A + M <-> AM", f"{kon!r} /mM/ms", f"{koff!r} /ms")], observables={"bound": ["AM"]})
    engine = lattice(network, copies(n, BOX, (24, 24, 36, crowd)), tick=20.0, seed=3)
    engine.advance(1)
    engine.advance(5)
    bound = engine.read("means")[:, 0]
    limit = z_bound(1) * bound.std(ddof=1) / math.sqrt(n)
    pair = kon / IONS_PER_MM_UM3 / BOX.volume / koff
    assert abs(bound.mean() - equilibrium(60, 60, pair)[0]) < limit
    assert abs(bound.mean() - equilibrium(60, 60, 1.2 * pair)[0]) > limit, "K wrong by a fifth would pass"
