"""Binary patterns: which of N neurons are active in each of T windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError, nearest, quoted

Bits = npt.NDArray[np.uint8]
"""(n_windows, n_neurons) of 0 and 1."""
Span = tuple[float | None, float | None]
"""ms from and to which patterns are taken, None for all there is."""


@dataclass(frozen=True)
class Patterns:
    """states: (n_windows, n_neurons) of 0 and 1, in the order of time. names: of the neurons. window: ms, 0 for none.

    clipped: windows of a neuron that held more than one spike, and count as one.
    """

    states: Bits
    names: tuple[str, ...]
    window: float = 0.0
    clipped: int = 0

    def __post_init__(self) -> None:
        if self.states.ndim != 2 or self.states.shape[1] != len(self.names):
            raise InputError(f"patterns of shape {self.states.shape} do not fit {len(self.names)} names")

    @property
    def n(self) -> int:
        """Neurons."""
        return int(self.states.shape[1])

    def __len__(self) -> int:
        return len(self.states)

    def of(self, neurons: Sequence[int]) -> Patterns:
        """The patterns of some neurons, by their numbers."""
        chosen = np.ascontiguousarray(self.states[:, list(neurons)])
        return Patterns(chosen, tuple(self.names[i] for i in neurons), self.window, self.clipped)

    def without_silent(self) -> Patterns:
        """The neurons that are active in some window."""
        return self.of(np.flatnonzero(self.states.any(axis=0)).tolist())

    def check(self) -> Patterns:
        """Itself. Raises InputError where models cannot be fitted: a silent neuron, fewer windows than neurons."""
        if self.n < 2:
            what = {0: "no neuron is active in any window", 1: f'patterns of one neuron, "{"".join(self.names)}"'}[
                self.n
            ]
            raise InputError(f"{what}: models of patterns need 2 neurons or more")
        if len(self) < self.n:
            raise InputError(
                f"{len(self)} patterns of {self.n} neurons: give at least as many patterns as neurons "
                "(a longer recording, a shorter window, fewer neurons; in arrays a line is a window, a column a neuron)"
            )
        silent = np.flatnonzero(~self.states.any(axis=0))
        if len(silent):
            more = f" and {len(silent) - 1} more are" if len(silent) > 1 else " is"
            raise InputError(
                f'neuron "{self.names[silent[0]]}"{more} never active in {len(self)} windows: leave out what is silent '
                'with silent = "drop", or take a longer recording'
            )
        return self


def to_bits(values: npt.NDArray[np.generic], names: Sequence[str] | None = None, window: float = 0.0) -> Patterns:
    """Patterns of an array (n_windows, n_neurons) of 0 and 1. Raises InputError for anything else in it."""
    if values.ndim != 2 or values.dtype.kind not in "buif" or not values.size:
        raise InputError(f"an array {values.shape} of {values.dtype} is no (windows, neurons) of 0 and 1")
    wrong = np.argwhere((values != 0) & (values != 1))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise InputError(
            f"row {row}, column {column} holds {values[row, column]}, patterns are of 0 and 1 (a window with more than "
            "one spike counts as 1)"
        )
    listed = tuple(names) if names is not None else tuple(map(str, range(values.shape[1])))
    return Patterns(np.ascontiguousarray(values, dtype=np.uint8), listed, window)


def choose_names(names: Sequence[str], pattern: str, what: str, where: str) -> list[str]:
    """The names that a pattern with * and ? stands for. Raises InputError if there is none; what: they are of."""
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        said = nearest(pattern, names) if names else f"there is no {what} in it"
        raise InputError(f"no {what} is called {quoted(pattern)}; {said}", where=where)
    return found


def bin_spikes(
    trains: Sequence[Floats], names: Sequence[str], window: float, span: tuple[float, float], clip: bool = False
) -> Patterns:
    """Patterns of spike trains, (n_spikes,) ms for each name, in whole windows of `window` ms from span[0] to span[1].

    clip: a window with several spikes counts as one with a spike. Raises InputError for such windows otherwise, for
    times that are not finite, and for patterns that do not fit into memory.
    """
    length = (span[1] - span[0]) / window + 1e-9
    if not length >= 1:
        if span[1] <= span[0]:
            raise InputError(f"nothing is there to take from {span[0]:g} to {span[1]:g} ms: see begin and end")
        raise InputError(
            f"a window of {window:g} ms does not fit into {span[1] - span[0]:g} ms, from {span[0]:g} to {span[1]:g} ms"
        )
    check_memory(length * len(names), f"patterns of {len(names)} neurons in {length:.6g} windows", "take longer ones")
    windows = int(length)
    states: Bits = np.zeros((windows, len(names)), dtype=np.uint8)
    clipped = 0
    for i, (name, train) in enumerate(zip(names, trains, strict=True)):
        times = np.asarray(train, dtype=np.float64)
        if not np.isfinite(times).all():
            raise InputError(f'spikes of "{name}" have a time that is not finite')
        at = np.floor((times - span[0]) / window + 1e-9)
        counts = np.bincount(at[(at >= 0) & (at < windows)].astype(np.int64), minlength=windows)
        several = int((counts > 1).sum())
        if several and not clip:
            first = int(np.argmax(counts > 1))
            raise InputError(
                f'{several} windows of "{name}" hold more than one spike, the first {counts[first]} at '
                f"{span[0] + first * window:g} ms: take a window below {window:g} ms, or count them as one with "
                'multiple = "clip"'
            )
        clipped += several
        states[:, i] = counts > 0
    return Patterns(states, tuple(names), window, clipped)


def bin_records(active: npt.NDArray[np.bool_], time: Floats, names: Sequence[str], window: float) -> Patterns:
    """Patterns of records: active (n_rows, n_sites) at `time` (n_rows,) ms; 1 where some row of the window is active.

    Whole windows from the first row on, each with the rows in it but the last window's end. Raises InputError for
    windows that hold no row.
    """
    if not len(time):
        raise InputError("no row of the record lies between begin and end")
    windows = int((time[-1] - time[0]) / window + 1e-9) if len(time) > 1 else 0
    at = np.floor((time - time[0]) / window + 1e-9).astype(np.int64)
    rows = np.flatnonzero(np.diff(at, prepend=-1))
    if windows < 1 or not np.array_equal(at[rows][:windows], np.arange(windows)):
        raise InputError(f"windows of {window:g} ms do not fit rows that are {_spacing(time)} apart: take longer ones")
    states = np.maximum.reduceat(active.astype(np.uint8), rows, axis=0)[:windows]
    return Patterns(np.ascontiguousarray(states), tuple(names), window)


def _spacing(time: Floats) -> str:
    return f"{np.diff(time).max():g} ms" if len(time) > 1 else "one row"
