"""The work of sampling: which runs are missing, in which process they are made, and what has been finished."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

from couple.base.errors import InputError, RunError
from couple.base.regular_file import real_path
from couple.base.signals import Stop
from couple.ensemble.assemble import assemble, layout_of
from couple.ensemble.folder import ADVICE, SINCE, Specification, inputs_of, write_part
from couple.ensemble.sampler import SampledRun, Sampler, Stopped
from couple.ensemble.workers import (
    BUILDING,
    BatchDone,
    NeedsOwnProcess,
    PointFailed,
    RunBegun,
    Worker,
    WorkerReady,
    batch_size,
    beyond,
    listen,
    make_runs,
)
from couple.experiment.understood.input_files import InputFile, refuse_others, unique
from couple.simulation.results.result_layout import ResultLayout

log = logging.getLogger(__name__)

WORTH_A_PROCESS = 4.0
"""Seconds of work that justify starting other processes, which takes about two."""

Progress = Callable[[int, int], None]
"""Called with (finished runs, wanted runs)."""


class SamplingJob:
    """The missing runs of an ensemble, made in this process or in others.

    there: finished run → its file. stopped: signal that asked to stop.
    share: (k, n) for every n-th run from k on.
    """

    def __init__(
        self,
        wanted: Specification,
        folder: Path,
        there: dict[int, Path],
        jobs: int,
        progress: Progress,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.wanted, self.folder, self._jobs, self._progress = wanted, folder, jobs, progress
        self.there = there
        self.stopped: str | None = None
        self._missing = deque(run for run in range(share[0], wanted.runs, share[1]) if run not in self.there)
        self._alone = share[1] == 1
        self._layout: ResultLayout | None = layout_of(self.there)
        self._stop = Stop()
        self._seconds = 0.0  # of a run, as last measured
        self._starts: dict[int, str] = {}  # point of the design → digest of the model at t = 0
        self._process_per_run = wanted.fresh  # a process for every run
        self._inputs: tuple[InputFile, ...] | None = None  # that all runs are made from

    @property
    def complete(self) -> bool:
        """Whether all runs are there."""
        return len(self.there) == self.wanted.runs

    def add(self, there: dict[int, Path]) -> None:
        """Runs that others have made."""
        self.there |= there
        self._layout = self._layout or layout_of(self.there)

    def run(self) -> None:
        """Make all missing runs, or until a signal asks to stop."""
        self._progress(len(self.there), self.wanted.runs)
        with self._stop.listening():
            here = self.wanted.experiment.neuron is None and self.wanted.limit is None  # what hangs can be ended
            if self._missing and here and not self._process_per_run and self._alone:
                self._run_in_process()
            if self._missing and self._stop.signal is None:
                self._run_in_workers()
        self.stopped = self._stop.signal

    def assemble(self) -> None:
        """Write ensemble.h5 of what is there, if there is something new."""
        if self._layout is not None and self.there:
            assemble(self.folder, self.wanted, self.there, self._layout)

    # -- in this process -------------------------------------------------------------------------------------------

    def _run_in_process(self) -> None:
        """Batches in this process, until what is left is worth starting others."""
        sampler, at = None, -1
        while self._missing and self._stop.signal is None:
            if self._jobs > 1 and self._seconds * len(self._missing) > WORTH_A_PROCESS:
                return
            first = self._missing[0]
            if sampler is None or self.wanted.point_of(first) != at:
                at = self.wanted.point_of(first)
                sampler = self._sampler(first)
                if sampler is None:
                    continue
            try:
                self._note_batch(self._batch_in_process(sampler))
            except Stopped:
                return

    def _sampler(self, run: int) -> Sampler | None:
        """A system for the point of a run; None for a point that failed, which is noted."""
        try:
            sampler = Sampler(self.wanted.experiment_of(run, seed=0), origin=self.wanted.origin)
        except InputError as error:
            self._note_failed(PointFailed(self._next_batch(whole_point=True), error))
            return None
        self._note_layout(sampler.layout)
        return sampler

    def _batch_in_process(self, sampler: Sampler) -> BatchDone:
        runs = self._next_batch()
        try:
            return make_runs(sampler, runs, self.wanted, self.folder, lambda: self._stop.signal is not None)
        except Stopped:
            self._missing.extendleft(reversed(runs))
            raise

    # -- in others -------------------------------------------------------------------------------------------------

    def _run_in_workers(self) -> None:
        """Workers, as many as there are jobs, each with one batch at a time."""
        workers: list[Worker] = []
        try:
            while (self._missing or workers) and self._stop.signal is None:
                while self._missing and len(workers) < self._jobs:
                    workers.append(
                        Worker(
                            self.wanted,
                            self.folder,
                            self._missing.popleft(),
                            self._jobs,
                            once=self._process_per_run,
                        )
                    )
                for worker, message in listen(workers, 0.2):
                    if isinstance(message, WorkerReady):
                        self._check_ready(message)
                    elif isinstance(message, RunBegun):
                        worker.begins(message.run)
                    elif not self._handle(worker, message):
                        worker.end()
                        workers.remove(worker)
                workers = [worker for worker in workers if not self._ended_late(worker)]
        finally:
            for worker in workers:
                worker.end(now=True)

    def _ended_late(self, worker: Worker) -> bool:
        """Whether a worker hung and was ended: its run is kept as one that failed, the others of its batch are made
        anew. Raises RunError if no system has been built yet.
        """
        if self.wanted.limit is None or not worker.hangs(self.wanted.limit):
            return False
        worker.end(now=True)
        run = worker.given[0] if worker.running is None else worker.running
        self._missing.extendleft(reversed([one for one in worker.given if one != run]))
        if self._layout is None:
            raise RunError(f"the system of run {run} was not built within {BUILDING:g} s: look at it with couple check")
        why = beyond(self.wanted) if worker.running is not None else f"was not built within {BUILDING:g} s"
        self._keep_failed((run,), why)
        return True

    def _handle(self, worker: Worker, message: BatchDone | NeedsOwnProcess | PointFailed) -> bool:
        """Note a finished batch, or that there can be none; whether the worker got another one."""
        if isinstance(message, PointFailed):
            self._note_failed(message)
            return False
        if isinstance(message, NeedsOwnProcess):
            self._missing.extendleft(reversed(worker.given))
            if not self._process_per_run:
                log.warning("every run starts a process of its own, which takes seconds: %s", message.reason)
            self._process_per_run = True
            return False
        self._note_batch(message)
        if not self._missing or self._process_per_run or self._moves_on(worker):
            return False
        worker.give(self._next_batch())
        return True

    def _moves_on(self, worker: Worker) -> bool:
        """Whether what is missing is at another point, for which a model of NEURON is built in a fresh process."""
        points = map(self.wanted.point_of, (worker.given[0], self._missing[0]))
        return self.wanted.experiment.neuron is not None and len({*points}) > 1

    def _check_ready(self, ready: WorkerReady) -> None:
        """A worker's system stands: all at one point have to be the same."""
        self._note_layout(ResultLayout.from_json(ready.layout))
        if ready.start and self._starts.setdefault(ready.point, ready.start) != ready.start:
            raise RunError(
                "the model starts differently in each process: give its random numbers a fixed seed, so that runs "
                "can be repeated"
            )

    # -- both ------------------------------------------------------------------------------------------------------

    def _note_layout(self, layout: ResultLayout) -> None:
        """What is recorded; warnings of the wiring are shown once."""
        if self._layout is None:
            for warning in layout.warnings:
                log.warning("%s", warning)
        self._layout = self._layout or layout
        refuse_other_rows(self._layout, layout)
        self._note_inputs(layout.inputs)

    def _note_inputs(self, now: Sequence[InputFile]) -> None:
        """Files that a system has read: the same as before; in a design those of them that were read before."""
        if self._inputs is None:
            self._inputs = inputs_of(self.there, self.wanted) if self.there else tuple(now)
        then, new = self._inputs, list(now)
        if self.wanted.design is not None:
            before, after = ({real_path(file.path) for file in files} for files in (then, now))
            self._inputs = tuple(unique([*then, *now]))
            then = tuple(file for file in then if real_path(file.path) in after)
            new = [file for file in now if real_path(file.path) in before]
        refuse_others(then, new, SINCE, ADVICE, str(self.folder))

    def _next_batch(self, *, whole_point: bool = False) -> tuple[int, ...]:
        """Runs of one point that are missing; not more than one makes in a while, or all of that point."""
        point = self.wanted.point_of(self._missing[0])
        same = sum(1 for _ in takewhile(lambda run: self.wanted.point_of(run) == point, self._missing))
        size = same if whole_point else min(same, self._batch_size())
        return tuple(self._missing.popleft() for _ in range(size))

    def _batch_size(self) -> int:
        assert self._layout is not None
        width = sum(len(v.indices) for v in self._layout.variables)
        if self._seconds <= 0:
            return 1
        return batch_size(self._seconds, 8 * width * len(self._layout.times), len(self._missing), self._jobs)

    def _note_failed(self, point: PointFailed) -> None:
        """Keep the reason for runs of a point at which nothing could be built. Raises it if no point stands yet."""
        if self.wanted.design is None or self._layout is None:
            raise point.error
        self._keep_failed(point.runs, str(point.error))

    def _keep_failed(self, runs: tuple[int, ...], why: str) -> None:
        """Runs without rows."""
        assert self._layout is not None
        made = [SampledRun.none(self._layout, why)] * len(runs)
        path = write_part(self.folder, runs, made, self._layout.to_json())
        self.there |= dict.fromkeys(runs, path)
        self._progress(len(self.there), self.wanted.runs)

    def _note_batch(self, done: BatchDone) -> None:
        self.there |= dict.fromkeys(done.runs, done.path)
        self._seconds = done.seconds
        self._progress(len(self.there), self.wanted.runs)


def refuse_other_rows(first: ResultLayout, layout: ResultLayout) -> None:
    """Raise InputError for a run that records other things, or at other times, than the first."""
    if layout.times != first.times:
        raise InputError("changes the rows of the record: all runs of an ensemble have the same", where="vary")
    ours, theirs = ({v.path: v.labels for v in one.variables} for one in (first, layout))
    if ours != theirs:
        name = next(path for path in {**ours, **theirs} if ours.get(path) != theirs.get(path))
        raise InputError(f"changes what is recorded ({name}): all runs of an ensemble have the same", where="vary")
