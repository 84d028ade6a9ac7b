"""The ranks of this run: the only place that knows of MPI.

Without mpiexec or srun nothing is imported and every method is trivial. Two phases differ in what an error does. While
a run is set up all ranks meet in `gather` again and again: an error on one of them ends all there, with one message.
While it is running ranks meet inside of NEURON, and teams over what they solve together, where nobody can be told
anything: an error aborts the whole job.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from couple.base.errors import CoupleError, MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")
Failure = tuple[str, int]
"""What an error says, and its exit code."""

OFF = "COUPLE_RANKS"
"""Environment variable that, set to "off", makes a process one of its own whatever has started it."""

_PATIENCE = 5.0
"""Seconds in which a rank that has failed itself ends the others, which know of it."""
_PATIENCE_OF_OTHERS = 1.0
"""Seconds in which the first rank ends all, where every rank would."""
_NAP = 0.02
"""Seconds between two looks whether others have come."""

_LAUNCHERS = (
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, Cray; srun --mpi=pmi2
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    ("PALS_RANKID", "PALS_SIZE"),
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),  # jsrun
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # of srun; SLURM_NTASKS is that of the whole job, in its script too
)

_MARKS = (
    *("PMI_", "PMIX_", "OMPI_", "MV2_", "PALS_", "HYDI_", "HYDRA_", "MPI_LOCAL", "PRTE_", "JSM_"),
    *("FLUX_TASK_RANK", "FLUX_JOB_SIZE", "SLURM_PROCID", "SLURM_STEP"),
)


class ElsewhereError(CoupleError):
    """Another rank has failed, and says so; this one ends with the same code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


class SingleProcess:
    """One process without others. rank, size: 0 and 1. sent: collective calls so far."""

    rank, size, sent = 0, 1, 0

    @property
    def first(self) -> bool:
        """Whether this rank speaks for all."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, by rank (an allgather).

        Raises ElsewhereError if another has failed before it came here.
        """
        return [value]

    def broadcast(self, value: T) -> T:
        """The value of rank 0."""
        return self.gather(value)[0]

    def maximum(self, values: Sequence[float]) -> list[float]:
        """The largest over all ranks of each of some numbers, cheaply: for the loop."""
        return list(values)

    def barrier(self) -> None:
        """Wait until all ranks are here, for as long as it takes: asleep, as `gather` is not."""

    def failed(self, error: BaseException) -> bool:
        """To be called for an error that ends this rank; whether this rank is the one to report it."""
        return True

    def abort(self, code: int) -> None:
        """End all other ranks, if there are any, at once."""

    def team(self, members: tuple[int, ...]) -> Team:
        """Some of the ranks, this one among them, the first of whom leads; to be called by all of them, in an order of
        teams that all ranks agree on."""
        raise ValueError("one process is no team")

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While others may wait where nobody can be told anything: an error inside is said, and ends all ranks."""
        yield


class Ranks(SingleProcess):
    """The ranks of an MPI job, on a communicator of our own."""

    def __init__(self, mpi: Any) -> None:
        self._mpi, self._comm = mpi, mpi.COMM_WORLD.Dup()
        self.rank, self.size = int(self._comm.Get_rank()), int(self._comm.Get_size())
        self.sent = 0
        self._teams: dict[tuple[int, ...], Team] = {}

    def gather(self, value: T) -> list[T]:
        """See SingleProcess."""
        found = self._meet(value, None)
        for _, error in found:
            if error is not None:
                raise ElsewhereError(*error)
        return [content for content, _ in found]

    def maximum(self, values: Sequence[float]) -> list[float]:
        """See SingleProcess."""
        self.sent += 1
        found: list[float] = self._comm.allreduce(list(values), op=_largest)
        return found

    def barrier(self) -> None:
        """See SingleProcess."""
        here = self._comm.Ibarrier()
        while not here.Test():
            time.sleep(_NAP)

    def failed(self, error: BaseException) -> bool:
        """See SingleProcess."""
        if isinstance(error, ElsewhereError):
            return False
        code = error.exit_code if isinstance(error, CoupleError) else 1
        found = self._meet(None, (str(error) or type(error).__name__, code))
        return self.rank == next(rank for rank, (_, there) in enumerate(found) if there is not None)

    def abort(self, code: int) -> None:
        """See SingleProcess."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)

    def team(self, members: tuple[int, ...]) -> Team:
        """See SingleProcess."""
        if members not in self._teams:
            group = self._comm.Get_group().Incl(list(members))
            self._teams[members] = Team(self, self._comm.Create_group(group), members)
        return self._teams[members]

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """See SingleProcess."""
        try:
            yield
        except ElsewhereError as error:
            time.sleep(_PATIENCE)  # the one that failed says so
            self.abort(error.exit_code)
            raise
        except BaseException as error:
            if not isinstance(error, CoupleError):
                traceback.print_exc()
            print(f"error: rank {self.rank}: {str(error) or type(error).__name__}", file=sys.stderr)
            self.abort(error.exit_code if isinstance(error, CoupleError) else 1)
            raise

    def _meet(self, value: Any, error: Failure | None) -> list[tuple[Any, Failure | None]]:
        self.sent += 1
        found: list[tuple[Any, Failure | None]] = self._comm.allgather((value, error))
        return found


