"""The states that carry probability: they grow where it flows and are dropped where it is gone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from adapters.cme import kernel
from adapters.cme.kernel import FlowBuffers, Ints32, ReactionTable, StateTable, Transitions
from couple.base.arrays import Floats
from couple.base.budget import MOST_EVENTS, TOO_FAST, check_memory
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork

JUMPS = 60.0
"""Largest expected number of jumps in a step of uniformisation."""


class StateSpace:
    """A finite part of the states of a network and the probability of each.

    columns: of the species that make up a state (those that are not held). states: (n, len(columns)). p: (n,).
    leak:    bound on the probability lost so far, by truncation and by dropping rare states.
    """

    _table: StateTable
    _transitions: Transitions
    _buffers: FlowBuffers
    _p: Floats

    def __init__(self, network: ReactionNetwork, initial: npt.ArrayLike, most: int) -> None:
        self.network, self.most, self.n = network, most, 1
        self.columns = [i for i, name in enumerate(network.names) if name not in network.clamped]
        place = {c: k for k, c in enumerate(self.columns)}
        self._change = np.ascontiguousarray(network.change[:, self.columns].astype(np.int32))
        reactants = np.array(
            [[place.get(int(c), -1) for c in pair] for pair in network.reactant_columns], dtype=np.int64
        ).reshape(-1, 2)
        self._reactions = ReactionTable(reactants, self._change.any(axis=1).astype(np.int64), self._change)
        self.leak = 0.0
        self.start(initial)

    def start(self, counts: npt.ArrayLike) -> None:
        """All probability in one state: `counts` (n_species,)."""
        self.load(np.asarray(counts, dtype=np.int64)[self.columns][None, :], np.ones(1))

    def load(self, states: npt.NDArray[np.generic], p: Floats) -> None:
        """These states with these probabilities and no others."""
        self.n, capacity = len(p), max(64, 2 * len(p))
        self._make_room(capacity)
        self._table.states[: self.n] = states
        self._p = np.zeros(capacity)
        self._p[: self.n] = p
        kernel.index_states(self._table, self.n)
        self._describe(0)

    @property
    def states(self) -> Ints32:
        """(n, len(columns)) counts of each state, a live view."""
        return self._table.states[: self.n]

    @property
    def p(self) -> Floats:
        """(n,) probability of each state, a live view."""
        return self._p[: self.n]

    def rates(self, rates: Floats, held: dict[int, float]) -> Floats:
        """(n_reactions,) rates per ms with the counts of held species (column → count) multiplied in."""
        out = rates.copy()
        for r, (a, b) in enumerate(self.network.reactant_columns.tolist()):
            if a in held:
                out[r] *= held[a]
            if b in held:
                out[r] *= max(held[b] - 1.0, 0.0) if a == b else held[b]
        return out

    def flow(self, rates: Floats, span: float, allowed: float) -> tuple[Floats, float]:
        """Let probability flow for `span` ms; returns (n,) ∫ p dt and what was lost, at most `allowed`.

        Raises InputError if more than `most` states carry probability.
        """
        held, lost, left = np.zeros(self.n), 0.0, span
        while left > 0.0:
            layers, room = 1, allowed
            while True:
                fastest = kernel.sum_out_rates(self._transitions, rates, self._buffers.out_rate, self.n)
                if not fastest * span * self.n < MOST_EVENTS:  # each jump is worked out for all states
                    raise InputError(f"propensities {TOO_FAST}")
                parts = max(1, math.ceil(fastest * left / JUMPS))
                step, room = left / parts, allowed * (left / parts) / span
                if fastest == 0.0:
                    self._buffers.later[: self.n], self._buffers.held[: self.n] = self.p, self.p * step
                    break
                kernel.uniformise(self._transitions, rates, self._p, self._buffers, self.n, step, fastest)
                spilt = kernel.sum_spills(self._transitions, rates, self._buffers.held, self._buffers.spill, self.n)
                if spilt <= room:
                    lost += spilt
                    break
                self._grow(rates, room, layers)
                layers = min(2 * layers, 16)
            held = np.concatenate([held, np.zeros(self.n - len(held))]) + self._buffers.held[: self.n]
            self._p, self._buffers = self._buffers.later, self._buffers._replace(later=self._p)
            left = 0.0 if parts == 1 else left - step
        self.leak += lost
        return held, lost

    def enter(self, column: int, by: int, more: float = 0.0) -> None:
        """`by` molecules of a species enter, and one more with probability `more`."""
        place = self.columns.index(column)
        self._move(lambda new: kernel.add_molecules(self._table, self._p, new, self.n, place, by, more))

    def leave(self, column: int, part: float) -> None:
        """Each molecule of a species leaves with probability `part`."""
        place = self.columns.index(column)
        self._move(lambda new: kernel.remove_molecules(self._table, self._p, new, self.n, place, part))

    def prune(self, allowed: float, mean: Floats) -> None:
        """Drop the rarest states, at most `allowed` of probability together; scale the rest to 1 and tilt it to `mean`.

        mean: (len(columns),) expected counts, from which those of p differ by what was lost.
        """
        order = np.argsort(self.p, kind="stable")
        gone = int(np.searchsorted(np.cumsum(self.p[order]), allowed, side="right"))
        if gone:
            self.leak += float(self.p[order[:gone]].sum())
            kept = np.sort(order[gone:])
            self.load(self.states[kept], self.p[kept])
        self.normalise()
        away = self.states - self.mean()
        spread = np.einsum("i,ij,ik->jk", self.p, away, away)
        tilt = np.linalg.lstsq(spread, mean - self.mean(), rcond=1e-10)[0]
        part = 1.0 + np.einsum("ij,j->i", away, tilt)
        if part.min() > 0.5:  # a correction of the size of what was lost
            self._p[: self.n] *= part

    def normalise(self) -> None:
        """Scale the probabilities to a sum of 1."""
        self._p[: self.n] /= self.p.sum()

    def mean(self, weights: Floats | None = None) -> Floats:
        """(len(columns),) Σ weights × counts over states, by default with p: the expected counts."""
        w = self.p if weights is None else weights
        return np.asarray(np.einsum("i,ij->j", w, self.states[: len(w)].astype(float)))

    def events(self, held: Floats, rates: Floats) -> Floats:
        """(n_reactions,) expected events of each reaction, from ∫ p dt."""
        return np.asarray(rates * np.einsum("i,ij->j", held, self._transitions.combinations[: len(held)]))

    # -- growth -----------------------------------------------------------------------------------------------

    def _make_room(self, capacity: int) -> None:
        """Arrays for `capacity` states, and a hash table twice that size. Raises InputError if they do not fit."""
        shape, columns = (capacity, len(self._change)), len(self.columns)
        check_memory(
            capacity * (4 * columns + 8 + 12 * shape[1] + 8 * len(FlowBuffers._fields)),
            f"{capacity:.2g} states of {columns} counts and {shape[1]} reactions",
            "use ssa, langevin or fewer molecules",
        )
        self._table = StateTable(
            np.zeros((capacity, columns), dtype=np.int32),
            np.full(1 << (2 * capacity - 1).bit_length(), -1, dtype=np.int32),
            np.zeros(columns, dtype=np.int32),
        )
        self._transitions = Transitions(np.zeros(shape), np.full(shape, kernel.UNKNOWN, dtype=np.int32))
        self._buffers = FlowBuffers(*(np.zeros(capacity) for _ in FlowBuffers._fields))

    def _describe(self, first: int) -> None:
        """Combinations and targets of the states from `first` on, and of those that lead there."""
        kernel.count_combinations(self._table, self._reactions, self._transitions, first, self.n)
        kernel.find_targets(self._table, self._reactions, self._transitions, self.n)

    def _enlarge(self) -> None:
        """Twice the room. Raises InputError if that is more than allowed."""
        capacity = 2 * len(self._p)
        if capacity > 2 * self.most:
            seen = self.states.max(axis=0).tolist()
            counts = {self.network.names[c]: n for c, n in zip(self.columns, seen, strict=True)}
            raise InputError(
                f"more than {self.most:,} states carry probability (cme.states); the network has "
                f"{np.linalg.matrix_rank(self._change)} independent counts, now up to {counts}: use ssa, langevin or "
                "fewer molecules"
            )
        states, p = self._table.states, self._p
        self._make_room(capacity)
        self._p = np.zeros(capacity)
        self._table.states[: len(states)], self._p[: len(p)] = states, p
        kernel.index_states(self._table, self.n)
        self._describe(0)

    def _grow(self, rates: Floats, room: float, layers: int) -> None:
        """Add the unknown neighbours of states that spill, and some layers of neighbours around these."""
        frontier = self._buffers.spill[: self.n] > 0
        marked = frontier & (self._buffers.spill[: self.n] > 0.1 * room / frontier.sum())
        first, start = 0, self.n
        for _ in range(layers):
            total = -1
            while total < 0:
                flags = np.zeros(len(self._p), dtype=np.bool_)
                flags[: len(marked)] = marked
                before = self.n
                total = kernel.add_targets(
                    self._table, self._reactions, self._transitions, rates, flags, before, first, len(marked)
                )
                if total < 0:
                    kernel.index_states(self._table, self.n)
                    self._enlarge()
            first, self.n = self.n, total
            kernel.count_combinations(self._table, self._reactions, self._transitions, first, self.n)
            marked = np.concatenate([np.zeros(first, dtype=np.bool_), np.ones(self.n - first, dtype=np.bool_)])
            if self.n == first:
                break
        self._describe(start)

    def _move(self, move: Callable[[Floats], int]) -> None:
        """Replace the probabilities by what `move` makes of them; states may be added."""
        while True:
            new = np.zeros(len(self._p))
            total = move(new)
            if total >= 0:
                break
            kernel.index_states(self._table, self.n)
            self._enlarge()
        first, self.n = self.n, total
        self._p = new
        self._describe(first)
