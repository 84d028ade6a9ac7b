"""Kernels of the stages of a Rosenbrock step for fields that react at the nodes and diffuse between them.

For the method and its equations see `adapters.fem.solver.jacobian`: `stage_rhs` makes the right side of a stage with
the immobile fields eliminated, `back_substitute` finds them from the solution.
"""

from __future__ import annotations

import numpy as np

from adapters.fem.solver.jacobian import assemble_jacobian, fill_matrix, has_membrane
from adapters.fem.solver.node_kernels import add_rates, gather_membrane_node, gather_volume_node, lu_solve, node_values
from adapters.fem.solver.system import Densities, MatrixEntries, NodeSystem, SchurFactors, SparseRows, WindowInputs
from adapters.wellmixed.ode.kernel import GAMMA, A, C
from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit


@njit(cache=True)
def assemble_volume_load(
    first_unknown: Ints, mass: SparseRows, stiffness: SparseRows, D: Floats, rates: Floats, values: Floats,
    load: Floats, x: Floats,
) -> None:  # fmt: skip
    """x = load + M rates - D K values at the mobile fields of the volume, node by node.

    first_unknown: (N,). D: (m,). rates: (N, m) of change. values, load, x: (n_unknowns,).
    """
    m = len(D)
    flow = np.empty(m)
    for j in range(len(first_unknown)):
        b = first_unknown[j]
        for a in range(m):
            x[b + a] = load[b + a]
            flow[a] = 0.0
        for p in range(mass.start[j], mass.start[j + 1]):
            weight, k = mass.value[p], mass.column[p]
            for a in range(m):
                x[b + a] += weight * rates[k, a]
        for p in range(stiffness.start[j], stiffness.start[j + 1]):
            weight, k = stiffness.value[p], first_unknown[stiffness.column[p]]
            for a in range(m):
                flow[a] += weight * values[k + a]
        for a in range(m):
            x[b + a] -= D[a] * flow[a]


@njit(cache=True)
def stage_state(i: int, y: Densities, u: Densities, out: Densities) -> None:
    """out = y + Σ a_ij u_j over the stages before i; arrays of `u` have the stages along their first axis."""
    out.mobile[:] = y.mobile
    out.immobile_volume[:] = y.immobile_volume
    out.immobile_membrane[:] = y.immobile_membrane
    for j in range(i):
        a = A[i, j]
        if a != 0.0:
            for p in range(len(out.mobile)):
                out.mobile[p] += a * u.mobile[j, p]
            for p in range(out.immobile_volume.shape[0]):
                for q in range(out.immobile_volume.shape[1]):
                    out.immobile_volume[p, q] += a * u.immobile_volume[j, p, q]
            for p in range(out.immobile_membrane.shape[0]):
                for q in range(out.immobile_membrane.shape[1]):
                    out.immobile_membrane[p, q] += a * u.immobile_membrane[j, p, q]


