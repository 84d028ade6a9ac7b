"""What a run shows while it goes on: its latest rows, thinned, in OUT/live, only while somebody looks.

What they are is written once, as a result file without rows; they themselves again and again, which costs the run at
most a share of its CPU time: the more one takes to write, the longer the next one waits. Rows that nobody has looked at
yet are kept thinned, so that who comes late sees the whole course.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.files.write_hdf5 import replacing
from couple.simulation.results.result_layout import attributes_of, component_tables
from couple.storage.folder.contents import own_folder
from couple.storage.records.recorder import Recorder, Variable, columns, version_for
from couple.storage.records.results import FORMAT
from couple.storage.run.watched_folder import DESCRIPTION, LIVE, ROWS, LiveState, is_watched, leave, write_rows
from couple.wiring import System

PACE = 0.3
"""Seconds between two looks, at least."""

SHARE = 1 / 64
"""Of the run's CPU time that writing may take."""

MOST_ROWS, MOST_NAMES = 500, 40
"""Rows, and names along an axis, that are shown."""

BY_SITE = ("volume_um3", "area_um2", "distance_um")
"""Attributes with a value for each site or segment."""

STATUS = "running"


class LiveRows:
    """The file of a run in `folder`. due: by perf_counter, when `look` wants to be called again."""

    def __init__(self, folder: Path, system: System, recorder: Recorder) -> None:
        self._folder, self._system, self._recorder = folder, system, recorder
        self._variables, places = _shown(system.variables, _free(system))
        self._places = np.array(places, dtype=np.intp)
        self._numbers: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        self._rows: list[Floats] = []
        self._stride, self._next, self._written = 1, 0, False
        self._began, self._since = perf_counter(), 0.0
        self.due = 0.0
        self._rest = 0.0

    def begin(self, time: float) -> None:
        """The run starts, or goes on, at that simulated time."""
        self._began, self._since, self.due = perf_counter(), time, 0.0
        self._next = max(self._next, self._recorder.recorded - self._recorder.next_row)

    def look(self, time: float, end: float) -> None:
        """Take up new rows; write them if somebody looks. time: simulated. end: of the run."""
        begun, self.due = process_time(), perf_counter() + PACE
        if begun < self._rest:  # of a process that gets little of a machine, time goes by faster than its own
            self.due = perf_counter() + PACE / 6
            return
        self.take()
        if is_watched(self._folder):
            self._write(time, end)
        else:
            self.end()
        spent = process_time()
        self._rest = spent + (spent - begun) / SHARE

    def take(self) -> None:
        """Take up the rows in memory that were not seen yet; each before it leaves memory, or it is not shown."""
        recorder, before = self._recorder, self._recorder.recorded - self._recorder.next_row
        first, stop = max(self._next, before), before + recorder.next_row
        self._next = stop
        first = -(-first // self._stride) * self._stride
        if first >= stop:
            return
        rows = recorder.rows[first - before : recorder.next_row : self._stride]
        self._numbers.append(np.arange(first, stop, self._stride))
        self._rows.append(rows[:, self._places])
        if sum(map(len, self._numbers)) > 2 * MOST_ROWS:
            self._thin()

    def _thin(self) -> None:
        numbers, rows = np.concatenate(self._numbers), np.concatenate(self._rows)
        while len(numbers) > MOST_ROWS:
            self._stride *= 2
            kept = numbers % self._stride == 0
            numbers, rows = numbers[kept], rows[kept]
        self._numbers, self._rows = [numbers], [rows]

    def end(self) -> None:
        """Remove the files, if there are any of this run."""
        if self._written:
            self._written = False
            leave(self._folder, DESCRIPTION, ROWS)

    def _write(self, time: float, end: float) -> None:
        """Put the rows in place. A disk that refuses is no reason to stop a run: nothing is shown then."""
        clock, recorder = self._system.plan.clock, self._recorder
        numbers = np.concatenate([*self._numbers, np.zeros(0, np.int64)])
        rows = np.concatenate([*self._rows, np.zeros((0, len(self._places)))])
        if recorder.next_row and numbers.size and numbers[-1] != self._next - 1:  # the newest, whatever the stride
            numbers = np.append(numbers, self._next - 1)
            rows = np.concatenate([rows, recorder.rows[recorder.next_row - 1 : recorder.next_row, self._places]])
        times = np.array([clock.time((recorder.first + int(k)) * clock.record) for k in numbers])
        about = LiveState(time, end, self._since, perf_counter() - self._began)
        try:
            if not self._written:
                self._describe()
            write_rows(self._folder, about, times, rows)
            self._written = True
        except RunError:
            self._written = False

    def _describe(self) -> None:
        """Write the result file without rows."""
        experiment = self._system.plan.experiment
        longest = max((len(names) for v in self._variables for names in v.labels), default=0)
        path = own_folder(self._folder, LIVE) / DESCRIPTION
        with replacing(path, FORMAT, version_for(longest), flush=False) as file:
            time = file.create_dataset("time", data=np.zeros(0), maxshape=(None,))
            time.attrs.update({"unit": experiment.time_unit, "dims": ["time"]})
            for v in self._variables:
                shape = (0, *v.shape)
                data = file.create_dataset(
                    v.path, data=np.zeros(shape), maxshape=(None, *v.shape), chunks=(64, *v.shape)
                )
                data.attrs.update({"unit": v.unit, "dims": ["time", *v.dims], "meaning": v.meaning})
                for dim, names in zip(v.dims, v.labels, strict=True):
                    data.attrs[dim] = list(names)
            seed = experiment.experiment.seed
            file.attrs.update({**attributes_of(self._system), "format": FORMAT, "status": STATUS, "seed": seed})
            file.attrs["columns"] = [v.path for v in self._variables]
            for name, content in component_tables(self._system).items():
                few = {k: v[:MOST_NAMES] if k in BY_SITE else v for k, v in content.items()}
                file.require_group(name).attrs.update(few)


def _free(system: System) -> Mapping[str, list[str]]:
    """Engine → species that links and drives fill or hold."""
    return {e.name: list(dict.fromkeys((*e.setup.injected, *e.setup.clamped))) for e in system.engines}


def _shown(variables: tuple[Variable, ...], free: Mapping[str, list[str]]) -> tuple[list[Variable], list[int]]:
    """What is shown of recorded rows: voltages, free species, observables and parameters of the first sites.

    Returns it and the columns of a row that it has.
    """
    shown: list[Variable] = []
    places: list[int] = []
    for v, at in zip(variables, columns(variables), strict=True):
        owner, _, quantity = v.path.rpartition("/")
        if v.kind != "sample" or not v.labels or not v.indices:
            continue
        if quantity not in ("v", "counts", "means") and not quantity.startswith(("parameter_", "factor_")):
            continue
        chosen = [np.arange(min(len(names), MOST_NAMES)) for names in v.labels]
        wanted = free.get(owner, [])
        if quantity == "counts" and len(v.labels) == 2 and any(s in v.labels[1] for s in wanted):
            chosen[1] = np.array([v.labels[1].index(s) for s in wanted if s in v.labels[1]])
        numbers = np.arange(at.start, at.stop).reshape(v.shape)[np.ix_(*chosen)].ravel()
        labels = tuple(tuple(names[k] for k in few) for names, few in zip(v.labels, chosen, strict=True))
        shown.append(replace(v, labels=labels, indices=tuple(v.indices[k - at.start] for k in numbers), order=()))
        places += numbers.tolist()
    return shown, places
