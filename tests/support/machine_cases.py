"""Nine receptors on a grid, and a machine of them with a law that is set by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from couple.chemistry.network import ReactionNetwork
from couple.experiment import Chemistry
from couple.geometry.geometry import Geometry
from reducers.machines.block import MachineBlock
from reducers.machines.kernels.motion import Law
from reducers.machines.polynomials import Monomials
from reducers.machines.settings import MachineSettings
from reducers.markov.block import About

HEAD = Geometry.cylinder(0.5, 0.509296)
UNITS = 9
RATES = {
    "bind": "200 /uM/s", "unbind": "500 /s", "activate": "10 /s", "spread": "1200 /uM/s", "deactivate": "30 /s",
}  # fmt: skip
SPECIES = tuple(f"{kind}R{k}" for k in range(UNITS) for kind in ("", "Ca", "a"))
SETTINGS = MachineSettings(
    block="array", species=("R*", "CaR*", "aR*"), shape=(3, 3), states=("bound", "active"), hidden=(("near",),),
    weights=((("active", "near"),),), bonds=(("active", "active"),), held={"a1_near": -2.0, "W01_activenear": 0.5},
    degree=1,
)  # fmt: skip


def array_chemistry(**changes: Any) -> dict[str, Any]:
    """A table [chemistry] of nine receptors. changes: of their rates."""
    return {
        "species": {"Ca": {"contains": {"Ca": 1}}},
        "include": {"array": {"name": "R", "shape": [3, 3], **RATES, **changes}},
        "initial": {"Ca": "0.5 uM"},
    }


def array_network(**changes: Any) -> ReactionNetwork:
    return Chemistry.model_validate(array_chemistry(**changes)).network()


def hand_made_law() -> Law:
    """Three parameters that relax, each at its own rate, towards what the drive sets; molecules nearly independent."""
    basis = Monomials(3, 1)
    law = np.zeros((4, 2, 3))
    rates = np.array([0.2, 0.1, 0.05])
    law[0, 0], law[0, 1], law[1:, 0] = -0.8 * rates, 0.3 * rates, -np.diag(rates)
    outputs = np.zeros((4, 5))
    outputs[0, :2], outputs[1, 0], outputs[2, 1] = 0.3, 0.15, 0.2
    outputs[0, 3:] = 0.2, -0.3
    turn = np.zeros((4, 2, 2, 2))
    turn[0, 0] = [[-0.5, 0.02], [0.05, -0.1]]
    return Law(basis.recipe, law, outputs, turn, np.array([3, 4, 4, 2, UNITS]), 0.25)


def machine_block(network: ReactionNetwork) -> MachineBlock:
    """The block of that law, as if learned."""
    order = tuple(n for n in network.names if n != "Ca")
    about = About.of(network, "array", order, "Ca", drive_box=(0.0, 10.0), box=np.array([-np.ones(3), np.ones(3)]))
    arrays = {
        "centre": np.array([0.3, 0.3, 0.4]), "width": np.array([0.15, 0.2, 0.5]),
        "biases": np.zeros((4, 2)), "start": np.full(3, -0.8),
        "anchors": np.array([[-0.8] * 3, [0.5] * 3]), "shares": np.array([[0.18, 0.14], [0.375, 0.4]]),
        "volumes": np.full(2, HEAD.volume),
    }  # fmt: skip
    return MachineBlock(about, SETTINGS, network.reactions, ["volume"] * (len(order) + 1), hand_made_law(), arrays)
