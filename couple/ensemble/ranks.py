"""An ensemble over the ranks of a job: each makes its share of the runs in processes of its own, rank 0 does the rest.

Run i is that of rank i modulo the number of ranks; runs are the same whoever makes them, and each rank writes parts as
a single machine would, so that all that is said of kills and of going on holds here too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from couple.ensemble.folder import Specification
from couple.errors import CoupleError, InputError
from couple.experiment import Experiment
from couple.parallel import Alone, stay_alone, world

Order = tuple[dict[str, Any], dict[str, Any], Path | None, int, int, bool, Path, dict[int, Path], int]


@contextmanager
def helped() -> Iterator[bool]:
    """The other ranks help with ensembles that rank 0 makes inside; whether this is rank 0."""
    ranks = world()
    if not ranks.first:
        _serve(ranks)
        yield False
        return
    yield True
    ranks.from_first(None)


def _serve(ranks: Alone) -> None:
    while (order := ranks.from_first(None)) is not None:
        source, original, path, seed, runs, fresh, folder, there, jobs = order
        wanted = Specification(Experiment.parse(source, path=path, original=original), seed, runs, fresh)
        made = make_share(wanted, folder, there, jobs, lambda _done, _all: None)
        ranks.gather((made.there, made.stopped))


def make_share(wanted: Specification, folder: Path, there: Mapping[int, Path], jobs: int, progress: Any) -> Any:
    """The runs of this rank. An error of one run ends all ranks; what is finished is kept."""
    from couple.ensemble.making import Making

    ranks = world()
    if ranks.size > 1:
        stay_alone()  # whoever makes runs here is no rank
    making = Making(wanted, folder, dict(there), jobs, progress, share=(ranks.rank, ranks.size))
    try:
        making.run()
    except InputError:  # of all ranks
        raise
    except BaseException as error:
        if ranks.size > 1:
            print(f"error: rank {ranks.rank}: {str(error) or type(error).__name__}", file=sys.stderr)
            ranks.abort(error.exit_code if isinstance(error, CoupleError) else 1)
        raise
    return making


def make_all(wanted: Specification, folder: Path, there: Mapping[int, Path], jobs: int, progress: Any) -> Any:
    """All runs, on rank 0, with the help of the others."""
    ranks = world()
    if ranks.size == 1:
        return make_share(wanted, folder, there, jobs, progress)
    e = wanted.experiment
    order: Order = (e.source, e.original, e.path, wanted.seed, wanted.runs, wanted.fresh, folder, dict(there), jobs)
    ranks.from_first(order)
    making = make_share(wanted, folder, there, jobs, progress)
    found = ranks.gather((making.there, making.stopped))
    making.take({run: path for parts, _ in found for run, path in parts.items()})
    making.stopped = next((stopped for _, stopped in found if stopped), None)
    return making
