"""Processes that make runs. Each has a system of its own; what a run is does not depend on which of them makes it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter
from typing import Any

from couple.base.errors import CannotRestart, CoupleError, RunError
from couple.base.signals import blocked
from couple.ensemble.folder import Specification, write_part
from couple.ensemble.sampler import SampledRun, Sampler, Stopped, failed
from couple.ensemble.seeds import run_seed
from couple.experiment import Experiment

BATCH_BYTES = 32 * 2**20
"""Rows that a batch may hold in memory."""

BATCH_SECONDS = 1.0


@dataclass(frozen=True)
class WorkerReady:
    """A worker's system stands. start: see Sampler."""

    start: str
    layout: str


@dataclass(frozen=True)
class NeedsOwnProcess:
    """The system cannot be set back: every run needs a process of its own. The worker ends without a run."""

    reason: str


@dataclass(frozen=True)
class BatchDone:
    """A batch is on the disk, in `path`. seconds: of wall-clock time per run."""

    runs: tuple[int, ...]
    path: Path
    seconds: float


class Worker:
    """A process and the line to it. once: for the run `first` only."""

    def __init__(self, wanted: Specification, folder: Path, first: int, *, once: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        stored = wanted.experiment.changed(f"experiment.seed={run_seed(wanted.seed, first)}").stored()
        arguments = (stored, wanted.seed, folder, first, once, theirs)
        self.process: BaseProcess = context.Process(target=_work, args=arguments, daemon=True)
        resource_tracker.ensure_running()  # its own start would let the signals through again
        with blocked():  # they go to the whole group; the parent decides
            self.process.start()
        theirs.close()
        self.given: tuple[int, ...] = (first,)

    def give(self, runs: tuple[int, ...]) -> None:
        """A batch to make. If the process has died, `listen` says so."""
        self.given = runs
        with suppress(OSError):
            self.line.send(runs)

    def end(self, *, now: bool = False) -> None:
        """Let it go, or stop it at once."""
        if now:
            self.process.kill()
        self.line.close()
        self.process.join()


def listen(workers: list[Worker], seconds: float) -> Iterator[tuple[Worker, Any]]:
    """Messages that workers send within `seconds`.

    Raises the error that one of them met, and RunError if one died.
    """
    by_line = {worker.line: worker for worker in workers}
    for line in wait(list(by_line), seconds):
        assert isinstance(line, Connection)
        worker = by_line[line]
        try:
            message = line.recv()
        except (EOFError, OSError):
            worker.process.join()
            raise RunError(
                f"the process that made run {worker.given[0]} died (code {worker.process.exitcode}); out of memory?"
                " The runs that are finished are kept: the same command goes on"
            ) from None
        if isinstance(message, CoupleError):
            raise message
        yield worker, message


def batch_size(seconds: float, row_bytes: int, left: int, jobs: int) -> int:
    """Runs in a batch: about a second, not more than memory allows, and something for everyone at the end."""
    by_time = int(BATCH_SECONDS / max(seconds, 1e-6))
    return max(1, min(by_time, BATCH_BYTES // max(row_bytes, 1), -(-left // (2 * jobs))))


def _work(
    stored: dict[str, Any],
    seed: int,
    folder: Path,
    first: int,
    once: bool,
    line: Connection,
) -> None:
    """What a worker process does, until nobody listens any more."""
    os.dup2(sys.stderr.fileno(), 1)  # what a model prints does not belong into a summary
    try:
        sampler = Sampler(Experiment.from_stored(stored), once=once)
        layout = sampler.layout.to_json()
        line.send(WorkerReady(sampler.start, layout))
        runs: tuple[int, ...] = (first,)
        orphaned = _orphaned()
        while True:
            line.send(make_runs(sampler, runs, seed, folder, layout, orphaned))
            runs = line.recv()
    except (Stopped, EOFError, BrokenPipeError):
        return
    except CoupleError as error:
        with suppress(OSError):  # nobody listens any more
            line.send(NeedsOwnProcess(str(error)) if isinstance(error, CannotRestart) else error)


def make_runs(
    sampler: Sampler,
    runs: tuple[int, ...],
    seed: int,
    folder: Path,
    layout: str,
    given_up: Callable[[], bool] | None = None,
) -> BatchDone:
    """Make runs and put them on the disk; those before one that fails or is given up, too. Raises RunError, Stopped."""
    begun = perf_counter()
    made: list[SampledRun] = []
    try:
        for run in runs:
            made.append(sampler.run(run_seed(seed, run), given_up))
    except (RunError, Stopped) as error:
        if made:
            write_part(folder, runs[: len(made)], made, layout)
        if isinstance(error, RunError):
            raise failed(runs[len(made)], run_seed(seed, runs[len(made)]), error) from error
        raise
    path = write_part(folder, runs, made, layout)
    return BatchDone(runs, path, (perf_counter() - begun) / len(runs))


def _orphaned() -> Callable[[], bool]:
    """Whether the process that asked for the runs is gone; looked up once a second."""
    parent, looked, gone = multiprocessing.parent_process(), perf_counter(), False

    def check() -> bool:
        nonlocal looked, gone
        if perf_counter() - looked > 1.0:
            looked, gone = perf_counter(), parent is not None and not parent.is_alive()
        return gone

    return check
