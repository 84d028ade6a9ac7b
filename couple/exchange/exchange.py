"""Links, ledger and record of an experiment, compiled into index tables on one block of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.component import State
from couple.errors import RunError
from couple.exchange import kernels
from couple.exchange.link import Holding, IonLink, Sources, ValueLink

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 1e-9
"""Largest imbalance of a continuous engine, relative to max(amount moved, amount held at the start)."""


class _Values:
    """ValueLinks as arrays."""

    def __init__(self, links: Sequence[ValueLink]) -> None:
        self.links = tuple(links)
        self.target = np.array([v.target for v in links], dtype=np.int64)
        self.start, self.source, self.weight = _rows([v.sources for v in links])
        self.least = np.array([v.least for v in links], dtype=float)
        self.extrapolate = np.array([v.extrapolate for v in links], dtype=bool)
        self.previous = np.zeros(len(links))
        self.hits = np.zeros(len(links), dtype=np.int64)

    @property
    def arguments(self) -> tuple[npt.NDArray[np.generic], ...]:
        return (
            self.target,
            self.start,
            self.source,
            self.weight,
            self.least,
            self.extrapolate,
            self.previous,
            self.hits,
        )

    def prime(self, memory: Floats) -> None:
        """Set all targets from the initial state, so that the first extrapolation has a past."""
        again, self.extrapolate[:] = self.extrapolate.copy(), False
        kernels.hand_over(memory, *self.arguments)
        self.extrapolate[:] = again
        self.previous[:] = memory[self.target]
        self.hits[:] = 0


class Exchange:
    """Moves what crosses between components and keeps the ledger.

    memory:  the block in which all port values lie.
    ions:    before a window of the chemistry: molecules that enter sites.
    before:  likewise: held counts.
    after:   after a window: concentrations and conductances for the electrical model.
    sampled, summed: indices that a row of the record holds: values now, and totals since the last row.
    """

    def __init__(
        self,
        memory: Floats,
        ions: Sequence[IonLink],
        before: Sequence[ValueLink],
        after: Sequence[ValueLink],
        holdings: Sequence[Holding],
        sampled: Sequence[int],
        summed: Sequence[int],
        max_debt: float,
    ) -> None:
        self.memory, self.ions, self.holdings = memory, tuple(ions), tuple(holdings)
        self.before, self.after = _Values(before), _Values(after)
        self.accounts = np.zeros((len(ions), 4))
        self.balance = np.zeros((len(holdings), 4))
        self.sums = np.zeros(len(summed))
        self._max_debt = max_debt
        row_of = {(h.site, h.substance): r for r, h in enumerate(holdings)}
        start, source, weight = _rows([link.sources for link in ions])
        parts: list[Sources] = [
            tuple((row_of[link.site, s], float(n)) for s, n in link.contains.items()) for link in ions
        ]
        part_start, part_row, part_content = _rows(parts)
        self._deliver = (
            memory,
            np.array([link.target for link in ions], dtype=np.int64),
            np.array([link.free for link in ions], dtype=np.int64),
            np.array([link.whole for link in ions], dtype=bool),
            start,
            source,
            weight,
            self.accounts,
            part_start,
            part_row,
            part_content,
            self.balance,
            float(max_debt),
        )
        first = np.array([h.first for h in holdings], dtype=np.int64)
        width = max((len(h.contents) for h in holdings), default=0)
        contents = np.zeros((len(holdings), width))
        for r, holding in enumerate(holdings):
            contents[r, : len(holding.contents)] = holding.contents
            self.balance[r, kernels.HELD_AT_START] = self.held(holding)
        whole = np.array([h.whole for h in holdings], dtype=bool)
        audit = (first, contents, whole, self.balance, TOLERANCE)
        record = (np.array(sampled, dtype=np.int64), np.array(summed, dtype=np.int64), self.sums)
        self._collect = (memory, *self.after.arguments, *audit, *record)
        self._note = (memory, *record)
        self._compile()

    def _compile(self) -> None:
        """Compile or load the kernels now (they find nothing to do), so that timings of windows are of windows."""
        nothing: list[Any] = [_emptied(a, self.memory) for a in self._deliver]
        kernels.deliver(*nothing)
        nothing = [_emptied(a, self.memory) for a in self._collect]
        kernels.collect(*nothing, np.zeros((0, 0)), -1)

    def prime(self) -> None:
        """Before the first window: set what links hand over from the initial state."""
        self.before.prime(self.memory)
        self.after.prime(self.memory)

    def deliver(self) -> None:
        """Before the chemistry's window: ions into sites, held counts. Raises RunError for a debt above the limit."""
        bad = kernels.deliver(*self._deliver)
        if self.before.links:
            kernels.hand_over(self.memory, *self.before.arguments)
        if bad >= 0:
            link, owed = self.ions[bad], self.accounts[bad, kernels.OWED]
            raise RunError(
                f"link {link.name}: an outward current asks for {owed:.0f} ions more than site {link.site} has "
                f"(limit experiment.max_debt = {self._max_debt:.0f}); is the calcium reversal potential right?"
                if np.isfinite(self.accounts[bad, kernels.SENT])
                else f"link {link.name}: the number of ions is not finite"
            )

    def collect(self, rows: Floats, row: int) -> None:
        """After the chemistry's window: values for the electrical model, audit, and a record in rows[row] if row >= 0.

        Raises RunError, naming site and links, if a conserved substance does not balance.
        """
        bad = kernels.collect(*self._collect, rows, row)
        if bad >= 0:
            raise RunError(self._imbalance(bad))

    def note(self, rows: Floats, row: int) -> None:
        """Only record: the state before the first window."""
        kernels.note(*self._note, rows, row)

    def held(self, holding: Holding, columns: Sequence[int] | None = None) -> float:
        """Amount of a substance in a site now; of the given columns only, if given."""
        counts = self.memory[holding.first : holding.first + len(holding.contents)]
        chosen = range(len(holding.contents)) if columns is None else columns
        return float(sum(holding.contents[c] * counts[c] for c in chosen))

    def _imbalance(self, row: int) -> str:
        holding = self.holdings[row]
        off = self.held(holding) - self.balance[row, kernels.HELD_AT_START] - self.balance[row, kernels.TAKEN_UP]
        counts = self.memory[holding.first : holding.first + len(holding.contents)]
        bad = [s for s, c in zip(holding.states, counts, strict=True) if not np.isfinite(c)]
        if bad:
            return f"site {holding.site}: the amount of {', '.join(bad)} is not finite"
        links = ", ".join(k.name for k in self.ions if k.site == holding.site) or "no link"
        return f"ledger: site {holding.site} is off by {off:.6g} {holding.substance} (links: {links})"

    def save(self) -> State:
        """Accounts, balances, running sums and what the next window hands over."""
        return {
            "memory": self.memory.copy(),
            "accounts": self.accounts.copy(),
            "balance": self.balance.copy(),
            "sums": self.sums.copy(),
            "previous": self.after.previous.copy(),
            "hits": self.after.hits.copy(),
        }

    def restore(self, state: State) -> None:
        """Take up what `save` made, in place."""
        for key, array in (
            ("memory", self.memory),
            ("accounts", self.accounts),
            ("balance", self.balance),
            ("sums", self.sums),
            ("previous", self.after.previous),
            ("hits", self.after.hits),
        ):
            array[...] = state[key]


def _emptied(argument: object, memory: Floats) -> object:
    return argument[:0] if isinstance(argument, np.ndarray) and argument is not memory else argument


def _rows(sources: Sequence[Sources]) -> tuple[Ints, Ints, Floats]:
    start = np.concatenate([[0], np.cumsum([len(s) for s in sources], dtype=np.int64)]).astype(np.int64)
    flat = [pair for s in sources for pair in s]
    return start, np.array([i for i, _ in flat], dtype=np.int64), np.array([w for _, w in flat], dtype=float)
