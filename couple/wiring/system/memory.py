"""One block of memory for the port values of all components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from couple.components.component import Component


class Memory:
    """Moves the ports of all components into one block and knows where each value is.

    block: (n,) float64, shared with the components. spare: (m,) indices of places behind the ports, for what links
    work out.
    """

    def __init__(self, components: Sequence[Component], spare: int = 0) -> None:
        size = sum(c.memory.size for c in components)
        self.block: npt.NDArray[np.float64] = np.zeros(size + spare)
        self.spare = tuple(range(size, size + spare))
        self._first: dict[int, int] = {}
        end = 0
        for component in components:
            start, end = end, end + component.memory.size
            component.attach(self.block[start:end])
            self._first[id(component)] = start

    def at(self, component: Component, port: str, *position: int) -> int:
        """Index of one value of a port."""
        shape = component.read(port).shape
        return self._first[id(component)] + component.start_of(port) + int(np.ravel_multi_index(position, shape))

    def all_of(self, component: Component, port: str) -> tuple[int, ...]:
        """Indices of all values of a port, in C order."""
        first = self._first[id(component)] + component.start_of(port)
        return tuple(range(first, first + component.read(port).size))
