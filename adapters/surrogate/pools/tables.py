"""Propagators of all pools over a step, tabulated over the concentration of the drive.

The grid has 32 points in every octave of c (uM), so that a place in it follows from the bits of c, and 0 in front.
Between two points propagators are interpolated linearly: a mixture of stochastic matrices is one, so no molecule is
lost and no count falls below zero. What is linear in c is exact; what is quadratic is off by 1e-4 of itself at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from adapters.surrogate.pools.factors import KroneckerFactors, factors
from adapters.surrogate.pools.network import ONE, Pool
from adapters.wellmixed.common.packing import as_table, pack, ragged, table
from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit
from couple.chemistry.network import ReactionNetwork

LOWEST, OCTAVES, PER_OCTAVE = -12, 26, 32
"""The grid begins at 2^LOWEST uM and ends at 2^(LOWEST + OCTAVES) = 16 mM."""
POINTS = 2 + OCTAVES * PER_OCTAVE
LEVELS = 6
"""Steps of level k are as long as 2^-k of the usual one."""


class PoolTables(NamedTuple):
    """Index tables of pools, all of integers. A row is one of `propagators`; columns are those of the counts.

    Pools with the law "mean" come first, then those of whole molecules.
    """

    column: Ints  # (n_states,) column of each state, -1 for the volume
    pool_start: Ints  # (n_pools + 1,) states of a pool
    matrix: Ints  # (n_pools,) where its propagator begins in a row
    keeps: Ints  # (n_pools,) 1 where its molecules stay as many as they are
    multinomial: Ints  # (n_pools,) 1 where whole molecules move at random
    first: Ints  # (n_pools,) states of the first factor, 0 if the pool has no factors; see `factors`
    booked: Ints  # (n_pools,) whether what it takes up follows from what it holds
    flow_start: Ints  # (n_pools + 1,) reservoirs of a pool: column in the counts, place in a row
    flow_column: Ints
    flow: Ints
    watch_start: Ints  # (n_pools + 1,) observables of a pool: number, place in a row
    watch_number: Ints
    watch: Ints
    weight: Ints  # (n_watched,) of a watched observable: where its weights begin
    drive: Ints  # (3,) column of the drive (-1: there is none), whether it is clamped, column that books what holds it
    injected_column: Ints  # (n_injected,) column that influx is added to, if it is no state and not the drive
    injected_state: Ints  # (n_injected,) state that it is added to; -1: none, -2: the drive
    clamp_column: Ints  # (n_clamped,) columns of clamped species, and of what books them
    clamp_book: Ints
    still_column: Ints  # (n_still,) species of no pool in observables: column, observable
    still_number: Ints


@njit(cache=True, inline="always")
def unpack(packed: Ints) -> PoolTables:
    """The tables of a packed array (see `wellmixed.packing`) by name, as views."""
    return PoolTables(
        column=table(packed, 0),
        pool_start=table(packed, 1),
        matrix=table(packed, 2),
        keeps=table(packed, 3),
        multinomial=table(packed, 4),
        first=table(packed, 5),
        booked=table(packed, 6),
        flow_start=table(packed, 7),
        flow_column=table(packed, 8),
        flow=table(packed, 9),
        watch_start=table(packed, 10),
        watch_number=table(packed, 11),
        watch=table(packed, 12),
        weight=table(packed, 13),
        drive=table(packed, 14),
        injected_column=table(packed, 15),
        injected_state=table(packed, 16),
        clamp_column=table(packed, 17),
        clamp_book=table(packed, 18),
        still_column=table(packed, 19),
        still_number=table(packed, 20),
    )


@dataclass(frozen=True)
class PoolPlan:
    """What does not depend on the step; pools with the law "mean" come first.

    holds: (n_states,) drive in a molecule of each state, for `booked` pools. flow_holds: (n_flows,) in a
    molecule of a reservoir. watched: of each pool, weights (n,) of its observables. free_weights: (n_observables,) of
    the drive. rate: the fastest that a molecule relaxes, /ms and /ms/uM.
    """

    pools: tuple[Pool, ...]
    parts: tuple[KroneckerFactors | None, ...]
    tables: PoolTables
    holds: Floats
    flow_holds: Floats
    watched: tuple[tuple[Floats, ...], ...]
    width: int
    free_weights: Floats
    still_weights: Floats
    rate: tuple[float, float]

    @cached_property
    def packed(self) -> Ints:
        """The tables as one array."""
        return pack(self.tables)

    @property
    def n_states(self) -> int:
        """States of all pools."""
        return sum(len(p.states) for p in self.pools)

    @cached_property
    def weights(self) -> Floats:
        """Weights of all watched observables, one after the other."""
        return np.concatenate([np.zeros(0), *(w for rows in self.watched for w in rows)])


def plan(
    pools: Sequence[Pool],
    network: ReactionNetwork,
    drive: str | None,
    injected: Sequence[str] = (),
    clamped: Sequence[str] = (),
) -> PoolPlan:
    """Index tables for pools of a network, in the order in which rows of `propagators` hold them."""
    pairs = [(p if f is None else p.ordered(f.order), f) for p, f in ((p, factors(p)) for p in pools)]
    pairs.sort(key=lambda pair: pair[0].law != "mean")
    pools, parts = [p for p, _ in pairs], [f for _, f in pairs]
    substance, each = _content(network, drive)
    contents = dict(zip(network.states, network.contents(substance) / each, strict=True)) if substance else {}
    at, matrix = 0, []
    holds = [np.array([contents.get(s, 0.0) for s in pool.states]) for pool in pools]
    flows: list[list[tuple[int, int]]] = []
    watches: list[list[tuple[int, int]]] = []
    watched: list[tuple[Floats, ...]] = []
    for pool, part in zip(pools, parts, strict=True):
        n = len(pool.states)
        matrix.append(at)
        at += _size(pool, part)
        flows.append([(network.index(name), at + i * n) for i, name in enumerate(pool.reservoirs)])
        at += n * len(pool.reservoirs)
        seen = _observables(pool, network)
        watches.append([(k, at + i * n) for i, k in enumerate(seen)])
        watched.append(tuple(seen.values()))
        at += n * len(seen)
    states = [s for p in pools for s in p.states]
    flow_holds = [contents.get(name, 0.0) for pool in pools for name in pool.reservoirs]
    still = _still(network, {*states, drive or ""})
    tables = PoolTables(
        *map(
            as_table,
            [
                [-1 if s == ONE else network.index(s) for s in states],
                ragged([p.states for p in pools])[0],
                matrix,
                [p.keeps for p in pools],
                [p.law == "multinomial" for p in pools],
                [0 if f is None else len(f.first[0]) for f in parts],
                [_follows(pool, held, contents) for pool, held in zip(pools, holds, strict=True)],
                ragged(flows)[0],
                [c for row in flows for c, _ in row],
                [a for row in flows for _, a in row],
                ragged(watches)[0],
                [k for row in watches for k, _ in row],
                [a for row in watches for _, a in row],
                np.cumsum([0, *(len(w) for rows in watched for w in rows)])[:-1].tolist(),
                *_ports(network, states, drive, injected, clamped),
                [c for _, c, _ in still],
                [k for k, _, _ in still],
            ],
        )
    )
    return PoolPlan(
        tuple(pools),
        tuple(parts),
        tables,
        np.concatenate([np.zeros(0), *holds]),
        np.array(flow_holds),
        tuple(watched),
        at,
        _drive_weights(network, drive),
        np.array([w for _, _, w in still]),
        (
            max((float(-np.diag(p.base).min()) for p in pools), default=0.0),
            max((float(-np.diag(p.slope).min()) for p in pools), default=0.0),
        ),
    )


def _drive_weights(network: ReactionNetwork, drive: str | None) -> Floats:
    """(n_observables,) of the drive; contiguous, or kernels would be compiled for each layout."""
    if drive is None:
        return np.zeros(len(network.observables))
    return np.ascontiguousarray(network.observable_weights[:, network.index(drive)])


def _size(pool: Pool, part: KroneckerFactors | None) -> int:
    """Numbers that the propagator of a pool takes in a row: one matrix or two, and hazards for random moves."""
    n = len(pool.states)
    if part is not None:
        return len(part.first[0]) ** 2 + len(part.second[0]) ** 2
    return n * n + (n if pool.law == "multinomial" else 0)


def _ports(
    network: ReactionNetwork,
    states: Sequence[str],
    drive: str | None,
    injected: Sequence[str],
    clamped: Sequence[str],
) -> list[list[int]]:
    """Tables drive .. clamp_book."""
    book = {name: network.index(f"{name}_clamp") for name in clamped}
    return [
        [-1, 0, -1] if drive is None else [network.index(drive), drive in book, book.get(drive, -1)],
        [book.get(name, network.index(name)) for name in injected],
        [
            -1 if name in book else -2 if name == drive else states.index(name) if name in states else -1
            for name in injected
        ],
        [network.index(name) for name in clamped],
        list(book.values()),
    ]


def _still(network: ReactionNetwork, moving: set[str]) -> list[tuple[int, int, float]]:
    """(observable, column, weight) of species that no reaction changes."""
    return [
        (k, network.index(name), weight)
        for k, members in enumerate(network.observables.values())
        for name, weight in members.items()
        if name not in moving
    ]


def _observables(pool: Pool, network: ReactionNetwork) -> dict[int, Floats]:
    """Number of an observable → (n,) weights of the pool's states, for those that count any."""
    columns = [network.index(s) for s in pool.states if s != ONE]
    one = np.zeros(int(ONE in pool.states))
    found = {k: np.concatenate([row[columns], one]) for k, row in enumerate(network.observable_weights)}
    return {k: w for k, w in found.items() if w.any()}


