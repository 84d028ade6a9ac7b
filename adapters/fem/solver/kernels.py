"""Kernels of a Rosenbrock step for fields that react at the nodes and diffuse between them.

For M u' = F(u) the stages are  (M / (h γ) - J) u_i = F(y + Σ a_ij u_j) + M Σ c_ij u_j / h. What does not diffuse has
no mass matrix: its equations stand at each node by themselves and are eliminated there, which leaves a sparse system
for what moves (`slopes`: its Jacobian, `before`: its right side, `after`: what was eliminated).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from adapters.fem.solver.field_layout import Rules
from adapters.wellmixed.ode_kernel import GAMMA, STAGES, A, C
from couple.base.arrays import Floats, Ints


class Sparse(NamedTuple):
    """Compressed rows."""

    start: Ints
    column: Ints
    value: Floats


class Layout(NamedTuple):
    """What does not change in a run; N nodes, G of them on the membrane.

    moving, resting, sliding, fixed: numbers of fields, see `fields.Fields`. base: (N,) first unknown of a node: its
    moving fields, then, on the membrane, its sliding ones. nodes: (G,) node of each membrane node. spread, slide:
    (moving,), (sliding,) diffusion coefficients.
    """

    moving: int
    resting: int
    sliding: int
    fixed: int
    inside: Rules
    wall: Rules
    base: Ints
    nodes: Ints
    spread: Floats
    slide: Floats
    mass: Sparse
    stiffness: Sparse
    wall_mass: Sparse
    wall_stiffness: Sparse


class Elimination(NamedTuple):
    """Of one Jacobian: factors of the local blocks, what they add to the rest, and reactions as seen by what moves.

    lu (N, r, r), reply (N, r, m), back (N, m, r): resting fields. wall_lu (G, f, f), wall_reply (G, f, w), wall_rest
    (G, f, r), wall_back_rest (G, w, r), wall_back (G, w, f): fixed fields; w = moving + sliding.
    slope: (N, m, m), wall_slope: (G, w, w).
    """

    lu: Floats
    reply: Floats
    back: Floats
    wall_lu: Floats
    wall_reply: Floats
    wall_rest: Floats
    wall_back_rest: Floats
    wall_back: Floats
    slope: Floats
    wall_slope: Floats


class Coefficients(NamedTuple):
    """Of the entries of the system, see `assembly.Pattern`."""

    still: Floats
    mass: Floats
    weight: Floats
    at: Ints
    wall: Floats
    wall_at: Ints


class State(NamedTuple):
    """Densities in molecules per µm³ and µm². x: (n_unknowns,), rest: (N, resting), fixed: (G, fixed)."""

    x: Floats
    rest: Floats
    fixed: Floats


@njit(cache=True, inline="always")
def speeds(rules: Rules, z: Floats, out: Floats) -> None:
    """out += what the reactions change at the values `z`."""
    for r in range(len(rules.rate)):
        v = rules.rate[r] * z[rules.first[r]] * z[rules.second[r]]
        for i in range(rules.start[r], rules.start[r + 1]):
            out[rules.what[i]] += rules.by[i] * v


@njit(cache=True, inline="always")
def derivatives(rules: Rules, z: Floats, n: int, out: Floats) -> None:
    """out[i, j] += derivative of the speed of value i by value j, of the first `n`."""
    for r in range(len(rules.rate)):
        a, b, k = rules.first[r], rules.second[r], rules.rate[r]
        for i in range(rules.start[r], rules.start[r + 1]):
            if a < n:
                out[rules.what[i], a] += rules.by[i] * k * z[b]
            if b < n:
                out[rules.what[i], b] += rules.by[i] * k * z[a]


@njit(cache=True)
def factorise(a: Floats) -> None:
    """LU of a small dense matrix in place, without pivots: 1 / (hγ) dominates, or columns do, as reactions conserve."""
    n = len(a)
    for k in range(n):
        a[k, k] = 1.0 / a[k, k]
        for i in range(k + 1, n):
            if a[i, k] != 0.0:
                a[i, k] *= a[k, k]
                for j in range(k + 1, n):
                    a[i, j] -= a[i, k] * a[k, j]


@njit(cache=True)
def solve(lu: Floats, x: Floats) -> None:
    """x = A⁻¹ x in place."""
    n = len(lu)
    for k in range(n):
        for i in range(k + 1, n):
            x[i] -= lu[i, k] * x[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            x[k] -= lu[k, j] * x[j]
        x[k] *= lu[k, k]


@njit(cache=True, inline="always")
def gather(m: int, r: int, b: int, j: int, x: Floats, rest: Floats, held: Floats, z: Floats) -> None:
    """Values at node j, whose unknowns begin at b: moving, resting, held, 1.

    Arrays one by one, for a tuple of tuples would be copied at every call, which takes longer than all the rest.
    """
    for a in range(m):
        z[a] = x[b + a]
    for a in range(r):
        z[m + a] = rest[j, a]
    for a in range(len(held)):
        z[m + r + a] = held[a]
    z[m + r + len(held)] = 1.0


@njit(cache=True, inline="always")
def gather_wall(
    m: int, r: int, s: int, f: int, b: int, j: int, k: int, x: Floats, rest: Floats, fixed: Floats, held: Floats,
    wall_held: Floats, z: Floats,
) -> None:  # fmt: skip
    """Values at membrane node k, which is node j: moving, resting, sliding, fixed, held, wall_held, 1."""
    at = m + r
    for a in range(m):
        z[a] = x[b + a]
    for a in range(r):
        z[m + a] = rest[j, a]
    for a in range(s):
        z[at + a] = x[b + m + a]
    at += s
    for a in range(f):
        z[at + a] = fixed[k, a]
    at += f
    for a in range(len(held)):
        z[at + a] = held[a]
    at += len(held)
    for a in range(len(wall_held)):
        z[at + a] = wall_held[a]
    z[at + len(wall_held)] = 1.0


@njit(cache=True)
def sums(
    base: Ints, mass: Sparse, stiffness: Sparse, spread: Floats, push: Floats, values: Floats, load: Floats, x: Floats
) -> None:
    """x = load + M push - D K values at the moving fields of every node."""
    m = len(spread)
    flow = np.empty(m)
    for j in range(len(base)):
        b = base[j]
        for a in range(m):
            x[b + a] = load[b + a]
            flow[a] = 0.0
        for p in range(mass.start[j], mass.start[j + 1]):
            weight, k = mass.value[p], mass.column[p]
            for a in range(m):
                x[b + a] += weight * push[k, a]
        for p in range(stiffness.start[j], stiffness.start[j + 1]):
            weight, k = stiffness.value[p], base[stiffness.column[p]]
            for a in range(m):
                flow[a] += weight * values[k + a]
        for a in range(m):
            x[b + a] -= spread[a] * flow[a]


@njit(cache=True)
def has_wall(t: Layout) -> bool:
    """Whether anything happens on the membrane."""
    return len(t.wall.rate) > 0 or t.sliding + t.fixed > 0


@njit(cache=True)
def slopes(t: Layout, y: State, held: Floats, wall_held: Floats, h: float, e: Elimination) -> None:
    """Fill `e` at the state `y` for a step of `h` ms."""
    m, r, s, f = t.moving, t.resting, t.sliding, t.fixed
    n, shift = m + r, 1.0 / (h * GAMMA)
    z, d = np.empty(n + len(held) + 1), np.empty((n, n))
    for j in range(len(t.base)):
        gather(m, r, t.base[j], j, y.x, y.rest, held, z)
        d[:] = 0.0
        derivatives(t.inside, z, n, d)
        if r > 0:
            e.lu[j] = -d[m:, m:]
            for a in range(r):
                e.lu[j, a, a] += shift
            factorise(e.lu[j])
            e.back[j] = d[:m, m:]
            for b in range(m):
                column = e.reply[j, :, b]
                column[:] = d[m:, b]
                solve(e.lu[j], column)
        for a in range(m):
            for b in range(m):
                v = d[a, b]
                for c in range(r):
                    v += d[a, m + c] * e.reply[j, c, b]
                e.slope[j, a, b] = v
    if not has_wall(t):
        return
    w, nw = m + s, n + s + f
    z, d = np.empty(nw + len(held) + len(wall_held) + 1), np.empty((nw, nw))
    order = np.concatenate((np.arange(m), np.arange(n, n + s)))  # positions of what moves and slides
    for k in range(len(t.nodes)):
        j = t.nodes[k]
        gather_wall(m, r, s, f, t.base[j], j, k, y.x, y.rest, y.fixed, held, wall_held, z)
        d[:] = 0.0
        derivatives(t.wall, z, nw, d)
        e.wall_lu[k] = -d[n + s :, n + s :]
        for a in range(f):
            e.wall_lu[k, a, a] += shift
        factorise(e.wall_lu[k])
        e.wall_rest[k] = d[n + s :, m:n]
        for a in range(w):
            e.wall_back_rest[k, a] = d[order[a], m:n]
            e.wall_back[k, a] = d[order[a], n + s :]
        for b in range(w):
            column = e.wall_reply[k, :, b]
            for a in range(f):
                column[a] = d[n + s + a, order[b]]
                if b < m:
                    for c in range(r):
                        column[a] += e.wall_rest[k, a, c] * e.reply[j, c, b]
            solve(e.wall_lu[k], column)
        for a in range(w):
            for b in range(w):
                v = d[order[a], order[b]]
                if b < m:
                    for c in range(r):
                        v += e.wall_back_rest[k, a, c] * e.reply[j, c, b]
                for c in range(f):
                    v += e.wall_back[k, a, c] * e.wall_reply[k, c, b]
                e.wall_slope[k, a, b] = v


@njit(cache=True)
def stage_state(i: int, y: State, u: State, out: State) -> None:
    """out = y + Σ a_ij u_j over the stages before i; `u` has the stages along its first axis."""
    out.x[:] = y.x
    out.rest[:] = y.rest
    out.fixed[:] = y.fixed
    for j in range(i):
        a = A[i, j]
        if a != 0.0:
            for p in range(len(out.x)):
                out.x[p] += a * u.x[j, p]
            for p in range(out.rest.shape[0]):
                for q in range(out.rest.shape[1]):
                    out.rest[p, q] += a * u.rest[j, p, q]
            for p in range(out.fixed.shape[0]):
                for q in range(out.fixed.shape[1]):
                    out.fixed[p, q] += a * u.fixed[j, p, q]


@njit(cache=True)
def before(
    t: Layout, i: int, g: State, u: State, held: Floats, wall_held: Floats, load: Floats, h: float, e: Elimination,
    x: Floats,
) -> None:  # fmt: skip
    """Right side x (n_unknowns,) of stage i at its state `g`; the local right sides go to stage i of `u`."""
    m, r, s, f = t.moving, t.resting, t.sliding, t.fixed
    n, w = m + r, m + s
    z, d = np.empty(n + len(held) + 1), np.empty(n)
    push = np.empty((len(t.base), m))
    for j in range(len(t.base)):
        gather(m, r, t.base[j], j, g.x, g.rest, held, z)
        d[:] = 0.0
        speeds(t.inside, z, d)
        for q in range(i):
            c = C[i, q] / h
            for a in range(m):
                d[a] += c * u.x[q, t.base[j] + a]
            for a in range(r):
                d[m + a] += c * u.rest[q, j, a]
        if r == 0:
            for a in range(m):
                push[j, a] = d[a]
            continue
        local = u.rest[i, j]
        local[:] = d[m:]
        solve(e.lu[j], local)
        for a in range(m):
            v = d[a]
            for c in range(r):
                v += e.back[j, a, c] * local[c]
            push[j, a] = v
    sums(t.base, t.mass, t.stiffness, t.spread, push, g.x, load, x)
    if not has_wall(t):
        return
    nw = n + s + f
    z, d = np.empty(nw + len(held) + len(wall_held) + 1), np.empty(nw)
    push = np.empty((len(t.nodes), w))
    for k in range(len(t.nodes)):
        j = t.nodes[k]
        gather_wall(m, r, s, f, t.base[j], j, k, g.x, g.rest, g.fixed, held, wall_held, z)
        d[:] = 0.0
        speeds(t.wall, z, d)
        for q in range(i):
            c = C[i, q] / h
            for a in range(s):
                d[n + a] += c * u.x[q, t.base[j] + m + a]
            for a in range(f):
                d[n + s + a] += c * u.fixed[q, k, a]
        local = u.fixed[i, k]
        for a in range(f):
            local[a] = d[n + s + a]
            for c in range(r):
                local[a] += e.wall_rest[k, a, c] * u.rest[i, j, c]
        solve(e.wall_lu[k], local)
        for a in range(w):
            v = d[a] if a < m else d[n + a - m]
            for c in range(r):
                v += e.wall_back_rest[k, a, c] * u.rest[i, j, c]
            for c in range(f):
                v += e.wall_back[k, a, c] * local[c]
            push[k, a] = v
    for k in range(len(t.nodes)):
        b = t.base[t.nodes[k]]
        for a in range(s):
            flow = 0.0
            for p in range(t.wall_stiffness.start[k], t.wall_stiffness.start[k + 1]):
                flow += t.wall_stiffness.value[p] * g.x[t.base[t.nodes[t.wall_stiffness.column[p]]] + m + a]
            x[b + m + a] = load[b + m + a] - t.slide[a] * flow
        for a in range(w):
            v = 0.0
            for p in range(t.wall_mass.start[k], t.wall_mass.start[k + 1]):
                v += t.wall_mass.value[p] * push[t.wall_mass.column[p], a]
            x[b + a] += v


@njit(cache=True)
def after(t: Layout, i: int, u: State, e: Elimination) -> None:
    """Complete stage i: what was eliminated follows from the solution u.x[i]."""
    m, r, s, f = t.moving, t.resting, t.sliding, t.fixed
    for j in range(len(t.base)):
        for a in range(r):
            for b in range(m):
                u.rest[i, j, a] += e.reply[j, a, b] * u.x[i, t.base[j] + b]
    for k in range(len(t.nodes)):
        b = t.base[t.nodes[k]]
        for a in range(f):
            for c in range(m + s):
                u.fixed[i, k, a] += e.wall_reply[k, a, c] * u.x[i, b + c]


@njit(cache=True)
def stage(
    t: Layout, i: int, y: State, u: State, new: State, held: Floats, wall_held: Floats, load: Floats, h: float,
    e: Elimination,
) -> None:  # fmt: skip
    """From the solution of the stage before to the right side of stage i, which goes to u.x[i].

    One call for all of it: tables are unpacked at every call from Python.
    """
    if i > 0:
        after(t, i - 1, u, e)
    stage_state(i, y, u, new)
    before(t, i, new, u, held, wall_held, load, h, e, u.x[i])


@njit(cache=True)
def fill(still: Floats, mass: Floats, weight: Floats, at: Ints, wall: Floats, wall_at: Ints,
         slope: Floats, wall_slope: Floats, shift: float, out: Floats) -> None:  # fmt: skip
    """out = M / (hγ) + D K - M slope - M_wall slope_wall, entry by entry; `at`, `wall_at`: into the flat slopes."""
    for p in range(len(out)):
        v = still[p] + shift * mass[p]
        if weight[p] != 0.0:
            v -= weight[p] * slope[at[p]]
        if wall[p] != 0.0:
            v -= wall[p] * wall_slope[wall_at[p]]
        out[p] = v


@njit(cache=True)
def begin(
    t: Layout, y: State, u: State, new: State, held: Floats, wall_held: Floats, load: Floats, h: float, e: Elimination,
    c: Coefficients, out: Floats,
) -> None:  # fmt: skip
    """The entries `out` of the system of a step of `h`, and the right side of its first stage; see `stage`."""
    slopes(t, y, held, wall_held, h, e)
    fill(c.still, c.mass, c.weight, c.at, c.wall, c.wall_at, e.slope.reshape(-1), e.wall_slope.reshape(-1),
         1.0 / (h * GAMMA), out)  # fmt: skip
    stage(t, 0, y, u, new, held, wall_held, load, h, e)


@njit(cache=True)
def totals(t: Layout, y: State, volumes: Floats, areas: Floats, out: Floats) -> None:
    """out: molecules of the moving, resting, sliding and fixed fields, one after the other."""
    m, r, s, f = t.moving, t.resting, t.sliding, t.fixed
    out[:] = 0.0
    for j in range(len(t.base)):
        for a in range(m):
            out[a] += volumes[j] * y.x[t.base[j] + a]
        for a in range(r):
            out[m + a] += volumes[j] * y.rest[j, a]
    for k in range(len(t.nodes)):
        b = t.base[t.nodes[k]] + m
        for a in range(s):
            out[m + r + a] += areas[k] * y.x[b + a]
        for a in range(f):
            out[m + r + s + a] += areas[k] * y.fixed[k, a]


@njit(cache=True)
def squares(t: Layout, y: State, volumes: Floats, areas: Floats, out: Floats) -> None:
    """out: weighted sums of squares of the fields, in the order of `totals`."""
    m, r, s, f = t.moving, t.resting, t.sliding, t.fixed
    out[:] = 0.0
    for j in range(len(t.base)):
        for a in range(m):
            out[a] += volumes[j] * y.x[t.base[j] + a] ** 2
        for a in range(r):
            out[m + a] += volumes[j] * y.rest[j, a] ** 2
    for k in range(len(t.nodes)):
        b = t.base[t.nodes[k]] + m
        for a in range(s):
            out[m + r + a] += areas[k] * y.x[b + a] ** 2
        for a in range(f):
            out[m + r + s + a] += areas[k] * y.fixed[k, a] ** 2


@njit(cache=True)
def integral(stages: Floats, start: Floats, h: float, out: Floats) -> None:
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
