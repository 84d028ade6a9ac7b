"""Pools whose molecules are two that do not see each other: binding sites of two kinds, the lobes of calmodulin.

The states of such a molecule form a grid, its generator is a sum base1 ⊗ 1 + 1 ⊗ base2, and its propagator a product,
which costs far less to store and to apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from adapters.surrogate.pools.network import Pool
from couple.base.arrays import Floats

Edge = frozenset[int]


@dataclass(frozen=True)
class KroneckerFactors:
    """order: states as a grid, row by row; the generators (n1, n1) and (n2, n2) of both factors, base and slope."""

    order: tuple[int, ...]
    first: tuple[Floats, Floats]
    second: tuple[Floats, Floats]


def factors(pool: Pool) -> KroneckerFactors | None:
    """The two factors of a pool, None if it has none."""
    n = len(pool.states)
    if n < 6 or not pool.keeps or pool.law != "mean":
        return None
    linked = (pool.base != 0) | (pool.slope != 0)
    near = [set(np.flatnonzero(linked[i] | linked[:, i]).tolist()) - {i} for i in range(n)]
    colours = _colours(near)
    if len(colours) < 2:
        return None
    rows = _components(n, set().union(*colours[1:]))  # alike in the first coordinate
    columns = _components(n, colours[0])
    cells = {(r, c): [k for k in row if k in column] for r, row in enumerate(rows) for c, column in enumerate(columns)}
    if len(rows) * len(columns) != n or any(len(cell) != 1 for cell in cells.values()):
        return None
    order = tuple(cells[r, c][0] for r in range(len(rows)) for c in range(len(columns)))
    return _checked(pool, order, len(rows), len(columns))


def _checked(pool: Pool, order: tuple[int, ...], n1: int, n2: int) -> KroneckerFactors | None:
    """The factors, if the rates are those of a product."""
    firsts, seconds = [], []
    for matrix in (pool.base, pool.slope):
        grid = matrix[np.ix_(order, order)].reshape(n1, n2, n1, n2)
        first, second = grid[:, 0, :, 0].copy(), grid[0, :, 0, :].copy()
        for part in (first, second):
            np.fill_diagonal(part, 0.0)
            np.fill_diagonal(part, -part.sum(axis=0))
        whole = np.kron(first, np.eye(n2)) + np.kron(np.eye(n1), second)
        if not np.allclose(whole, grid.reshape(n1 * n2, n1 * n2), rtol=1e-9, atol=1e-12 * abs(matrix).max()):
            return None
        firsts.append(first)
        seconds.append(second)
    return KroneckerFactors(order, (firsts[0], firsts[1]), (seconds[0], seconds[1]))


def _colours(near: list[set[int]]) -> list[set[Edge]]:
    """Edges of a graph in classes: opposite sides of a square, and neighbours that span no square, go together.

    The classes are the factors of a Cartesian product (Feder 1992, J Graph Theory 16:467).
    """
    edges = [frozenset((a, b)) for a, others in enumerate(near) for b in others if a < b]
    of: dict[Edge, set[Edge]] = {e: {e} for e in edges}

    def join(e: Edge, f: Edge) -> None:
        if of[e] is not of[f]:
            merged = of[e] | of[f]
            for g in merged:
                of[g] = merged

    for x, around in enumerate(near):
        for u, v in combinations(sorted(around), 2):
            others = (near[u] & near[v]) - {x}
            if len(others) != 1 or v in near[u]:
                join(frozenset((x, u)), frozenset((x, v)))
            for y in others:
                join(frozenset((x, u)), frozenset((v, y)))
                join(frozenset((x, v)), frozenset((u, y)))
    found: list[set[Edge]] = []
    for e in edges:
        if of[e] not in found:
            found.append(of[e])
    return found


def _components(n: int, edges: set[Edge]) -> list[list[int]]:
    """Vertices that the edges connect."""
    of = list(range(n))
    for a, b in (tuple(e) for e in edges):
        keep, gone = of[a], of[b]
        of = [keep if k == gone else k for k in of]
    return [[i for i in range(n) if of[i] == k] for k in dict.fromkeys(of)]
