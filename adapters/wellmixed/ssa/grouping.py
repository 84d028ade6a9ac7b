"""Tables for the direct method with propensities grouped by a shared reactant.

In the chemistry of a spine most reactions involve calcium, so an event that changes calcium changes most
propensities. Written as n_A × Σ w over all reactions that share the reactant A (w = rate × n_B, or the rate alone),
that change is one product: an event touches the few groups whose reactant or weights it changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.common.law_tables import law_inputs, law_numbers, law_tape
from adapters.wellmixed.common.packing import as_table, observed, ragged, table
from couple.base.arrays import Ints
from couple.cache.kernels import njit
from couple.chemistry.laws.rate_law import RateLaw
from couple.chemistry.laws.tape import LawTape
from couple.chemistry.network import ReactionNetwork

BLOCK = 16
"""Groups per block: the search for the next reaction goes over blocks, groups, then members."""


class GroupedReactions(NamedTuple):
    """Index tables of a network, all of integers.

    Members are reactions in the order of `Grouping.order`; events are members, then entries of injected species.
    Columns are those of the counts: species, reservoirs, then the constant 1, then what rate laws work out.
    """

    group_start: Ints  # (n_groups + 1,) first member of each group
    group_column: Ints  # (n_groups,) column of the shared reactant
    second: Ints  # (n_members,) column of the other reactant
    self_pair: Ints  # (n_members,) 1 where both reactants are of one kind
    change_start: Ints  # (n_events + 1,) of an event: columns and what it adds to them
    change_column: Ints
    change_by: Ints
    weight_start: Ints  # (n_events + 1,) of an event: members whose weight it changes, and their groups
    weight_member: Ints
    weight_group: Ints
    touched_start: Ints  # (n_events + 1,) of an event: groups whose propensity changes
    touched: Ints
    seen_start: Ints  # (n_events + 1,) of an event: observables it changes, by how much
    seen: Ints
    seen_by: Ints
    watched_start: Ints  # (n_observables + 1,) of an observable: its columns, as often as their weight
    watched: Ints
    clamped: Ints  # (n_clamped,) columns of clamped species
    clamp_book: Ints  # (n_clamped,) column that books what holds each
    injected: Ints  # (n_injected,) column that influx is added to
    law_code: Ints  # operations of rate laws, see `law_tables`
    law: Ints
    stirs: Ints  # (n_events,) 1 where an event changes what a rate law depends on


@njit(cache=True, inline="always")
def unpack(packed: Ints) -> GroupedReactions:
    """The tables of a packed array (see `packing`) by name, as views."""
    return GroupedReactions(
        group_start=table(packed, 0),
        group_column=table(packed, 1),
        second=table(packed, 2),
        self_pair=table(packed, 3),
        change_start=table(packed, 4),
        change_column=table(packed, 5),
        change_by=table(packed, 6),
        weight_start=table(packed, 7),
        weight_member=table(packed, 8),
        weight_group=table(packed, 9),
        touched_start=table(packed, 10),
        touched=table(packed, 11),
        seen_start=table(packed, 12),
        seen=table(packed, 13),
        seen_by=table(packed, 14),
        watched_start=table(packed, 15),
        watched=table(packed, 16),
        clamped=table(packed, 17),
        clamp_book=table(packed, 18),
        injected=table(packed, 19),
        law_code=table(packed, 20),
        law=table(packed, 21),
        stirs=table(packed, 22),
    )


Event = list[tuple[int, int]]
"""(column, what it adds) of one event."""


@dataclass(frozen=True)
class Grouping:
    """Index tables of a network; `order` (n_members,) gives the reaction of each member. tape: of rate laws."""

    tables: GroupedReactions
    order: npt.NDArray[np.int64]
    n_groups: int
    tape: LawTape


def group(
    network: ReactionNetwork,
    clamped: tuple[str, ...],
    injected: tuple[str, ...],
    laws: Mapping[int, RateLaw] | None = None,
) -> Grouping:
    """Tables of a network whose clamped species are marked already (ReactionNetwork.with_clamped).

    laws: of reactions, instead of those of the network. Raises InputError for observables whose weights are not whole.
    """
    one = len(network.states)
    laws = network.laws if laws is None else laws
    tape = law_tape(network, {s: i for i, s in enumerate(network.names)}, one + 1, whole=True, laws=laws)
    pairs = _shared_first(network, one, dict(zip(network.laws, tape.values, strict=True)))
    size = Counter(shared for shared, _ in pairs)
    columns = sorted(size, key=lambda column: (-size[column], column))
    rank = {column: k for k, column in enumerate(columns)}
    order = sorted(range(len(pairs)), key=lambda r: (rank[pairs[r][0]], r))
    starts = [0]
    for column in columns:
        starts.append(starts[-1] + size[column])
    members = [pairs[r] for r in order]
    entries = [network.index(f"{name}_clamp" if name in clamped else name) for name in injected]
    events = [list(network.changes[r]) for r in order] + [[(column, 1)] for column in entries]
    watched_start, watched = ragged(observed(network))
    inputs = {m: law_inputs(network, r, laws[r]) for m, r in enumerate(order) if r in laws}
    stirring = {column for columns_ in inputs.values() for column in columns_}
    tables = [
        starts,
        columns,
        [other for _, other in members],
        [int(shared == other != one) for shared, other in members],
        *_effects(events, members, columns, inputs),
        *_sightings(events, network.observable_weights.astype(np.int64)),
        watched_start,
        watched,
        [network.index(name) for name in clamped],
        [network.index(f"{name}_clamp") for name in clamped],
        entries,
        tape.code.tolist(),
        law_numbers(tape),
        [int(any(column in stirring for column, _ in event)) for event in events],
    ]
    return Grouping(
        GroupedReactions(*(as_table(t) for t in tables)), np.array(order, dtype=np.int64), len(columns), tape
    )


def _shared_first(network: ReactionNetwork, one: int, laws: Mapping[int, int]) -> list[tuple[int, int]]:
    """Per reaction the columns of its two factors, first the one that more pairs have; `one` where there is none.

    laws: reaction → the place of its rate law, the only factor.
    """
    pairs = [(one if a < 0 else a, one if b < 0 else b) for a, b in network.reactant_columns.tolist()]
    use = Counter(column for pair in pairs if one not in pair for column in set(pair))

    def rank(column: int) -> tuple[int, bool, int]:
        return use[column], column != one, -column

    found = [(a, b) if rank(a) >= rank(b) else (b, a) for a, b in pairs]
    return [(one, laws[r]) if r in laws else pair for r, pair in enumerate(found)]


def _effects(
    events: list[Event], members: list[tuple[int, int]], columns: list[int], inputs: Mapping[int, set[int]]
) -> list[list[int]]:
    """Tables change_start .. touched: counts that each event changes, weights that follow, groups to recompute.

    inputs: member → columns that its rate law depends on.
    """
    rank = {column: k for k, column in enumerate(columns)}
    group_of = [rank[shared] for shared, _ in members]
    seconds: dict[int, list[int]] = {}
    for m, (_, b) in enumerate(members):
        for column in inputs.get(m, (b,)):
            seconds.setdefault(column, []).append(m)
    weights = [list(dict.fromkeys(m for column, _ in event for m in seconds.get(column, ()))) for event in events]
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
    """Tables seen_start .. seen_by: observables that each event changes."""
    nothing = np.zeros(len(weights), dtype=np.int64)
    start, seen = ragged([_nonzero(sum((by * weights[:, c] for c, by in event), nothing)) for event in events])
    return [start, [o for o, _ in seen], [by for _, by in seen]]


def _nonzero(row: npt.NDArray[np.int64]) -> Event:
    return [(int(i), int(row[i])) for i in np.flatnonzero(row)]
