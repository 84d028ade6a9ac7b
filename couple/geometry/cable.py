"""Dendrite as lines that branch: what an engine that resolves a site along whole sections is built on."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from couple.base.errors import InputError
from couple.geometry.geometry import Geometry


@dataclass(frozen=True)
class Branch:
    """A piece of dendrite.

    radii:  (nseg,) of its equally long segments, µm. length: µm.
    parent: number of the branch that it grows from, -1 of a root, and `at`, where on that (0 to 1).
    girths: (nseg,) membrane per length, µm; 2πr if not given.
    """

    name: str
    length: float
    radii: tuple[float, ...]
    parent: int = -1
    at: float = 1.0
    girths: tuple[float, ...] = ()

    @property
    def around(self) -> tuple[float, ...]:
        """(nseg,) membrane per length, µm."""
        return self.girths or tuple(2 * math.pi * r for r in self.radii)

    @property
    def spacing(self) -> float:
        """Length of a segment, µm."""
        return self.length / len(self.radii)


@dataclass(frozen=True)
class Foot:
    """Where a neck opens into a cable: number of the branch, and where on that (0 to 1)."""

    branch: int
    x: float


@dataclass(frozen=True)
class Cable:
    """A tree of branches, its segments by name (branch by branch, from 0 to 1), and the necks that open into it."""

    branches: tuple[Branch, ...]
    segments: tuple[str, ...]
    feet: tuple[Foot, ...] = ()

    @functools.cached_property
    def volumes(self) -> tuple[float, ...]:
        """(n_segments,) µm³."""
        return tuple(math.pi * r * r * b.spacing for b in self.branches for r in b.radii)

    @functools.cached_property
    def areas(self) -> tuple[float, ...]:
        """(n_segments,) membrane, µm²."""
        return tuple(g * b.spacing for b in self.branches for g in b.around)

    @functools.cached_property
    def distances(self) -> tuple[float, ...]:
        """(n_segments,) of their middles from the 0 end of the root along the tree, µm."""
        starts: dict[int, float] = {}
        for k in outwards(self.branches):
            b = self.branches[k]
            starts[k] = 0.0 if b.parent < 0 else starts[b.parent] + b.at * self.branches[b.parent].length
        return tuple(
            starts[k] + (i + 0.5) * b.spacing for k, b in enumerate(self.branches) for i in range(len(b.radii))
        )

    def segment_of(self, foot: Foot) -> int:
        """Number of the segment into which a neck opens."""
        n = len(self.branches[foot.branch].radii)
        return self._first[foot.branch] + min(int(foot.x * n), n - 1)

    @functools.cached_property
    def _first(self) -> tuple[int, ...]:
        """(n_branches,) number of the first segment of each."""
        return tuple(itertools.accumulate((len(b.radii) for b in self.branches), initial=0))

    @property
    def geometry(self) -> Geometry:
        """A cylinder of the same volume and lateral area, for whatever asks for one."""
        volume, area = sum(self.volumes), sum(self.areas)
        diameter = 4 * volume / area
        return Geometry("cylinder", (diameter, area / (math.pi * diameter)), volume, area)


def outwards(branches: Sequence[Branch]) -> list[int]:
    """Numbers of the branches of one tree, parents first. Raises InputError for several pieces, or a ring."""
    roots = [b.name for b in branches if b.parent < 0]
    if len(roots) > 1:
        raise InputError(f"the branches are in {len(roots)} pieces ({', '.join(roots)}): give those of one tree")
    children: dict[int, list[int]] = {}
    for k, b in enumerate(branches):
        children.setdefault(max(b.parent, -1), []).append(k)
    order, ready = [], children.get(-1, [])
    while ready:
        order += ready
        ready = sorted(child for k in ready for child in children.get(k, ()))
    if len(order) < len(branches):
        left = [branches[k].name for k in sorted({*range(len(branches))} - {*order})]
        raise InputError(f"the branches {', '.join(left)} grow from each other in a ring")
    return order
