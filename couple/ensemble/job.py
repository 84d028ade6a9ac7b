"""The work of sampling: which runs are missing, in which process they are made, and what has been finished."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path

from couple.base.errors import RunError
from couple.ensemble.assemble import assemble, layout_of
from couple.ensemble.folder import Specification
from couple.ensemble.sampler import Sampler, Stopped
from couple.ensemble.seeds import run_seed
from couple.ensemble.workers import Done, Once, Ready, Worker, batch_size, listen, make
from couple.experiment import Experiment
from couple.simulation.result_layout import Layout
from couple.simulation.signals import Stop

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
        self._layout: Layout | None = layout_of(self.there)
        self._stop = Stop()
        self._seconds = 0.0  # of a run, as last measured
        self._start = ""  # digest of the model at t = 0
        self._lone = wanted.fresh  # a process for every run

    @property
    def complete(self) -> bool:
        """Whether all runs are there."""
        return len(self.there) == self.wanted.runs

    def take(self, there: dict[int, Path]) -> None:
        """Runs that others have made."""
        self.there |= there
        self._layout = self._layout or layout_of(self.there)

    def run(self) -> None:
        """Make all missing runs, or until a signal asks to stop."""
        self._progress(len(self.there), self.wanted.runs)
        with self._stop.listening():
            if self._missing and self.wanted.experiment.neuron is None and not self._lone and self._alone:
                self._here()
            if self._missing and self._stop.signal is None:
                self._elsewhere()
        self.stopped = self._stop.signal

    def assemble(self) -> None:
        """Write ensemble.h5 of what is there, if there is something new."""
        if self._layout is not None and self.there:
            assemble(self.folder, self.wanted, self.there, self._layout)

    # -- in this process -------------------------------------------------------------------------------------------

    def _here(self) -> None:
        """Batches in this process, until what is left is worth starting others."""
        sampler = Sampler(_with_seed(self.wanted, 0))
        self._know(sampler.layout)
        text = sampler.layout.to_json()
        while self._missing and self._stop.signal is None:
            if self._jobs > 1 and self._seconds * len(self._missing) > WORTH_A_PROCESS:
                return
            try:
                self._finished(self._batch_here(sampler, text))
            except Stopped:
                return

    def _batch_here(self, sampler: Sampler, layout: str) -> Done:
        runs = self._next_batch()
        try:
            return make(sampler, runs, self.wanted.seed, self.folder, layout, lambda: self._stop.signal is not None)
        except Stopped:
            self._missing.extendleft(reversed(runs))
            raise

    # -- in others -------------------------------------------------------------------------------------------------

    def _elsewhere(self) -> None:
        """Workers, as many as there are jobs, each with one batch at a time."""
        workers: list[Worker] = []
        try:
            while (self._missing or workers) and self._stop.signal is None:
                while self._missing and len(workers) < self._jobs:
                    workers.append(Worker(self.wanted, self.folder, self._missing.popleft(), once=self._lone))
                for worker, message in listen(workers, 0.2):
                    if isinstance(message, Ready):
                        self._met(message)
                    elif not self._go_on(worker, message):
                        worker.end()
                        workers.remove(worker)
        finally:
            for worker in workers:
                worker.end(now=True)

    def _go_on(self, worker: Worker, message: Done | Once) -> bool:
        """Note a finished batch, or that there can be none; whether the worker got another one."""
        if isinstance(message, Once):
            self._missing.extendleft(reversed(worker.given))
            if not self._lone:
                log.warning("every run starts a process of its own, which takes seconds: %s", message.reason)
            self._lone = True
            return False
        self._finished(message)
        if not self._missing or self._lone:
            return False
        worker.give(self._next_batch())
        return True

    def _met(self, ready: Ready) -> None:
        """A worker's system stands: all have to be the same."""
        self._know(Layout.from_json(ready.layout))
        if self._start and ready.start and ready.start != self._start:
            raise RunError(
                "the model starts differently in each process: give its random numbers a fixed seed, so that runs "
                "can be repeated"
            )
        self._start = self._start or ready.start

    # -- both ------------------------------------------------------------------------------------------------------

    def _know(self, layout: Layout) -> None:
        """What is recorded; warnings of the wiring are shown once."""
        if self._layout is None:
            for warning in layout.warnings:
                log.warning("%s", warning)
        self._layout = self._layout or layout

    def _next_batch(self) -> tuple[int, ...]:
        assert self._layout is not None
        width = sum(len(v.indices) for v in self._layout.variables)
        size = 1
        if self._seconds > 0:
            size = batch_size(self._seconds, 8 * width * len(self._layout.times), len(self._missing), self._jobs)
        return tuple(self._missing.popleft() for _ in range(min(size, len(self._missing))))

    def _finished(self, done: Done) -> None:
        self.there |= dict.fromkeys(done.runs, done.path)
        self._seconds = done.seconds
        self._progress(len(self.there), self.wanted.runs)


def _with_seed(wanted: Specification, run: int) -> Experiment:
    """The experiment of one run."""
    return wanted.experiment.changed(f"experiment.seed={run_seed(wanted.seed, run)}")
