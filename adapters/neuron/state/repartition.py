"""A network taken up by other ranks than those that saved it, from values by name, spikes and what is in flight.

NEURON's saved state is that of one process. What it holds besides values is taken from elsewhere:

* trains (NetStim) and the ranks' own clock: NEURON alone steps from 0 to the time of the state, in long steps and with
  all connections between cells off; what a NetStim does depends neither on the step nor on any voltage;
* spikes in flight: every spike so far is known, and a connection with a delay that it has not yet crossed delivers it;
* whether a cell's detector has seen it above its threshold: from the beginning, with a threshold that makes it so.

This holds for a [network] and for what a builder has made that takes rank and size. Whatever has a history that is in
neither of these is refused.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.state.random_objects import positions
from adapters.neuron.state.save_state import ModelState
from adapters.neuron.state.unmovable import waiting
from couple.base.errors import InputError
from couple.components.component import State
from couple.components.state import number
from couple.parallel.communicator import world

_LONG = 0.4
"""Long steps, in units of the shortest delay, and at most 0.4 ms."""

_LAST = 8
"""Steps of the usual length before the time of the state."""

_REFUSED = "resume with as many ranks as wrote it"


def state_by_name(state: ModelState) -> State:
    """What `restore_by_name` needs besides the values: their names, the time to the bit, and what cannot be moved."""
    inventory = state.inventory
    return {
        "keys": _packed(inventory.keys),
        "stream_keys": _packed(inventory.stream_keys),
        "connections": _packed(inventory.connections),
        "on": np.array([d.gid for d in inventory.detectors if d.on()], dtype=np.int64),
        "time": float(h.t),
        "stuck": waiting() or state.unmovable,
    }


def restore_by_name(model: ModelState, parts: Sequence[State], steps: int, dt: float) -> None:
    """Bring the initialised network on this rank to the time of the states `parts`; all ranks together.

    Raises InputError for what cannot be moved.
    """
    stuck = next((str(part["stuck"]) for part in parts if str(part["stuck"])), "")
    if stuck:
        raise InputError(f"{stuck}: {_REFUSED}")
    inventory = model.inventory
    values = _together(parts, "keys", "variables", [key for key in inventory.keys if key])
    streams = _together(parts, "stream_keys", "streams", [key for key in inventory.stream_keys if key])
    active = _together(parts, "connections", "active", [])
    time, between = number(parts[0], "time"), _between()
    longest = max(world().gather(max((connection.delay for connection, _ in between), default=0.0)))
    if time <= longest + 1:
        raise InputError(f"{time:g} ms is within the longest delay of the start: {_REFUSED}, or start again")
    for connection, _ in between:
        connection.active(False)
    on = {int(gid) for part in parts for gid in np.asarray(part["on"])}
    advance_alone(time, steps, dt, {d.gid: d.gid in on for d in inventory.detectors if d.segment is not None})
    _check_trains(model, parts, time)
    _scatter(model, values, streams)
    for connection, i in between:
        connection.active(bool(active.get(inventory.connections[i], True)))
    _deliver([connection for connection, _ in between], parts)


def _between() -> list[tuple[Any, int]]:
    """Connections from cells with gids, each with its number among all."""
    every = enumerate(h.List("NetCon"))
    return [(connection, i) for i, connection in every if connection.srcgid() >= 0 and connection.syn() is not None]


def _together(parts: Sequence[State], names: str, values: str, wanted: Sequence[str]) -> dict[str, Any]:
    """Values of all ranks by name. Raises InputError if a name has two, or one that is `wanted` none."""
    found: dict[str, Any] = {}
    for part in parts:
        for key, value in zip(_unpacked(part[names]), np.asarray(part[values]).tolist(), strict=True):
            if key and key in found:
                raise InputError(
                    f"the model has two of {key}: make sections parts of cells with gids, or give each a name of its "
                    f"own in the whole network; or {_REFUSED}"
                )
            found[key] = value
    missing = next((key for key in wanted if key not in found), None)
    if missing is not None:
        raise InputError(f"the checkpoint knows nothing of {missing}: {_REFUSED}")
    return found


def _check_trains(model: ModelState, parts: Sequence[State], time: float) -> None:
    """Raises InputError unless the random streams that have been run up stand where those of the state stand."""
    inventory = model.inventory
    named = zip(inventory.streams, inventory.stream_keys, strict=True)
    mine = [(*stream.get_ids(), stream.get_seq()) for stream, key in named if not key]
    mine += [(p.sequence,) for p in positions(inventory.generators)]
    now = Counter(tuple(map(float, row)) for rows in world().gather(mine) for row in rows if row[-1] > 0)
    then: Counter[tuple[float, ...]] = Counter()
    for part in parts:
        rows = zip(_unpacked(part["stream_keys"]), np.asarray(part["streams"]).reshape(-1, 4).tolist(), strict=True)
        then.update(tuple(row) for key, row in rows if not key and row[-1] > 0)
        then.update((position,) for position, _ in np.asarray(part["generators"]).tolist() if position > 0)
    if now != then:
        raise InputError(
            f"random numbers of the model stand elsewhere when it is built anew and run to {time:g} ms: number its "
            f"streams by gid, not by rank (noiseFromRandom123(gid, ...)); or {_REFUSED}"
        )


def _fired(parts: Sequence[State], since: float) -> dict[int, list[float]]:
    """Times of spikes after `since`, by cell."""
    fired: dict[int, list[float]] = {}
    for part in parts:
        times, numbers = np.asarray(part["spikes.time"]), np.asarray(part["spikes.cell"])
        for spike, cell in zip(times.tolist(), numbers.tolist(), strict=True):
            if spike > since:
                fired.setdefault(int(cell), []).append(spike)
    return fired


def advance_alone(time: float, steps: int, dt: float, on: Mapping[int, bool] | None = None) -> None:
    """Step from 0 to `time` (ms) by NEURON alone, with nothing crossing between cells; all ranks together.

    on: gid → whether its detector has seen the voltage above its threshold.
    """
    thresholds = {gid: pc.threshold(gid) for gid in on or {}}
    for gid, seen in (on or {}).items():
        pc.threshold(gid, -1e9 if seen else 1e9)
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
    for gid, threshold in thresholds.items():
        pc.threshold(gid, threshold)


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
    """Send over each connection what has set out but not arrived."""
    time = number(parts[0], "time")
    longest = max((connection.delay for connection in between), default=0.0)
    fired = _fired(parts, time - longest)
    for connection in between:
        for spike in fired.get(int(connection.srcgid()), ()):
            if spike + connection.delay > time:
                connection.event(spike + connection.delay)


def _packed(names: Sequence[str]) -> bytes:
    return zlib.compress(json.dumps(names).encode(), 1)


def _unpacked(value: object) -> list[str]:
    content = value if isinstance(value, bytes) else np.asarray(value).tobytes()
    return list(json.loads(zlib.decompress(content)))