@njit(cache=True)
def stage_rhs(
    t: NodeSystem, i: int, g: Densities, u: Densities, inputs: WindowInputs, h: float, e: SchurFactors,
    x: Floats,
) -> None:  # fmt: skip
    """Right side x (n_unknowns,) of stage i at its state `g`; the local right sides go to stage i of `u`."""
    m, r, s, f = t.n_mobile_volume, t.n_immobile_volume, t.n_mobile_membrane, t.n_immobile_membrane
    n, w = m + r, m + s
    clamped_volume, clamped_membrane, load = inputs.clamped_volume, inputs.clamped_membrane, inputs.load
    z, d = node_values(t.volume_reactions), np.empty(n)
    rates = np.empty((len(t.first_unknown), m))
    for j in range(len(t.first_unknown)):
        gather_volume_node(m, r, t.first_unknown[j], j, g.mobile, g.immobile_volume, clamped_volume, z)
        d[:] = 0.0
        add_rates(t.volume_reactions, z, d)
        for q in range(i):
            scale = C[i, q] / h
            for a in range(m):
                d[a] += scale * u.mobile[q, t.first_unknown[j] + a]
            for a in range(r):
                d[m + a] += scale * u.immobile_volume[q, j, a]
        if r == 0:
            for a in range(m):
                rates[j, a] = d[a]
            continue
        local = u.immobile_volume[i, j]
        local[:] = d[m:]
        lu_solve(e.volume_lu[j], local)
        for a in range(m):
            v = d[a]
            for c in range(r):
                v += e.volume_coupling[j, a, c] * local[c]
            rates[j, a] = v
    assemble_volume_load(t.first_unknown, t.mass, t.stiffness, t.D_volume, rates, g.mobile, load, x)
    if not has_membrane(t):
        return
    nw = n + s + f
    z, d = node_values(t.membrane_reactions), np.empty(nw)
    rates = np.empty((len(t.membrane_nodes), w))
    for k in range(len(t.membrane_nodes)):
        j = t.membrane_nodes[k]
        gather_membrane_node(
            m, r, s, f, t.first_unknown[j], j, k, g.mobile, g.immobile_volume, g.immobile_membrane, clamped_volume,
            clamped_membrane, z,
        )  # fmt: skip
        d[:] = 0.0
        add_rates(t.membrane_reactions, z, d)
        for q in range(i):
            scale = C[i, q] / h
            for a in range(s):
                d[n + a] += scale * u.mobile[q, t.first_unknown[j] + m + a]
            for a in range(f):
                d[n + s + a] += scale * u.immobile_membrane[q, k, a]
        local = u.immobile_membrane[i, k]
        for a in range(f):
            local[a] = d[n + s + a]
            for c in range(r):
                local[a] += e.membrane_by_immobile[k, a, c] * u.immobile_volume[i, j, c]
        lu_solve(e.membrane_lu[k], local)
        for a in range(w):
            v = d[a] if a < m else d[n + a - m]
            for c in range(r):
                v += e.coupling_by_immobile[k, a, c] * u.immobile_volume[i, j, c]
            for c in range(f):
                v += e.membrane_coupling[k, a, c] * local[c]
            rates[k, a] = v
    for k in range(len(t.membrane_nodes)):
        b = t.first_unknown[t.membrane_nodes[k]]
        for a in range(s):
            flow = 0.0
            for p in range(t.membrane_stiffness.start[k], t.membrane_stiffness.start[k + 1]):
                node = t.membrane_nodes[t.membrane_stiffness.column[p]]
                flow += t.membrane_stiffness.value[p] * g.mobile[t.first_unknown[node] + m + a]
            x[b + m + a] = load[b + m + a] - t.D_membrane[a] * flow
        for a in range(w):
            v = 0.0
            for p in range(t.membrane_mass.start[k], t.membrane_mass.start[k + 1]):
                v += t.membrane_mass.value[p] * rates[t.membrane_mass.column[p], a]
            x[b + a] += v


@njit(cache=True, python=True)
def back_substitute(t: NodeSystem, i: int, u: Densities, e: SchurFactors) -> None:
    """Complete stage i: what was eliminated follows from the solution u.mobile[i]."""
    m, r, s, f = t.n_mobile_volume, t.n_immobile_volume, t.n_mobile_membrane, t.n_immobile_membrane
    for j in range(len(t.first_unknown)):
        for a in range(r):
            for b in range(m):
                u.immobile_volume[i, j, a] += e.volume_response[j, a, b] * u.mobile[i, t.first_unknown[j] + b]
    for k in range(len(t.membrane_nodes)):
        b = t.first_unknown[t.membrane_nodes[k]]
        for a in range(f):
            for c in range(m + s):
                u.immobile_membrane[i, k, a] += e.membrane_response[k, a, c] * u.mobile[i, b + c]


@njit(cache=True, python=True)
def advance_stage(
    t: NodeSystem, i: int, y: Densities, u: Densities, new: Densities, inputs: WindowInputs, h: float,
    e: SchurFactors,
) -> None:  # fmt: skip
    """From the solution of the stage before to the right side of stage i, which goes to u.mobile[i].

    One call for all of it: tables are unpacked at every call from Python.
    """
    if i > 0:
        back_substitute(t, i - 1, u, e)
    stage_state(i, y, u, new)
    stage_rhs(t, i, new, u, inputs, h, e, u.mobile[i])


@njit(cache=True)
def begin_step(
    t: NodeSystem, y: Densities, u: Densities, new: Densities, inputs: WindowInputs, h: float, e: SchurFactors,
    entries: MatrixEntries, out: Floats,
) -> None:  # fmt: skip
    """The entries `out` of the system of a step of `h`, and the right side of its first stage; see `advance_stage`."""
    assemble_jacobian(t, y, inputs, h, e)
    fill_matrix(entries, e.volume_schur.reshape(-1), e.membrane_schur.reshape(-1), 1.0 / (h * GAMMA), out)
    advance_stage(t, np.int64(0), y, u, new, inputs, h, e)  # of a literal all of it would be compiled once more
