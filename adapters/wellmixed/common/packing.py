"""Index tables of a network in one array of integers, on their way from Python to a kernel.

A jitted function pays about 60 ns for every array that it is given; a network needs some twenty tables, and a window of
one site may take 2 us. So the tables, a NamedTuple with a name for each, cross as one array: `n + 1` offsets, then the
`n` tables one after the other. The kernel takes them apart into the same NamedTuple of views.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from couple.base.arrays import Ints
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.chemistry.network import ReactionNetwork


def as_table(entries: Iterable[int]) -> Ints:
    """Whole numbers as an array of them."""
    return np.array(list(entries), dtype=np.int64)


def pack(tables: Iterable[Iterable[int]]) -> Ints:
    """One array that holds all tables, in their order; read back with `table`."""
    parts = [as_table(t) for t in tables]
    ends = len(parts) + 1 + np.cumsum([0] + [len(p) for p in parts])
    return np.concatenate([ends.astype(np.int64), *parts])


@njit(cache=True, inline="always")
def table(packed: Ints, k: int) -> Ints:
    """Table number `k` of a packed array, a view."""
    return packed[packed[k] : packed[k + 1]]


def ragged[T](rows: Sequence[Sequence[T]]) -> tuple[list[int], list[T]]:
    """Rows of different lengths as (starts (n_rows + 1,), all entries)."""
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    return starts, [entry for row in rows for entry in row]


MOST = 1000
"""Weight of a species in an observable."""


def observed(network: ReactionNetwork) -> list[list[int]]:
    """Of each observable the columns that are summed, as often as their weight.

    Raises InputError for weights that are not whole: tables hold whole numbers.
    """
    found = []
    for name, row in zip(network.observables, network.observable_weights, strict=True):
        if (row != np.rint(row)).any() or np.abs(row).max(initial=0) > MOST:
            raise InputError(
                f'observable "{name}": well-mixed engines take whole weights up to {MOST}; scale it afterwards',
                where=f"chemistry.observables.{name}",
            )
        found.append([int(column) for column in np.flatnonzero(row) for _ in range(int(row[column]))])
    return found
