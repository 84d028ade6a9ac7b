"""Tables for mass action: fluxes, analytic Jacobian and a sparse elimination with its order worked out beforehand.

The matrix of a spine is an arrow: everything couples through calcium, little else does. Eliminated in the order of
least fill-in (Markowitz) it keeps a few entries per row, and no search is left for the kernel.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.common.law_tables import law_numbers, law_tape
from adapters.wellmixed.common.packing import as_table, observed, ragged, table
from couple.base.arrays import Bools, Ints
from couple.cache.kernels import njit
from couple.chemistry.laws.tape import LawTape
from couple.chemistry.network import ReactionNetwork

MOST_TARGETS = 1_000_000
"""Products of an elimination up to which the entry that each goes to is kept in a table."""


class MassActionTables(NamedTuple):
    """Index tables of mass action, all of integers.

    Places 0 .. n_variables - 1 are what changes, in the order of elimination, then the clamped species, then the
    constant 1, then what rate laws work out. A flux is the net rate of reactions with one change up to its sign, its
    members.
    """

    column: Ints  # (n_places - 1,) column of each place in the counts
    graded: Ints  # variables whose error sets the step: species; reservoirs follow from them by conservation
    flux_start: Ints  # (n_fluxes + 1,) members of each flux
    first: Ints  # (n_members,) places of the two reactants
    second: Ints
    change_start: Ints  # (n_fluxes + 1,) of a flux: variables it changes, by how much
    change: Ints
    change_by: Ints
    slope_start: Ints  # (n_derivatives + 1,) of a derivative of a flux: members and the place each is multiplied with
    slope_member: Ints
    slope_other: Ints
    entry_start: Ints  # (n_derivatives + 1,) of a derivative: entries of the Jacobian, by how much
    entry: Ints
    entry_by: Ints
    diagonal: Ints  # (n_variables,) entries of the matrix
    lower_start: Ints  # (n_variables + 1,) of a pivot: entries below it and their rows
    lower: Ints
    lower_row: Ints
    upper_start: Ints  # (n_variables + 1,) of a pivot: entries right of it and their columns
    upper: Ints
    upper_column: Ints
    target_start: Ints  # of an entry below a pivot: entries that change, one for each entry right of the pivot
    target: Ints
    row_start: Ints  # (n_variables + 1,) of a row: its columns; none where targets are given
    row_column: Ints
    watched_start: Ints  # (n_observables + 1,) of an observable: its places, as often as their weight
    watched: Ints
    clamped: Ints  # (n_clamped,) places of what is held
    clamp_book: Ints  # (n_clamped,) variable that books what the hand puts in or takes out
    injected: Ints  # (n_injected,) variable that influx is added to
    law_code: Ints  # operations of rate laws, on places behind the constant 1, see `law_tables`
    law: Ints
    bounded: Ints  # of the graded variables: those that stop the run below zero


@njit(cache=True, inline="always")
def unpack(packed: Ints) -> MassActionTables:
    """The tables of a packed array (see `packing`) by name, as views."""
    return MassActionTables(
        column=table(packed, 0),
        graded=table(packed, 1),
        flux_start=table(packed, 2),
        first=table(packed, 3),
        second=table(packed, 4),
        change_start=table(packed, 5),
        change=table(packed, 6),
        change_by=table(packed, 7),
        slope_start=table(packed, 8),
        slope_member=table(packed, 9),
        slope_other=table(packed, 10),
        entry_start=table(packed, 11),
        entry=table(packed, 12),
        entry_by=table(packed, 13),
        diagonal=table(packed, 14),
        lower_start=table(packed, 15),
        lower=table(packed, 16),
        lower_row=table(packed, 17),
        upper_start=table(packed, 18),
        upper=table(packed, 19),
        upper_column=table(packed, 20),
        target_start=table(packed, 21),
        target=table(packed, 22),
        row_start=table(packed, 23),
        row_column=table(packed, 24),
        watched_start=table(packed, 25),
        watched=table(packed, 26),
        clamped=table(packed, 27),
        clamp_book=table(packed, 28),
        injected=table(packed, 29),
        law_code=table(packed, 30),
        law=table(packed, 31),
        bounded=table(packed, 32),
    )


@dataclass(frozen=True)
class SparseElimination:
    """Index tables; `order` (n_members,) and `sign` (n_members,) give the reaction of each member and its direction.

    n_entries: of the factors of the matrix, fill-in included. tape: of rate laws.
    """

    tables: MassActionTables
    order: npt.NDArray[np.int64]
    sign: npt.NDArray[np.float64]
    n_entries: int
    tape: LawTape


def eliminate(
    network: ReactionNetwork, clamped: tuple[str, ...], injected: tuple[str, ...], unbounded: Container[str] = ()
) -> SparseElimination:
    """Tables of a network whose clamped species are marked already (ReactionNetwork.with_clamped).

    unbounded: species that may go below zero. Raises InputError for observables whose weights are not whole.
    """
    held = [network.index(name) for name in clamped]
    free = [column for column in range(len(network.states)) if column not in held]
    fluxes = _fluxes(network)
    slopes = _slopes(network, fluxes, held)
    pattern = {(row, column) for k, column in slopes for row, _ in fluxes[k].change}
    variables, entries = order_pivots(free, pattern)
    number = _numbers(entries)
    place: dict[_Factor, int] = {column: i for i, column in enumerate(variables + held)}
    place[-1] = len(place)
    tape = law_tape(network, {s: place[i] for i, s in enumerate(network.names)}, len(place), slopes=True)
    place.update({(r, ""): where for r, where in zip(network.laws, tape.values, strict=True)})
    place.update({key: at for key, at in tape.slopes.items()})  # noqa: C416
    members = [member for flux in fluxes for member in flux.members]
    at = {member: i for i, member in enumerate(members)}
    graded = [i for i, column in enumerate(variables) if column < len(network.species)]
    tables = [
        variables + held,
        graded,
        ragged([flux.members for flux in fluxes])[0],
        *([place[_factors(network, r)[side]] for r, _ in members] for side in (0, 1)),
        *ragged([[place[column] for column, _ in flux.change] for flux in fluxes]),
        [by for flux in fluxes for _, by in flux.change],
        *ragged([[at[member] for member, _ in terms] for terms in slopes.values()]),
        [place[other] for terms in slopes.values() for _, other in terms],
        *ragged([[int(number[place[row], place[column]]) for row, _ in fluxes[k].change] for k, column in slopes]),
        [by for k, _ in slopes for _, by in fluxes[k].change],
        *_factor_tables(entries),
        *ragged([[place[column] for column in columns] for columns in observed(network)]),
        [place[network.index(name)] for name in clamped],
        [place[network.index(f"{name}_clamp")] for name in clamped],
        [place[network.index(f"{name}_clamp" if name in clamped else name)] for name in injected],
        tape.code.tolist(),
        law_numbers(tape),
        [i for i in graded if network.names[variables[i]] not in unbounded],
    ]
    order = np.array([r for r, _ in members], dtype=np.int64)
    return SparseElimination(
        MassActionTables(*(as_table(t) for t in tables)),
        order,
        np.array([float(sign) for _, sign in members]),
        int(entries.sum()),
        tape,
    )


def _factor_tables(entries: Bools) -> list[list[int]]:
    """Tables diagonal .. row_column of factors with these entries, in order of elimination."""
    n, number = len(entries), _numbers(entries)
    below = [np.flatnonzero(entries[i + 1 :, i]) + i + 1 for i in range(n)]
    right = [np.flatnonzero(entries[i, i + 1 :]) + i + 1 for i in range(n)]
    lower_start, lower = ragged([number[rows, i].tolist() for i, rows in enumerate(below)])
    upper_start, upper = ragged([number[i, columns].tolist() for i, columns in enumerate(right)])
    dense = sum(len(a) * len(b) for a, b in zip(below, right, strict=True)) > MOST_TARGETS
    targets = (
        [number[row, columns].tolist() for rows, columns in zip(below, right, strict=True) for row in rows.tolist()]
        if not dense
        else []
    )
    row_start, row_column = ragged([np.flatnonzero(row).tolist() for row in entries] if dense else [])
    return [
        np.diagonal(number).tolist(),
        lower_start,
        lower,
        [row for rows in below for row in rows.tolist()],
        upper_start,
        upper,
        [column for columns in right for column in columns.tolist()],
        *ragged(targets),
        row_start,
        row_column,
    ]


def _numbers(entries: Bools) -> Ints:
    """(n, n) number of each entry, row by row."""
    return np.asarray(np.cumsum(entries.ravel()) - 1).reshape(entries.shape)


@dataclass
class _Flux:
    """Reactions with the same change up to its sign: members (reaction, sign), change (column, amount)."""

    change: list[tuple[int, int]]
    members: list[tuple[int, int]]


def _fluxes(network: ReactionNetwork) -> list[_Flux]:
    found: dict[tuple[tuple[int, int], ...], _Flux] = {}
    for r, change in enumerate(network.changes):
        if not change:
            continue  # all that it changes is held
        backward = tuple((column, -n) for column, n in change)
        if backward in found:
            found[backward].members.append((r, -1))
        else:
            found.setdefault(change, _Flux(list(change), [])).members.append((r, 1))
    return list(found.values())


_Factor = int | tuple[int, str]
"""What a rate is multiplied with: the count of a column (-1: the constant 1), the law of a reaction (number, ""), or
its derivative by a species (number, name)."""


def _factors(network: ReactionNetwork, r: int) -> tuple[_Factor, _Factor]:
    """The two factors of a reaction."""
    if r in network.laws:
        return (r, ""), -1
    a, b = network.reactant_columns[r].tolist()
    return a, b


def _slopes(
    network: ReactionNetwork, fluxes: list[_Flux], held: list[int]
) -> dict[tuple[int, int], list[tuple[tuple[int, int], _Factor]]]:
    """(flux, column) → terms (member, the other factor) of the flux's derivative by that count."""
    slopes: dict[tuple[int, int], list[tuple[tuple[int, int], _Factor]]] = {}
    for k, flux in enumerate(fluxes):
        for member in flux.members:
            if (law := network.laws.get(member[0])) is not None:
                for name in law.names:
                    if (column := network.index(name)) not in held:
                        slopes.setdefault((k, column), []).append((member, (member[0], name)))
                continue
            a, b = network.reactant_columns[member[0]].tolist()
            for column, other in ((a, b), (b, a)):  # a pair of one kind counts twice: the slope of n² is 2 n
                if column >= 0 and column not in held:
                    slopes.setdefault((k, column), []).append((member, other))
    return slopes


