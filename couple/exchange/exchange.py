"""Links, ledger and record of an experiment, compiled into index tables on one block of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.components.calls import Call, python_call
from couple.components.component import State
from couple.components.drive import MOST, check_amount
from couple.components.kernel_calls import kernel_call
from couple.exchange import calls, kernels, tables
from couple.exchange.diffusion import Diffusion
from couple.exchange.drift import Drift
from couple.exchange.link import Holding, IonLink, ResponseLink, ValueLink
from couple.exchange.response import follow, pack_responses
from couple.exchange.sizes import SizeLink, Sizes

TOLERANCE = 1e-9
"""Largest imbalance of a continuous engine, relative to max(amount moved, amount held at the start)."""


class Exchange:
    """Moves what crosses between components and keeps the ledger.

    memory:  the block in which all port values lie.
    ions:    before a window of the chemistry: molecules that enter sites.
    before:  likewise: held counts.
    after:   after a window: concentrations and conductances for the electrical model.
    responses: likewise: parameters of the electrical model that follow amounts of molecules.
    diffusion: between sites, after the ions of the window are known.
    drift: between sites, with charge, for the electrical model's next window.
    sizes: of sites that grow, after every window, of `window` ms.
    sampled, summed: indices that a row of the record holds: values now, and totals since the last row.
    raised:  (n_after,) how often each link handed over its least value.
    state_version: see Component.
    """

    state_version: ClassVar[int] = 1

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
        diffusion: Diffusion | None = None,
        responses: Sequence[ResponseLink] = (),
        drift: Drift | None = None,
        sizes: Sequence[SizeLink] = (),
        window: float = 0.0,
    ) -> None:
        self.memory, self.ions, self.after, self.holdings = memory, tuple(ions), tuple(after), tuple(holdings)
        self.accounts = np.zeros((len(ions), 4))
        self.diffusion, self.drift = diffusion, drift
        self.balance = np.zeros((len(holdings), 4))
        self._max_debt = max_debt
        n = len(after)
        self._state = np.zeros(2 * n + len(summed))
        self.raised, sums = self._state[n : 2 * n], self._state[2 * n :]
        books = (self.accounts, self.balance, float(max_debt))
        self._entering = tables.pack_ions(ions, holdings)
        self._deliver = partial(kernels.deliver, memory, *self._entering, *books)
        held = np.zeros(2 * len(before))
        self._hold = partial(kernels.hand_over, memory, *tables.pack_values(before), held) if before else None
        values, record = tables.pack_values(after), tables.pack_record(sampled, summed)
        self._hand_over = partial(kernels.hand_over, memory, *values, self._state)
        self._targets = np.array([link.target for link in after], dtype=np.intp)
        self._count_holdings()
        self._end = tables.pack_window_end(values, tables.pack_audit(holdings), record)
        necks = tuple(between for between in (diffusion, drift) if between is not None)
        self.sizes = Sizes(sizes, after, (values[1], self._end[1]), necks, window) if sizes else None
        self._collect = partial(kernels.collect, memory, *self._end, self._state, self.balance, TOLERANCE)
        self._note = partial(kernels.note, memory, record, sums)
        self.responses, self._followed = tuple(responses), np.zeros(len(responses))
        self._keeps = np.array([link.keep for link in responses])
        packed = pack_responses([(link.target, link.sources, link.response, link.keep) for link in responses])
        self._follow = partial(follow, memory, *packed, self._followed) if responses else None
        self._kept = packed[1][: 5 * len(responses) : 5]
        self._compile()

    def set_length(self, part: float) -> None:
        """Have the next windows last this part of the window for which the links were made."""
        if self.diffusion is not None:
            self.diffusion.set_length(part)
        if self.drift is not None:
            self.drift.set_length(part)
        self._kept[:] = self._keeps**part

    def _compile(self) -> None:
        """Compile or load the kernels now (on empty tables), so that timings of windows are of windows."""
        none, books = np.zeros(0), np.zeros((0, 4))
        kernels.deliver(self.memory, *tables.pack_ions((), ()), books, books, 0.0)
        if self.diffusion is not None:
            Diffusion((), (), 1.0).move(self.memory, books)
        if self._follow is not None:
            follow(self.memory, *pack_responses(()), none, True)
        end = tables.pack_window_end(tables.pack_values(()), tables.pack_audit(()), tables.pack_record((), ()))
        kernels.collect(self.memory, *end, none, books, TOLERANCE, np.zeros((0, 0)), -1)

    def _count_holdings(self) -> None:
        for r, holding in enumerate(self.holdings):
            self.balance[r, kernels.HELD_AT_START] = self.held(holding)

    def clear(self, seed: int) -> None:
        """Empty books, as before the first window, for the amounts that sites hold now; random streams of a seed."""
        if self.diffusion is not None:
            self.diffusion.restart(seed)
        for array in (self.accounts, self.balance, self._state, self._followed):
            array[...] = 0.0
        self._count_holdings()

    def reseed(self, seed: int) -> None:
        """Go on with random streams of another seed; the books stay."""
        if self.diffusion is not None:
            self.diffusion.reseed(seed)

    def prime(self) -> None:
        """Before the first window: set what links hand over from the initial state, as if it had always been so."""
        if self.sizes is not None:
            self.sizes.start(self.memory)
        if self._hold is not None:
            self._hold()
        for _ in range(2):  # the first time the values before are unknown
            self._hand_over()
        self.raised[:] = 0
        if self.drift is not None:
            self.drift.start(self.memory)
        if self._follow is not None:
            self._follow(True)
            for k, link in enumerate(self.responses):
                if link.start is not None:
                    self.memory[link.target] += link.start - self._followed[k]
                    self._followed[k] = link.start

    def deliver(self) -> None:
        """Before the chemistry's window: ions into sites, held counts. Raises RunError for a debt above the limit."""
        if self.diffusion is not None:
            self.diffusion.clear(self.memory)
        if self.drift is not None:
            self.drift.cross(self.memory)
        bad = self._deliver()
        if self.diffusion is not None:
            self.diffusion.move(self.memory, self.balance)
        if self._hold is not None:
            self._hold()
        self._refuse_entering(bad)

    def _refuse_entering(self, bad: int) -> None:
        """Raise RunError for the link `bad`, if it is one."""
        if bad >= 0:
            link, owed = self.ions[bad], self.accounts[bad, kernels.OWED]
            if not np.isfinite(self.accounts[bad, kernels.SENT]):
                raise RunError(f"link {link.name}: the number of ions is not finite")
            if owed > self._max_debt:
                raise RunError(
                    f"link {link.name}: an outward current asks for {owed:.6g} ions more than site {link.site} has "
                    f"(limit experiment.max_debt = {self._max_debt:.0f}); is the ion's reversal potential right, and "
                    "does the site start with enough of it?"
                )
            raise RunError(
                f"link {link.name}: more than {MOST:g} ions in an exchange interval; is the conductance right?"
            )

    def collect(self, rows: Floats, row: int) -> None:
        """After the chemistry's window: values for the electrical model, audit, and a record in rows[row] if row >= 0.

        Raises RunError, naming site and links, if a conserved substance does not balance.
        """
        self.follow()
        self.close_window(rows, row)

    def follow(self) -> None:
        """The first part of `collect`: parameters follow what amounts are now."""
        if self._follow is not None:
            self._follow(False)

    def close_window(self, rows: Floats, row: int) -> None:
        """All else of `collect`."""
        if self.sizes is not None:
            self.sizes.follow(self.memory)
        self._refuse_imbalance(self._collect(rows, row))
        if self.drift is not None:
            self._set_currents(self.drift)

    def _set_currents(self, drift: Drift) -> None:
        """Those through necks, for the next window. Raises RunError where there are none."""
        if neck := drift.set_currents(self.memory):
            raise RunError(f"link {neck}: no steady fluxes were found for what its ends hold; is the voltage right?")

    def deliver_calls(self) -> list[Call]:
        """What `deliver` does, for a compiled loop."""
        if self.diffusion is not None or self.drift is not None or self._hold is not None:
            return [python_call(self.deliver)]
        kept = (self.memory, *self._entering, self.accounts, self.balance, np.array([self._max_debt], dtype=np.float64))
        answer = partial(_answer, self._refuse_entering)
        return [kernel_call(calls.deliver, kept, answer, self.deliver)]

    def collect_calls(self, rows: Floats, counters: calls.Counters) -> list[Call]:
        """What `collect` does, for a compiled loop that records into `rows`. counters: of the record."""
        kept = (self.memory, *self._end, self._state, self.balance, np.array([TOLERANCE]), rows, counters)
        answer = partial(_answer, self._refuse_imbalance)

        def python() -> None:
            due = (counters[calls.WINDOW] + 1) % counters[calls.EVERY] == 0
            self.close_window(rows, int(counters[calls.NEXT_ROW]) if due else -1)
            counters[calls.WINDOW] += 1
            counters[calls.NEXT_ROW] += due

        if self.drift is not None or self.sizes is not None:
            return [python_call(self.follow), python_call(python)]
        before = [] if self._follow is None else [python_call(self.follow)]
        return [*before, kernel_call(calls.collect, kept, answer, python)]

    def _refuse_imbalance(self, bad: int) -> None:
        """Raise RunError for the holding `bad`, if it is one."""
        if bad >= 0:
            raise RunError(self._imbalance(bad))
        if self.drift is not None and (neck := self.drift.set_currents(self.memory)):
            raise RunError(f"link {neck}: no steady fluxes were found for what its ends hold; is the voltage right?")

    def try_values(self) -> tuple[Floats, Floats]:
        """(n_after,) and (n_responses,) what `collect` would hand over now; books and running values stay.

        Of a parameter what its link adds to it, at the end of the window. The targets are left with any values.
        """
        state, followed = self._state.copy(), self._followed.copy()
        self._hand_over()
        values = self.memory[self._targets]
        self.follow()
        ends = self._followed.copy()
        self._state[:], self._followed[:] = state, followed
        return values, ends

    @property
    def followed(self) -> Floats:
        """(n_responses,) what the link of each parameter adds to it now, live."""
        return self._followed

    def note(self, rows: Floats, row: int) -> None:
        """Only record: the state before the first window."""
        self._note(rows, row)

    def unbalanced(self, tolerance: float) -> Iterator[tuple[str, float]]:
        """Sites that do not hold what the books say, each with the amount by which it is off.

        tolerance: relative to what was moved or held at the start, at least one ion.
        """
        for row, holding in zip(self.balance, self.holdings, strict=True):
            off = self.held(holding) - row[kernels.HELD_AT_START] - row[kernels.TAKEN_UP]
            if not abs(off) <= tolerance * max(row[kernels.MOVED], row[kernels.HELD_AT_START], 1.0):
                yield holding.site, off

    def held(self, holding: Holding, columns: Sequence[int] | None = None) -> float:
        """Amount of a substance in a site now; of the given columns only, if given."""
        counts = self.memory[holding.first : holding.first + len(holding.contents)]
        chosen = range(len(holding.contents)) if columns is None else columns
        return float(sum(holding.contents[c] * counts[c] for c in chosen))

    def send(self, site: str, column: int, molecules: float) -> None:
        """Hand molecules of a species (a column of the site's counts) over with the next window, besides what links do.

        Raises InputError if no link or drive fills that species, and for what is not a finite number.
        """
        check_amount(molecules, f"{molecules:g} into {site}")
        first, filling = self._filled
        k = filling.get((site, first[site] + column)) if site in first else None
        if k is not None:
            self.accounts[k, kernels.CARRIED] += molecules
            self.accounts[k, kernels.SENT] += molecules
            return
        raise InputError(
            f'nothing fills that species of {site}: give it a drive of influx = {{ times = "0 1 ms", rate = "0 /ms" }}'
        )

    @cached_property
    def _filled(self) -> tuple[dict[str, int], dict[tuple[str, int], int]]:
        """Site → where its counts begin; site and place of a species → the first link that fills it."""
        filling = {(link.site, link.free): k for k, link in reversed([*enumerate(self.ions)])}
        return {h.site: h.first for h in self.holdings}, filling

    def _imbalance(self, row: int) -> str:
        holding = self.holdings[row]
        off = self.held(holding) - self.balance[row, kernels.HELD_AT_START] - self.balance[row, kernels.TAKEN_UP]
        counts = self.memory[holding.first : holding.first + len(holding.contents)]
        bad = [s for s, c in zip(holding.states, counts, strict=True) if not np.isfinite(c)]
        if bad:
            return f"site {holding.site}: the amount of {', '.join(bad)} is not finite"
        names = [k.name for k in self.ions if k.site == holding.site]
        if self.diffusion is not None:
            names += [k.name for k in self.diffusion.links if holding.site in (k.first.site, k.second.site)]
        links = ", ".join(names) or "no link"
        return f"ledger: site {holding.site} is off by {off:.6g} {holding.substance} (links: {links})"

    def save(self) -> State:
        """Port values, accounts, balances, running sums and what the next window hands over."""
        return {key: array.copy() for key, array in self._saved()}

    def restore(self, state: State) -> None:
        """Take up what `save` made, in place."""
        for key, array in self._saved():
            array[...] = state[key]
        if self.sizes is not None:
            self.sizes.apply(self.memory)

    def _saved(self) -> tuple[tuple[str, npt.NDArray[Any]], ...]:
        return (
            *(self.diffusion.saved() if self.diffusion is not None else ()),
            *(self.drift.saved() if self.drift is not None else ()),
            *(self.sizes.saved() if self.sizes is not None else ()),
            ("memory", self.memory),
            ("accounts", self.accounts),
            ("balance", self.balance),
            ("state", self._state),
            *((("responses", self._followed),) if self.responses else ()),
        )


def _answer(refuse: Callable[[int], None], code: int) -> None:
    """What a call of compiled code has returned: 1 + the row that is refused."""
    refuse(code - 1)
