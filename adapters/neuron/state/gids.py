"""The gids of this rank: what detects the spikes of each, and the names of what belongs to their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.hoc.sections import section_name

_WITH_CELL = 2
_ABOVE, _MOST = 1000, 4_000_000


@dataclass(frozen=True)
class SpikeDetector:
    """What sees the spikes of a gid. segment: whose voltage it compares with its threshold.

    segment is None for an artificial cell, which sends them by itself, and for one that looks at another variable.
    """

    gid: int
    segment: Any
    artificial: bool

    def on(self) -> bool:
        """Whether it has seen the voltage above its threshold: NEURON looks at the beginning of a step, so that this
        is the voltage before the last one, which the capacitive current gives."""
        segment = self.segment
        if segment is None:
            return False
        inner = segment.sec(min(max(segment.x, 1e-9), 1 - 1e-9))  # an end point has no membrane
        rise = h.dt * inner.i_cap / (1e-3 * inner.cm)
        return bool(segment.v - rise > pc.threshold(self.gid))


def is_local(gid: int) -> bool:
    """Whether a cell with this gid is on this rank."""
    return bool(pc.gid_exists(gid) & _WITH_CELL)


def gids() -> list[int]:
    """Gids on this rank, sorted.

    NEURON has no list of them (what BBSaveState counts dies of some models), but says of a number whether it is one:
    all up to well above what connections here name are asked for, and of larger ones those that connections name.
    """
    known = {int(connection.srcgid()) for connection in h.List("NetCon")}
    dense = min(2 * max(known, default=0) + _ABOVE, _MOST)
    return sorted(gid for gid in known.union(range(dense)) if gid >= 0 and is_local(gid))


def detectors() -> list[SpikeDetector]:
    """Detector of each gid on this rank, in their order."""
    here = gids()
    if not here:
        return []
    # What a connection needs at its end: a new object would be a change of the model, after which NEURON sets up anew.
    found, probe = [], next((c.syn() for c in h.List("NetCon") if c.syn() is not None), None) or h.NetStim()
    for gid in here:
        connection = pc.gid_connect(gid, probe)  # to ask it; gone at the end of the round
        found.append(SpikeDetector(gid, connection.preseg(), connection.pre() is not None))
        del connection
    return found


def name_by_gid(numbers: Iterable[int]) -> Callable[[Any, str], str]:
    """(section, name of it or of a segment) → a name that is the same on any rank.

    Templates number their objects on each rank, Python shows where objects lie: a section of a cell with a gid is
    named by that, others, and those of a [network], by their own name.
    """
    cells: dict[Any, int] = {}
    for gid in numbers:
        cells.setdefault(_identity(pc.gid2cell(gid)), gid)

    def named(section: Any, name: str) -> str:
        cell = section.cell() if section_name(section) == section.name() else None
        gid = None if cell is None else cells.get(_identity(cell))
        return name if gid is None else f"gid {gid}: {name[len(section.name().rpartition('.')[0]) :].lstrip('.')}"

    return named


def _identity(cell: Any) -> Any:
    """Equal for what NEURON gives for one cell at different times."""
    return cell.hname() if hasattr(cell, "hname") else id(cell)
