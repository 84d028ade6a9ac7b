"""The law of calmodulin and CaMKII at the rates of the chemistry, and blocks made of it, for tests."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.chemistry.library.camkii import PAIRING, PHOSPHORYLATION, RATES
from couple.chemistry.network import ReactionNetwork
from couple.experiment import Chemistry
from reducers.gccd.block import MarkovFieldBlock
from reducers.gccd.law.kernel import N_RATES, OFF, ON, PAIR, PART, PHOS
from reducers.gccd.law.molecule import LOBES, names_in
from reducers.markov.block import About

CA = {"Ca": {"contains": {"Ca": 1}, "D": "220 um^2/s"}}


def true_rates() -> Floats:
    """(48,) per ms and uM: what a perfect training would find."""
    given, out = RATES["consistent"], np.zeros(N_RATES)
    chains = ((given.free, "C"), (given.free, "N"), (given.bound, "C"), (given.bound, "N"))
    for j, (table, lobe) in enumerate(chains):
        out[4 * j : 4 * j + 4] = [*table[f"{lobe}1"], *table[f"{lobe}2"]]
    for s, state in enumerate(LOBES):
        out[ON + s], out[OFF + s] = given.to_K[state]
        out[PHOS + s] = PHOSPHORYLATION[state]
    out[PAIR], out[PART] = PAIRING
    return out * 1e-3


def network(**options: object) -> ReactionNetwork:
    return Chemistry.model_validate({"species": CA, "include": {"camkii": options}}).network()


def true_block() -> MarkovFieldBlock:
    """A block with these rates, for 30 uM calmodulin and 80 uM CaMKII."""
    made = network()
    box = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 4.0]])
    about = About.of(made, "CaMKII", names_in(made.names), "Ca", drive_box=(0.0, 100.0), box=box)
    return MarkovFieldBlock(about, true_rates(), 0, np.array([[30.0, 30.0], [80.0, 80.0]]))
