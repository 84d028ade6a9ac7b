"""Kernels of the sparse system of a Rosenbrock step: the Jacobian with immobile fields eliminated, and its entries.

For M u' = F(u) the stages are  (M / (h γ) - J) u_i = F(y + Σ a_ij u_j) + M Σ c_ij u_j / h. What does not diffuse has
no mass matrix: its equations stand at each node by themselves and are eliminated there, which leaves a sparse system
for what is mobile, with Schur complements in place of the Jacobians of the nodes.
"""

from __future__ import annotations

import numpy as np

from adapters.fem.solver.node_kernels import (
    add_jacobian,
    gather_membrane_node,
    gather_volume_node,
    lu_factor,
    lu_solve,
    node_values,
)
from adapters.fem.solver.system import Densities, MatrixEntries, NodeSystem, SchurFactors, WindowInputs
from adapters.wellmixed.ode.kernel import GAMMA
from couple.base.arrays import Floats
from couple.cache.kernels import njit


@njit(cache=True)
def has_membrane(t: NodeSystem) -> bool:
    """Whether anything happens on the membrane."""
    return len(t.membrane_reactions.rate) > 0 or t.n_mobile_membrane + t.n_immobile_membrane > 0


@njit(cache=True)
def assemble_jacobian(t: NodeSystem, y: Densities, inputs: WindowInputs, h: float, e: SchurFactors) -> None:
    """The Jacobian at the state `y` for a step of `h` ms, its immobile fields eliminated, written to `e`."""
    m, r, s, f = t.n_mobile_volume, t.n_immobile_volume, t.n_mobile_membrane, t.n_immobile_membrane
    n, shift = m + r, 1.0 / (h * GAMMA)
    clamped_volume, clamped_membrane = inputs.clamped_volume, inputs.clamped_membrane
    z, d = node_values(t.volume_reactions), np.empty((n, n))
    for j in range(len(t.first_unknown)):
        gather_volume_node(m, r, t.first_unknown[j], j, y.mobile, y.immobile_volume, clamped_volume, z)
        d[:] = 0.0
        add_jacobian(t.volume_reactions, z, n, d)
        if r > 0:
            e.volume_lu[j] = -d[m:, m:]
            for a in range(r):
                e.volume_lu[j, a, a] += shift
            lu_factor(e.volume_lu[j])
            e.volume_coupling[j] = d[:m, m:]
            for b in range(m):
                column = e.volume_response[j, :, b]
                column[:] = d[m:, b]
                lu_solve(e.volume_lu[j], column)
        for a in range(m):
            for b in range(m):
                v = d[a, b]
                for c in range(r):
                    v += d[a, m + c] * e.volume_response[j, c, b]
                e.volume_schur[j, a, b] = v
    if not has_membrane(t):
        return
    w, nw = m + s, n + s + f
    z, d = node_values(t.membrane_reactions), np.empty((nw, nw))
    order = np.concatenate((np.arange(m), np.arange(n, n + s)))  # positions of the mobile fields
    for k in range(len(t.membrane_nodes)):
        j = t.membrane_nodes[k]
        gather_membrane_node(
            m, r, s, f, t.first_unknown[j], j, k, y.mobile, y.immobile_volume, y.immobile_membrane, clamped_volume,
            clamped_membrane, z,
        )  # fmt: skip
        d[:] = 0.0
        add_jacobian(t.membrane_reactions, z, nw, d)
        e.membrane_lu[k] = -d[n + s :, n + s :]
        for a in range(f):
            e.membrane_lu[k, a, a] += shift
        lu_factor(e.membrane_lu[k])
        e.membrane_by_immobile[k] = d[n + s :, m:n]
        for a in range(w):
            e.coupling_by_immobile[k, a] = d[order[a], m:n]
            e.membrane_coupling[k, a] = d[order[a], n + s :]
        for b in range(w):
            column = e.membrane_response[k, :, b]
            for a in range(f):
                column[a] = d[n + s + a, order[b]]
                if b < m:
                    for c in range(r):
                        column[a] += e.membrane_by_immobile[k, a, c] * e.volume_response[j, c, b]
            lu_solve(e.membrane_lu[k], column)
        for a in range(w):
            for b in range(w):
                v = d[order[a], order[b]]
                if b < m:
                    for c in range(r):
                        v += e.coupling_by_immobile[k, a, c] * e.volume_response[j, c, b]
                for c in range(f):
                    v += e.membrane_coupling[k, a, c] * e.membrane_response[k, c, b]
                e.membrane_schur[k, a, b] = v


@njit(cache=True)
def fill_matrix(
    entries: MatrixEntries, volume_schur: Floats, membrane_schur: Floats, shift: float, out: Floats
) -> None:
    """out (nnz,) = M / (hγ) + D K - M S - M_membrane S_membrane, entry by entry; see `MatrixEntries`.

    volume_schur, membrane_schur: the Schur complements of all nodes, flat. shift: 1 / (hγ), per ms.
    """
    for p in range(len(out)):
        v = entries.diffusion[p] + shift * entries.mass[p]
        if entries.volume_weight[p] != 0.0:
            v -= entries.volume_weight[p] * volume_schur[entries.volume_at[p]]
        if entries.membrane_weight[p] != 0.0:
            v -= entries.membrane_weight[p] * membrane_schur[entries.membrane_at[p]]
        out[p] = v
