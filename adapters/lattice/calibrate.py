"""From macroscopic rates to the chance that one encounter on the lattice reacts.

Two molecules meet when one tries to hop onto the other, or through the face on which it sits. Encounters of
a pair come at k1 (µm³/ms) per concentration; a pair that met and did not react meets again `again` times on
average before it parts. Both are exact for the simple cubic walk:

    in the volume   k1 = 6 (D_A + D_B) h    again = G - 1         (G: visits to the start, Watson 1939)
    on a flat face  k1 = D h                again = (2 G - 1) / 6 (reflection: the image starts one cell off)

so that again = F/(1 - F) with F = 0.3405 and 0.2531. A pair that reacts with probability P per encounter does
so at kon = k1 P / (1 + again P); with x = kon/k1,

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
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from couple.component import Floats
from couple.errors import InputError
from couple.network import Reaction, ReactionNetwork, Species

WATSON = 1.5163860591519780
"""Mean number of visits of the simple cubic walk to its start, the start counted (Watson, Q J Math 10:266, 1939)."""

AGAIN_VOLUME = WATSON - 1.0
AGAIN_FACE = (2.0 * WATSON - 1.0) / 6.0


@dataclass(frozen=True)
class Calibration:
    """Rates on the lattice, per reaction.

    probability: (n_reactions,) chance that an encounter reacts, 0 for orders 0 and 1.
    first:       (n_reactions,) events per ms and molecule (order 1), events per ms (order 0), 0 for order 2.
    paired:      (n_reactions,) whether it undoes an association in the volume, into a direction that must be open.
    apart:       (n_reactions,) whether released molecules are put elsewhere (see the module).
    crowded:     reactions with a summed probability above 1/2: the last digits of accuracy go there.
    """

    probability: Floats
    first: Floats
    paired: tuple[bool, ...]
    apart: tuple[bool, ...]
    crowded: tuple[tuple[str, float], ...]


def pair_key(partners: Sequence[Species]) -> tuple[str, ...]:
    """Name of a pair of reactants, the same for both orders."""
    return tuple(sorted(s.name for s in partners))


def encounter_rate(partners: Sequence[Species]) -> tuple[float, float]:
    """(k1 / h, again) of a pair: µm²/ms, and the mean number of later encounters."""
    if any(s.on == "membrane" for s in partners):
        return sum(s.D for s in partners if s.on == "volume"), AGAIN_FACE
    return 6.0 * sum(s.D for s in partners), AGAIN_VOLUME


def calibrate(
    network: ReactionNetwork,
    rates: Floats,
    volume: float,
    spacing: float,
    open_share: float = 1.0,
    free_share: float = 1.0,
) -> Calibration:
    """Calibrate all reactions for one site.

    rates: (n_reactions,) from `network.count_rates`, with the analytic volume and area. volume: µm³, of the cells:
    times a count rate it gives the rate constant that makes *counts* follow the analytic volume. open_share: q above.
    free_share: of the cells, those without an immobile molecule. What moves is found in these only, so 1 / free_share
    as often in front of a membrane protein, where no immobile molecule is put.

    Raises InputError if a rate needs a probability above 1, or if no partner can move.
    """
    reactions = network.reactions
    partners = [network.order_reactants(r) for r in reactions]
    second = [len(p) == 2 for p in partners]
    x = np.zeros(len(reactions))
    for r in np.flatnonzero(second).tolist():
        at_membrane = any(s.on == "membrane" for s in partners[r])
        density = free_share if at_membrane else 1.0
        x[r] = _share(reactions[r], partners[r], rates[r] * volume * density, spacing, open_share)
    reverse = _reverses(reactions)

    total: dict[tuple[str, ...], float] = {}
    for r in np.flatnonzero(second).tolist():
        back = reverse[r]
        key = pair_key(partners[r])
        total[key] = total.get(key, 0.0) + x[r] + (x[back] if back >= 0 and second[back] else 0.0)

    probability, first = np.zeros(len(reactions)), np.zeros(len(reactions))
    paired, apart = [False] * len(reactions), [False] * len(reactions)
    crowded: dict[tuple[str, ...], tuple[str, float]] = {}
    for r, reaction in enumerate(reactions):
        if second[r]:
            key = pair_key(partners[r])
            _, again = encounter_rate(partners[r])
            if total[key] * (1.0 + again) > 1.0:
                raise InputError(_too_fast(reaction, spacing, spacing * total[key] * (1.0 + again)))
            probability[r] = x[r] / (1.0 - again * total[key])
            if total[key] / (1.0 - again * total[key]) > 0.5:
                crowded[key] = (str(reaction), total[key] / (1.0 - again * total[key]))
            continue
        first[r] = rates[r]
        if reverse[r] >= 0 and second[reverse[r]]:
            pair = partners[reverse[r]]
            first[r] /= 1.0 - encounter_rate(pair)[1] * total[pair_key(pair)]
            paired[r] = all(s.on == "volume" for s in pair)
            if paired[r]:
                first[r] /= open_share
        else:
            apart[r] = _can_bind(network, reaction, total)
    return Calibration(probability, first, tuple(paired), tuple(apart), tuple(crowded.values()))


def _share(reaction: Reaction, pair: Sequence[Species], rate: float, spacing: float, open_share: float) -> float:
    """kon / k1 of one association; kon of a like pair counts both orders (propensity = rate n (n - 1))."""
    if rate == 0.0:
        return 0.0
    per_length, _ = encounter_rate(pair)
    if all(s.on == "volume" for s in pair):
        per_length *= open_share
    if per_length == 0.0:
        raise InputError(f'"{reaction}": neither partner moves, they never meet on a lattice; give one a D above 0')
    return rate * (2.0 if pair[0] is pair[1] else 1.0) / (per_length * spacing)


def _reverses(reactions: Sequence[Reaction]) -> list[int]:
    """Index of each reaction's reverse, -1 where there is none."""
    keys = {(tuple(sorted(r.reactants)), tuple(sorted(r.products))): k for k, r in enumerate(reactions)}
    return [keys.get((tuple(sorted(r.products)), tuple(sorted(r.reactants))), -1) for r in reactions]


def _can_bind(network: ReactionNetwork, reaction: Reaction, pairs: dict[tuple[str, ...], float]) -> bool:
    made = [n for n in reaction.products if n in network.names]
    return any(pairs.get(tuple(sorted((a, b))), 0.0) > 0.0 for i, a in enumerate(made) for b in made[:i])


def _too_fast(reaction: Reaction, spacing: float, needed: float) -> str:
    return (
        f'"{reaction}" is too fast for a spacing of {spacing * 1e3:g} nm: its partners do not meet often enough. '
        f"Encounters grow with the spacing; the smallest one that works is {np.ceil(needed * 1e5) / 1e2:g} nm"
    )
