"""From macroscopic rates to the chance that one encounter on the lattice reacts.

Two molecules meet when one tries to hop onto the other, or through the face on which it sits. Encounters of
a pair come at k1 (µm³/ms) per concentration; a pair that met and did not react meets again `again` times on
average before it parts. Both are exact for the simple cubic walk:

    in the volume   k1 = 6 (D_A + D_B) h    again = G - 1         (G: visits to the start, Watson 1939)
    on a flat face  k1 = D h                again = (2 G - 1) / 6 (reflection: the image starts one cell off)

so that again = F/(1 - F) with F = 0.3405 and 0.2531. (With proteins that diffuse along the face by D_M the pair parts
sooner: `again_face` has the integral for D + D_M along it and D across.) A pair that reacts with probability P per
encounter does so at kon = k1 P / (1 + again P); with x = kon/k1,

    P = x / (1 - again x),    escape after a dissociation = 1 / (1 + again P) = 1 - again x.

Several reactions of one pair share the encounter: x is their sum, and each takes its part of P. A dissociation
that is the reverse of an association leaves its partners in touch, so its rate on the lattice is koff/escape:
part of the releases are undone, the rest is the macroscopic rate, and the equilibrium is exact. The same holds for
A + B <-> C + D, where x sums both directions.

A cell at a wall has fewer neighbours, so that encounters in the volume come at q k1 on average, q the share of
directions that are open: k1 is lowered by it. A dissociation picks one of six directions and does nothing if that
is a wall, at a rate raised by 1/q: both ways then slow down alike at a wall and complexes are spread evenly.

A release that is *not* the reverse of an association, but whose products can bind each other (the leak
PMCA + Ca_out -> PMCA + Ca), has no such pair: mass action knows no recapture by the very pump, which would change
the bound fraction and the flux together, and no single rate mends both. What is released is
therefore put elsewhere, uniformly over the membrane (or the volume), at the macroscopic rate.

In two dimensions and in one, on the membrane too, a walk comes back for ever: `again` is infinite and there is no
steady macroscopic rate of association (the theory's depends on the logarithm, or the root, of time). A given rate is
therefore that of well-stirred partners, P = kon/k1 with k1 = 4 (D_A + D_B) h in two dimensions, 2 (D_A + D_B) h in one
(a layer, a row of cells one cell thick), 4 (D_A + D_B) between proteins on a face; dissociation is not sped up. The
equilibrium is exact, the kinetics those of well-stirred partners at short times only. A staircase has more faces than
the smooth surface has area: numbers on it follow the analytic area, paths over it are longer by up to a third.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.special import ive

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.meeting import check_meeting
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species

WATSON = 1.5163860591519780
"""Mean number of visits of the simple cubic walk to its start, the start counted (Watson, Q J Math 10:266, 1939)."""

AGAIN_VOLUME = WATSON - 1.0
AGAIN_FACE = (2.0 * WATSON - 1.0) / 6.0
MANY = 1e7
"""Cells that take a second or more to make."""


@functools.cache
def again_face(along: float) -> float:
    """Later encounters at a flat face where the pair parts `along` times as fast along the face as across it.

    The mean time at the start, in hops across: twice the walk's free time there, but for the image one cell off.
    """
    if along == 1.0:
        return AGAIN_FACE

    def there(log_t: float) -> float:
        t = math.exp(log_t)
        return float(t * ive(0, 2 * along * t) ** 2 * (ive(0, 2 * t) + ive(1, 2 * t)))

    last = 12.0
    after = 4.0 / ((4 * math.pi) ** 1.5 * along * math.exp(last / 2))  # where the walk is a Gaussian
    near = float(quad(there, -30.0, last, limit=400, epsabs=1e-10, epsrel=1e-8)[0])
    return float(near + after)


@dataclass(frozen=True)
class CalibrationGeometry:
    """Sizes and shares of a lattice that calibration depends on.

    spacing: µm. volume: µm³, of the cells. area: µm², of the faces. open_share: q, see the module; edge_share: the same
    for the edges of faces. free_share: of the cells, those without an immobile molecule. What moves is found in these
    only, so 1 / free_share as often in front of a membrane protein, where no immobile molecule is put.
    """

    spacing: float
    volume: float
    area: float = 0.0
    dimension: int = 3
    open_share: float = 1.0
    edge_share: float = 1.0
    free_share: float = 1.0


@dataclass(frozen=True)
class Calibration:
    """Rates on the lattice, per reaction.

    probability: (n_reactions,) chance that an encounter reacts, 0 for orders 0 and 1.
    first:       (n_reactions,) events per ms and molecule (order 1), events per ms (order 0), 0 for order 2.
    needs_open_direction: (n_reactions,) whether it undoes an association of two that were side by side in the volume or
                 on the membrane, into a direction that must be open.
    scattered:   (n_reactions,) whether released molecules are put elsewhere (see the module).
    crowded:     reactions with a summed probability above 1/2: the last digits of accuracy go there.
    """

    probability: Floats
    first: Floats
    needs_open_direction: tuple[bool, ...]
    scattered: tuple[bool, ...]
    crowded: tuple[tuple[str, float], ...]


def pair_key(partners: Sequence[Species]) -> tuple[str, ...]:
    """Name of a pair of reactants, the same for both orders."""
    return tuple(sorted(s.name for s in partners))


def encounter_rate(partners: Sequence[Species], dimension: int = 3) -> tuple[float, float]:
    """(k1 / h, again) of a pair: µm²/ms, and the mean number of later encounters. On the membrane k1 itself."""
    places = [s.on for s in partners]
    fast = sum(s.D for s in partners)
    if places == ["membrane", "membrane"]:
        return 2.0 * (dimension - 1) * fast, 0.0
    if "membrane" in places:
        across = sum(s.D for s in partners if s.on == "volume")
        return across, again_face(fast / across) if dimension == 3 and across > 0 else 0.0
    return 2.0 * dimension * fast, AGAIN_VOLUME if dimension == 3 else 0.0


def calibrate(network: ReactionNetwork, rates: Floats, place: CalibrationGeometry) -> Calibration:
    """Calibrate all reactions for one site.

    rates: (n_reactions,) from `network.count_rates`, with the analytic volume and area: times those of the cells and
    faces they are the rate constants that make *counts* follow the analytic ones.

    Raises InputError if a rate needs a probability above 1, or if no partner can move.
    """
    reactions = network.reactions
    partners = [network.order_reactants(r) for r in reactions]
    second = [len(p) == 2 for p in partners]
    reverse = _reverses(reactions)
    x, total = _shares(network, rates, place)

    probability, first = np.zeros(len(reactions)), np.zeros(len(reactions))
    needs_open_direction, scattered = [False] * len(reactions), [False] * len(reactions)
    crowded: dict[tuple[str, ...], tuple[str, float]] = {}
    for r, reaction in enumerate(reactions):
        if second[r]:
            key = pair_key(partners[r])
            _, again = encounter_rate(partners[r], place.dimension)
            if total[key] * (1.0 + again) > 1.0:
                raise InputError(_too_fast(reaction, partners[r], place.spacing, total[key] * (1.0 + again)))
            probability[r] = x[r] / (1.0 - again * total[key])
            if total[key] / (1.0 - again * total[key]) > 0.5:
                crowded[key] = (str(reaction), total[key] / (1.0 - again * total[key]))
            continue
        first[r] = rates[r]
        if reverse[r] >= 0 and second[reverse[r]]:
            pair = partners[reverse[r]]
            first[r] /= 1.0 - encounter_rate(pair, place.dimension)[1] * total[pair_key(pair)]
            needs_open_direction[r] = pair[0].on == pair[1].on
            if needs_open_direction[r]:
                first[r] /= place.open_share if pair[0].on == "volume" else place.edge_share
        else:
            scattered[r] = _can_bind(network, reaction, total)
    return Calibration(probability, first, tuple(needs_open_direction), tuple(scattered), tuple(crowded.values()))


def refuse_far_too_fast(network: ReactionNetwork, rates: Floats, place: CalibrationGeometry) -> None:
    """Raise InputError if there would be many cells, and a reaction too fast for them by a factor of 2 without walls.

    Known without a single cell: at a spacing that is much too small, to make the cells takes minutes. `calibrate` has
    the last word. place: the volume of the site, its area not needed.
    """
    if place.volume < MANY * place.spacing**3:
        return
    _, total = _shares(network, rates, place)
    for reaction in network.reactions:
        pair = network.order_reactants(reaction)
        if len(pair) == 2 and {s.on for s in pair} != {"membrane"}:
            needed = total[pair_key(pair)] * (1.0 + encounter_rate(pair, place.dimension)[1])
            if needed > 2.0:
                raise InputError(_too_fast(reaction, pair, place.spacing, needed, "it takes about"))


def _shares(
    network: ReactionNetwork, rates: Floats, place: CalibrationGeometry
) -> tuple[Floats, dict[tuple[str, ...], float]]:
    """kon / k1 of each association, 0 for what is none, and the sum of those of each pair, both directions."""
    x, pairs = np.zeros(len(network.reactions)), {}
    for r, reaction in enumerate(network.reactions):
        partners = network.order_reactants(reaction)
        if len(partners) == 2:
            pairs[r] = pair_key(partners)
            x[r] = _share(reaction, partners, rates[r], place)
    reverse = _reverses(network.reactions)
    total: dict[tuple[str, ...], float] = {}
    for r, key in pairs.items():
        total[key] = total.get(key, 0.0) + x[r] + (x[reverse[r]] if reverse[r] in pairs else 0.0)
    return x, total


def _share(reaction: Reaction, pair: Sequence[Species], rate: float, place: CalibrationGeometry) -> float:
    """kon / k1 of one association; kon of a like pair counts both orders (propensity = rate n (n - 1))."""
    if rate == 0.0:
        return 0.0
    check_meeting(reaction, pair)
    k1, _ = encounter_rate(pair, place.dimension)
    rate *= 2.0 if pair[0] is pair[1] else 1.0
    if pair[0].on == pair[1].on == "membrane":
        return rate * place.area / (k1 * place.edge_share)
    share = rate * place.volume / (k1 * place.spacing)
    return share / place.open_share if pair[0].on == pair[1].on else share * place.free_share


def _reverses(reactions: Sequence[Reaction]) -> list[int]:
    """Index of each reaction's reverse, -1 where there is none."""
    keys = {(tuple(sorted(r.reactants)), tuple(sorted(r.products))): k for k, r in enumerate(reactions)}
    return [keys.get((tuple(sorted(r.products)), tuple(sorted(r.reactants))), -1) for r in reactions]


def _can_bind(network: ReactionNetwork, reaction: Reaction, pairs: dict[tuple[str, ...], float]) -> bool:
    made = [n for n in reaction.products if n in network.names]
    return any(pairs.get(tuple(sorted((a, b))), 0.0) > 0.0 for i, a in enumerate(made) for b in made[:i])


def _too_fast(
    reaction: Reaction,
    pair: Sequence[Species],
    spacing: float,
    needed: float,
    least: str = "the smallest one that works is",
) -> str:
    if pair[0].on == pair[1].on == "membrane":
        return (
            f'"{reaction}" is too fast for its partners: on the membrane they meet at most at '
            f"{100 / needed:.3g} % of that rate, whatever the spacing; a larger D or a lower rate is possible"
        )
    return (
        f'"{reaction}" is too fast for a spacing of {spacing * 1e3:g} nm: its partners do not meet often enough. '
        f"Encounters grow with the spacing; {least} {np.ceil(spacing * needed * 1e5) / 1e2:g} nm"
    )
