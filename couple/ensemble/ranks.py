"""An ensemble over the ranks of a job: each makes its share of the runs in processes of its own, rank 0 does the rest.

Run i is that of rank i modulo the number of ranks; runs are the same whoever makes them, and each rank writes parts as
a single machine would, so that all that is said of kills and of going on holds here too.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from couple.base.errors import CoupleError, InputError, Interrupted
from couple.base.signals import Stop, StoppedBySignal
from couple.ensemble.folder import Specification
from couple.ensemble.job import Progress, SamplingJob
from couple.parallel.communicator import SingleProcess, leave_ranks, world

Runs = tuple[dict[str, Any], Path, dict[int, Path], int]
Work = Callable[[int, int], Any]


@contextmanager
def first_rank_leads() -> Iterator[bool]:
    """The other ranks help with what rank 0 has made by all inside; whether this is rank 0.

    Whatever ends rank 0 ends the others too. Signals are for rank 0, and for whoever makes runs.
    """
    ranks = world()
    if not ranks.first:
        with Stop().listening():
            _serve(ranks)
        yield False
        return
    try:
        yield True
    except Interrupted:
        ranks.barrier()
        ranks.broadcast(None)
        raise
    except CoupleError:  # which all ranks are told of where it ends
        if not _busy:
            ranks.barrier()
        raise
    except BaseException as error:
        _end_all(error)
        raise
    ranks.barrier()
    ranks.broadcast(None)


_busy = False
"""Whether the other ranks work, of whom all else waits for an order."""


@contextmanager
def _ordered(order: Runs | Work) -> Iterator[None]:
    """On rank 0: the others make their share inside, and `gather` what they have made at the end."""
    global _busy
    world().barrier()
    world().broadcast(order)
    _busy = True
    yield
    _busy = False


def _order(ranks: SingleProcess) -> Runs | Work | None:
    ranks.barrier()
    return ranks.broadcast(None)


def _serve(ranks: SingleProcess) -> None:
    while (order := _order(ranks)) is not None:
        if callable(order):
            ranks.gather(_work(order))
            continue
        stored, folder, there, jobs = order
        made = sample_share(Specification.from_stored(stored), folder, there, jobs, lambda _done, _all: None)
        ranks.gather((made.there, made.stopped))


def map_over_ranks[T](work: Callable[[int, int], T]) -> list[T]:
    """Results of `work(rank, ranks)`, a partial, of all ranks; on rank 0, inside of `first_rank_leads`."""
    with _ordered(work):
        return world().gather(_work(work))


def _work[T](work: Callable[[int, int], T]) -> T:
    """The share of this rank. An error that is not one of the input ends all."""
    ranks = world()
    try:
        return work(ranks.rank, ranks.size)
    except InputError:  # of all ranks
        raise
    except BaseException as error:
        _end_all(error)
        raise


def _end_all(error: BaseException) -> None:
    """End all ranks, with the message of this one; nothing without others."""
    ranks = world()
    if ranks.size > 1:
        if not isinstance(error, CoupleError | StoppedBySignal):
            traceback.print_exc()
        print(f"error: rank {ranks.rank}: {str(error) or type(error).__name__}", file=sys.stderr)
        ranks.abort(error.exit_code if isinstance(error, CoupleError | StoppedBySignal) else 1)


def sample_share(
    wanted: Specification, folder: Path, there: Mapping[int, Path], jobs: int, progress: Progress
) -> SamplingJob:
    """The runs of this rank. An error of one run ends all ranks; what is finished is kept."""
    ranks = world()
    if ranks.size > 1:
        leave_ranks()  # whoever makes runs here is no rank
    job = SamplingJob(wanted, folder, dict(there), jobs, progress, share=(ranks.rank, ranks.size))
    try:
        job.run()
    except InputError:  # of all ranks
        raise
    except BaseException as error:
        _end_all(error)
        raise
    return job


def sample_on_all_ranks(
    wanted: Specification, folder: Path, there: Mapping[int, Path], jobs: int, progress: Progress
) -> SamplingJob:
    """All runs, on rank 0, with the help of the others."""
    ranks = world()
    if ranks.size == 1:
        return sample_share(wanted, folder, there, jobs, progress)
    order: Runs = (wanted.stored(), folder, dict(there), jobs)
    with _ordered(order):
        job = sample_share(wanted, folder, there, jobs, progress)
        found = ranks.gather((job.there, job.stopped))
    job.add({run: path for parts, _ in found for run, path in parts.items()})
    job.stopped = next((stopped for _, stopped in found if stopped), None)
    return job
