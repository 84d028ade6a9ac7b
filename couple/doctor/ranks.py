"""What `mpiexec -n N couple doctor` looks at besides: whether the ranks find each other, and whether they fit."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from couple.base import registry
from couple.base.errors import CoupleError
from couple.base.regular_file import real_path
from couple.doctor.finding import Finding
from couple.parallel.communicator import launched_ranks, world


@dataclass(frozen=True)
class Seen:
    """A rank as it sees itself. trouble: why NEURON does not take part in the job, if it does not."""

    host: str
    cores: frozenset[int]
    libraries: tuple[str, ...]
    trouble: str


def ranks() -> Iterator[Finding]:
    """Findings of all ranks together; to be called on each. Nothing without mpiexec."""
    n = launched_ranks()
    if n == 1:
        return
    try:
        job = world()
    except CoupleError as error:
        found, _, advice = " ".join(str(error).split()).partition(". ")
        yield Finding("ranks", "fail", found, advice)
        return
    seen = job.gather(look())
    yield Finding("ranks", "ok", f"{n} on {len({s.host for s in seen})} machine(s)")
    yield from judge(seen)


def look() -> Seen:
    """This rank."""
    trouble = ""
    try:
        registry.load("couple.electrics", "neuron")
    except (CoupleError, ImportError, OSError) as error:
        trouble = " ".join(str(error).split())
    cores = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset[int]()
    return Seen(platform.node(), cores, libraries(), trouble)


def libraries(maps: Path = Path("/proc/self/maps")) -> tuple[str, ...]:
    """MPI libraries that are mapped into this process."""
    if not maps.exists():
        return ()
    names = {line.split()[-1] for line in maps.read_text().splitlines() if "libmpi" in line.rsplit("/", 1)[-1]}
    return tuple(sorted({str(real_path(Path(name))) for name in names if Path(name).name.startswith("libmpi.so")}))


def judge(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Findings of what is wrong with a job of these ranks."""
    trouble = next((s.trouble for s in seen if s.trouble), "")
    if trouble:
        advice = (
            "start Python with mpi4py and NEURON of one MPI; unset MPI_LIB_NRN_PATH and LD_LIBRARY_PATH, or see above"
        )
        yield Finding("NEURON ranks", "fail", trouble, advice)
    else:
        yield Finding("NEURON ranks", "ok", f"{len(seen)}, on the MPI of mpi4py")
    several = next((s.libraries for s in seen if len(s.libraries) > 1), ())
    if several:
        advice = (
            "uninstall one (uv pip uninstall mpich), or load one MPI module only: two in one process end in a crash"
        )
        yield Finding("libmpi", "fail", f"{len(several)} in one process: {', '.join(several)}", advice)
    else:
        yield Finding(
            "libmpi", "ok", ", ".join(dict.fromkeys(name for s in seen for name in s.libraries)) or "not seen"
        )
    crowded = {host: (n, cores) for host, (n, cores) in _hosts(seen).items() if cores and n > cores}
    if crowded:
        found = ", ".join(f"{n} ranks on {cores} cores of {host}" for host, (n, cores) in crowded.items())
        advice = "start fewer ranks, ask for more cores, or bind ranks to cores of their own (mpiexec -bind-to core)"
        yield Finding("cores of ranks", "warn", found, advice)
    else:
        yield Finding("cores of ranks", "ok", "one and more each")


def _hosts(seen: Sequence[Seen]) -> Mapping[str, tuple[int, int]]:
    """Ranks and cores that they may use, of each machine."""
    hosts: dict[str, list[Seen]] = {}
    for s in seen:
        hosts.setdefault(s.host, []).append(s)
    return {host: (len(there), len(frozenset().union(*(s.cores for s in there)))) for host, there in hosts.items()}
