"""What the kernel reads (`GriddedTables`) and what it changes (`GriddedMolecules`) for one site.

Propensities are grouped by a shared reactant as in the engine `ssa` (adapters.wellmixed.ssa.grouping), voxel by voxel:
that of a voxel is Σ n_head × weight over groups, plus n × D × reach over what moves. The entry of one molecule of each
species is an event of its own; a hop is such an entry here and its opposite there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from adapters.gridded.capture import Captures, captures
from adapters.gridded.grid import Grid
from adapters.gridded.wall_laws import laws_at_wall
from adapters.wellmixed.ssa.grouping import GroupedReactions, group
from adapters.wellmixed.ssa.levels import Levels, empty_levels
from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork

REACTIONS, HOPS, SINCE_REFRESH = range(3)
"""Entries of `GriddedMolecules.events`."""


class GriddedTables(NamedTuple):
    """Constants of one site. Columns of counts: species, reservoirs (unused), the constant 1, those of rate laws."""

    n_species: int
    n_members: int
    start: Ints  # (n_voxels + 1,) where the neighbours of a voxel begin in the two below
    neighbour: Ints
    hop_rate: Floats  # to each neighbour for D = 1, per ms
    leaving_rate: Floats  # (n_voxels,) their sum
    equal_rates: bool  # whether all hop rates are alike
    surface_start: Ints  # the same along the membrane
    surface_neighbour: Ints
    surface_rate: Floats
    surface_leaving: Floats
    D: Floats  # (n_columns,) of species in the volume, else 0; µm²/ms
    D_surface: Floats  # (n_columns,) of species on the membrane, else 0
    movers: Ints  # columns with D > 0, the fastest first
    surface_movers: Ints
    area_class: Ints  # (n_voxels,) row in `rates`: voxels with the same membrane, at the same distance
    rates: Floats  # (n_classes, n_members) in counts, per ms
    group_start: Ints  # (n_groups + 1,) members of a group: reactions that share the reactant `group_column`
    group_column: Ints
    second: Ints  # (n_members,) column of the other reactant
    self_pair: Floats  # (n_members,) what a molecule finds of its own kind less than there are
    change_start: Ints  # (n_events + 1,) of an event: the columns that it changes, by how much
    change_column: Ints
    change_by: Ints
    weight_start: Ints  # of an event: members whose partners it changes, their groups, by how much
    weight_member: Ints
    weight_group: Ints
    weight_by: Ints
    touched_start: Ints  # of an event: groups whose propensity changes
    touched: Ints
    seen_start: Ints  # of an event: observables that it changes, by how much
    seen: Ints
    seen_by: Ints
    watched_start: Ints  # of an observable: the columns of its species
    watched: Ints
    injected: Ints  # columns of injected species
    clamped: Ints  # columns of clamped species
    clamp_book: Ints  # columns of the reservoirs that stand for what holds them
    entry_voxels: Ints  # where ions enter
    entry_area: Floats  # their membrane area, cumulative
    law_code: Ints  # operations of rate laws, see adapters.wellmixed.common.law_tables
    law: Ints
    law_group: int  # group of reactions with rate laws
    stirs: Ints  # (n_events,) 1 where an event changes what a rate law depends on
    captures: Captures  # what meets the membrane half a voxel away
    law_constants: Floats  # (n_classes, n_constants) of voxels with the same area of membrane


class GriddedMolecules(NamedTuple):
    """The changing state of one site."""

    counts: Floats  # (n_voxels, n_columns + ...) and, behind them, what laws and captures make of them
    weight: Floats  # (n_voxels, n_groups)
    levels: Levels  # propensities of voxels
    words: npt.NDArray[np.uint64]  # (4,) random stream
    events: Ints  # (3,) see REACTIONS, HOPS, SINCE_REFRESH
    admitted: Floats  # (n_injected,) molecules of the influx that entered in this window


def build_tables(
    network: ReactionNetwork,
    grid: Grid,
    area: float,
    clamped: tuple[str, ...],
    injected: tuple[str, ...],
    entry: str = "",
) -> GriddedTables:
    """Tables of a network (with its clamped species marked) on a grid. entry: region of the membrane where influx
    enters, all of it for "". Raises InputError for what has no place.
    """
    plan = group(network, clamped, network.names, laws_at_wall(network))
    reactions = plan.tables
    n_members, n_columns = len(plan.order), len(network.states) + 1
    kinds, kind = np.unique(np.stack([grid.areas, grid.depths]), axis=1, return_inverse=True)
    rates = np.array([_rates(network, grid, area, a)[plan.order] for a in kinds[0]])
    n_voxels = len(grid.areas)
    own = reactions.self_pair.astype(float)
    held = np.isin(reactions.second, reactions.clamped)
    own[held] /= n_voxels  # a held species is spread evenly, in parts of a molecule
    D, D_along = np.zeros(n_columns), np.zeros(n_columns)
    for i, s in enumerate(network.species):
        if s.name not in clamped:
            (D if s.on == "volume" else D_along)[i] = s.D
    starts, members = reactions.weight_start.tolist(), reactions.weight_member.tolist()
    changes = [dict(_changes(reactions, event)) for event in range(len(starts) - 1)]
    weight_by = [
        changes[e].get(int(reactions.second[j]), 0)
        for e, k in enumerate(starts[:-1])
        for j in members[k : starts[e + 1]]
    ]
    entered = grid.areas if not entry else grid.part(entry)
    doors = np.flatnonzero(entered > 0)
    ways, along = grid.hops, grid.surface
    return GriddedTables(
        len(network.species), n_members,
        ways.indptr.astype(np.int64), ways.indices.astype(np.int64), ways.data, _row_sums(ways),
        bool(len(ways.data) == 0 or np.ptp(ways.data) == 0),
        along.indptr.astype(np.int64), along.indices.astype(np.int64), along.data, _row_sums(along),
        D, D_along, _movers(D), _movers(D_along),
        kind.astype(np.int64), rates,
        reactions.group_start, reactions.group_column, reactions.second, own,
        reactions.change_start, reactions.change_column, reactions.change_by,
        reactions.weight_start, reactions.weight_member, reactions.weight_group, np.array(weight_by, dtype=np.int64),
        reactions.touched_start, reactions.touched,
        reactions.seen_start, reactions.seen, reactions.seen_by, reactions.watched_start, reactions.watched,
        np.array([network.index(s) for s in injected], dtype=np.int64), reactions.clamped, reactions.clamp_book,
        doors if len(doors) else np.arange(n_voxels),
        np.cumsum(entered[doors] if len(doors) else np.ones(n_voxels)),
        reactions.law_code, reactions.law, reactions.group_column.tolist().index(n_columns - 1) if network.laws else -1,
        reactions.stirs, captures(network, plan.order, reactions.group_start, grid, changes, plan.tape.size),
        np.array([plan.tape.constants(grid.volume, *k) for k in kinds.T]).reshape(kinds.shape[1], -1),
    )  # fmt: skip


def _changes(reactions: GroupedReactions, event: int) -> Iterator[tuple[int, int]]:
    """(column, what it adds) of an event."""
    here = slice(reactions.change_start[event], reactions.change_start[event + 1])
    yield from zip(reactions.change_column[here].tolist(), reactions.change_by[here].tolist(), strict=True)


def _row_sums(matrix: csr_array) -> Floats:
    return np.asarray(matrix.sum(axis=1), dtype=float).ravel()


def _movers(D: Floats) -> Ints:
    return np.array(sorted(np.flatnonzero(D > 0), key=lambda i: (-D[i], i)), dtype=np.int64)


def _rates(network: ReactionNetwork, grid: Grid, area: float, here: float) -> Floats:
    """(n_reactions,) rates per ms in counts in a voxel with `here` µm² of membrane.

    A reaction that puts molecules on the membrane from the volume happens at the membrane, as fast as in a mixed site.
    """
    rates = network.count_rates(grid.volume, here, laws=True)
    whole = grid.volume * len(grid.areas)
    for r, reaction in enumerate(network.reactions):
        if reaction.law is not None:
            continue  # has its area, or volume, in itself
        left = [s.on for s in network.order_reactants(reaction)]
        right = [s.on for s in network.species if s.name in reaction.products]
        if "membrane" in left or "membrane" not in right:
            if left.count("membrane") == 2 and here == 0:
                rates[r] = 0.0
        elif area <= 0:
            raise InputError(f'"{reaction}" puts molecules on a membrane that the site does not have')
        elif network.rate_dimension(network.order_reactants(reaction), right) != "rate of zeroth order on the membrane":
            rates[r] *= here * whole / (area * grid.volume)
    return rates


def build_molecules(
    network: ReactionNetwork, t: GriddedTables, n_injected: int, words: npt.NDArray[np.uint64]
) -> GriddedMolecules:
    """An empty site."""
    n = len(t.area_class)
    first = len(network.states) + 1
    counts = np.zeros((n, t.captures.place + len(t.captures.column)))
    counts[:, first - 1] = 1.0
    counts[:, first : first + t.law_constants.shape[1]] = t.law_constants[t.area_class]
    least = [
        *t.rates[t.rates > 0],
        *(d * r for d in t.D[t.D > 0] for r in {t.leaving_rate.min(), t.leaving_rate.max()} if r > 0),
    ]
    smallest = min(least, default=1.0)
    if not math.isfinite(smallest):
        raise InputError("a rate is not a finite number")
    weight = np.zeros((n, len(t.group_column)))
    events = np.zeros(3, dtype=np.int64)
    return GriddedMolecules(counts, weight, empty_levels(n, smallest), words, events, np.zeros(n_injected))