def _content(network: ReactionNetwork, drive: str | None) -> tuple[str, int]:
    """The substance by which the drive is counted, and how much of it one molecule holds."""
    held = {} if drive is None else dict(next(s for s in network.species if s.name == drive).contains)
    return next(((k, n) for k, n in held.items() if n), ("", 1))


def _follows(pool: Pool, holds: Floats, contents: dict[str, float]) -> bool:
    """Whether what the pool takes up is what its states and reservoirs hold more."""
    if not contents:
        return False
    for drawn, matrix, flows in (
        (pool.drawn_base, pool.base, pool.flow_base),
        (pool.drawn_slope, pool.slope, pool.flow_slope),
    ):
        gained = holds @ matrix + sum((contents[k] * row for k, row in flows.items()), np.zeros(len(holds)))
        if not np.allclose(gained, drawn, rtol=1e-9, atol=1e-12 * abs(drawn).max(initial=0.0)):
            return False
    return True


def grid() -> Floats:
    """(n_points,) concentrations in uM."""
    fractions = 1.0 + np.arange(PER_OCTAVE) / PER_OCTAVE
    octaves = [2.0**k * fractions for k in range(LOWEST, LOWEST + OCTAVES)]
    return np.concatenate([[0.0], *octaves, [2.0 ** (LOWEST + OCTAVES)]])


