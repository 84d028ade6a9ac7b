"""Molecules on a grid, each of which acts on its neighbours: a cluster of channels, of receptors, of kinases.

A molecule is free, holds an ion of calcium, or is active and holds it. One that holds calcium becomes active by itself,
and faster the more of its neighbours are; an active one falls back and lets the ion go. The molecules do not move, so
that each is a species of its own: R0, CaR0 and aR0 are the first, R1, CaR1 and aR1 the next, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from couple.base.schema import NAME, Block, Integer


class Array(Block):
    """`include.array`: how many molecules, and their rates.

    name: of the free molecule. shape: of the grid. periodic: whether its ends meet. ion: the species that binds, the
    user's own. bind, unbind: of the ion. activate, deactivate: of a molecule by itself. spread: of the meeting of an
    active molecule and one neighbour that holds calcium, a rate of second order.
    """

    name: str = Field(default="R", pattern=NAME)
    shape: tuple[Integer, ...] = Field(default=(8, 8), min_length=1, max_length=3)
    periodic: bool = True
    ion: str = "Ca"
    bind: str
    unbind: str
    activate: str
    spread: str
    deactivate: str

    def content(self) -> dict[str, Any]:
        """Species, reactions, observables and amounts, all molecules free, as a [chemistry] table holds them."""
        n, name = int(np.prod(self.shape)), self.name
        held = {"contains": {self.ion: 1}}
        species = {f"{kind}{name}{k}": ({} if kind == "" else held) for k in range(n) for kind in ("", self.ion, "a")}
        return {
            "species": species,
            "reactions": [*self._own(n), *self._spread()],
            "initial": {f"{name}{k}": {"count": 1} for k in range(n)},
            "observables": {
                f"{name}_bound": [f"{self.ion}{name}{k}" for k in range(n)],
                f"{name}_active": [f"a{name}{k}" for k in range(n)],
            },
        }

    def _own(self, n: int) -> Iterator[dict[str, str]]:
        for k in range(n):
            free, bound, active = (f"{kind}{self.name}{k}" for kind in ("", self.ion, "a"))
            yield {"equation": f"{self.ion} + {free} <-> {bound}", "forward": self.bind, "backward": self.unbind}
            yield {"equation": f"{bound} -> {active}", "forward": self.activate}
            yield {"equation": f"{active} -> {free} + {self.ion}", "forward": self.deactivate}

    def _spread(self) -> Iterator[dict[str, str]]:
        for i, j in self.neighbours():
            yield {
                "equation": f"{self.ion}{self.name}{i} + a{self.name}{j} -> a{self.name}{i} + a{self.name}{j}",
                "forward": self.spread,
            }

    def neighbours(self) -> Iterator[tuple[int, int]]:
        """(one, another) molecule next to it, both ways round, each pair once each way."""
        found = set()
        for place in np.ndindex(*self.shape):
            for axis, size in enumerate(self.shape):
                other = list(place)
                other[axis] += 1
                if other[axis] == size:
                    if not self.periodic or size < 3:
                        continue
                    other[axis] = 0
                i, j = (int(np.ravel_multi_index(at, self.shape)) for at in (place, tuple(other)))
                found |= {(i, j), (j, i)}
        yield from sorted(found)
