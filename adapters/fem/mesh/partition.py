"""A branching line cut into pieces that only a few nodes hold together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from adapters.fem.mesh.discretisation import Matrices
from couple.base.arrays import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class MeshPiece:
    """The part of a mesh that one process has: inner nodes, then those between pieces that it sees. See `Matrices`.

    What all pieces have adds up to the whole: a row of a node between them has here only the columns of the inner nodes
    of this piece, and those of other nodes between them where it is this piece's `own`.
    nodes_of_mesh: (n,) numbers in the whole mesh. own: (n,) whether a node counts here. between: of the last nodes,
    numbers among the `n_between` nodes between all pieces.
    """

    nodes_of_mesh: Ints
    own: Bools
    between: Ints
    n_between: int
    mass: Any
    stiffness: Any
    membrane_mass: Any
    membrane_stiffness: Any
    nodes: Ints
    places: Floats
    volumes: Floats
    areas: Floats
    line: bool = True


def partition_mesh(d: Matrices, n: int) -> list[MeshPiece]:
    """`n` pieces of a line with about as many nodes each; every node of it is on the membrane."""
    graph = csr_array(d.mass)
    piece = partition_nodes(graph, n)
    rows, columns = graph.nonzero()
    # of two neighbours in different pieces one is between them
    is_between = np.zeros(len(piece), dtype=bool)
    is_between[rows[piece[rows] < piece[columns]]] = True
    return [_piece(d, graph, piece == k, is_between) for k in range(n)]


def partition_nodes(graph: Any, n: int) -> Ints:
    """(N,) piece of every node: equal stretches of a walk that visits small branches first, so that few edges, about
    log2(N) at most, lead from what was visited to what was not."""
    order, parent = breadth_first_order(graph, 0, directed=False, return_predecessors=True)
    size = np.ones(graph.shape[0], dtype=np.int64)
    for node in order[:0:-1]:
        size[parent[node]] += size[node]
    children: dict[int, list[int]] = {}
    for node in sorted(order[1:].tolist(), key=lambda k: int(size[k])):
        children.setdefault(int(parent[node]), []).append(node)
    place = np.zeros(graph.shape[0], dtype=np.int64)
    for node in order.tolist():
        at = int(place[node]) + 1
        for child in children.get(node, ()):
            place[child] = at
            at += int(size[child])
    return np.asarray(place * n // graph.shape[0])


def _piece(d: Matrices, graph: Any, mine: Bools, is_between: Bools) -> MeshPiece:
    seen = np.zeros(len(mine), dtype=bool)
    seen[graph[np.flatnonzero(mine)].nonzero()[1]] = True
    inner, between = np.flatnonzero(mine & ~is_between), np.flatnonzero((mine | seen) & is_between)
    nodes = np.concatenate([inner, between])
    own = mine[nodes]
    mass, stiffness, membrane_mass, membrane_stiffness = (
        _part(a, nodes, len(inner), own) for a in (d.mass, d.stiffness, d.membrane_mass, d.membrane_stiffness)
    )
    number = np.cumsum(is_between) - 1
    volumes, areas = (np.where(own, a[nodes], 0.0) for a in (d.volumes, d.areas))
    return MeshPiece(
        nodes, own, number[between], int(is_between.sum()), mass, stiffness, membrane_mass, membrane_stiffness,
        np.arange(len(nodes)), d.places[nodes], volumes, areas,
    )  # fmt: skip


def _part(matrix: Any, nodes: Ints, inner: int, own: Bools) -> Any:
    """The entries of a matrix that belong to a piece."""
    made = csr_array(matrix)[nodes][:, nodes].tocoo()
    row, column = made.coords
    keep = (column < inner) | own[row]
    found = csr_array((made.data[keep], (row[keep], column[keep])), shape=made.shape)
    found.sort_indices()
    return found
