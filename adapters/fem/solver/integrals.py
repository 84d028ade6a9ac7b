"""Kernels of integrals over the mesh and over a step: molecules, norms, time integrals."""

from __future__ import annotations

import numpy as np

from adapters.fem.solver.system import Densities, NodeSystem
from adapters.wellmixed.ode.kernel import GAMMA, STAGES, A, C
from couple.base.arrays import Floats
from couple.cache.kernels import njit


@njit(cache=True)
def totals(t: NodeSystem, y: Densities, volumes: Floats, areas: Floats, out: Floats) -> None:
    """out: (n_fields,) molecules: mobile and immobile fields of the volume, then those of the membrane."""
    m, r, s, f = t.n_mobile_volume, t.n_immobile_volume, t.n_mobile_membrane, t.n_immobile_membrane
    out[:] = 0.0
    for j in range(len(t.first_unknown)):
        for a in range(m):
            out[a] += volumes[j] * y.mobile[t.first_unknown[j] + a]
        for a in range(r):
            out[m + a] += volumes[j] * y.immobile_volume[j, a]
    for k in range(len(t.membrane_nodes)):
        b = t.first_unknown[t.membrane_nodes[k]] + m
        for a in range(s):
            out[m + r + a] += areas[k] * y.mobile[b + a]
        for a in range(f):
            out[m + r + s + a] += areas[k] * y.immobile_membrane[k, a]


@njit(cache=True)
def sum_squares(t: NodeSystem, y: Densities, volumes: Floats, areas: Floats, out: Floats) -> None:
    """out: weighted sums of squares of the fields, in the order of `totals`."""
    m, r, s, f = t.n_mobile_volume, t.n_immobile_volume, t.n_mobile_membrane, t.n_immobile_membrane
    out[:] = 0.0
    for j in range(len(t.first_unknown)):
        for a in range(m):
            out[a] += volumes[j] * y.mobile[t.first_unknown[j] + a] ** 2
        for a in range(r):
            out[m + a] += volumes[j] * y.immobile_volume[j, a] ** 2
    for k in range(len(t.membrane_nodes)):
        b = t.first_unknown[t.membrane_nodes[k]] + m
        for a in range(s):
            out[m + r + a] += areas[k] * y.mobile[b + a] ** 2
        for a in range(f):
            out[m + r + s + a] += areas[k] * y.immobile_membrane[k, a] ** 2


@njit(cache=True)
def integrate_stages(stages: Floats, start: Floats, h: float, out: Floats) -> None:
    """out = ∫ (w · y) dt over a step of `h`, of the order of the method.

    start: (n,) at the beginning of the step, stages: (STAGES, n) of the stages u_i. An integral is one more equation on
    which nothing else depends: its stages need no elimination.
    """
    q = np.empty(STAGES)
    for o in range(len(out)):
        total = h * start[o]  # the stages add what is above the start
        for i in range(STAGES):
            v = stages[i, o]
            for j in range(i):
                v += A[i, j] * stages[j, o]
            q[i] = h * GAMMA * v
            for j in range(i):
                q[i] += GAMMA * C[i, j] * q[j]
            total += q[i] * (A[STAGES - 1, i] if i < STAGES - 1 else 1.0)
        out[o] = total