def propagators(made: PoolPlan, step: float) -> tuple[Floats, Floats]:
    """For steps of step × 2^-level ms: rows (LEVELS, POINTS, width) and uptakes (LEVELS, POINTS, n_states).

    A row holds for each pool its propagator [to, from], then what flows into each reservoir in the step, then the mean
    of each observable over the step, per molecule of each state; an uptake is what a molecule takes from the drive.
    """
    rows = np.zeros((LEVELS, POINTS, made.width))
    uptakes = np.zeros((LEVELS, POINTS, made.n_states))
    at, state, finest = 0, 0, step / 2 ** (LEVELS - 1)
    for pool, part, watched in zip(made.pools, made.parts, made.watched, strict=True):
        n, flows, size = len(pool.states), len(pool.reservoirs), _size(pool, part)
        width = size + n * (flows + len(watched))
        big = exponential(finest * _generators(pool, watched))
        pair = [] if part is None else [exponential(finest * driven(*f)) for f in (part.first, part.second)]
        for level in range(LEVELS - 1, -1, -1):
            row = rows[level, :, at : at + width]
            moves = pair or [big[:, :n, :n]]
            row[:, :size] = np.concatenate([*(_positive(m) for m in moves), *_hazards(pool, big)], axis=1)
            row[:, size:] = big[:, n + 1 :, :n].reshape(POINTS, -1)
            row[:, size + n * flows :] /= step * 2.0**-level  # integrals of observables to means
            uptakes[level, :, state : state + n] = big[:, n, :n]
            big = big @ big
            pair = [m @ m for m in pair]
        at, state = at + width, state + n
    return rows, uptakes


def _positive(matrices: Floats) -> Floats:
    """(n, m, m) as (n, m²), without the signs of rounding."""
    return np.maximum(matrices, 0.0).reshape(len(matrices), -1)


def _hazards(pool: Pool, big: Floats) -> list[Floats]:
    """(POINTS, n) minus the logarithm of the probability to stay, where molecules move at random."""
    n = len(pool.states)
    return [-np.log(np.maximum(big[:, range(n), range(n)], 1e-12))] if pool.law == "multinomial" else []


def driven(base: Floats, slope: Floats) -> Floats:
    """(POINTS, n, n) base + c slope on the grid."""
    return np.asarray(base + grid()[:, None, None] * slope)


def _generators(pool: Pool, watched: Sequence[Floats]) -> Floats:
    """(POINTS, m, m) generators, and below them the speeds of uptake, flows and integrals of observables."""
    n, zero = len(pool.states), np.zeros(len(pool.states))
    speeds = [(pool.drawn_base, pool.drawn_slope)]
    speeds += [(pool.flow_base.get(k, zero), pool.flow_slope.get(k, zero)) for k in pool.reservoirs]
    speeds += [(w, zero) for w in watched]
    big = np.zeros((POINTS, n + len(speeds), n + len(speeds)))
    c = grid()[:, None]
    big[:, :n, :n] = driven(pool.base, pool.slope)
    for k, (base, slope) in enumerate(speeds):
        big[:, n + k, :n] = base + c * slope
    return big


def exponential(matrices: Floats) -> Floats:
    """exp of each of (n, m, m) matrices: Taylor's series to order 16 at a norm below 1/2, then squared."""
    norms = abs(matrices).sum(axis=1).max(axis=1)
    squarings = np.maximum(np.ceil(np.log2(np.maximum(norms, 1e-300))) + 1, 0).astype(np.int64)
    small = matrices / 2.0 ** squarings[:, None, None]
    one = np.broadcast_to(np.eye(matrices.shape[1]), matrices.shape)
    out = one + small / 16
    for k in range(15, 0, -1):
        out = one + small @ out / k
    for k in range(int(squarings.max(initial=0))):
        more = squarings > k
        out[more] = out[more] @ out[more]
    return np.asarray(out)
