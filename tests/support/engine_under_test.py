"""An engine as tests make it, sites and a chemistry to make it of, and what is compared of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from couple.base import registry
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.geometry.geometry import Geometry
from support.networks import build

TICK = 0.1
HEAD = Geometry.cylinder(0.5, 0.5)
BOX = Geometry.box(0.3, 0.3, 0.3)


@dataclass(frozen=True)
class EngineUnderTest:
    """name: registered in `couple.engines`. options: of its Options. stochastic: whether the seed matters.

    opening: options besides, with which it finds where a neck opens into a cylinder. charges: of species, where the
    network has none.
    """

    name: str
    options: Mapping[str, object] = field(default_factory=dict)
    stochastic: bool = True
    opening: Mapping[str, object] = field(default_factory=dict)
    charges: Mapping[str, int] = field(default_factory=dict)

    def make(self, network: ReactionNetwork, sites: tuple[Site, ...], **setup: Any) -> SiteEngine:
        """The engine on these sites; `setup` as in EngineSetup."""
        cls = registry.load("couple.engines", self.name)
        if self.charges:
            network = charged(network, self.charges)
        options = cls.Options.model_validate(dict(self.options))
        engine = cls(
            EngineSetup(
                **{"name": "head", "tick": TICK, "seed": 1, **setup}, network=network, sites=sites, options=options
            )
        )
        assert isinstance(engine, SiteEngine)
        return engine


def chemistry() -> ReactionNetwork:
    """Calcium, a buffer, and a pump on the membrane that lets it out and leaks."""
    ca = {"Ca": 1}
    species = [
        Species("Ca", 0.22, contains=ca),
        Species("B", 0.028),
        Species("CaB", 0.028, contains=ca),
        Species("P", on="membrane"),
        Species("CaP", on="membrane", contains=ca),
    ]
    equations = [
        ("Ca + B <-> CaB", "2.47e8 /M/s", "524 /s"),
        ("Ca + P <-> CaP", "1.5e8 /M/s", "150 /s"),
        ("CaP -> P + Ca_out", "1200 /s"),
        ("P + Ca_out -> P + Ca", "200 /s"),
    ]
    return build(species, equations, ["Ca_out"], {"free": ["Ca"], "bound": ["CaB", "CaP"]})


def charged(network: ReactionNetwork, charges: Mapping[str, int]) -> ReactionNetwork:
    """The same network, of which these species have charges."""
    species = [replace(s, charge=charges.get(s.name, s.charge)) for s in network.species]
    return ReactionNetwork(species, network.reactions, network.reservoirs, network.observables)


NETWORK = chemistry()
SITES = (
    Site("one", HEAD, (30, 60, 10, 40, 5)),
    Site("two", Geometry.cylinder(0.4, 0.6), (20, 50, 20, 30, 3)),
    Site("three", BOX, (15, 40, 5, 20, 8)),
)
INFLUX = (3.0, 0.0, -2.0, 7.0, -1.0, 0.0, 12.0, 1.0)


def run(engine: SiteEngine, windows: int, influx: float = 2.0) -> np.ndarray:
    """All outputs after each of some windows: (windows, values), copied."""
    rows = []
    for _ in range(windows):
        engine.write("influx", influx)
        engine.advance(1)
        rows.append(np.concatenate([engine.read("counts").ravel(), engine.read("means").ravel()]))
    return np.array(rows)


def held(engine: SiteEngine, substance: str = "Ca") -> np.ndarray:
    """(n_sites,) amount of a substance, reservoirs included."""
    return np.array([row @ engine.network.contents(substance) for row in engine.read("counts")])


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the bit."""
    return a.shape == b.shape and a.tobytes() == b.tobytes()
