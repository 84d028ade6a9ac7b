"""What pools do in a step of usual length, as a short list of operations for many sites at once; see `batched_step`.

Amounts are registers. First come the states of pools with the law "mean"; an operation adds to a register a number of
the row of propagators times another register, or the other register itself, or takes it off.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adapters.surrogate.pools import tables as t
from couple.base.arrays import Floats, Ints
from couple.chemistry.network import ReactionNetwork

ADD, SUBTRACT = -1, -2
Operation = tuple[int, int, int]


class Program(NamedTuple):
    """Columns are those of the counts; one more stands for the volume (molecules per uM).

    ops: (n_ops, 3) register that changes, register read, entry of the row, or ADD or SUBTRACT. registers: how many.
    columns: (n_states,) of pools with the law "mean". results: (n_states,) registers of their new amounts, -1: stays.
    holds: (n_states,) of the drive in a molecule. flows: (n_flows, 2) register and column of what reservoirs gain;
    flow_holds: (n_flows,). watched: (n, 2) register of a mean over the step, and its observable. seen: (n, 2)
    observable and column of what does not change in a step in which no whole molecule moves; weights: (n,). entries:
    of the row of propagators, that the operations read, in their order. ends: (2,) columns up to the last that takes
    from the drive, and up to the last of whole molecules. first: (1,) pool of whole molecules. usable: (1,) 0 if the
    pools cannot be stepped this way.
    """

    ops: Ints
    registers: Ints
    columns: Ints
    results: Ints
    holds: Floats
    flows: Ints
    flow_holds: Floats
    watched: Ints
    seen: Ints
    weights: Floats
    entries: Ints
    ends: Ints
    first: Ints
    usable: Ints


class Nodes(NamedTuple):
    """What depends on the step: (POINTS, n_columns + 1) tables by the drive.

    rows: (POINTS, width) entries of `tables.propagators` that the operations read. taken: what a molecule takes from
    the drive, more than at c = 0. released: (1, n_columns + 1) at c = 0. hazards: of whole molecules, integrated.
    grid: (POINTS,) uM.
    """

    rows: Floats
    taken: Floats
    released: Floats
    hazards: Floats
    grid: Floats


def program(made: t.PoolPlan, network: ReactionNetwork) -> Program:
    """Of a plan for a network."""
    tables, volume = made.tables, len(network.states)
    mean = [q for q, pool in enumerate(made.pools) if pool.law == "mean"]
    n = sum(len(made.pools[q].states) for q in mean)
    ops: list[Operation] = []
    results: list[int] = []
    flows: list[tuple[int, int]] = []
    watched: list[tuple[int, int]] = []
    used = n
    for q in mean:
        s, m, size = int(tables.pool_start[q]), int(tables.matrix[q]), len(made.pools[q].states)
        n1 = int(tables.first[q])
        if n1:
            ops += _product(s, m, n1, size // n1, used)
            used += size
        else:
            keeps = made.pools[q].keeps
            ops += [(used + i, s + j, m + i * size + j) for i in range(int(keeps), size) for j in range(size)]
            ops += _rest(used, range(s, s + size), range(used + 1, used + size)) if keeps else []
        results += range(used, used + size)
        used += size
        for starts, into, at, found in (
            (tables.flow_start, tables.flow_column, tables.flow, flows),
            (tables.watch_start, tables.watch_number, tables.watch, watched),
        ):
            for k in range(starts[q], starts[q + 1]):
                ops += [(used, s + i, int(at[k]) + i) for i in range(size)]
                found.append((used, int(into[k])))
                used += 1
    columns = [int(tables.column[i]) for i in range(n)]
    whole = [int(tables.column[i]) for i in range(n, made.n_states)]
    entries = sorted({entry for *_, entry in ops if entry >= 0})
    place = {entry: k for k, entry in enumerate(entries)}
    ops = [(to, source, place.get(entry, entry)) for to, source, entry in ops]
    booked = all(int(tables.booked[q]) for q in range(len(made.pools)))
    drive = int(tables.drive[0]) >= 0 and not int(tables.drive[1])
    seen = _seen(made)
    return Program(
        np.array(ops, dtype=np.int64).reshape(-1, 3),
        np.array([used]),
        np.array([volume if c < 0 else c for c in columns], dtype=np.int64),
        np.array([-1 if c < 0 else r for c, r in zip(columns, results, strict=True)], dtype=np.int64),
        made.holds[:n].copy(),
        np.array(flows, dtype=np.int64).reshape(-1, 2),
        made.flow_holds[: len(flows)].copy(),
        np.array(watched, dtype=np.int64).reshape(-1, 2),
        np.array([row[:2] for row in seen], dtype=np.int64).reshape(-1, 2),
        np.array([weight for *_, weight in seen]),
        np.array(entries, dtype=np.int64),
        np.array([max(columns, default=-1) + 1, max(whole, default=-1) + 1]),
        np.array([len(mean)]),
        np.array([int(booked and drive)]),
    )


def _rest(first: int, before: range, others: range) -> list[Operation]:
    """The first state holds what is left of the molecules."""
    return [(first, i, ADD) for i in before] + [(first, i, SUBTRACT) for i in others]


def _product(s: int, m: int, n1: int, n2: int, tmp: int) -> list[Operation]:
    """(first ⊗ second) p: `tmp` = first p, then the states after it."""
    n = n1 * n2
    out, end, m2, ops = tmp + n, tmp + 2 * n, m + n1 * n1, []
    for j in range(n2):
        ops += [(tmp + i * n2 + j, s + k * n2 + j, m + i * n1 + k) for i in range(1, n1) for k in range(n1)]
        ops += _rest(tmp + j, range(s + j, s + n, n2), range(tmp + n2 + j, out, n2))
    for i in range(0, n, n2):
        ops += [(out + i + j, tmp + i + k, m2 + j * n2 + k) for j in range(1, n2) for k in range(n2)]
        ops += _rest(out + i, range(tmp + i, tmp + i + n2), range(out + i + 1, min(out + i + n2, end)))
    return ops


def _seen(made: t.PoolPlan) -> list[tuple[int, int, float]]:
    """(observable, column, weight) of whole molecules, and of species that no reaction changes."""
    tables, found = made.tables, []
    for q, pool in enumerate(made.pools):
        if pool.law == "multinomial":
            s = int(tables.pool_start[q])
            for k in range(tables.watch_start[q], tables.watch_start[q + 1]):
                weights = made.weights[int(tables.weight[k]) :][: len(pool.states)].tolist()
                number = int(tables.watch_number[k])
                found += [(number, int(tables.column[s + i]), w) for i, w in enumerate(weights) if w]
    still = enumerate(made.still_weights.tolist())
    return found + [(int(tables.still_number[k]), int(tables.still_column[k]), w) for k, w in still]


def nodes(made: t.PoolPlan, network: ReactionNetwork, program: Program, rows: Floats, uptakes: Floats) -> Nodes:
    """rows, uptakes: of `tables.propagators`."""
    tables, volume = made.tables, len(network.states)
    taken, hazards = np.zeros((2, t.POINTS, volume + 1))
    released = np.zeros(volume + 1)
    for q, pool in enumerate(made.pools):
        s, m, n = int(tables.pool_start[q]), int(tables.matrix[q]), len(pool.states)
        columns = [volume if c < 0 else c for c in (int(tables.column[s + i]) for i in range(n))]
        if pool.law == "multinomial":
            hazards[:, columns] = rows[0, :, m + n * n : m + n * n + n]
        else:
            for i, column in enumerate(columns):
                taken[:, column] += uptakes[0, :, s + i] - uptakes[0, 0, s + i]
                released[column] += uptakes[0, 0, s + i]
    return Nodes(np.ascontiguousarray(rows[0][:, program.entries]), taken, released[None], hazards, t.grid())
