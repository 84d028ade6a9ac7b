"""Pools whose rates are held over a window: expected numbers by the exact propagator, whole molecules one by one.

Expected numbers follow the generator G by uniformisation, exp(G h) = Σ Poisson(q h; k) (1 + G/q)^k: every term is at
least 0, so no number falls below. Their averages over the window are the integrals of the same series. All loops go
over sites: the bits of a site do not depend on the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adapters.surrogate.blocks.held_moves import HeldMove
from couple.base.arrays import Floats, Ints, Words
from couple.cache.kernels import njit
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import Site
from couple.rng.streams import exponential, uniform

LONGEST = 20.0
"""Jumps of the fastest molecule in a piece of a window; longer series would lose digits."""


class HeldTables(NamedTuple):
    """columns: (n_states,) of the counts. moves: (n_moves, 3) state left, state entered, catalyst (-1: none).

    seen: (n, 2) observable and state; weights: (n,).
    """

    columns: Ints
    moves: Ints
    seen: Ints
    weights: Floats


class HeldPools:
    """Pools of all sites. Falsy if there are none.

    rates: (n_sites, n_moves) per ms, and per molecule of the catalyst if there is one; numbers: (n_moves,) of the
    reactions they belong to in the network, -1: in none of it. catalysts: (n_catalysts,) columns of the counts.
    """

    def __init__(
        self, moves: Sequence[HeldMove], network: ReactionNetwork, full: ReactionNetwork, sites: Sequence[Site]
    ):
        states = list(dict.fromkeys(n for m in moves for n in (m.source, m.target)))
        catalysts = list(dict.fromkeys(m.catalyst for m in moves if m.catalyst))
        at = {name: k for k, name in enumerate(catalysts)}
        rows = [(states.index(m.source), states.index(m.target), at.get(m.catalyst, -1)) for m in moves]
        weights = network.observable_weights[:, [network.index(s) for s in states]]
        seen = np.argwhere(weights)
        self.catalysts = np.array([network.index(c) for c in catalysts], dtype=np.int64)
        self.numbers = np.array([m.number for m in moves], dtype=np.int64)
        self._tables = HeldTables(
            np.array([network.index(s) for s in states], dtype=np.int64),
            np.array(rows, dtype=np.int64).reshape(-1, 3),
            seen.astype(np.int64).reshape(-1, 2),
            np.array([weights[o, s] for o, s in seen], dtype=np.float64),
        )
        own = ReactionNetwork(full.species, [m.reaction for m in moves], full.reservoirs)
        self.rates: Floats = np.array([own.count_rates(s.geometry.volume, s.geometry.area) for s in sites])
        self.rates = self.rates.reshape(len(sites), len(moves))
        self._work = np.zeros((5, max(len(states), len(moves), 1)))

    def __bool__(self) -> bool:
        return len(self.numbers) > 0

    def advance(
        self, counts: Floats, means: Floats, rates: Floats, catalysts: Floats, words: Words, span: float, *, whole: bool
    ) -> None:
        """Sites `span` ms forward. rates, words: of these sites; catalysts: (n_sites, n_catalysts) molecules.

        means: in which the molecules stand as they were before the window; set to their averages over it.
        """
        kernel = _whole if whole else _expected
        kernel(self._tables, counts, means, rates, catalysts, words, self._work, span)


@njit(cache=True, inline="always")
def _speeds(tables: HeldTables, rates: Floats, catalysts: Floats, speeds: Floats) -> None:
    """Set the speed of each move per molecule and ms."""
    for e in range(len(tables.moves)):
        c = tables.moves[e, 2]
        speeds[e] = rates[e] * (max(catalysts[c], 0.0) if c >= 0 else 1.0)


@njit(cache=True, inline="always")
def _report(tables: HeldTables, before: Floats, mean: Floats, means: Floats) -> None:
    for k in range(len(tables.seen)):
        s = tables.seen[k, 1]
        means[tables.seen[k, 0]] += tables.weights[k] * (mean[s] - before[s])


@njit(cache=True, error_model="numpy")
def _expected(
    tables: HeldTables, counts: Floats, means: Floats, rates: Floats, catalysts: Floats, words: Words, work: Floats,
    span: float,
) -> None:  # fmt: skip
    n, moves = len(tables.columns), tables.moves
    before, p, term, mean, speeds = work[0], work[1], work[2], work[3], work[4]
    jumped = np.zeros(n)
    for i in range(len(counts)):
        _speeds(tables, rates[i], catalysts[i], speeds)
        fastest = 0.0
        for s in range(n):
            jumped[s] = mean[s] = 0.0
            before[s] = p[s] = counts[i, tables.columns[s]]
        for e in range(len(moves)):
            jumped[moves[e, 0]] += speeds[e]
            fastest = max(fastest, jumped[moves[e, 0]])
        if fastest * span == 0.0:
            continue
        pieces = max(1, math.ceil(fastest * span / LONGEST))
        x = fastest * span / pieces
        for _ in range(pieces):
            weight, total, k, held = math.exp(-x), 0.0, 0, 0.0
            for s in range(n):
                term[s] = p[s]
                held += p[s]
                p[s] = 0.0
            while True:
                total += weight
                left = max(1.0 - total, 0.0)
                for s in range(n):
                    p[s] += weight * term[s]
                    mean[s] += left / (fastest * span) * term[s]
                k += 1
                weight *= x / k
                if left < 1e-15 or (k > x and weight < 1e-17):
                    break
                for s in range(n):
                    jumped[s] = 0.0
                for e in range(len(moves)):
                    moved = speeds[e] / fastest * term[moves[e, 0]]
                    jumped[moves[e, 0]] -= moved
                    jumped[moves[e, 1]] += moved
                for s in range(n):
                    term[s] = max(term[s] + jumped[s], 0.0)
            most = 0
            for s in range(n):
                held -= p[s]
                if p[s] > p[most]:
                    most = s
            p[most] += held  # the end of the series
        for s in range(n):
            counts[i, tables.columns[s]] = p[s]
        _report(tables, before, mean, means[i])


@njit(cache=True, error_model="numpy")
def _whole(
    tables: HeldTables, counts: Floats, means: Floats, rates: Floats, catalysts: Floats, words: Words, work: Floats,
    span: float,
) -> None:  # fmt: skip
    n, moves = len(tables.columns), tables.moves
    before, p, mean, speeds = work[0], work[1], work[3], work[4]
    for i in range(len(counts)):
        _speeds(tables, rates[i], catalysts[i], speeds)
        for s in range(n):
            mean[s] = 0.0
            before[s] = p[s] = counts[i, tables.columns[s]]
        t = 0.0
        while True:
            total = 0.0
            for e in range(len(moves)):
                total += speeds[e] * math.floor(p[moves[e, 0]])
            wait = exponential(words[i]) / total if total > 0.0 else span
            stay = min(wait, span - t)
            for s in range(n):
                mean[s] += stay / span * p[s]
            t += wait
            if t >= span:
                break
            u, chosen = uniform(words[i]) * total, 0
            for e in range(len(moves)):
                here = speeds[e] * math.floor(p[moves[e, 0]])
                if here > 0.0:
                    chosen = e
                    u -= here
                    if u <= 0.0:
                        break
            p[moves[chosen, 0]] -= 1.0
            p[moves[chosen, 1]] += 1.0
        for s in range(n):
            counts[i, tables.columns[s]] = p[s]
        _report(tables, before, mean, means[i])
