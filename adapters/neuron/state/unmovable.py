"""What of a model has a history that no state holds, so that other ranks cannot take it up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from adapters.neuron.hoc.h import cvode, h
from adapters.neuron.hoc.sections import segment_name
from adapters.neuron.mechanisms.source import without_comments
from adapters.neuron.state.inventory import Inventory, artificial_cells, source

_TRAINS = ("NetStim", "PatternStim")
"""Artificial cells that follow from their parameters and the time."""


def waiting() -> str:
    """What has an event of its own waiting that cannot be moved, and says so; "" if nothing has."""
    times, flags, targets = h.Vector(), h.Vector(), h.List()
    cvode.event_queue_info(3, times, flags, targets)
    kinds = (_kind(target) for target in targets)
    return next((f"{kind} has events waiting that cannot be moved to other ranks" for kind in kinds if _odd(kind)), "")


def find_unmovable(inventory: Inventory) -> str:
    """What cannot be moved whatever the time, and why; "" if all can."""
    return next((reason for reasons in _ALL for reason in reasons(inventory)), "")


def _kind(process: Any) -> str:
    return str(process.hname()).split("[")[0]


def _odd(kind: str) -> bool:
    return kind not in _TRAINS


def _cells(_: Inventory) -> Iterator[str]:
    for kind in sorted({_kind(cell) for cell in artificial_cells()}):
        if _odd(kind):
            yield f"{kind} has a state that cannot be moved to other ranks"


def _mechanisms(inventory: Inventory) -> Iterator[str]:
    for mechanism in inventory.mechanisms:
        if reason := hidden(source(mechanism)):
            yield f"{mechanism} {reason}, which cannot be moved to other ranks"


def _detectors(inventory: Inventory) -> Iterator[str]:
    for detector in inventory.detectors:
        if detector.segment is None and not detector.artificial:
            yield f"the spikes of gid {detector.gid} are not those of a voltage, and cannot be moved to other ranks"


def _connections(_: Inventory) -> Iterator[str]:
    trains = {_kind(cell) for cell in artificial_cells()}
    for connection in h.List("NetCon"):
        target, source, gid = connection.syn(), connection.preseg(), int(connection.srcgid())
        if target is None:
            continue
        if gid < 0 and (source is not None or (connection.pre() is None and connection.preloc() == -2)):
            what = "another variable than a voltage" if source is None else segment_name(source)
            yield f"a NetCon from {what} to {target.hname()} has no gid: its spikes cannot be moved to other ranks"
        if _kind(target) in trains and (source is not None or (gid >= 0 and connection.pre() is None)):
            yield f"{target.hname()} is driven by cells: its train cannot be moved to other ranks"


_ALL: tuple[Callable[[Inventory], Iterator[str]], ...] = (_cells, _mechanisms, _detectors, _connections)


def hidden(code: str) -> str:
    """What a mechanism with this source keeps where nobody sees it; "" if nothing."""
    words = set(re.findall(r"\w+", without_comments(code)))
    if "BBCOREPOINTER" in words or {"POINTER", "VERBATIM"} <= words:
        return "has memory of its own behind a POINTER"
    return "has a WATCH statement" if "WATCH" in words else ""
