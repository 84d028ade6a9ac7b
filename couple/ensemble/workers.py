"""Processes that make runs. Each has a system of its own; what a run is does not depend on which of them makes it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import perf_counter
from typing import Any

from couple.base.errors import CannotRestart, CoupleError, InputError, RunError
from couple.ensemble.folder import Specification, write_part
from couple.ensemble.sampler import SampledRun, Sampler, Stopped, failed
from couple.ensemble.seeds import run_seed
from couple.parallel.cores import share_cores
from couple.parallel.worker_process import WorkerProcess, begin_work, tell

BATCH_BYTES = 32 * 2**20
"""Rows that a batch may hold in memory."""

BATCH_SECONDS = 1.0

BUILDING = 60.0
"""Seconds that a system may take to be built, at least, where runs have a limit."""
GRACE = 0.5
"""Seconds beyond its limit after which the process of a run is ended: it stops by itself between two windows."""

IMPORTING = 79
"""Exit code of a worker in which the script of its parent, which it imports, asks for an ensemble again."""


def end_while_importing() -> None:
    """End this process without a word if it is a worker that still imports the script that started it."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing.spawn tells it
        os._exit(IMPORTING)


@dataclass(frozen=True)
class WorkerReady:
    """A worker's system stands, at a point of the design. start: see Sampler."""

    point: int
    start: str
    layout: str


@dataclass(frozen=True)
class RunBegun:
    """A worker begins a run; said only where runs have a limit."""

    run: int


@dataclass(frozen=True)
class NeedsOwnProcess:
    """The system cannot be set back: every run needs a process of its own. The worker ends without a run."""

    reason: str


@dataclass(frozen=True)
class PointFailed:
    """Nothing can be built at the point of these runs."""

    runs: tuple[int, ...]
    error: CoupleError


@dataclass(frozen=True)
class BatchDone:
    """A batch is on the disk, in `path`. seconds: of wall-clock time per run."""

    runs: tuple[int, ...]
    path: Path
    seconds: float


class Worker:
    """A process, of as many as there are jobs, that makes runs of one point of a design at a time.

    once: for the run `first` only.
    """

    def __init__(self, wanted: Specification, folder: Path, first: int, jobs: int, *, once: bool) -> None:
        self._process = WorkerProcess(_work, wanted.stored(), folder, first, jobs, once)
        self.line = self._process.line
        self.given: tuple[int, ...] = (first,)
        self.running: int | None = None
        self._since = perf_counter()

    def give(self, runs: tuple[int, ...]) -> None:
        """A batch to make. If the process has died, `listen` says so."""
        self.given, self._since = runs, perf_counter()
        self._process.give(runs)

    def receive(self) -> Any:
        """What it has sent. Raises the error that it met, and RunError if it died."""
        try:
            return self._process.receive(f"the process that made run {self.given[0]}")
        except RunError:
            if self._process.code != IMPORTING:
                raise
            raise InputError(
                "processes that make runs import this script again: put what it does under "
                'if __name__ == "__main__":, or make the runs in one process (jobs=1)',
                where=str(getattr(sys.modules["__main__"], "__file__", "")),
            ) from None

    def begins(self, run: int) -> None:
        """It says so."""
        self.running, self._since = run, perf_counter()

    def hangs(self, limit: float) -> bool:
        """Whether its run, or the building of its system, takes longer than seconds `limit` allow."""
        allowed = max(limit, BUILDING) if self.running is None else limit + GRACE
        return perf_counter() - self._since > allowed

    def end(self, *, now: bool = False) -> None:
        """Let it go, or stop it at once."""
        self._process.end(now=now)


def listen(workers: list[Worker], seconds: float) -> Iterator[tuple[Worker, Any]]:
    """Messages that workers send within `seconds`.

    Raises the error that one of them met, and RunError if one died.
    """
    by_line = {worker.line: worker for worker in workers}
    for line in wait(list(by_line), seconds):
        assert isinstance(line, Connection)
        yield by_line[line], by_line[line].receive()