def order_pivots(columns: list[int], pattern: set[tuple[int, int]]) -> tuple[list[int], Bools]:
    """Order of elimination of least fill-in, and (n, n) where, in that order, the factors have entries.

    Rows and columns of what is left are sets of bits, so that networks of thousands of species take seconds.
    """
    n, place = len(columns), {column: i for i, column in enumerate(columns)}
    rows, below = [1 << i for i in range(n)], [1 << i for i in range(n)]  # entries of a row, and of a column
    for row, column in pattern:
        rows[place[row]] |= 1 << place[column]
        below[place[column]] |= 1 << place[row]
    wide, high = [row.bit_count() for row in rows], [column.bit_count() for column in below]
    left, order = set(range(n)), []
    right: list[tuple[int, int]] = []
    while left:
        pivot = min(left, key=lambda c: ((wide[c] - 1) * (high[c] - 1), wide[c], columns[c]))
        left.remove(pivot)
        order.append(pivot)
        mine = 1 << pivot
        right.append((rows[pivot], below[pivot]))
        across, down = rows[pivot] & ~mine, below[pivot] & ~mine
        for i in _bits(down):
            rows[i] = (rows[i] & ~mine) | across
            wide[i] = rows[i].bit_count()
        for j in _bits(across):
            below[j] = (below[j] & ~mine) | down
            high[j] = below[j].bit_count()
    entries = np.zeros((n, n), dtype=bool)
    for k, (across, down) in enumerate(right):
        entries[k] |= _row_of(across, n)[order]
        entries[:, k] |= _row_of(down, n)[order]
    return [columns[c] for c in order], entries


def _bits(number: int) -> Iterator[int]:
    """Places of the bits of a number that are set."""
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _row_of(number: int, n: int) -> Bools:
    """(n,) which bits of a number are set."""
    packed = np.frombuffer(number.to_bytes((n + 7) // 8, "little"), dtype=np.uint8)
    return np.unpackbits(packed, count=n, bitorder="little").astype(bool)
