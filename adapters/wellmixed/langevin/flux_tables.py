"""Tables of fluxes for the Langevin equation: reactions that undo each other share one extent and one noise."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.common.law_tables import law_numbers, law_tape
from adapters.wellmixed.common.packing import as_table, observed, ragged, table
from couple.base.arrays import Ints
from couple.cache.kernels import njit
from couple.chemistry.laws.tape import LawTape
from couple.chemistry.network import ReactionNetwork


class FluxTables(NamedTuple):
    """Index tables of the Langevin equation, all of integers.

    Places are the columns of the counts (species, reservoirs), then the constant 1, then what rate laws work out.
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
    law_code: Ints  # operations of rate laws, see `law_tables`
    law: Ints
    slope_start: Ints  # (n_fluxes + 1,) of a flux: members with laws and the places of their derivatives
    slope_member: Ints
    slope: Ints


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
        law_code=table(packed, 16),
        law=table(packed, 17),
        slope_start=table(packed, 18),
        slope_member=table(packed, 19),
        slope=table(packed, 20),
    )


@dataclass(frozen=True)
class Fluxes:
    """Index tables; `order` (n_members,) gives the reaction of each member.

    change: (n_fluxes, n_states) what one event of a flux adds to the counts. tape: of rate laws.
    """

    tables: FluxTables
    order: npt.NDArray[np.int64]
    change: Ints
    tape: LawTape


def fluxes(network: ReactionNetwork, clamped: tuple[str, ...], injected: tuple[str, ...]) -> Fluxes:
    """Tables of a network whose clamped species are marked already (ReactionNetwork.with_clamped).

    Raises InputError for observables whose weights are not whole.
    """
    found: dict[tuple[tuple[int, int], ...], list[tuple[int, int]]] = {}
    for r, row in enumerate(network.changes):
        opposite = tuple((column, -n) for column, n in row)
        if not row:
            continue  # all that it changes is held
        if opposite in found:
            found[opposite].append((r, 1))
        else:
            found.setdefault(row, []).append((r, 0))
    members = [member for group in found.values() for member in group]
    order = np.array([r for r, _ in members], dtype=np.int64)
    one = len(network.states)
    tape = law_tape(network, {s: i for i, s in enumerate(network.names)}, one + 1, slopes=True)
    pairs = network.reactant_columns[order].reshape(-1, 2)
    for r, at in zip(network.laws, tape.values, strict=True):
        pairs[order == r, 0] = at
    starts = ragged(list(found.values()))[0]
    slopes = [
        [(m, tape.slopes[members[m][0], s]) for m in range(a, b) for s in _moving(network, members[m][0], clamped)]
        for a, b in itertools.pairwise(starts)
    ]
    slope_start, slope = ragged(slopes)
    change_start, change = ragged([list(row) for row in found])
    watched = observed(network)
    tables = [
        starts,
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
        tape.code.tolist(),
        law_numbers(tape),
        slope_start,
        [m for m, _ in slope],
        [at for _, at in slope],
    ]
    return Fluxes(
        FluxTables(*(as_table(t) for t in tables)),
        order,
        np.array([network.change[group[0][0]] for group in found.values()], dtype=np.int64).reshape(len(found), one),
        tape,
    )


def _moving(network: ReactionNetwork, r: int, clamped: tuple[str, ...]) -> list[str]:
    """Species that the rate law of a reaction depends on and that are not held; none without a law."""
    return [s for s in network.laws[r].names if s not in clamped] if r in network.laws else []