class Team:
    """Ranks that solve one thing together. members: of all ranks, the one that leads first; rank, size: among them."""

    def __init__(self, ranks: SingleProcess, comm: Any, members: tuple[int, ...]) -> None:
        self._ranks, self._comm, self.members = ranks, comm, members
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())

    def hand_out(self, parts: Sequence[Any] | None = None) -> Any:
        """The part of this rank, of those that the leader gives for all."""
        self._ranks.sent += 1
        return self._comm.scatter(parts)

    def collect(self, part: T) -> list[T]:
        """The parts of all members, by rank, for the leader; nothing for others."""
        self._ranks.sent += 1
        return self._comm.gather(part) or []

    def summed(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sums over the team: added in the order of its ranks, so that all of them have the same bits, every time."""
        self._ranks.sent += 1
        import numpy as np

        found = np.empty((self.size, *values.shape))
        self._comm.Allgather(np.ascontiguousarray(values), found)
        total = np.zeros(values.shape)
        for part in found:
            total += part
        return total


def _largest(first: list[float], second: list[float]) -> list[float]:
    return [max(a, b) for a, b in zip(first, second, strict=True)]


def launched_ranks(environment: Mapping[str, str] = os.environ) -> int:
    """Ranks that mpiexec or srun has started, by what they leave in the environment; 1 without them."""
    if environment.get(OFF, "").lower() == "off":
        return 1
    for rank, size in _LAUNCHERS:
        if rank in environment and environment.get(size, "").isdigit():
            return int(environment[size])
    return 1


_apart: list[SingleProcess] = []


@contextmanager
def as_single_process() -> Iterator[None]:
    """A context in which this rank is one process without others, who know nothing of it."""
    _apart.append(SingleProcess())
    try:
        yield
    finally:
        _apart.pop()


def world() -> SingleProcess:
    """The ranks of this run; found on first use, which has to be before NEURON is imported.

    Raises CoupleError if there are several and they cannot talk to each other.
    """
    return _apart[-1] if _apart else _world()


@functools.cache
def _world() -> SingleProcess:
    size = launched_ranks() if os.environ.get(OFF) == "off" else max(launched_ranks(), _imported())
    if size == 1:
        return SingleProcess()
    try:
        mpi = _mpi(size)
    except (ImportError, RuntimeError) as error:
        raise MissingDependencyError(
            f"{size} ranks were started, and mpi4py does not load here ({' '.join(str(error).split())}): "
            "uv pip install mpi4py mpich, or build mpi4py with the MPI of your cluster"
        ) from None
    if mpi.COMM_WORLD.Get_size() != size:
        raise CoupleError(
            f"{size} ranks were started but each believes to be alone: mpi4py uses {_name(mpi)}, and mpiexec or srun "
            f"is of another MPI. {_ADVICE}{_of_srun()}; couple doctor says more"
        )
    return Ranks(mpi)


_ADVICE = (
    f"Start with the mpiexec of that library (beside this Python: {Path(sys.executable).parent / 'mpiexec'}), or build "
    "mpi4py with the MPI that starts"
)


def _mpi(size: int) -> Any:
    """mpi4py's module of MPI, begun. Raises CoupleError where to begin it would end the process."""
    there: Any = sys.modules.get("mpi4py.MPI")
    if there is not None and there.Is_initialized():
        return there
    settings: Any = import_module("mpi4py").rc
    settings.initialize, settings.finalize = False, True
    mpi = import_module("mpi4py.MPI")
    if by_open_mpi() and mpi.get_vendor()[0] in _OF_MPICH:
        raise CoupleError(
            f"{size} ranks were started by the mpiexec of Open MPI, and mpi4py uses {_name(mpi)}, which cannot take "
            f"part. {_ADVICE}; couple doctor says more"
        )
    with warnings.catch_warnings(action="ignore"):  # of a wrong mpiexec, which is said here
        mpi.Init_thread()
    return mpi


_OF_MPICH = ("MPICH", "MPICH2", "Intel MPI", "MVAPICH", "MVAPICH2", "Cray MPI")


def by_open_mpi(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the mpiexec of Open MPI has started this process."""
    return "OMPI_COMM_WORLD_SIZE" in environment and "PMI_RANK" not in environment


def _name(mpi: Any) -> str:
    """Library and version."""
    return str(mpi.Get_library_version().split("\n")[0].split(",")[0].strip("\0 "))


def _of_srun(environment: Mapping[str, str] = os.environ) -> str:
    """What else to do where srun has started the ranks."""
    if "SLURM_STEP_NUM_TASKS" not in environment:
        return ""
    return (
        ", or srun --mpi=pmix or --mpi=pmi2, as that library wants it (srun --mpi=list); a shell inside of a step is "
        f"alone with {OFF}=off"
    )


def _imported() -> int:
    """Ranks of a program that brings mpi4py itself."""
    mpi: Any = sys.modules.get("mpi4py.MPI")
    if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized():
        return 1
    return int(mpi.COMM_WORLD.Get_size())


@contextmanager
def ending_all(code: int) -> Iterator[None]:
    """What this rank says before all of them end with an exit code: they may wait for it where nobody can be told.

    Others than the first, to which the same has probably happened, let that one speak.
    """
    ranks = _world() if _world.cache_info().currsize else SingleProcess()
    if not ranks.first:
        time.sleep(_PATIENCE_OF_OTHERS)
    yield
    ranks.abort(code)


def look_again() -> None:
    """Find out anew who has started this process: for a fork that takes the place of another one."""
    _world.cache_clear()


def leave_ranks() -> None:
    """Make processes that are started from here processes of their own, not ranks."""
    for name in [*os.environ]:
        if name.startswith(_MARKS):
            del os.environ[name]
    os.environ[OFF] = "off"


def is_first_launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is rank 0 by its environment: for what goes wrong before the ranks can talk."""
    found = (environment[rank] for rank, size in _LAUNCHERS if rank in environment and size in environment)
    return next(found, "0") == "0"
