"""Tables for the direct method with propensities grouped by a shared reactant.

In the chemistry of a spine most reactions involve calcium, so an event that changes calcium changes most
propensities. Written as n_A × Σ w over all reactions that share the reactant A (w = rate × n_B, or the rate alone),
that change is one product: an event touches the few groups whose reactant or weights it changed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.packing import observed, pack, ragged
from couple.base.arrays import Ints
from couple.chemistry.network import ReactionNetwork

BLOCK = 16
"""Groups per block: the search for the next reaction goes over blocks, groups, then members."""

# Tables in the packed array.
(
    GROUP_START,  # (n_groups + 1,) first member of each group
    GROUP_COLUMN,  # (n_groups,) column of the shared reactant
    SECOND,  # (n_members,) column of the other reactant
    SELF_PAIR,  # (n_members,) 1 where both reactants are of one kind
    CHANGE_START,  # of an event: columns and what it adds to them
    CHANGE_COLUMN,
    CHANGE_BY,
    WEIGHT_START,  # of an event: members whose weight it changes, and their groups
    WEIGHT_MEMBER,
    WEIGHT_GROUP,
    TOUCHED_START,  # of an event: groups to recompute
    TOUCHED,
    SEEN_START,  # of an event: observables it changes, by how much
    SEEN,
    SEEN_BY,
    WATCHED_START,  # of an observable: its columns
    WATCHED,
    CLAMPED,  # columns of clamped species, then of what books them
    CLAMP_BOOK,
    INJECTED,  # columns of injected species, as far as removal goes
) = range(20)


Event = list[tuple[int, int]]
"""(column, what it adds) of one event."""


@dataclass(frozen=True)
class Grouping:
    """Packed tables; `order` (n_members,) gives the reaction of each member.

    Events are numbered: members first, then the entry of one molecule of each injected species.
    Column `n_states` stands for the constant 1.
    """

    tables: Ints
    order: npt.NDArray[np.int64]
    n_groups: int


def group(network: ReactionNetwork, clamped: tuple[str, ...], injected: tuple[str, ...]) -> Grouping:
    """Tables of a network (with its clamped species already marked)."""
    one = len(network.states)
    pairs = _shared_first(network, one)
    size = Counter(shared for shared, _ in pairs)
    columns = sorted(size, key=lambda column: (-size[column], column))
    rank = {column: k for k, column in enumerate(columns)}
    order = sorted(range(len(pairs)), key=lambda r: (rank[pairs[r][0]], r))
    starts = [0]
    for column in columns:
        starts.append(starts[-1] + size[column])
    members = [pairs[r] for r in order]
    entries = [network.index(f"{name}_clamp" if name in clamped else name) for name in injected]
    events = [_nonzero(network.change[r]) for r in order] + [[(column, 1)] for column in entries]
    watched_start, watched = ragged(observed(network))
    tables = [
        starts,
        columns,
        [other for _, other in members],
        [int(shared == other != one) for shared, other in members],
        *_effects(events, members, columns),
        *_sightings(events, network.observable_weights.astype(np.int64)),
        watched_start,
        watched,
        [network.index(name) for name in clamped],
        [network.index(f"{name}_clamp") for name in clamped],
        entries,
    ]
    return Grouping(pack(tables), np.array(order, dtype=np.int64), len(columns))


def _shared_first(network: ReactionNetwork, one: int) -> list[tuple[int, int]]:
    """Per reaction the columns of its two factors, first the one that more pairs have; `one` where there is none."""
    pairs = [(one if a < 0 else a, one if b < 0 else b) for a, b in network.reactant_columns.tolist()]
    use = Counter(column for pair in pairs if one not in pair for column in set(pair))

    def rank(column: int) -> tuple[int, bool, int]:
        return use[column], column != one, -column

    return [(a, b) if rank(a) >= rank(b) else (b, a) for a, b in pairs]


def _effects(events: list[Event], members: list[tuple[int, int]], columns: list[int]) -> list[list[int]]:
    """Tables CHANGE_START .. TOUCHED: counts that each event changes, weights that follow, groups to recompute."""
    rank = {column: k for k, column in enumerate(columns)}
    group_of = [rank[shared] for shared, _ in members]
    seconds: dict[int, list[int]] = {}
    for m, (_, b) in enumerate(members):
        seconds.setdefault(b, []).append(m)
    weights = [[m for column, _ in event for m in seconds.get(column, ())] for event in events]
    touched = [
        sorted({rank[c] for c, _ in event if c in rank} | {group_of[m] for m in weight})
        for event, weight in zip(events, weights, strict=True)
    ]
    change_start, change = ragged(events)
    weight_start, weight = ragged(weights)
    columns_changed, by = [column for column, _ in change], [amount for _, amount in change]
    groups = [group_of[m] for m in weight]
    return [change_start, columns_changed, by, weight_start, weight, groups, *ragged(touched)]


def _sightings(events: list[Event], weights: npt.NDArray[np.int64]) -> list[list[int]]:
    """Tables SEEN_START .. SEEN_BY: observables that each event changes."""
    nothing = np.zeros(len(weights), dtype=np.int64)
    start, seen = ragged([_nonzero(sum((by * weights[:, c] for c, by in event), nothing)) for event in events])
    return [start, [o for o, _ in seen], [by for _, by in seen]]


def _nonzero(row: npt.NDArray[np.int64]) -> Event:
    return [(int(i), int(row[i])) for i in np.flatnonzero(row)]
