"""Save and restore a NEURON model to the bit, in this process or in another one."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adapters.neuron.hoc.event_targets import forget_event_targets
from adapters.neuron.hoc.h import NEURON_VERSION, h
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory.pointers import pointers
from adapters.neuron.state.generators import Generators
from adapters.neuron.state.inventory import Inventory
from adapters.neuron.state.random_objects import Position, positions, set_positions
from adapters.neuron.state.snapshot_bytes import from_bytes, to_bytes
from adapters.neuron.state.unmovable import find_unmovable
from couple.base.arrays import Floats
from couple.base.errors import CannotRestart, CoupleError
from couple.components.component import State
from couple.components.state import text, whole

_KEPT = 4
"""Saved states whose NEURON object is kept, so that a rollback needs no file."""

_AWAY = 2**20
"""Draws by which a stream is moved."""

_PYTHON_EVENT = b"\nPythonObject\n"
"""How SaveState writes a pending Python callable: as text that the process that reads it dies of."""

_OBJECT_EVENT = re.compile(rb"\n([A-Za-z_]\w{0,63}) (\d{1,9})\n")
"""How it writes the object of a pending statement of HOC, which it cannot read."""


class Mark(NamedTuple):
    """What NEURON's own state leaves out of a moment of a model, for the process that it is in."""

    variables: Floats
    active: list[bool]
    streams: list[float]
    generators: list[Position]
    shared: Generators | None
    hoc: tuple[list[float], list[str]]
    objects: State


