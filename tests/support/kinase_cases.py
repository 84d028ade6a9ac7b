"""A calcium sensor, and a kinase that it switches on and that phosphorylates itself: few molecules, exact rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.geometry.geometry import Geometry
from couple.rng.streams import stream
from reducers.copy_numbers.block import CopyNumberBlock, CopyNumbersAtSites
from reducers.markov.block import About

HEAD = Geometry.cylinder(0.5, 0.509296)
PER_UM = 60.2214 * HEAD.volume * 10
SPECIES = ("S", "CaS", "K", "Kp")


def kinase_network(speed: float = 1.0) -> ReactionNetwork:
    """S + Ca <-> CaS; CaS and Kp turn K into Kp; Kp -> K. speed: factor of what happens to K, for controls."""
    reactions = [
        Reaction(("Ca", "S"), ("CaS",), 100.0),
        Reaction(("CaS",), ("Ca", "S"), 0.5),
        Reaction(("CaS", "K"), ("CaS", "Kp"), 6.0 * speed),
        Reaction(("Kp", "K"), ("Kp", "Kp"), 8.0 * speed),
        Reaction(("Kp",), ("K",), 0.02 * speed),
    ]
    species = [Species("Ca", contains={"Ca": 1}), Species("S"), Species("CaS", contains={"Ca": 1}), Species("K")]
    return ReactionNetwork([*species, Species("Kp")], reactions, (), {"active": {"Kp": 1.0}})


def kinase_block(network: ReactionNetwork, order: int = 2, totals: Sequence[float] = (10.0, 3.0)) -> CopyNumberBlock:
    """Of its own reactions at their rates, as if learned. totals: uM of sensor and kinase."""
    about = About.of(
        network, "kinase", SPECIES, "Ca", drive_box=(0.0, 30.0), box=np.array([np.zeros(2), np.array(totals)])
    )
    return CopyNumberBlock(about, network.reactions, ["volume"] * 5, order, np.array([totals, totals]))


def at_sites(block: CopyNumberBlock, sites: int, counts: Sequence[int], *, noisy: bool = True) -> CopyNumbersAtSites:
    """The block in so many heads that all begin with these counts."""
    made = block.bind([HEAD] * sites, np.tile(np.array(counts), (sites, 1)), [])
    if noisy:
        made.seed(np.array([stream(1, "test", str(i), "kinase") for i in range(sites)]))
    return made


def followed(made: CopyNumbersAtSites, drive: Floats, window: float) -> Floats:
    """(T, n_sites, S) numbers under a drive (T,) in uM."""
    out = np.empty((len(drive), *made.state.shape))
    for k, u in enumerate(drive.tolist()):
        made.advance(np.full(len(made.state), u), window)
        out[k] = made.state
    return out
