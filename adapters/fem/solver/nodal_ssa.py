"""Reactions at the nodes, molecule by molecule: Gillespie's direct method at each node over a short time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adapters.fem.solver.field_layout import NodeReactions
from couple.base.arrays import Floats, Ints, Words
from couple.base.budget import MOST_EVENTS
from couple.cache.kernels import njit
from couple.rng.streams import exponential, uniform


class NodalMolecules(NamedTuple):
    """Molecules of the fields of one site at its nodes; N nodes, G of them on the membrane.

    mobile_volume (m, N): real numbers, negative where noise left holes. immobile_volume (r, N), immobile_membrane
    (f, G): whole ones.
    """

    mobile_volume: Floats
    immobile_volume: Floats
    immobile_membrane: Floats


class NodeSizes(NamedTuple):
    """volumes: (N,) µm³ of each node. areas: (G,) µm² of each membrane node. membrane_nodes: (G,) its node."""

    volumes: Floats
    areas: Floats
    membrane_nodes: Ints


class ClampedDensities(NamedTuple):
    """Densities of the clamped species: volume (n,) per µm³, membrane (n,) per µm²."""

    volume: Floats
    membrane: Floats


class EventTally(NamedTuple):
    """Counts of a site that follow the events at its nodes.

    totals: (n_states,) molecules. column: (n,) of the states, for each value at a node. means: (n_states,) what events
    add to the integral of the totals over time. n_species: columns of species, those behind are reservoirs.
    """

    totals: Floats
    column: Ints
    means: Floats
    n_species: int


@njit(cache=True)
def simulate_node(
    reactions: NodeReactions, size: Floats, measure: float, n: Floats, trust: Floats, span: float, tally: EventTally,
    words: Words, propensity: Floats,
) -> int:  # fmt: skip
    """The number of events at one node over `span` ms, which change `n` and `tally`; -1 if a propensity is no number.

    n: values at the node: molecules, then clamped densities times `size`, then 1. size: what turns a value into a
    density (volume or membrane area of the node; 0 for the constant). measure: volume or area in which the reactions
    happen. trust: (n,) factors of the values in propensities: where noise left holes below zero, what is above it is
    too much. propensity: (n_reactions,) scratch.
    An event for which the whole site has too few molecules does not happen: values at a node may be fractions, or below
    zero by noise, totals may not.
    """
    t, events = 0.0, 0
    while True:
        everything = 0.0
        for r in range(len(reactions.rate)):
            a, b = reactions.first[r], reactions.second[r]
            va = max(n[a], 0.0) * trust[a]
            vb = max(n[b] - 1.0 if a == b and size[a] != 0.0 else n[b], 0.0) * trust[b]
            p = reactions.rate[r] * measure
            if size[a] != 0.0:
                p *= va / size[a]
            if size[b] != 0.0:
                p *= vb / size[b]
            if p > 0.0:
                for i in range(reactions.start[r], reactions.start[r + 1]):
                    c = tally.column[reactions.changed[i]]
                    if c < tally.n_species and tally.totals[c] + reactions.change[i] < 0.0:
                        p = 0.0
            propensity[r] = p
            everything += p
        if not everything > 0.0:
            return events if everything == 0.0 else -1
        if everything * span >= MOST_EVENTS:
            return -1
        t += exponential(words) / everything
        if t >= span:
            return events
        target, chosen = uniform(words) * everything, 0
        while chosen < len(reactions.rate) - 1 and (target > propensity[chosen] or propensity[chosen] == 0.0):
            target -= propensity[chosen]
            chosen += 1
        if propensity[chosen] == 0.0:
            continue  # rounding pointed behind the last reaction
        for i in range(reactions.start[chosen], reactions.start[chosen + 1]):
            c = tally.column[reactions.changed[i]]
            n[reactions.changed[i]] += reactions.change[i]
            tally.totals[c] += reactions.change[i]
            tally.means[c] += reactions.change[i] * (span - t)
        events += 1


@njit(cache=True)
def simulate_volume_nodes(
    reactions: NodeReactions, sizes: NodeSizes, molecules: NodalMolecules, trusted: Floats, clamped: ClampedDensities,
    span: float, tally: EventTally, words: Words,
) -> int:  # fmt: skip
    """0 after the reactions of all nodes of the volume over `span` ms, -1 if a propensity is no number.

    trusted: (m,) share of the positive molecules of each mobile field that is there in the whole site.
    """
    volumes, mobile, immobile, held = sizes.volumes, molecules.mobile_volume, molecules.immobile_volume, clamped.volume
    m, r = len(mobile), len(immobile)
    n, size = np.empty(m + r + len(held) + 1), np.zeros(m + r + len(held) + 1)
    propensity, trust = np.empty(len(reactions.rate)), np.ones(len(n))
    trust[:m] = trusted
    for j in range(len(volumes)):
        for a in range(m):
            n[a] = mobile[a, j]
        for a in range(r):
            n[m + a] = immobile[a, j]
        size[: m + r] = volumes[j]
        for a in range(len(held)):
            n[m + r + a], size[m + r + a] = held[a] * volumes[j], volumes[j]
        n[-1] = 1.0
        if simulate_node(reactions, size, volumes[j], n, trust, span, tally, words, propensity) < 0:
            return -1
        for a in range(m):
            mobile[a, j] = n[a]
        for a in range(r):
            immobile[a, j] = n[m + a]
    return 0


@njit(cache=True)
def simulate_membrane_nodes(
    reactions: NodeReactions, sizes: NodeSizes, molecules: NodalMolecules, trusted: Floats, clamped: ClampedDensities,
    span: float, tally: EventTally, words: Words,
) -> int:  # fmt: skip
    """0 after the reactions of all nodes of the membrane; see simulate_volume_nodes."""
    volumes, areas, mobile, immobile = sizes.volumes, sizes.areas, molecules.mobile_volume, molecules.immobile_volume
    on_membrane, held, membrane_held = molecules.immobile_membrane, clamped.volume, clamped.membrane
    m, r, f = len(mobile), len(immobile), len(on_membrane)
    width = m + r + f + len(held) + len(membrane_held) + 1
    n, size, propensity = np.empty(width), np.zeros(width), np.empty(len(reactions.rate))
    trust = np.ones(width)
    trust[:m] = trusted
    for k in range(len(areas)):
        j = sizes.membrane_nodes[k]
        for a in range(m):
            n[a] = mobile[a, j]
        for a in range(r):
            n[m + a] = immobile[a, j]
        for a in range(f):
            n[m + r + a] = on_membrane[a, k]
        size[: m + r] = volumes[j]
        size[m + r : m + r + f] = areas[k]
        at = m + r + f
        for a in range(len(held)):
            n[at + a], size[at + a] = held[a] * volumes[j], volumes[j]
        at += len(held)
        for a in range(len(membrane_held)):
            n[at + a], size[at + a] = membrane_held[a] * areas[k], areas[k]
        n[-1] = 1.0
        if simulate_node(reactions, size, areas[k], n, trust, span, tally, words, propensity) < 0:
            return -1
        for a in range(m):
            mobile[a, j] = n[a]
        for a in range(f):
            on_membrane[a, k] = n[m + r + a]
    return 0
