"""Cost of the CaMKII block per site and window of 0.1 ms, at 1000 sites, beside `ssa` of the same species.

    uv run --group bench python tests/bench/camkii.py

Both at 30 uM calmodulin and 80 uM CaMKII in 0.098 um^3, calcium held at rest (0.1 uM) or moving about 1 or 10 uM.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

import numpy as np
from figures import report

sys.path.insert(0, str(Path(__file__).parents[1]))

from adapters.wellmixed.ssa.engine import Gillespie
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from reducers.gccd.block import FieldsAtSites, MarkovFieldBlock
from reducers.markov.file import read_block
from support.camkii_law import network
from support.paths import ROOT

SITES, WINDOWS = 1000, 200
PER_UM = 602.214 * Geometry.cylinder(0.5, 0.5).volume


def bound_block() -> FieldsAtSites:
    block = read_block(ROOT / "examples/camkii/camkii.h5")
    assert isinstance(block, MarkovFieldBlock)
    species = block.about.species
    counts = np.zeros((SITES, len(species)), dtype=np.int64)
    counts[:, species.index("CaM_c0n0")], counts[:, species.index("K")] = 1774, 4730
    return block.bind([Geometry.cylinder(0.5, 0.5)] * SITES, counts, list(block.about.observables.values()))


def of_block(bound: FieldsAtSites, level: float, moving: float) -> float:
    """us per site and window: all that an engine asks."""
    take, held, seen = np.zeros((SITES, 2)), np.zeros(SITES), np.zeros((SITES, 3))
    best = np.inf
    for _ in range(5):
        start = process_time()
        for k in range(WINDOWS):
            bound.uptake(take)
            bound.advance(np.full(SITES, level * (1 + moving * np.sin(k))), 0.1)
            bound.held(held)
            bound.watch(seen)
        best = min(best, process_time() - start)
    return best / SITES / WINDOWS * 1e6


def of_ssa(level: float, windows: int) -> float:
    """us per site and window of one site, calcium held."""
    made = network()
    initial = [0] * len(made.species)
    for name, count in (("Ca", round(level * PER_UM)), ("CaM_c0n0", 1774), ("K", 4730)):
        initial[made.index(name)] = count
    site = Site("s", Geometry.cylinder(0.5, 0.5), tuple(initial))
    engine = Gillespie(EngineSetup("e", made, (site,), 0.1, clamped=("Ca",)))
    engine.read("clamp")[:] = level * PER_UM
    for _ in range(windows // 2):
        engine.advance(1)
    start = process_time()
    for _ in range(windows):
        engine.advance(1)
    return (process_time() - start) / windows * 1e6


if __name__ == "__main__":
    bound = bound_block()
    for what, level, moving in (("at rest", 0.1, 0.0), ("about 1 uM", 1.0, 0.3), ("about 10 uM", 10.0, 0.3)):
        for _ in range(2000):
            bound.advance(np.full(SITES, level), 0.1)
        cost, ssa = of_block(bound, level, moving), of_ssa(level, 5000)
        report(f"camkii block {what}", cost, "us per site and window", 0.06)
        report(f"camkii block / ssa {what}", cost / ssa, "ratio", 1e-2)
