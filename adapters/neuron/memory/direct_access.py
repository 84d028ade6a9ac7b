"""Variables of NEURON read and written where they lie, without a call of NEURON.

A PtrVector follows a handle per variable, 5 to 7 ns each; a plain load takes one. Addresses are asked for when the
model has been initialised or restored, and proved there in both directions against a PtrVector of the same variables:
what that writes must be read at the addresses, what is written at them must be read by that. The kernels look at
NEURON's count of structure changes before they touch anything. Where the proof fails, or NEURON exports no addresses,
or the model has changed, the PtrVector does the work, to the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.neuron.memory import addresses
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.pointers import PointerVector, SingleReferences, pointers
from couple.base.arrays import Floats
from couple.cache.kernels import njit
from couple.cache.native import Table, flags, floats, integers, short_integers, table_of
from couple.components.calls import Call
from couple.components.kernel_calls import kernel_call

log = logging.getLogger(__name__)

Ints = npt.NDArray[np.int64] | npt.NDArray[np.uint32]

FINITE, NOT_FINITE, MOVED = 0, 1, 2


@njit(cache=True)
def moved(flags: npt.NDArray[np.int32], at: Ints) -> bool:
    """Whether addresses may be out of date. at: indices of the count and two flags of changes, the count noted."""
    return flags[at[0]] != at[3] or flags[at[1]] != 0 or flags[at[2]] != 0  # type: ignore[no-any-return]


@njit(cache=True, python=True)
def load(memory: Floats, flags: npt.NDArray[np.int32], at: Ints, scale: Floats, out: Floats) -> int:
    """Read out.size variables, times their factors `scale`, into `out`; returns FINITE, NOT_FINITE or MOVED.

    at: as for `moved`, then indices into `memory`.
    """
    if moved(flags, at):
        return MOVED
    finite = True
    for i in range(out.size):
        value = memory[at[4 + i]]
        # Infinity minus itself is no number either.
        finite &= value - value == 0.0
        out[i] = value * scale[i]
    return FINITE if finite else NOT_FINITE


@njit(cache=True, python=True)
def store(memory: Floats, flags: npt.NDArray[np.int32], at: Ints, scale: Floats, values: Floats) -> int:
    """Write `values`, times their factors `scale`, and zeros into all variables after them; returns FINITE or MOVED.

    at: as for `load`.
    """
    if moved(flags, at):
        return MOVED
    for i in range(values.size):
        memory[at[4 + i]] = values[i] * scale[i]
    for i in range(values.size, at.size - 4):
        memory[at[4 + i]] = 0.0
    return FINITE


@njit(cache=True)
def load_of(context: int) -> int:
    """`load` of a context ([the context of what is read], values); MOVED where there is none."""
    t = integers(context, 4)
    a = integers(t[0], 8)
    if a[1] == 0:
        return MOVED
    out = floats(t[2], t[3])
    return load(floats(a[0], a[1]), flags(a[2], a[3]), short_integers(a[4], a[5]), floats(a[6], a[7]), out)  # type: ignore[no-any-return]


@njit(cache=True)
def store_of(context: int) -> int:
    """`store` of a context, as that of `load_of`."""
    t = integers(context, 4)
    a = integers(t[0], 8)
    if a[1] == 0:
        return MOVED
    values = floats(t[2], t[3])
    return store(floats(a[0], a[1]), flags(a[2], a[3]), short_integers(a[4], a[5]), floats(a[6], a[7]), values)  # type: ignore[no-any-return]


@njit(cache=True)
def add(memory: Floats, flags: npt.NDArray[np.int32], runs: Ints, factor: float, total: Floats) -> int:
    """Add every variable times `factor` to `total`; returns FINITE or MOVED.

    runs: as `at` of `moved`, then of all variables that lie one behind the other the first, what is after the last, and
    the index of the first into `memory`.
    """
    if moved(flags, runs):
        return MOVED
    for run in range(4, runs.size, 3):
        first, stop, place = runs[run], runs[run + 1], runs[run + 2]
        # Views from 0 on, over which the compiler may take several at once.
        sums, values = total[first:stop], memory[place : place + (stop - first)]
        for i in range(stop - first):
            sums[i] += values[i] * factor
    return FINITE


def runs_of(at: Ints, size: int) -> npt.NDArray[np.int64]:
    """`runs` of `add`, from `at` of `load`, for the first `size` variables."""
    places = at[4 : 4 + size].astype(np.int64)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(places) != 1) + 1])
    stops = np.append(starts[1:], size)
    return np.concatenate([at[:4].astype(np.int64), np.stack([starts, stops, places[starts]], axis=1).ravel()])


class DirectAccess:
    """Variables in a fixed order, as in `pointers`. Nothing is direct before `refresh_addresses`."""

    def __init__(
        self, variables: Sequence[NeuronVariable], scale: npt.ArrayLike = 1.0, zeroed: Sequence[NeuronVariable] = ()
    ):
        references, others = [v.reference for v in variables], [v.reference for v in zeroed]
        self.size = len(references)
        self._variables = [*variables, *zeroed]
        self._scale = np.array(np.broadcast_to(np.asarray(scale, dtype=np.float64), (self.size,)))
        self._handles: SingleReferences | PointerVector = pointers(references, self._scale, others)
        self._every = pointers([*references, *others])
        self._table: Table = np.zeros(8, dtype=np.int64)  # of memory, flags, places and factors, for compiled calls
        self._load: Any = _never
        self._store: Any = _never
        self._add: Any = _never

    def gather(self, out: Floats) -> bool:
        """Read all variables, times their factors, into `out` (size,); whether all are finite."""
        state = self._load(out)
        return state == FINITE if state != MOVED else self._references().gather(out)

    def scatter(self, values: Floats) -> None:
        """Write `values` (size,), times their factors, and zeros into the zeroed ones."""
        if self._store(values) == MOVED:
            self._references().scatter(values)

    def gather_calls(self, out: Floats, not_finite: Callable[[], object]) -> list[Call]:
        """What `gather` into `out` does, for a compiled loop. not_finite: what is done where not all are finite."""

        def python() -> None:
            if not self.gather(out):
                not_finite()

        def answer(said: int) -> None:
            (python if said == MOVED else not_finite)()

        return [kernel_call(load_of, (self._table, out), answer, python)] if self._variables else []

    def scatter_calls(self, values: Floats) -> list[Call]:
        """What `scatter` of `values` does, for a compiled loop."""

        def python(_: int = 0) -> None:
            self.scatter(values)

        return [kernel_call(store_of, (self._table, values), python, python)] if self._variables else []

    def add_to(self, total: Floats, factor: float) -> None:
        """Add all variables times `factor`, their own factors left out, to `total` (size,)."""
        if self._add(factor, total) == MOVED:
            now = np.empty(self.size)
            self._references().gather(now)
            total += now / self._scale * factor

    def order(self) -> Ints:
        """(size,) the variables in the order in which they lie in memory; as they were given if that is not known."""
        return np.argsort(self._raw[2][4 : 4 + self.size], kind="stable") if self.direct else np.arange(self.size)

    def runs(self) -> tuple[Floats, npt.NDArray[np.int32], Ints] | None:
        """Memory, flags and `runs` of `add`, for who adds without it; None without addresses."""
        return self._add.args[:3] if self.direct and self.size else None

    @property
    def direct(self) -> bool:
        """Whether addresses are in use."""
        return self._load is not _never

    def refresh_addresses(self) -> None:
        """Ask for all addresses and prove them, after NEURON was initialised or restored."""
        if not self._variables or (self.direct and self._proved()):
            return
        self._forget()
        counters = addresses.change_counters()
        if counters is not None and not counters.settled:
            return
        if counters is None or not self._resolved(counters):
            log.info("NEURON's memory cannot be addressed; values are exchanged by PtrVector, which is slower")

    def _resolved(self, counters: addresses.ChangeCounters) -> bool:
        """Take addresses into use; whether they were proved."""
        places = [variable.address() for variable in self._variables]
        if not all(places):
            return False
        try:
            memory, at = addresses.memory_view(places, np.dtype(np.float64))
        except ValueError:
            return False
        # Short indices where they reach, to touch less memory.
        indices = np.array([*counters.at, counters.changes, *at], dtype=np.int64)
        self._use(memory, counters, indices.astype(np.uint32) if indices.max() < 2**32 else indices)
        if not self._proved():
            self._forget()
        return self.direct

    def _forget(self) -> None:
        """Use no addresses."""
        self._load = self._store = self._add = _never
        self._table[:] = 0

    def _use(self, memory: Floats, counters: addresses.ChangeCounters, at: Ints) -> None:
        self._raw = memory, counters.flags, at, np.ones(len(self._variables))
        if at.dtype == np.uint32:
            self._table[:] = table_of(memory, counters.flags, at, self._scale)
        self._load = partial(load, memory, counters.flags, at, self._scale)
        self._store = partial(store, memory, counters.flags, at, self._scale)
        self._add = partial(add, memory, counters.flags, runs_of(at, self.size)) if self.size else _never

    def _proved(self) -> bool:
        """Write by NEURON's references and read by address, then the other way; leaves all values as they were."""
        n = len(self._variables)
        before, by_handle, by_address = np.empty((3, n))
        self._every.gather(before)
        self._every.scatter(np.arange(n, dtype=np.float64) + 0.5)
        self._every.gather(by_handle)
        good = load(*self._raw, by_address) == FINITE and np.array_equal(by_handle, by_address)
        if good:
            store(*self._raw, before)
            self._every.gather(by_handle)
            good = by_handle.tobytes() == before.tobytes()
        if not good:
            self._every.scatter(before)
        return good

    def _references(self) -> SingleReferences | PointerVector:
        """NEURON's own references: they follow what has moved. Addresses come back when no change waits."""
        change_counters = addresses.change_counters()
        if self.direct and change_counters is not None and change_counters.settled:
            self._forget()
            self.refresh_addresses()
        return self._handles


def _never(*_: object) -> int:
    """In place of a kernel: without addresses all goes by NEURON's references."""
    return MOVED
