"""The reaction systems of the papers, with their rates."""

from __future__ import annotations

from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species


def lotka_volterra(birth: float = 0.025, death: float = 0.06, eaten: float = 0.4) -> ReactionNetwork:
    """Hunters H and prey P (Ernst et al., arXiv 1905.12122; 40 × 40 periodic, 100 of each, 500 steps).

    birth and death per step, eaten per encounter. "0 -> P" has the speed birth × max(P, 1): see `paper.kernel`.
    """
    return ReactionNetwork(
        [Species("H"), Species("P")],
        [
            Reaction((), ("P",), birth, per="step"),
            Reaction(("H",), (), death, per="step"),
            Reaction(("H", "P"), ("H", "H"), eaten, per="encounter"),
        ],
    )


def roessler(dt: float = 0.01, meet: float = 0.4) -> ReactionNetwork:
    """The Willamowski-Rössler system (10³ sites, not periodic, 200 each of A, B, C, 250 steps)."""
    return ReactionNetwork(
        [Species("A"), Species("B"), Species("C")],
        [
            Reaction(("A",), ("A", "A"), 30.0 * dt, per="step"),
            Reaction(("B",), (), 10.0 * dt, per="step"),
            Reaction(("C",), ("C", "C"), 16.5 * dt, per="step"),
            Reaction(("A", "A"), ("A",), 0.25 * meet, per="encounter"),
            Reaction(("A", "B"), ("B", "B"), meet, per="encounter"),
            Reaction(("A", "C"), (), 0.6 * meet, per="encounter"),
            Reaction(("C", "C"), ("C",), 0.9 * meet, per="encounter"),
        ],
    )


def annihilation(chance: float = 0.01) -> ReactionNetwork:
    """A + A -> 0 (1000 sites in a row, not periodic, 200 steps)."""
    return ReactionNetwork([Species("A")], [Reaction(("A", "A"), (), chance, per="encounter")])
