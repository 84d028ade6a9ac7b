"""Tables for mass action: fluxes, analytic Jacobian and a sparse elimination with its order worked out beforehand.

The matrix of a spine is an arrow: everything couples through calcium, little else does. Eliminated in the order of
least fill-in (Markowitz) it keeps a few entries per row, and no search is left for the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.packing import observed, pack, ragged
from couple.base.arrays import Ints
from couple.chemistry.network import ReactionNetwork

# Tables in the packed array. Places 0 .. n_variables - 1 are what changes, in the order of elimination, then the
# clamped species, then the constant 1.
(
    COLUMN,  # (n_places - 1,) column in the counts
    GRADED,  # variables whose error sets the step: species; reservoirs follow from them by conservation
    FLUX_START,  # (n_fluxes + 1,) members of each flux: reactions with one change up to its sign
    FIRST,  # (n_members,) places of the two reactants
    SECOND,
    CHANGE_START,  # of a flux: variables it changes, by how much
    CHANGE,
    CHANGE_BY,
    SLOPE_START,  # of a derivative of a flux: members and the place each is multiplied with
    SLOPE_MEMBER,
    SLOPE_OTHER,
    SPREAD_START,  # of a derivative: entries of the matrix, by how much
    SPREAD,
    SPREAD_BY,
    DIAGONAL,  # (n_variables,) entries of the matrix
    LOWER_START,  # of a pivot: entries below it and their rows
    LOWER,
    LOWER_ROW,
    UPPER_START,  # of a pivot: entries right of it and their columns
    UPPER,
    UPPER_COLUMN,
    TARGET_START,  # of an entry below a pivot: entries that change, one for each entry right of the pivot
    TARGET,
    WATCHED_START,  # of an observable: its places
    WATCHED,
    CLAMPED,  # (n_clamped,) places of what is held
    CLAMP_BOOK,  # (n_clamped,) variable that books what the hand puts in or takes out
    INJECTED,  # (n_injected,) variable that influx goes to
) = range(28)


@dataclass(frozen=True)
class Elimination:
    """Packed tables; `order` (n_members,) and `sign` give the reaction of each member and its direction."""

    tables: Ints
    order: npt.NDArray[np.int64]
    sign: npt.NDArray[np.float64]
    n_entries: int


def eliminate(network: ReactionNetwork, clamped: tuple[str, ...], injected: tuple[str, ...]) -> Elimination:
    """Tables of a network (with its clamped species already marked)."""
    held = [network.index(name) for name in clamped]
    free = [column for column in range(len(network.states)) if column not in held]
    fluxes = _fluxes(network)
    slopes = _slopes(network, fluxes, held)
    pattern = {(row, column) for k, column in slopes for row, _ in fluxes[k].change}
    variables, entries = _order(free, pattern)
    place = {column: i for i, column in enumerate(variables + held)}
    place[-1] = len(place)
    number = {entry: i for i, entry in enumerate(sorted(entries, key=lambda e: (place[e[0]], place[e[1]])))}
    members = [member for flux in fluxes for member in flux.members]
    tables = [
        variables + held,
        [i for i, column in enumerate(variables) if column < len(network.species)],
        ragged([flux.members for flux in fluxes])[0],
        *([place[int(network.reactant_columns[r, side])] for r, _ in members] for side in (0, 1)),
        *ragged([[place[column] for column, _ in flux.change] for flux in fluxes]),
        [by for flux in fluxes for _, by in flux.change],
        *ragged([[members.index(member) for member, _ in terms] for terms in slopes.values()]),
        [place[other] for terms in slopes.values() for _, other in terms],
        *ragged([[number[row, column] for row, _ in fluxes[k].change] for k, column in slopes]),
        [by for k, _ in slopes for _, by in fluxes[k].change],
        *_factor_tables(variables, number),
        *ragged([[place[column] for column in columns] for columns in observed(network)]),
        [place[network.index(name)] for name in clamped],
        [place[network.index(f"{name}_clamp")] for name in clamped],
        [place[network.index(f"{name}_clamp" if name in clamped else name)] for name in injected],
    ]
    order = np.array([r for r, _ in members], dtype=np.int64)
    return Elimination(pack(tables), order, np.array([float(sign) for _, sign in members]), len(number))


def _factor_tables(variables: list[int], number: dict[tuple[int, int], int]) -> list[list[int]]:
    """Tables DIAGONAL .. TARGET for entries numbered by `number`."""
    place = {column: i for i, column in enumerate(variables)}
    below = [
        [(row, pivot) for row in variables[i + 1 :] if (row, pivot) in number] for i, pivot in enumerate(variables)
    ]
    right = [[(pivot, c) for c in variables[i + 1 :] if (pivot, c) in number] for i, pivot in enumerate(variables)]
    targets = [
        [number[row, column] for _, column in to_the_right]
        for under, to_the_right in zip(below, right, strict=True)
        for row, _ in under
    ]
    return [
        [number[column, column] for column in variables],
        *ragged([[number[entry] for entry in part] for part in below]),
        [place[row] for part in below for row, _ in part],
        *ragged([[number[entry] for entry in part] for part in right]),
        [place[column] for part in right for _, column in part],
        *ragged(targets),
    ]


@dataclass
class _Flux:
    """Reactions with the same change up to its sign: members (reaction, sign), change (column, amount)."""

    change: list[tuple[int, int]]
    members: list[tuple[int, int]]


def _fluxes(network: ReactionNetwork) -> list[_Flux]:
    found: dict[tuple[int, ...], _Flux] = {}
    for r, row in enumerate(network.change.tolist()):
        if not any(row):
            continue  # all that it changes is held
        backward = tuple(-n for n in row)
        if backward in found:
            found[backward].members.append((r, -1))
        else:
            change = [(column, n) for column, n in enumerate(row) if n]
            found.setdefault(tuple(row), _Flux(change, [])).members.append((r, 1))
    return list(found.values())


def _slopes(
    network: ReactionNetwork, fluxes: list[_Flux], held: list[int]
) -> dict[tuple[int, int], list[tuple[tuple[int, int], int]]]:
    """(flux, column) → terms (member, column of the other factor) of the flux's derivative by that count."""
    slopes: dict[tuple[int, int], list[tuple[tuple[int, int], int]]] = {}
    for k, flux in enumerate(fluxes):
        for member in flux.members:
            a, b = network.reactant_columns[member[0]].tolist()
            for column, other in ((a, b), (b, a)):  # a pair of one kind counts twice: the slope of n² is 2 n
                if column >= 0 and column not in held:
                    slopes.setdefault((k, column), []).append((member, other))
    return slopes


def _order(columns: list[int], pattern: set[tuple[int, int]]) -> tuple[list[int], set[tuple[int, int]]]:
    """Order of elimination and all entries of the factors, fill-in included."""
    rows: dict[int, set[int]] = {i: {i} for i in columns}  # row → columns with an entry
    for row, column in pattern:
        rows[row].add(column)
    entries = {(row, column) for row, found in rows.items() for column in found}
    order: list[int] = []
    left = list(columns)
    while left:
        height = {c: sum(c in rows[row] for row in left) for c in left}
        pivot = min(left, key=lambda c: ((len(rows[c]) - 1) * (height[c] - 1), len(rows[c]), c))
        left.remove(pivot)
        order.append(pivot)
        rest = rows.pop(pivot) - {pivot}
        for row in left:
            if pivot in rows[row]:
                rows[row].discard(pivot)
                rows[row] |= rest
                entries |= {(row, column) for column in rest}
    return order, entries
