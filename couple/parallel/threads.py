"""Threads over which an engine divides its sites.

What a site becomes depends on that site alone, so the bits are the same for any number of threads. Compiled kernels
run without the interpreter's lock (`nogil=True`); all engines of a process share one set of waiting threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from itertools import count
from time import perf_counter

WORTH = 2e-4
"""Seconds of work that justify waking threads, which takes some 0.05 ms."""
REST = 64
"""Times for which one thread does all after several were no faster: where cores are busy, waking takes long."""
PARTS = 4
"""Pieces of a batch for each thread where there is much to do: sites of a batch need not take equally long."""

Rows = Callable[[slice, int], None]
"""Advances some rows of a batch, with the scratch of that number."""
Item = Callable[[int], None]
"""Advances one site."""


class Threads:
    """`most` threads, this one included, for what comes again and again: little work stays in this thread.

    Errors are as in one thread: the one of the first site that has one, and all sites before it are done.
    woken: how often other threads were.
    """

    def __init__(self, most: int = 1) -> None:
        self.most, self.woken = most, 0
        self._seconds = 0.0  # of work, the last time; the first time kernels are compiled, which one thread does
        self._rest = 0

    def each(self, n: int, work: Item) -> None:
        """Do `work` for 0 ... n - 1."""
        self._do(n, lambda item, _: work(item))

    def rows(self, n: int, work: Rows) -> None:
        """Do `work` for contiguous slices that make up n rows; scratch 0 ... most - 1 is never used twice at a time."""
        if self._alone(n):
            self._do(1, lambda _item, scratch: work(slice(0, n), scratch))
            return
        parts = min(n, self.most * (PARTS if self._seconds > 10 * WORTH else 1))
        edges = [n * k // parts for k in range(parts + 1)]
        self._do(parts, lambda item, scratch: work(slice(edges[item], edges[item + 1]), scratch))

    def _alone(self, n: int) -> bool:
        return self.most == 1 or n < 2 or self._seconds < WORTH or self._rest > 0

    def _do(self, n: int, work: Callable[[int, int], None]) -> None:
        begun = perf_counter()
        if self._alone(n):
            for item in range(n):
                work(item, 0)
            self._seconds = perf_counter() - begun
            self._rest -= self._rest > 0
            return
        share = _Share(n, work)
        helpers = min(self.most, n) - 1
        futures: list[Future[float]] = []
        own = 0.0
        try:
            pool = _pool(helpers)
            self.woken += 1
            futures = [pool.submit(copy_context().run, share.take, scratch) for scratch in range(1, helpers + 1)]
            with suppress(Exception):  # raised below, if it is the first one
                own = share.take(0)
        finally:
            share.left = False  # where a signal ended the work of this thread
            wait(futures)
        for item in sorted(share.errors)[:1]:
            raise share.errors[item]
        self._seconds = own + sum(future.result() for future in futures)
        if perf_counter() - begun > self._seconds:
            self._rest = REST


class _Share:
    """Items that threads take one by one, in order. left: whether any more are to be taken."""

    def __init__(self, n: int, work: Callable[[int, int], None]) -> None:
        self._n, self._work, self._next = n, work, count()
        self.errors: dict[int, Exception] = {}
        self.left = True

    def take(self, scratch: int) -> float:
        """Do items until none is left, or one has failed; seconds that it took."""
        begun = perf_counter()
        while self.left and (item := next(self._next)) < self._n:
            try:
                self._work(item, scratch)
            except Exception as error:
                self.errors[item], self.left = error, False
                raise
        return perf_counter() - begun


_pools: list[ThreadPoolExecutor] = []


def _pool(helpers: int) -> ThreadPoolExecutor:
    """The threads of this process, at least so many; they wait until the process ends."""
    if _pools and _pools[0]._max_workers < helpers:
        _pools.pop().shutdown()
    if not _pools:
        _pools.append(ThreadPoolExecutor(helpers, "sites"))
    return _pools[0]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a child has no threads but the one that forked
