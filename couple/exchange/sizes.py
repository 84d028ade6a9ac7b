"""Sites that grow and shrink: their volume after every window, by time or by molecules.

Molecules stay what they are and are diluted; the electrical model has the segment scaled in all directions alike, the
membrane by the power 2/3 of the volume, and the charge on it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.exchange.link import Sources, ValueLink
from couple.exchange.response import Response

SMALLEST, LARGEST = 1e-3, 1e3
"""Of the volume at the start."""


class HasVolumes(Protocol):
    """What goes by the volumes of sites."""

    def set_volumes(self, volumes: Mapping[str, float]) -> None:
        """Have these sites be of these volumes (µm³) from now on."""


@dataclass(frozen=True)
class SizeLink:
    """A site whose volume changes.

    resize: takes volume (µm³) and membrane (µm²); both at the start. times, factors: points of straight lines (ms), or
    none: then `response` by the amount of molecules of `sources`, which it follows, a part `keep` of the distance being
    left after a window. shown: where in memory its volume is; electrical: where the factor of lengths of its segment
    is, if it has one. reached: targets of concentrations that it alone gives.
    """

    site: str
    resize: Callable[[float, float], None]
    volume: float
    area: float
    times: tuple[float, ...]
    factors: tuple[float, ...]
    response: Response | None
    sources: Sources
    keep: float
    shown: int
    electrical: int | None
    reached: tuple[int, ...]


class Sizes:
    """All sites that grow, after every window. state: (1 + n,) windows so far, and the factor of each volume now."""

    def __init__(
        self,
        links: Sequence[SizeLink],
        after: Sequence[ValueLink],
        tables: Sequence[Floats],
        necks: Sequence[HasVolumes],
        window: float,
    ) -> None:
        """after: links that hand over values; tables: their weights, then least values, wherever kernels have them.

        necks: what crosses between sites. window: ms.
        """
        self.links, self._window, self._tables = tuple(links), window, tuple(tables)
        self._necks = tuple(necks)
        self.state = np.ones(1 + len(links))
        self.state[0] = 0.0
        starts = np.cumsum([0, *(len(v.sources) for v in after)])
        weights = np.array([w for v in after for _, w in v.sources])
        self._scaled = []
        for link in links:
            chosen = [i for i, v in enumerate(after) if v.target in link.reached]
            places = [j for i in chosen for j in range(starts[i], starts[i + 1])]
            at = np.array([*places, *(int(starts[-1]) + i for i in chosen)], dtype=np.intp)
            self._scaled.append((at, np.array([*weights[places], *(after[i].least for i in chosen)])))

    def start(self, memory: Floats) -> None:
        """Be as at the start."""
        self.state[0], self.state[1:] = 0.0, 1.0
        self.apply(memory)

    def follow(self, memory: Floats) -> None:
        """After a window: the sizes that the next one has. Raises RunError for one that nothing has."""
        self.state[0] += 1.0
        for k, link in enumerate(self.links):
            if link.response is None:
                factor = float(np.interp(self.state[0] * self._window, link.times, link.factors))
            else:
                factor = link.response(sum(weight * float(memory[i]) for i, weight in link.sources))
                factor += link.keep * (self.state[1 + k] - factor)
            if not SMALLEST <= factor <= LARGEST:
                raise RunError(
                    f"site {link.site}: its volume would be {factor:.4g} of that at the start; from {SMALLEST:g} to "
                    f"{LARGEST:g} can be"
                )
            self.state[1 + k] = factor
        self.apply(memory)

    def apply(self, memory: Floats) -> None:
        """Let sites, concentrations, necks and segments have the sizes of the state."""
        volumes = {k.site: k.volume * f for k, f in zip(self.links, self.state[1:].tolist(), strict=True)}
        for between in self._necks:
            between.set_volumes(volumes)
        for link, (at, values), factor in zip(self.links, self._scaled, self.state[1:].tolist(), strict=True):
            link.resize(link.volume * factor, link.area * factor ** (2 / 3))
            for table in self._tables:
                table[at] = values / factor
            memory[link.shown] = link.volume * factor
            if link.electrical is not None:
                memory[link.electrical] = factor ** (1 / 3)

    def saved(self) -> tuple[tuple[str, npt.NDArray[np.generic]], ...]:
        """Arrays that a state has to hold, by name, live."""
        return (("sizes", self.state),)
