"""The contract between the loop and everything that it advances.

A *component* is a NEURON model, a chemistry engine with one or many sites, or a prescribed drive. The
loop knows four things about it: its ports, `advance`, `save` and `restore`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, cast

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.components.calls import Call, python_call

StateValue = npt.NDArray[np.generic] | bytes | str | int | float
State = dict[str, StateValue]
"""What a component needs to go on exactly: flat, of things that HDF5 can hold, private to its owner."""


@dataclass(frozen=True)
class Port:
    """What crosses the boundary of a component, as in `Port("count", (n_sites, n_species), "extensive", names)`.

    unit:   the unit of every value, in the system of `couple.base.units` ("mV", "count", "fC", ...).
    shape:  shape of the values, `(n_sites,)` or `(n_sites, n_columns)`.
    kind:   "extensive" (a count, a charge: summed over places and over time, conserved) or
            "intensive" (a concentration, a voltage: averaged).
    columns: names of the second axis, where there is one.
    axis, stored: name of that axis and type of the numbers where the port is recorded.

    >>> from couple import Port
    >>> Port("count", (3, 2), "extensive", ("Ca", "B")).shape
    (3, 2)
    """

    unit: str
    shape: tuple[int, ...]
    kind: Literal["extensive", "intensive"]
    columns: tuple[str, ...] = ()
    axis: str = "column"
    stored: str = "float64"


class Component(ABC):
    """Base of everything that the loop advances.

    The values of all ports lie in one block of float64, `memory`; `read` gives a live view of it. The
    exchange moves values between the blocks of components without asking them, so an engine reads its
    inputs from `read(input)` at the start of `advance` and leaves its outputs in `read(output)` at the end.

    state_version: of what `save` gives, to be raised whenever that changes its form or meaning; a checkpoint of another
    version is refused.
    """

    state_version: ClassVar[int] = 1

    def __init__(self, name: str, inputs: Mapping[str, Port], outputs: Mapping[str, Port]) -> None:
        self.name = name
        self.inputs = dict(inputs)
        self.outputs = dict(outputs)
        ports = {**self.inputs, **self.outputs}
        if len(ports) != len(inputs) + len(outputs):
            raise ValueError(f"{name}: an input and an output share a name")
        self._slices: dict[str, tuple[int, int]] = {}
        end = 0
        for key, port in ports.items():
            start, end = end, end + int(np.prod(port.shape))
            self._slices[key] = (start, end)
        self.memory = np.zeros(end)
        self.attach(self.memory)

    def attach(self, memory: Floats) -> None:
        """Move the values of all ports into `memory` (one float64 block of `self.memory.size`)."""
        memory[:] = self.memory
        self.memory = memory
        ports = {**self.inputs, **self.outputs}
        self._views = {key: memory[a:b].reshape(ports[key].shape) for key, (a, b) in self._slices.items()}

    def read(self, port: str) -> Floats:
        """The values of a port (of an input too), a live view of its shape. Raises InputError if unknown."""
        try:
            return self._views[port]
        except KeyError:
            raise InputError(f'"{self.name}" has no port "{port}"; {nearest(port, self._views)}') from None

    def write(self, port: str, values: npt.ArrayLike) -> None:
        """Set the values of an input port (broadcast to its shape). Raises InputError if unknown."""
        if port not in self.inputs:
            raise InputError(f'"{self.name}" has no input "{port}"; {nearest(port, self.inputs)}')
        self._views[port][...] = values

    def start_of(self, port: str) -> int:
        """Index of the first value of a port in `memory`."""
        self.read(port)
        return self._slices[port][0]

    @abstractmethod
    def advance(self, ticks: int) -> None:
        """Go `ticks` ticks of the clock forward, with the inputs as they are. Raises RunError if that cannot be."""

    def calls(self, ticks: int) -> list[Call]:
        """What `advance` does, to the bit, as calls for a compiled loop; on the port values as they lie now."""
        return [python_call(partial(self.advance, ticks))]

    @abstractmethod
    def save(self) -> State:
        """Everything needed to go on exactly, to the bit; port values are kept by the loop."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Take up a state made by `save` of a component that is built alike; rates of reactions may be others."""

    def mark(self) -> object:
        """What `go_back` needs in this process, until the next mark: cheaper than a state that has to outlive it."""
        return self.save()

    def go_back(self, mark: object) -> None:
        """Be again, to the bit, what this very component was when it made the mark; ports are set back by the loop."""
        self.restore(cast(State, mark))

    def restart(self, start: State, seed: int) -> None:
        """Back to t = 0, with the random numbers of another experiment seed: to the bit as if built with that seed.

        start: what `save` gave at t = 0. Raises CannotRestart if only a new process can do it.
        """
        self.restore(start)

    def reseed(self, seed: int) -> None:
        """Go on from here with the random numbers of another experiment seed; nothing but what it draws changes.

        The same state and the same seed go on in the same way, to the bit, in any process.
        """
        del seed  # what draws nothing has nothing to do

    def unsaved(self) -> str:
        """What carries something over and is not in what `save` gives, with the reason; "" if nothing.

        A run that is to be resumed refuses it by this, before it begins.
        """
        return ""

    def digest(self, state: State) -> str:
        """SHA-256 of what two equal states have in common, as hexadecimal digits."""
        return digest_of(state)


def digest_of(state: State) -> str:
    """SHA-256 of the names and values of a state, as hexadecimal digits."""
    found = hashlib.sha256()
    for key, value in sorted(state.items()):
        content = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        found.update(f"{key}\x1f".encode() + content + b"\x1f")
    return found.hexdigest()
