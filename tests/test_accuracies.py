"""Three accuracies of one chemistry agree where they must: `lattice` with `ssa`, and `ssa` with `ode`.

A spine head with the chemistry of examples/spine is driven by a weak influx, open loop. Without a gradient below the
membrane (D of Ca x 20) molecules on a lattice follow the well-mixed master equation; in a volume 100 times as large
the master equation follows mass action. Every comparison must also find an influx, or an on-rate of the buffer,
that is a fifth too high.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from lattice_cases import lattice
from networks import HEAD
from scipy.stats import f, t

from adapters.wellmixed.ode import MassAction
from adapters.wellmixed.ssa import Gillespie
from couple.component import Floats
from couple.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.geometry import Geometry
from couple.initial import initial_counts
from couple.network import ReactionNetwork

SPINE = Path(__file__).parents[1] / "examples" / "spine" / "spine.toml"
ALPHA = 1e-3
"""Chance that a comparison of two equal laws fails."""

WINDOW = 1.0  # ms
WINDOWS, BLOCK = 20, 5
INFLUX = np.where((np.arange(WINDOWS) >= 2) & (np.arange(WINDOWS) < 12), 50.0, 0.0)
"""Ions in each window: 0.85 µM/ms for 10 ms, a fifth of it a whole number. Free calcium goes from 6 ions to 20."""

QUANTITIES = ("free", "CaCBP", "CaPMCA", "CaNCX", "SK_C1", "SK_open", "Ca_out")
"""Compared at the end of each block; `free` and `SK_open` as means over its last window."""

JOINT = ("free", "CaCBP", "CaPMCA", "Ca_out")
"""Compared together, at the end of each second block. Not all: bound, free and extruded calcium add up to a number."""


@functools.cache
def chemistry(*, calbindin: bool = False, mixing: float = 1.0, buffer: float = 1.0) -> ReactionNetwork:
    """The chemistry of examples/spine; `mixing` multiplies the D of calcium, `buffer` the on-rate of CBP."""
    whole = Experiment.load(SPINE).chemistry.network()

    def kept(name: str) -> bool:
        return calbindin or not name.startswith("CB_")

    species = [replace(s, D=s.D * mixing) if s.name == "Ca" else s for s in whole.species if kept(s.name)]
    reactions = [
        replace(r, rate=r.rate * buffer) if r.reactants == ("Ca", "CBP") else r
        for r in whole.reactions
        if all(map(kept, r.reactants))
    ]
    assert buffer == 1.0 or {r.rate for r in reactions} - {r.rate for r in whole.reactions}, "no rate was changed"
    return ReactionNetwork(species, reactions, whole.reservoirs, {**whole.observables, "free": ["Ca"]})


def sites(network: ReactionNetwork, n: int, scale: int = 1) -> tuple[Site, ...]:
    """`n` heads at rest, independent of each other: random streams are keyed by the site's name.

    `scale` multiplies the length of the cylinder, hence volume, membrane area and all counts.
    """
    initial = {k: v for k, v in Experiment.load(SPINE).chemistry.initial.items() if k in network.names}
    counts = tuple(scale * k for k in initial_counts(network, initial, HEAD))
    geometry = Geometry.cylinder(HEAD.size[0], scale * HEAD.size[1])
    assert math.isclose(geometry.volume, scale * HEAD.volume)
    assert math.isclose(geometry.area, scale * HEAD.area)
    return tuple(Site(f"s{i}", geometry, counts) for i in range(n))


def course(engine: SiteEngine, ions: Floats) -> Floats:
    """(n_sites, n_blocks, n_quantities) the QUANTITIES of an engine that receives `ions` (n_windows,)."""
    observables, rows = tuple(engine.network.observables), []
    for k, n in enumerate(ions):
        engine.write("influx", n)
        engine.advance(1)
        if (k + 1) % BLOCK == 0:
            rows.append(
                [
                    engine.read("means")[:, observables.index(q)]
                    if q in observables
                    else engine.read("counts")[:, engine.network.index(q)]
                    for q in QUANTITIES
                ]
            )
    return np.moveaxis(np.array(rows), -1, 0).copy()


def on_a_lattice(n: int, *, calbindin: bool = False, mixing: float = 20.0, seed: int = 1) -> Floats:
    network = chemistry(calbindin=calbindin, mixing=mixing)
    engine = lattice(network, sites(network, n), tick=WINDOW, injected=("Ca",), seed=seed)
    return course(engine, INFLUX)


def well_mixed(
    of: type[Gillespie] | type[MassAction],
    n: int,
    *,
    scale: int = 1,
    calbindin: bool = False,
    buffer: float = 1.0,
    influx: float = 1.0,
    seed: int = 2,
) -> Floats:
    """`course` of a well-mixed engine; `buffer` and `influx` are the errors of controls."""
    network = chemistry(calbindin=calbindin, buffer=buffer)
    setup = EngineSetup("x", network, sites(network, n, scale), WINDOW, ("Ca",), seed=seed)
    return course(of(setup), np.rint(INFLUX * influx) * scale)


@dataclass(frozen=True)
class Comparison:
    """Two samples of courses, or a sample and an exact course.

    z:        (n_blocks, n_quantities) differences of the means over both standard errors together.
    limit:    what any |z| exceeds with a chance of ALPHA, by Student and Sidak, if the means are equal.
    distance: (n_blocks // 2,) Hotelling's T² of the JOINT quantities, which knows how they go together.
    reach:    what any T² exceeds with a chance of ALPHA.
    """

    z: Floats
    limit: float
    distance: Floats
    reach: float

    @property
    def agrees(self) -> bool:
        return bool((abs(self.z) < self.limit).all() and (self.distance < self.reach).all())

    def __str__(self) -> str:
        worst = QUANTITIES[int(abs(self.z).max(axis=0).argmax())]
        return (
            f"largest |z| {abs(self.z).max():.2f} ({worst}; limit {self.limit:.2f}), "
            f"T² {' '.join(f'{d:.1f}' for d in self.distance)} (limit {self.reach:.1f})"
        )


def compare(sample: Floats, other: Floats) -> Comparison:
    """Compare the means of `sample` with those of `other`, exact if it has one course only.

    Degrees of freedom are those of the smaller sample alone (Welch's are more), so the limits err on the wide side.
    """
    difference = sample.mean(axis=0) - other.mean(axis=0)
    samples = [s for s in (sample, other) if len(s) > 1]
    freedom = min(map(len, samples)) - 1
    error = np.sqrt(sum(s.var(axis=0, ddof=1) / len(s) for s in samples))
    columns = [QUANTITIES.index(q) for q in JOINT]
    p, blocks = len(columns), range(1, len(difference), 2)
    distance = []
    for b in blocks:
        covariance = sum(np.cov(s[:, b, columns], rowvar=False) / len(s) for s in samples)
        distance.append(difference[b, columns] @ np.linalg.solve(covariance, difference[b, columns]))
    each = -math.expm1(math.log1p(-ALPHA / 2) / difference.size)  # half of ALPHA for z, half for T²
    joint = -math.expm1(math.log1p(-ALPHA / 2) / len(blocks))
    reach = p * freedom / (freedom - p + 1) * f.isf(joint, p, freedom - p + 1)
    return Comparison(difference / error, float(t.isf(each / 2, freedom)), np.array(distance), float(reach))
