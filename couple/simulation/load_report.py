"""What each rank has to do, measured over a few windows: the lines of `mpiexec -n N couple check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from couple.parallel.communicator import world
from couple.wiring import System

WINDOWS = 5
FEW = 8
"""Ranks that have a line each."""

UNEVEN = 1.2
"""Times the mean of which something should be done."""


@dataclass(frozen=True)
class RankLoad:
    """seconds: of a window, by component, without waiting for other ranks, except in what is solved together."""

    cells: int
    sites: int
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds of a window, over all components."""
        return sum(self.seconds.values())


def measure(system: System) -> RankLoad:
    """Advance what this rank has by a few windows, without exchange: all ranks together; the system is spent then."""
    seconds: dict[str, float] = {}
    model = system.electrics
    if model is not None:
        model.advance(system.plan.clock.window)
        before = model.stepping_seconds
        for _ in range(WINDOWS):
            model.advance(system.plan.clock.window)
        seconds[model.name] = (model.stepping_seconds - before) / WINDOWS
    alone = [engine for engine in system.engines if engine not in system.together]
    for engine in (*alone, *system.together):
        engine.advance(system.plan.clock.window)  # compiled now
        begun = perf_counter()
        for _ in range(WINDOWS):
            engine.advance(system.plan.clock.window)
        seconds[engine.name] = (perf_counter() - begun) / WINDOWS
    return RankLoad(0 if model is None else model.cell_count, sum(len(e.sites) for e in system.engines), seconds)


def measure_ranks(system: System) -> list[RankLoad]:
    """The load of every rank, in order; none without ranks. All ranks together; the system is spent then."""
    return world().gather(measure(system)) if world().size > 1 else []


def lines(loads: Sequence[RankLoad]) -> Iterator[str]:
    """A line for each rank, or for the first and the slowest, and the ratio that bounds the speed-up."""
    if not loads:
        return
    slowest = max(range(len(loads)), key=lambda r: loads[r].total)
    shown = range(len(loads)) if len(loads) <= FEW else sorted({0, slowest})
    for r in shown:
        parts = ", ".join(f"{name} {1e3 * s:.3g}" for name, s in loads[r].seconds.items())
        total = f"{1e3 * loads[r].total:.3g} ms a window"
        yield f"rank {r}: {loads[r].cells} cells, {loads[r].sites} sites, {total} ({parts})"
    mean = sum(load.total for load in loads) / len(loads)
    if mean > 0:
        ratio = loads[slowest].total / mean
        advice = "; in a [network] --balance OUT spreads cells by what an earlier run took" if ratio > UNEVEN else ""
        yield f"balance: the slowest of {len(loads)} ranks ({slowest}) has {ratio:.3f} x the mean{advice}"
