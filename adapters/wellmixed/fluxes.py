"""Tables of fluxes for the Langevin equation: reactions that undo each other share one extent and one noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.packing import as_table, observed, ragged, table
from couple.base.arrays import Ints
from couple.cache.kernels import njit
from couple.chemistry.network import ReactionNetwork


class FluxTables(NamedTuple):
    """Index tables of the Langevin equation, all of integers.

    Places are the columns of the counts (species, reservoirs), and behind them the constant 1.
    """

    flux_start: Ints  # (n_fluxes + 1,) members of each flux
    first: Ints  # (n_members,) places of the two reactants
    second: Ints
    self_pair: Ints  # (n_members,) 1 where both are of one kind
    backward: Ints  # (n_members,) 1 where an event undoes the flux
    change_start: Ints  # (n_fluxes + 1,) of a flux: columns it changes, by how much
    change: Ints
    change_by: Ints
    guarded: Ints  # columns that may not fall below zero: species that are not held
    watched_start: Ints  # (n_observables + 1,) of an observable: its columns, as often as their weight
    watched: Ints
    clamped: Ints  # (n_clamped,) columns of what is held
    clamp_book: Ints  # (n_clamped,) columns that book what holds it
    injected: Ints  # (n_injected,) column that influx is added to
    n_species: Ints  # (1,)
    one_way: Ints  # (n_fluxes,) 1 where no member undoes it: its extent never falls


@njit(cache=True, inline="always")
def unpack(packed: Ints) -> FluxTables:
    """The tables of a packed array (see `packing`) by name, as views."""
    return FluxTables(
        flux_start=table(packed, 0),
        first=table(packed, 1),
        second=table(packed, 2),
        self_pair=table(packed, 3),
        backward=table(packed, 4),
        change_start=table(packed, 5),
        change=table(packed, 6),
        change_by=table(packed, 7),
        guarded=table(packed, 8),
        watched_start=table(packed, 9),
        watched=table(packed, 10),
        clamped=table(packed, 11),
        clamp_book=table(packed, 12),
        injected=table(packed, 13),
        n_species=table(packed, 14),
        one_way=table(packed, 15),
    )


@dataclass(frozen=True)
class Fluxes:
    """Index tables; `order` (n_members,) gives the reaction of each member.

    change: (n_fluxes, n_states) what one event of a flux adds to the counts.
    """

    tables: FluxTables
    order: npt.NDArray[np.int64]
    change: Ints


def fluxes(network: ReactionNetwork, clamped: tuple[str, ...], injected: tuple[str, ...]) -> Fluxes:
    """Tables of a network whose clamped species are marked already (ReactionNetwork.with_clamped).

    Raises InputError for observables whose weights are not whole.
    """
    found: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for r, row in enumerate(network.change.tolist()):
        opposite = tuple(-n for n in row)
        if not any(row):
            continue  # all that it changes is held
        if opposite in found:
            found[opposite].append((r, 1))
        else:
            found.setdefault(tuple(row), []).append((r, 0))
    members = [member for group in found.values() for member in group]
    order = np.array([r for r, _ in members], dtype=np.int64)
    pairs = network.reactant_columns[order].reshape(-1, 2)
    one = len(network.states)
    change_start, change = ragged([[(c, n) for c, n in enumerate(row) if n] for row in found])
    watched = observed(network)
    tables = [
        ragged(list(found.values()))[0],
        *(np.where(pairs[:, side] < 0, one, pairs[:, side]).tolist() for side in (0, 1)),
        [int(a == b >= 0) for a, b in pairs.tolist()],
        [backward for _, backward in members],
        change_start,
        [c for c, _ in change],
        [n for _, n in change],
        [i for i, name in enumerate(network.names) if name not in clamped],
        *ragged(watched),
        [network.index(name) for name in clamped],
        [network.index(f"{name}_clamp") for name in clamped],
        [network.index(f"{name}_clamp" if name in clamped else name) for name in injected],
        [len(network.species)],
        [int(not any(backward for _, backward in group)) for group in found.values()],
    ]
    return Fluxes(
        FluxTables(*(as_table(t) for t in tables)),
        order,
        np.array(list(found), dtype=np.int64).reshape(len(found), one),
    )
