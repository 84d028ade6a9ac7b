"""Simulations by a function of the user's, in this process or, where it pays, in others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import CoupleError, InputError
from couple.base.paths.python_function import load_function
from couple.base.signals import Stop
from couple.parallel.worker_process import WorkerProcess, begin_work, tell

FORM = "(theta, seed): return [...]"
WORTH_A_PROCESS = 4.0
"""Seconds of work that justify starting other processes."""
BATCH_SECONDS = 2.0
MOST = 5_000
"""Simulations of a batch."""

Simulator = Callable[[Floats, int], Any]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FunctionSimulator:
    """text: "model.py:simulate". folder: where paths start. features: how many it gives."""

    text: str
    folder: Path
    features: int

    def load(self) -> Simulator:
        """The function. Raises InputError."""
        return load_function(self.text, self.folder, FORM)[0]


@dataclass(frozen=True)
class Batch:
    """Simulations first, first + 1, ... of theta (n, d) with seeds (n,)."""

    first: int
    theta: Floats
    seeds: Ints


@dataclass(frozen=True)
class Made:
    """features: (n, f) of a batch. reason: of the first that failed, "" if none did. seconds: per simulation."""

    first: int
    features: Floats
    reason: str
    seconds: float


def make(simulate: Simulator, what: FunctionSimulator, batch: Batch) -> Made:
    """A batch, in this process: a simulation that raises has no features. Raises InputError for a wrong number."""
    begun, reason = perf_counter(), ""
    found = np.full((len(batch.theta), what.features), np.nan)
    for k, (theta, seed) in enumerate(zip(batch.theta, batch.seeds.tolist(), strict=True)):
        try:
            given = np.asarray(simulate(theta.copy(), seed), dtype=float)
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises
            reason = reason or f"{type(error).__name__}: {error}"
            continue
        if given.shape != (what.features,):
            raise InputError(
                f"gives an array of shape {given.shape}, [features] names {what.features}: give one number for each",
                where=what.text,
            )
        found[k] = given
    return Made(batch.first, found, reason, (perf_counter() - begun) / max(len(found), 1))


class FunctionJob:
    """All simulations of a round. made: called with each finished batch, on which nothing else waits.

    stop: looked at between batches. Raises RunError if a process dies, InputError if the function does not fit.
    """

    def __init__(
        self, what: FunctionSimulator, missing: list[Batch], jobs: int, made: Callable[[Made], None], stop: Stop
    ) -> None:
        self._what, self._jobs, self._made, self._stop = what, jobs, made, stop
        self._missing = deque(missing)
        self._seconds = 0.0

    def run(self) -> None:
        """Until all is made, or a signal asks to stop."""
        simulate = self._what.load()
        while self._missing and self._stop.signal is None:
            if self._jobs > 1 and self._seconds * self._left > WORTH_A_PROCESS:
                self._in_workers()
                return
            self._note(make(simulate, self._what, self._next()))

    @property
    def _left(self) -> int:
        return sum(len(one.theta) for one in self._missing)

    def _next(self) -> Batch:
        """Simulations for a while, cut off what is missing."""
        one = self._missing.popleft()
        n = 1 if not self._seconds else int(BATCH_SECONDS / self._seconds)
        n = max(1, min(n, MOST, -(-(self._left + len(one.theta)) // (2 * self._jobs))))
        if n < len(one.theta):
            self._missing.appendleft(Batch(one.first + n, one.theta[n:], one.seeds[n:]))
        return Batch(one.first, one.theta[:n], one.seeds[:n])

    def _note(self, made: Made) -> None:
        # the first simulation compiles: only those after it say how long one takes
        self._seconds = made.seconds if not self._seconds else min(made.seconds, 4 * self._seconds)
        self._made(made)

    def _in_workers(self) -> None:
        workers = {w.line: w for w in (_Worker(self._what) for _ in range(self._jobs))}
        try:
            for worker in workers.values():
                self._feed(worker)
            while any(w.busy for w in workers.values()) and self._stop.signal is None:
                for line in wait([w.line for w in workers.values() if w.busy], 0.2):
                    assert isinstance(line, Connection)
                    self._note(workers[line].result())
                    self._feed(workers[line])
        finally:
            for worker in workers.values():
                worker.end()

    def _feed(self, worker: _Worker) -> None:
        worker.busy = bool(self._missing)
        if self._missing:
            worker.give(self._next())


class _Worker:
    """A process that loads the function and makes batches."""

    def __init__(self, what: FunctionSimulator) -> None:
        self._process = WorkerProcess(_work, what)
        self.line, self.busy = self._process.line, False
        self.give = self._process.give

    def result(self) -> Made:
        found = self._process.receive("a process that simulates")
        assert isinstance(found, Made)
        return found

    def end(self) -> None:
        self._process.end(now=True)


def _work(what: FunctionSimulator, line: Connection) -> None:
    begin_work()
    try:
        simulate = what.load()
        while True:
            line.send(make(simulate, what, line.recv()))
    except (EOFError, BrokenPipeError):
        return
    except CoupleError as error:
        tell(line, error)
