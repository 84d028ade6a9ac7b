"""Thermal noise of diffusion on simplices: a random flux in every cell, in divergence form."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from adapters.fem.mesh.discretisation import Discretisation
from couple.base.arrays import Floats, Ints, Words
from couple.cache.kernels import njit
from couple.rng.streams import exponential, uniform


class SimplexCells(NamedTuple):
    """nodes: (n, d + 1) of each cell. measure: (n,) its volume. slope: (n, d + 1, d) gradient of its basis functions.

    Σ measure slope · slope is the stiffness matrix: noise made of these gradients balances what it dissipates.
    """

    nodes: Ints
    measure: Floats
    slope: Floats


def cells_of(d: Discretisation) -> SimplexCells:
    """The cells of linear elements on a mesh of simplices."""
    mesh = d.domain.mesh
    nodes = np.asarray(d.space.dofmap.list, dtype=np.int64)
    dimension = mesh.topology.dim
    corners = d.places[nodes][:, :, :dimension]
    edges = corners[:, 1:] - corners[:, :1]
    inverse = np.linalg.inv(edges)  # columns are the gradients of the barycentric coordinates 1 .. d
    slope = np.concatenate([-inverse.sum(axis=2, keepdims=True), inverse], axis=2).transpose(0, 2, 1)
    return SimplexCells(nodes, d.cell_measures(), np.ascontiguousarray(slope))


@njit(cache=True, inline="always")
def gaussian(s: Words) -> float:
    """Standard normal (Box & Muller)."""
    return math.sqrt(2.0 * exponential(s)) * math.cos(2.0 * math.pi * uniform(s))


@njit(cache=True)
def add_noise(cells: SimplexCells, n: Floats, volumes: Floats, strength: float, words: Words, out: Floats) -> None:
    """out (N,) += Σ over cells of sqrt(strength c measure) slope · ξ, ξ standard normal vectors; it sums to zero.

    n: (N,) molecules at the nodes. strength: 2 D dt. c is the mean of the cell's nodes times Π min(1, n), so that where
    there is less than a molecule the noise does not drive it far below zero (after Kim et al., J Chem Phys 146:124110,
    2017, who do so on finite volumes).
    """
    corners, dimension = cells.nodes.shape[1], cells.slope.shape[2]
    for e in range(len(cells.nodes)):
        c, damp = 0.0, 1.0
        for k in range(corners):
            node = cells.nodes[e, k]
            c += n[node] / volumes[node]
            damp *= min(1.0, max(0.0, n[node]))
        if c <= 0.0 or damp == 0.0:
            continue
        size = math.sqrt(strength * damp * c / corners * cells.measure[e])
        for d in range(dimension):
            flux = size * gaussian(words)
            for k in range(corners):
                out[cells.nodes[e, k]] += flux * cells.slope[e, k, d]
