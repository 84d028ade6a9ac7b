"""The work of sampling: which runs are missing, in which process they are made, and what has been finished."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from couple.base.errors import RunError
from couple.base.signals import Stop
from couple.ensemble.assemble import assemble, layout_of
from couple.ensemble.folder import ADVICE, SINCE, Specification, inputs_of
from couple.ensemble.sampler import Sampler, Stopped
from couple.ensemble.seeds import run_seed
from couple.ensemble.workers import BatchDone, NeedsOwnProcess, Worker, WorkerReady, batch_size, listen, make_runs
from couple.experiment import Experiment
from couple.experiment.input_files import InputFile, refuse_others
from couple.simulation.result_layout import ResultLayout

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
        self._start = ""  # digest of the model at t = 0
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
            if self._missing and self.wanted.experiment.neuron is None and not self._process_per_run and self._alone:
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
        sampler = Sampler(_with_seed(self.wanted, 0))
        self._note_layout(sampler.layout)
        text = sampler.layout.to_json()
        while self._missing and self._stop.signal is None:
            if self._jobs > 1 and self._seconds * len(self._missing) > WORTH_A_PROCESS:
                return
            try:
                self._note_batch(self._batch_in_process(sampler, text))
            except Stopped:
                return

    def _batch_in_process(self, sampler: Sampler, layout: str) -> BatchDone:
        runs = self._next_batch()
        try:
            return make_runs(
                sampler, runs, self.wanted.seed, self.folder, layout, lambda: self._stop.signal is not None
            )
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
                        Worker(self.wanted, self.folder, self._missing.popleft(), once=self._process_per_run)
                    )
                for worker, message in listen(workers, 0.2):
                    if isinstance(message, WorkerReady):
                        self._check_ready(message)
                    elif not self._handle(worker, message):
                        worker.end()
                        workers.remove(worker)
        finally:
            for worker in workers:
                worker.end(now=True)

    def _handle(self, worker: Worker, message: BatchDone | NeedsOwnProcess) -> bool:
        """Note a finished batch, or that there can be none; whether the worker got another one."""
        if isinstance(message, NeedsOwnProcess):
            self._missing.extendleft(reversed(worker.given))
            if not self._process_per_run:
                log.warning("every run starts a process of its own, which takes seconds: %s", message.reason)
            self._process_per_run = True
            return False
        self._note_batch(message)
        if not self._missing or self._process_per_run:
            return False
        worker.give(self._next_batch())
        return True

    def _check_ready(self, ready: WorkerReady) -> None:
        """A worker's system stands: all have to be the same."""
        self._note_layout(ResultLayout.from_json(ready.layout))
        if self._start and ready.start and ready.start != self._start:
            raise RunError(
                "the model starts differently in each process: give its random numbers a fixed seed, so that runs "
                "can be repeated"
            )
        self._start = self._start or ready.start

    # -- both ------------------------------------------------------------------------------------------------------

    def _note_layout(self, layout: ResultLayout) -> None:
        """What is recorded; warnings of the wiring are shown once."""
        if self._layout is None:
            for warning in layout.warnings:
                log.warning("%s", warning)
        self._layout = self._layout or layout
        if self._inputs is None:
            self._inputs = inputs_of(next(iter(self.there.values()))) if self.there else layout.inputs
        refuse_others(self._inputs, layout.inputs, SINCE, ADVICE, str(self.folder))

    def _next_batch(self) -> tuple[int, ...]:
        assert self._layout is not None
        width = sum(len(v.indices) for v in self._layout.variables)
        size = 1
        if self._seconds > 0:
            size = batch_size(self._seconds, 8 * width * len(self._layout.times), len(self._missing), self._jobs)
        return tuple(self._missing.popleft() for _ in range(min(size, len(self._missing))))

    def _note_batch(self, done: BatchDone) -> None:
        self.there |= dict.fromkeys(done.runs, done.path)
        self._seconds = done.seconds
        self._progress(len(self.there), self.wanted.runs)


def _with_seed(wanted: Specification, run: int) -> Experiment:
    """The experiment of one run."""
    return wanted.experiment.changed(f"experiment.seed={run_seed(wanted.seed, run)}")
