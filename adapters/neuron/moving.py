"""A network taken up by other ranks than those that saved it, from values by name, spikes and what is in flight.

NEURON's saved state is that of one process. What it holds besides values is taken from elsewhere:

* trains (NetStim) and the ranks' own clock: NEURON alone steps from 0 to the time of the state, in long steps and with
  all connections between cells off; what a NetStim does depends neither on the step nor on any voltage;
* spikes in flight: every spike so far is known, and a connection with a delay that it has not yet crossed delivers it;
* whether a cell's detector has seen it above its threshold: from the beginning, with a threshold that makes it so.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.neuron.importing import cvode, h, pc
from adapters.neuron.inventory import artificial_cells
from adapters.neuron.state import ModelState
from couple.component import State
from couple.electrics import CellSpec
from couple.errors import InputError
from couple.parallel import world

_LONG = 0.4
"""Long steps, in units of the shortest delay, and at most 0.4 ms."""

_LAST = 8
"""Steps of the usual length before the time of the state."""

_RECENT, _FAR = 5.0, 20.0
"""ms that a spike lasts, and mV that one step does not rise."""

_REFUSED = "resume with as many ranks as wrote it"


def named(state: ModelState) -> State:
    """What `take` needs besides the values: their names, the time to the bit, and events that cannot be moved."""
    inventory = state.inventory
    return {
        "keys": _packed(inventory.keys),
        "stream_keys": _packed(inventory.stream_keys),
        "time": float(h.t),
        "stuck": _stuck(),
    }


def _stuck() -> str:
    """A mechanism with events of its own waiting, or an artificial cell with a state, if there is one."""
    times, flags, targets = h.Vector(), h.Vector(), h.List()
    cvode.event_queue_info(3, times, flags, targets)
    kinds = [str(target.hname()).split("[")[0] for target in targets]
    kinds += [str(cell.hname()).split("[")[0] for cell in artificial_cells()]
    return next((kind for kind in kinds if kind not in ("NetStim", "PatternStim")), "")


def take(model: ModelState, parts: Sequence[State], steps: int, dt: float, cells: Sequence[CellSpec]) -> None:
    """Bring the initialised network on this rank to the time of the states `parts`; all ranks together."""
    stuck = next((str(part["stuck"]) for part in parts if str(part["stuck"])), "")
    if stuck:
        raise InputError(f"{stuck} has a state or events that cannot be moved to other ranks: {_REFUSED}")
    values: dict[str, float] = {}
    streams: dict[str, list[float]] = {}
    for part in parts:
        values.update(zip(_unpacked(part["keys"]), np.asarray(part["variables"]).tolist(), strict=True))
        streams.update(zip(_unpacked(part["stream_keys"]), np.asarray(part["streams"]).tolist(), strict=True))
    inventory = model.inventory
    missing = [key for key in inventory.keys if key and key not in values]
    if missing:
        raise InputError(f"the checkpoint knows nothing of {missing[0]}: {_REFUSED}")
    between = [
        connection for connection in h.List("NetCon") if connection.srcgid() >= 0 and connection.syn() is not None
    ]
    for connection in between:
        connection.active(False)
    time = float(str(parts[0]["time"]))
    longest = max(world().gather(max((connection.delay for connection in between), default=0.0)))
    if time <= longest + 1:
        raise InputError(f"{time:g} ms is within the longest delay of the start: {_REFUSED}, or start again")
    above = {c.gid: _above(c, values, _fired(parts, time - _RECENT)) for c in cells}
    run_up(time, steps, dt, above, cells)
    _scatter(model, values, streams)
    _deliver(between, parts)


def _fired(parts: Sequence[State], since: float) -> dict[int, list[float]]:
    """Times of spikes after `since`, by cell."""
    fired: dict[int, list[float]] = {}
    for part in parts:
        times, numbers = np.asarray(part["spikes.time"]), np.asarray(part["spikes.cell"])
        for spike, cell in zip(times.tolist(), numbers.tolist(), strict=True):
            if spike > since:
                fired.setdefault(int(cell), []).append(spike)
    return fired


def _above(cell: CellSpec, values: Mapping[str, float], fired: Mapping[int, Sequence[float]]) -> bool:
    """Whether the cell's detector has seen it above its threshold: it has fired lately, or is far above. One that is
    just above and has not fired yet crosses in this very step."""
    from adapters.neuron.naming import find_segment, segment_name

    segment = find_segment(f"{cell.name}.{cell.spikes}")
    above = values[f"{segment_name(segment)} v 0"] - cell.threshold
    return above > _FAR or (above > 0 and cell.gid in fired)


def run_up(
    time: float, steps: int, dt: float, above: Mapping[int, bool] | None = None, cells: Sequence[CellSpec] = ()
) -> None:
    """From 0 to `time` by NEURON alone, with nothing crossing between cells; all ranks together. above: by the number
    of a cell, whether its detector has seen it above its threshold."""
    above = above or {}
    for cell in cells:
        pc.threshold(cell.gid, -1e9 if above[cell.gid] else 1e9)
    last = min(_LAST, steps)
    far = (steps - last) * dt
    shortest = pc.set_maxstep(10.0)
    long = max(dt, min(0.4, _LONG * shortest))
    if far > 0:
        n = math.ceil(far / long)
        h.dt = (1 - 1e-9) * far / n  # not dt: only with a new step does NEURON look at the time that is set below
        pc.psolve((n + 0.5) * h.dt)
        h.dt, h.t = dt, _before(time, last, dt)
    pc.psolve(time + 0.5 * dt)
    for cell in cells:
        pc.threshold(cell.gid, cell.threshold)


def _before(time: float, steps: int, dt: float) -> float:
    """The time from which so many steps, added up as NEURON adds them, lead to `time` to the bit."""
    start = time - steps * dt
    for _ in range(20):
        end = start
        for _ in range(2 * steps):
            end += 0.5 * dt
        if end == time:
            break
        start += time - end
    return start


def _scatter(model: ModelState, values: Mapping[str, float], streams: Mapping[str, Sequence[float]]) -> None:
    """Set every variable and random stream that has a name."""
    now = np.empty(len(model.inventory.references))
    model.pointers.gather(now)
    model.pointers.scatter(np.array([values[k] if k else v for k, v in zip(model.inventory.keys, now, strict=True)]))
    for key, stream in zip(model.inventory.stream_keys, model.inventory.streams, strict=True):
        if key:
            stream.set_ids(*(int(word) for word in streams[key][:3]))
            stream.set_seq(streams[key][3])


def _deliver(between: Sequence[Any], parts: Sequence[State]) -> None:
    """Switch connections on again, and send over each what has set out but not arrived."""
    time = float(str(parts[0]["time"]))
    longest = max((connection.delay for connection in between), default=0.0)
    fired = _fired(parts, time - longest)
    for connection in between:
        connection.active(True)
        for spike in fired.get(int(connection.srcgid()), ()):
            if spike + connection.delay > time:
                connection.event(spike + connection.delay)


def _packed(names: Sequence[str]) -> bytes:
    return zlib.compress(json.dumps(names).encode(), 1)


def _unpacked(value: object) -> list[str]:
    content = value if isinstance(value, bytes) else np.asarray(value).tobytes()
    return list(json.loads(zlib.decompress(content)))
