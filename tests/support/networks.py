"""Networks that the tests share: small ones with exact answers, and the chemistry of a spine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from couple.base.units import IONS_PER_MM_UM3, quantity
from couple.chemistry.equations import read_reaction
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.chemistry.whole_counts import apportion
from couple.components.engine import Site
from couple.geometry.geometry import Geometry

HEAD = Geometry.cylinder(0.5, 0.5)
"""The spine head of the minimal spine: d = L = 0.5 µm."""

Equation = tuple[str, str] | tuple[str, str, str]


def build(
    species: Sequence[Species],
    equations: Sequence[Equation],
    reservoirs: Sequence[str] = (),
    observables: Mapping[str, Sequence[str]] | None = None,
) -> ReactionNetwork:
    """A network from equations with rates in text."""
    named = {s.name: s for s in species}
    reactions: list[Reaction] = []
    for equation in equations:
        reactions += read_reaction(named, *equation)
    return ReactionNetwork(species, reactions, reservoirs, observables)


def isomers(forward: str = "300 /s", backward: str = "200 /s") -> ReactionNetwork:
    """A <-> B: each molecule by itself, so B is binomial at all times."""
    return build([Species("A", 0.1), Species("B", 0.1)], [("A <-> B", forward, backward)], observables={"b": ["B"]})


def birth_death(volume: float, birth: float = 20.0, death: float = 1.0) -> ReactionNetwork:
    """0 -> A -> 0 with `birth` per ms in `volume` and `death` per ms and molecule: Poisson with mean birth/death."""
    rate = f"{birth / (IONS_PER_MM_UM3 * volume)!r} mM/ms"
    return build([Species("A", 0.1)], [("0 -> A", rate), ("A -> 0", f"{death!r} /ms")], observables={"a": ["A"]})


def dimerisation(volume: float, forward: float = 0.01, backward: float = 1.0) -> ReactionNetwork:
    """2 A <-> D with propensities forward × n (n - 1) and backward × m, per ms, in `volume`."""
    rate = f"{forward * IONS_PER_MM_UM3 * volume!r} /mM/ms"
    species = [Species("A", 0.1, contains={"X": 1}), Species("D", 0.1, contains={"X": 2})]
    return build(species, [("2 A <-> D", rate, f"{backward!r} /ms")], observables={"d": ["D"]})


SK_STATES = {"SK_C1": 0, "SK_C2": 1, "SK_C3": 2, "SK_C4": 3, "SK_O1": 2, "SK_O2": 3}
"""Calcium held by each state of an SK2 channel."""

SK_EQUATIONS: tuple[Equation, ...] = (
    ("Ca + SK_C1 <-> SK_C2", "200 /uM/s", "80 /s"),
    ("Ca + SK_C2 <-> SK_C3", "160 /uM/s", "80 /s"),
    ("Ca + SK_C3 <-> SK_C4", "80 /uM/s", "200 /s"),
    ("SK_C3 <-> SK_O1", "160 /s", "1000 /s"),
    ("SK_C4 <-> SK_O2", "1200 /s", "100 /s"),
)
"""Hirschberg et al. 1998 (J Gen Physiol 111:565)."""


def sk_open(c: float) -> float:
    """Open probability of SK2 at equilibrium with `c` µM calcium, from the product of the rates."""
    return (0.8 * c**2 + 24 * c**3) / (1 + 2.5 * c + 5.8 * c**2 + 26 * c**3)


def sk() -> ReactionNetwork:
    """Calcium and the six states of SK2."""
    species = [Species("Ca", 0.22, contains={"Ca": 1})]
    species += [Species(name, on="membrane", contains={"Ca": n} if n else {}) for name, n in SK_STATES.items()]
    return build(species, SK_EQUATIONS, observables={"SK_open": ["SK_O1", "SK_O2"]})


def spine(*, calbindin: bool = True, scale: float = 1.0) -> ReactionNetwork:
    """The chemistry of a spine head: buffer, PMCA, NCX and SK, with or without the nine states of calbindin.

    Rates of Bartol et al. 2015 (Front Synaptic Neurosci 7:17) and Hirschberg et al. 1998. Leaks balance the pumps at
    0.1 µM. `scale` multiplies the rate of the buffer, for controls that must fail.
    """
    ca = {"Ca": 1}
    species = [
        Species("Ca", 0.22, contains=ca),
        Species("CBP"),
        Species("CaCBP", contains=ca),
        Species("PMCA", on="membrane"),
        Species("CaPMCA", on="membrane", contains=ca),
        Species("NCX", on="membrane"),
        Species("CaNCX", on="membrane", contains=ca),
    ]
    species += [Species(name, on="membrane", contains={"Ca": n} if n else {}) for name, n in SK_STATES.items()]
    equations: list[Equation] = [
        ("Ca + CBP <-> CaCBP", f"{2.47e8 * scale!r} /M/s", "524 /s"),
        ("Ca + PMCA <-> CaPMCA", "150 /uM/s", "15 /s"),
        ("CaPMCA -> PMCA + Ca_out", "12 /s"),
        ("PMCA + Ca_out -> PMCA + Ca", f"{12 * 15 / 27!r} /s"),
        ("Ca + NCX <-> CaNCX", "300 /uM/s", "300 /s"),
        ("CaNCX -> NCX + Ca_out", "600 /s"),
        ("NCX + Ca_out -> NCX + Ca", "20 /s"),
        *SK_EQUATIONS,
    ]
    if calbindin:
        species += [Species(_cb(m, h), 0.028, contains={"Ca": m + h}) for m in range(3) for h in range(3)]
        equations += _calbindin()
    return build(species, equations, ["Ca_out"], {"free": ["Ca"], "SK_open": ["SK_O1", "SK_O2"]})


def _cb(m: int, h: int) -> str:
    """Calbindin with `m` of its medium and `h` of its high affinity sites taken."""
    return f"CB_{m}{h}"


def _calbindin() -> list[Equation]:
    """Stepwise rates, the factors of two for equal sites included."""
    equations: list[Equation] = []
    for other in range(3):
        for bound, (on, off) in enumerate([(174, 35.8), (87, 71.6)]):
            equations.append((f"Ca + {_cb(bound, other)} <-> {_cb(bound + 1, other)}", f"{on} /uM/s", f"{off} /s"))
        for bound, (on, off) in enumerate([(22, 2.6), (11, 5.2)]):
            equations.append((f"Ca + {_cb(other, bound)} <-> {_cb(other, bound + 1)}", f"{on} /uM/s", f"{off} /s"))
    return equations


def spine_site(network: ReactionNetwork, geometry: Geometry = HEAD, name: str = "head", *, ca: float = 1e-4) -> Site:
    """A site of `spine()` at rest with calcium at `ca` mM: every total at its steady state, in whole molecules."""
    totals = {
        "Ca": IONS_PER_MM_UM3 * geometry.volume * ca,
        "CBP": IONS_PER_MM_UM3 * geometry.volume * quantity("78.7 uM", "concentration"),
        "CB_00": IONS_PER_MM_UM3 * geometry.volume * quantity("45 uM", "concentration"),
        "PMCA": 1000 * geometry.area,
        "NCX": 140 * geometry.area,
        "SK_C1": 20,
    }
    counts: dict[str, int] = {}
    for first, total in totals.items():
        if first == "Ca":
            counts[first] = round(total)
        elif first in network.names:
            counts |= apportion(round(total), network.steady_fractions(first, {"Ca": ca}))
    return Site(name, geometry, tuple(counts[species] for species in network.names))
