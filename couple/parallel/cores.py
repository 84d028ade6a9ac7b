"""The cores that a process has for its threads, beside other ranks and other processes of the same work."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import NamedTuple

from couple.parallel.communicator import SingleProcess, launched_ranks


def usable_cores() -> frozenset[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


_processes = [1]


def share_cores(processes: int) -> None:
    """Say that so many processes that do such work, this one included, share the cores from now on."""
    _processes[0] = max(1, processes)


class PlacedRank(NamedTuple):
    """A rank on its machine. cores: that it may use. free: how many it has, shared evenly with ranks of that machine
    that may use the same ones; 1 at least.
    """

    host: str
    cores: frozenset[int]
    free: int


def placed_ranks(ranks: SingleProcess) -> list[PlacedRank]:
    """Every rank; all ranks together."""
    seen = ranks.gather((platform.node(), usable_cores()))
    sharing = _processes[0] * (launched_ranks() if ranks.size == 1 else 1)  # ranks may each make runs of their own
    found = []
    for host, cores in seen:
        there = [others for other, others in seen if other == host]
        own = sum(1 / sum(core in others for others in there) for core in cores)
        found.append(PlacedRank(host, cores, max(1, int((own + 1e-9) / sharing))))
    return found


def placement_line(placed: Sequence[PlacedRank], threads: int) -> str:
    """What runs where: ranks, threads of each, and cores of the machine that has the least for them."""
    hosts: dict[str, list[PlacedRank]] = {}
    for rank in placed:
        hosts.setdefault(rank.host, []).append(rank)
    cores, ranks, bound = min(map(_on_machine, hosts.values()), key=lambda found: found[0] / found[1])
    text = f"{threads} thread{'s' if threads > 1 else ''}"
    if len(placed) > 1:
        text = f"{len(placed)} ranks x {text}" + (f" on {len(hosts)} machines" if len(hosts) > 1 else "")
    text += f", {cores} core{'s' if cores > 1 else ''}" + (" on the fullest" if len(hosts) > 1 else "")
    if ranks > 1:
        text += ", each rank bound to its own" if bound else ", which ranks share (mpiexec -bind-to core:N binds them)"
    return text + (": more threads than cores, which is slower" if ranks * threads > cores else "")


def _on_machine(there: Sequence[PlacedRank]) -> tuple[int, int, bool]:
    """Cores and ranks of a machine, and whether no two ranks may use the same core."""
    cores = len(frozenset[int]().union(*(rank.cores for rank in there)))
    return cores, len(there), sum(len(rank.cores) for rank in there) == cores
