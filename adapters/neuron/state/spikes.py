"""Which cell fired when, of the cells of a network on this rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from adapters.neuron.hoc.h import h, pc
from couple.base.arrays import Floats, Ints
from couple.components.component import State


class SpikeRecorder:
    """A record of all spikes from now on."""

    def __init__(self) -> None:
        self._times, self._cells = h.Vector(), h.Vector()
        pc.spike_record(-1, self._times, self._cells)

    def read(self) -> tuple[Floats, Ints]:
        """(n,) times in ms and (n,) numbers of cells, by time and number."""
        times, cells = self._times.as_numpy().copy(), self._cells.as_numpy().astype(np.int64)
        order = np.lexsort((cells, times))
        return times[order], cells[order]

    def clear(self) -> None:
        """Forget all spikes."""
        self._times.resize(0)
        self._cells.resize(0)

    @property
    def count(self) -> int:
        """Spikes so far."""
        return int(self._times.size())

    def truncate(self, count: int) -> None:
        """Forget all but the first so many."""
        self._times.resize(count)
        self._cells.resize(count)

    def save(self) -> State:
        """Times (ms) and cells of all spikes so far."""
        times, cells = self.read()
        return {"spikes.time": times, "spikes.cell": cells}

    def restore(self, state: State) -> None:
        """Take up what `save` made; NEURON's own state does not hold it."""
        self._times.from_python(np.asarray(state["spikes.time"], dtype=np.float64))
        self._cells.from_python(np.asarray(state["spikes.cell"], dtype=np.float64))


def merge_spikes(parts: Sequence[State], is_local: Callable[[int], bool]) -> State:
    """Spikes that several ranks have saved, of the cells on this rank, by time and number."""
    times = np.concatenate([np.asarray(part["spikes.time"]) for part in parts])
    numbers = np.concatenate([np.asarray(part["spikes.cell"]) for part in parts])
    mine = np.isin(numbers, [gid for gid in np.unique(numbers).tolist() if is_local(gid)])
    order = np.lexsort((numbers[mine], times[mine]))
    return {"spikes.time": times[mine][order], "spikes.cell": numbers[mine][order]}