def batch_size(seconds: float, row_bytes: int, left: int, jobs: int) -> int:
    """Runs in a batch: about a second, not more than memory allows, and something for everyone at the end."""
    by_time = int(BATCH_SECONDS / max(seconds, 1e-6))
    return max(1, min(by_time, BATCH_BYTES // max(row_bytes, 1), -(-left // (2 * jobs))))


def _work(stored: dict[str, Any], folder: Path, first: int, jobs: int, once: bool, line: Connection) -> None:
    """What a worker process does, until nobody listens any more."""
    begin_work()
    share_cores(jobs)
    wanted, runs, orphaned = Specification.from_stored(stored), (first,), _orphaned()
    point, sampler = -1, None
    try:
        while True:
            if sampler is None or wanted.point_of(runs[0]) != point:
                point = wanted.point_of(runs[0])
                sampler = Sampler(wanted.experiment_of(runs[0]), once=once, origin=wanted.origin)
                line.send(WorkerReady(point, sampler.start, sampler.layout.to_json()))
            line.send(make_runs(sampler, runs, wanted, folder, orphaned, _teller(line, wanted)))
            runs = line.recv()
    except (Stopped, EOFError, BrokenPipeError):
        return
    except CannotRestart as error:
        tell(line, NeedsOwnProcess(str(error)))
    except InputError as error:
        tell(line, PointFailed(runs, error) if wanted.design is not None else error)
    except CoupleError as error:
        tell(line, error)


def _teller(line: Connection, wanted: Specification) -> Callable[[int], None]:
    """What says that a run begins, to whoever minds."""
    return (lambda run: None) if wanted.limit is None else lambda run: line.send(RunBegun(run))


def make_runs(
    sampler: Sampler,
    runs: tuple[int, ...],
    wanted: Specification,
    folder: Path,
    given_up: Callable[[], bool] | None = None,
    begins: Callable[[int], None] = lambda run: None,
) -> BatchDone:
    """Make runs and put them on the disk; those before one that fails or is given up, too.

    Of a design, or with a limit, a run that fails is kept with its reason. begins: called with each run. Raises
    RunError, Stopped.
    """
    begun = perf_counter()
    layout = sampler.layout.to_json()
    made: list[SampledRun] = []
    try:
        for run in runs:
            begins(run)
            made.append(_made(sampler, run, wanted, given_up))
    except (RunError, Stopped):
        if made:
            write_part(folder, runs[: len(made)], made, layout)
        raise
    path = write_part(folder, runs, made, layout)
    return BatchDone(runs, path, (perf_counter() - begun) / len(runs))


def _made(sampler: Sampler, run: int, wanted: Specification, given_up: Callable[[], bool] | None) -> SampledRun:
    seed, begun = run_seed(wanted.seed, run), perf_counter()

    def late() -> bool:
        return wanted.limit is not None and perf_counter() - begun > wanted.limit

    try:
        return sampler.run(seed, lambda: late() or (given_up is not None and given_up()))
    except Stopped:
        if not late():
            raise
        return SampledRun.none(sampler.layout, beyond(wanted))
    except RunError as error:
        if not wanted.keeps_failures:
            raise failed(run, seed, error, wanted.origin) from error
        return SampledRun.none(sampler.layout, str(error))


def beyond(wanted: Specification) -> str:
    """Why there are no rows of a run that was stopped at its limit."""
    return f"stopped at its limit of {wanted.limit:g} s"


def _orphaned() -> Callable[[], bool]:
    """Whether the process that asked for the runs is gone; looked up once a second."""
    parent, looked, gone = multiprocessing.parent_process(), perf_counter(), False

    def check() -> bool:
        nonlocal looked, gone
        if perf_counter() - looked > 1.0:
            looked, gone = perf_counter(), parent is not None and not parent.is_alive()
        return gone

    return check
