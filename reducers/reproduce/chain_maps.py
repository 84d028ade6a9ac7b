"""How reactions move the parameters of a chain of sites, over h and J in [-4, 4]: one species, and two motifs.

p(s) = exp(Σ h s + Σ J s s') / Z on an endless row of sites of single occupancy; F_h and F_J are the rates of change
that keep it the max-ent distribution of the master equation's moments (JCP 149:034107, eq. 9 and Fig. 7-11).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.rule import Rule
from reducers.dbd.laws.reactions import ChainFunction, rules_of
from reducers.dbd.report.law_maps import draw_rates, reaction_map, standard_rules
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = ((0.0, 0.0), (1.0, 0.0), (-1.0, 0.5))
CLOSED = {
    "A → 0": ((-2.0, 0.0), (-3.718282, 0.0), (-0.781335, -0.572049)),
    "diffusion": ((0.0, 0.0), (0.0, 0.0), (0.662504, -0.877394)),
    "2 A → 0": ((-2.0, 0.0), (-14.778112, 6.389056), (-0.326535, -0.920290)),
    "2 A → A": ((1.0, -2.0), (2.718282, -3.718282), (0.884168, -1.847327)),
    "A → 2 A": ((-1.0, 2.0), (-1.0, 1.367879), (-0.885054, 2.102579)),
}
"""(F_h, F_J) at POINTS, rates of 1: closed forms of the transfer matrix, the last three by finite differences."""

MOTIF_POINT = (0.0, -0.5, -0.3, 0.2, -0.1, 0.3, 0.0, 0.4, -0.2)
FORWARD = (-1.0, -0.01836, 0.04875, 1.0, 0.57282, 0.45293, -0.03961, 0.59462, 0.08041)
BACKWARD = (1.70029, 0.25811, -0.01049, -1.71966, -0.88975, -0.75545, -0.19626, -1.06196, 0.07234)
"""F of A → B + C and of B + C → A at rates of 1, at MOTIF_POINT: h_A h_B h_C J_AA J_AB J_AC J_BB J_BC J_CC."""

SEP_START = {"h_E": 1.0, "h_S": 0.5, "h_X": -1.0, "h_P": -1.0}
SEP_MOMENTS = {"S": 27.016, "E": 44.542, "X": 6.028, "P": 6.028, "SS": 7.299, "ES": 24.067, "EE": 19.840}
"""Expected numbers of molecules and of pairs of neighbours on 100 sites, where the published runs start."""

DIGITS = 1.2e-5
"""Of what is published to five or six digits, some of it found by finite differences."""
THOUSANDTH = 6e-4


def five_processes(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Maps of the five processes of one species."""
    rules = standard_rules()
    rows = []
    for name, known in CLOSED.items():
        found = ChainFunction(Chain("A"), rules[name]).rates(np.array(POINTS))
        for (h, j), ours, theirs in zip(POINTS, found, known, strict=True):
            for label, a, b in zip(("F_h", "F_J"), ours, theirs, strict=True):
                rows.append(Row(f"{label} of {name} at h = {h:g}, J = {j:g}", float(a), b, allowed=DIGITS))
    return Reproduced(rows, draw_rates({name: reaction_map(rules[name]) for name in CLOSED}, ("F_h", "F_J")))


def dissociation(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Maps of A <-> B + C."""
    chain, network = _chain("ABC", [(("A",), ("B", "C")), (("B", "C"), ("A",))])
    rows = []
    for reaction, known in zip(network.reactions, (FORWARD, BACKWARD), strict=True):
        found = ChainFunction(chain, rules_of(reaction, network)).rates(np.array([MOTIF_POINT]))[0]
        named = zip(chain.parameters, found, known, strict=True)
        rows += [Row(f"F_{name} of {reaction}", float(a), b, allowed=DIGITS) for name, a, b in named]
    return Reproduced(rows, _motif_maps(chain, network, "h_A", "J_BC"))


def enzyme(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """Maps of E + S <-> X -> E + P; X is the complex."""
    chain, network = _chain("ESXP", [(("E", "S"), ("X",)), (("X",), ("E", "S")), (("X",), ("E", "P"))])
    theta = np.array([SEP_START.get(name, 0.0) for name in chain.parameters])
    moments = dict(zip(chain.parameters, 100 * chain.moments(theta), strict=True))
    rows = []
    for name, known in SEP_MOMENTS.items():
        ours = float(moments[f"h_{name}" if len(name) == 1 else f"J_{name}"])
        rows.append(Row(f"<{name}> of a ring of 100 sites at the start", ours, known, allowed=THOUSANDTH))
    return Reproduced(rows, _motif_maps(chain, network, "h_X", "J_ES"))


def _chain(species: str, reactions: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> tuple[Chain, ReactionNetwork]:
    made = [Reaction(left, right, 1.0) for left, right in reactions]
    return Chain(species), ReactionNetwork([Species(s) for s in species], made)


def _motif_maps(chain: Chain, network: ReactionNetwork, across: str, up: str) -> Figure:
    """F of all numbers and of the bond `up`, by each reaction, over two parameters; the others are 0."""
    shown = [name for name in chain.parameters if name.startswith("h_")] + [up]
    rows = [chain.parameters.index(name) for name in shown]
    maps: dict[str, tuple[Floats, Floats]] = {}
    for reaction in network.reactions:
        axis, rates = _map(chain, rules_of(reaction, network), across, up)
        maps[str(reaction)] = axis, rates[:, :, rows]
    return draw_rates(maps, tuple(f"F_{name}" for name in shown), (across, up))


def _map(
    chain: Chain, rules: list[Rule], across: str, up: str, extent: float = 4.0, points: int = 25
) -> tuple[Floats, Floats]:
    """Grid (points,) and F (points, points, n) at [up, across]."""
    axis = np.linspace(-extent, extent, points)
    second, first = np.meshgrid(axis, axis, indexing="ij")
    theta = np.zeros((points * points, len(chain.parameters)))
    theta[:, chain.parameters.index(across)] = first.ravel()
    theta[:, chain.parameters.index(up)] = second.ravel()
    return axis, ChainFunction(chain, rules).rates(theta).reshape(points, points, -1)


SOURCE = "Ernst, Bartol, Sejnowski, Mjolsness (2018), J Chem Phys 149:034107"
MAPS = PublishedFigure(
    "death, diffusion, annihilation, coalescence and branching as maps over h and J", f"{SOURCE}, Fig. 7", 0.5,
    five_processes,
)  # fmt: skip
MOTIF = PublishedFigure("the motif A <-> B + C as maps over h and J", f"{SOURCE}, eq. 9, motifs", 0.5, dissociation)
ENZYME = PublishedFigure(
    "the motif E + S <-> ES -> E + P as maps over h and J", f"{SOURCE}, eq. 9, motifs", 0.5, enzyme
)
