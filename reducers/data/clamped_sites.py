"""Well-mixed sites of one engine whose drive is held at given molecules: what reduced models are learned from."""

from __future__ import annotations

from couple.base import registry
from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_amounts import initial_amounts


def clamped_sites(
    engine: str,
    part: ReactionNetwork,
    experiment: Experiment,
    geometry: Geometry,
    drive: str,
    first: Floats,
    runs: int,
    every: float,
    seed: int,
) -> SiteEngine:
    """`runs` sites for each course of the drive, at the amounts that the experiment starts with.

    part: the chemistry of these sites, of species of the experiment. first: (n_courses,) molecules of the drive at the
    start; whoever advances sets the input `clamp`. every: ms of a tick.
    """
    counts = initial_amounts(experiment.network(), experiment.chemistry.initial, geometry).counts
    amount = dict(zip(experiment.network().names, counts, strict=True))
    factory = registry.load("couple.engines", engine)
    sites = tuple(
        Site(f"{c} {r}", geometry, tuple(float(first[c]) if n == drive else amount[n] for n in part.names))
        for c in range(len(first))
        for r in range(runs)
    )
    made: SiteEngine = factory(
        EngineSetup("train", part, sites, every, clamped=(drive,), seed=seed, options=factory.Options())
    )
    return made
