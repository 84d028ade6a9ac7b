"""Tables of fluxes for the Langevin equation: reactions that undo each other share one extent and one noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.packing import observed, pack, ragged
from couple.base.arrays import Ints
from couple.chemistry.network import ReactionNetwork

# Tables in the packed array. Places are the columns of the counts, and behind them the constant 1.
(
    FLUX_START,  # (n_fluxes + 1,) members of each flux
    FIRST,  # (n_members,) places of the two reactants
    SECOND,
    SELF_PAIR,  # (n_members,) 1 where both are of one kind
    BACKWARD,  # (n_members,) 1 where an event undoes the flux
    CHANGE_START,  # of a flux: columns it changes, by how much
    CHANGE,
    CHANGE_BY,
    GUARDED,  # columns that may not fall below zero: species that are not held
    WATCHED_START,  # of an observable: its columns
    WATCHED,
    CLAMPED,
    CLAMP_BOOK,
    INJECTED,  # column that influx goes to
    N_SPECIES,  # one number
) = range(15)


@dataclass(frozen=True)
class Fluxes:
    """Packed tables; `order` (n_members,) gives the reaction of each member, `change` (n_fluxes, n_states) a unit."""

    tables: Ints
    order: npt.NDArray[np.int64]
    change: Ints


def fluxes(network: ReactionNetwork, clamped: tuple[str, ...], injected: tuple[str, ...]) -> Fluxes:
    """Tables of a network (with its clamped species already marked)."""
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
    ]
    return Fluxes(pack(tables), order, np.array(list(found), dtype=np.int64).reshape(len(found), one))