class ModelState:
    """The state of the loaded model, which consists of `files`. Build it when nothing will be added to it any more."""

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self.inventory = Inventory(files)
        self.pointers = pointers(self.inventory.references)
        self._recent: OrderedDict[bytes, Any] = OrderedDict()

    @cached_property
    def unmovable(self) -> str:
        """What of the model other ranks could not take up, and why; "" if nothing."""
        return find_unmovable(self.inventory)

    def save(self) -> State:
        """State of the model, exact to the bit.

        Raises CoupleError if it has events pending that no other process could take up, and RunError if the system does
        not take what NEURON writes.
        """
        snapshot = h.SaveState()
        snapshot.save()
        content = to_bytes(snapshot)
        if reason := _unreadable_event(content):
            raise CoupleError(reason)
        self._keep(content, snapshot)
        variables = np.empty(self.pointers.size)
        self.pointers.gather(variables)
        return {
            "neuron_version": str(NEURON_VERSION),
            "channel_path": channel_path(),
            "fingerprint": self.inventory.fingerprint,
            "savestate": content,
            "variables": variables,
            "active": np.array([bool(c.active()) for c in h.List("NetCon")], dtype=np.bool_),
            "streams": self._streams(),
            "generators": np.array(positions(self.inventory.generators), dtype=np.float64).reshape(-1, 2),
            "shared_generators": np.array(Generators.read(), dtype=np.int64),
            "secondorder": int(h.secondorder),
            "hoc_objects": np.array(self.inventory.hoc.private, dtype=np.float64),
            "hoc_texts": json.dumps(self.inventory.hoc.texts),
            **self.inventory.objects.save(),
        }

    def restore(self, state: State) -> None:
        """Take up a state. Raises CoupleError if it was made by another model, NEURON or channel path."""
        for key, what, now in (
            ("neuron_version", "version of NEURON", NEURON_VERSION),
            ("channel_path", "channel path", channel_path()),
            ("fingerprint", "model", self.inventory.fingerprint),
        ):
            if state[key] != now:
                raise CoupleError(
                    f"this checkpoint was made with another {what} ({state[key]!s}, now {now}); restart with the "
                    "model, NEURON and compiler setting (COUPLE_NO_COMPILER) that it was made with"
                )
        self._snapshot(bytes(_as_bytes(state["savestate"]))).restore(0)
        self.pointers.scatter(np.asarray(state["variables"], dtype=np.float64))
        for connection, active in zip(h.List("NetCon"), np.asarray(state["active"]).tolist(), strict=True):
            if bool(connection.active()) != active:
                connection.active(active)
        for stream, words in zip(self.inventory.streams, np.asarray(state["streams"]).tolist(), strict=True):
            stream.set_ids(*(int(w) for w in words[:3]))
            # Even to the value that it has: after SaveState a stream goes on wrongly until it is set.
            stream.set_seq(words[3])
        Generators(*np.asarray(state["shared_generators"]).tolist()).set()
        set_positions(self.inventory.generators, np.asarray(state["generators"]).tolist())
        h.secondorder = whole(state, "secondorder")
        self.inventory.hoc.set(np.asarray(state["hoc_objects"]).tolist(), json.loads(text(state, "hoc_texts")))
        self.inventory.objects.restore(state)

    def mark(self) -> Mark:
        """What `go_back` needs in this process, while the model stays as it is built; good until the next is made."""
        variables = np.empty(self.pointers.size)
        self._marked.save()
        self.pointers.gather(variables)
        hoc, generators = self.inventory.hoc, self.inventory.generators
        return Mark(
            variables,
            [bool(c.active()) for c in self._connections],
            [stream.get_seq() for stream in self.inventory.streams],
            positions(generators) if generators else [],
            Generators.read() if self.inventory.draws_from_shared else None,
            (hoc.private, hoc.texts),
            self.inventory.objects.save() if self.inventory.objects.names else {},
        )

    def go_back(self, mark: Mark) -> None:
        """Be again what the model was at the mark, to the bit."""
        self._marked.restore(0)
        self.pointers.scatter(mark.variables)
        for connection, active in zip(self._connections, mark.active, strict=True):
            if bool(connection.active()) != active:
                connection.active(active)
        for stream, position in zip(self.inventory.streams, mark.streams, strict=True):
            stream.set_seq(position)
        if mark.shared is not None:
            mark.shared.set()
        if mark.generators:
            set_positions(self.inventory.generators, mark.generators)
        private, texts = mark.hoc
        if private or texts:
            self.inventory.hoc.set(private, texts)
        if mark.objects:
            self.inventory.objects.restore(mark.objects)

    @cached_property
    def _connections(self) -> list[Any]:
        return list(h.List("NetCon"))

    @cached_property
    def _marked(self) -> Any:
        """NEURON's object of the last mark."""
        return h.SaveState()

    def refuse_unrewound(self) -> None:
        """Raises CannotRestart for streams (h.Random objects) of which NEURON does not say how they are seeded."""
        if self.inventory.generators:
            raise CannotRestart(
                f"the model draws from {len(self.inventory.generators)} h.Random objects; "
                "give its NetStims noiseFromRandom123 instead"
            )

    def move_streams(self) -> None:
        """Put every stream somewhere else, so that `check_rewound` sees which ones the model rewinds."""
        for stream in self.inventory.streams:
            stream.set_seq(stream.get_seq() + _AWAY)

    def forget_drawn(self) -> None:
        """Have every stream draw anew from where it stands: what it holds is of the global index before."""
        for stream in self.inventory.streams:
            stream.set_seq(stream.get_seq())

    def check_rewound(self, start: State) -> None:
        """Raises CannotRestart if initialising the model did not bring every stream to where it was at the start."""
        if not np.array_equal(self._streams(), np.asarray(start["streams"])):
            raise CannotRestart("a mechanism of the model draws random numbers that its INITIAL block does not rewind")

    def _streams(self) -> Floats:
        """(n, 4): three ids and the position of each stream; all are whole and far below 2^53."""
        rows = [[*stream.get_ids(), stream.get_seq()] for stream in self.inventory.streams]
        return np.array(rows, dtype=np.float64).reshape(-1, 4)

    def _keep(self, content: bytes, snapshot: Any) -> None:
        self._recent[content] = snapshot
        if len(self._recent) > _KEPT:
            self._recent.popitem(last=False)

    def _snapshot(self, content: bytes) -> Any:
        """NEURON's object for `content`: the one that wrote it, or a new one that has read it."""
        if content in self._recent:
            return self._recent[content]
        forget_event_targets()
        return from_bytes(content)


def _unreadable_event(content: bytes) -> str:
    """What of a state NEURON could not read again, and what to do; "" if nothing."""
    if _PYTHON_EVENT in content:
        return (
            "the model has a Python function waiting in NEURON's event queue (cvode.event), which cannot be saved; "
            "play the change into a variable with Vector.play, or use a NetCon"
        )
    for match in _OBJECT_EVENT.finditer(content):
        template = match[1].decode()
        if hasattr(h, template) and any(o.hname() == f"{template}[{int(match[2])}]" for o in h.List(template)):
            return (
                f"an object of {template} has a statement waiting in NEURON's event queue (cvode.event), which cannot "
                "be saved: NEURON dies of reading it; give the statement outside of the template"
            )
    return ""


def _as_bytes(value: object) -> bytes:
    """Bytes as they are, or as HDF5 gives them back (an array of bytes)."""
    return value if isinstance(value, bytes) else np.asarray(value).tobytes()
