"""A site in its place: geometry, segments, engine; and sites by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from couple.base.errors import InputError, nearest
from couple.experiment import SiteBlock
from couple.geometry.cable import Cable
from couple.geometry.geometry import Geometry
from couple.wiring.cells.sections import Branches, fitting, is_glob
from couple.wiring.sites.engine_choice import EngineChoice

Order = tuple[int, ...]
"""Sorts what all ranks have as one process would have it."""


@dataclass(frozen=True)
class SegmentShare:
    """The share of a site in one segment (full name): membrane `area` in µm², `volume` in µm³."""

    segment: str
    area: float
    volume: float


@dataclass(frozen=True)
class PlacedSite:
    """A site with its geometry (µm).

    block: of the file, under the site's own name. key: of the block, as "site[0]". engine: its class and options.
    shares: by segment, none without NEURON. away: path distance of its segment in µm, where the block asked for one.
    cable: of a site along whole sections, whose segments are the shares. order: block, cell, number in it.
    """

    block: SiteBlock
    key: str
    engine: EngineChoice
    geometry: Geometry
    shares: tuple[SegmentShare, ...] = ()
    away: float | None = None
    cable: Cable | None = None
    order: Order = ()

    @property
    def name(self) -> str:
        """The site's name in results."""
        return self.block.name

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Full names of its segments."""
        return tuple(share.segment for share in self.shares)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Segment → its place among those of the site."""
        return {segment: k for k, segment in enumerate(self.segments)}

    @property
    def where(self) -> str:
        """Its segments in few words."""
        names = self.segments
        return ", ".join(names) if len(names) <= 3 else f"{names[0]} .. {names[-1]} ({len(names)} segments)"


class PlacedSites(tuple[PlacedSite, ...]):
    """The sites of this rank, in order.

    everywhere: name → order of the sites of all ranks.
    """

    everywhere: Mapping[str, Order]
    _by_name: dict[str, PlacedSite]

    def __new__(cls, sites: Iterable[PlacedSite], everywhere: Mapping[str, Order] | None = None) -> Self:
        """everywhere: by default of these sites alone."""
        made = super().__new__(cls, sites)
        made.everywhere = {site.name: site.order for site in made} if everywhere is None else dict(everywhere)
        made._by_name = {site.name: site for site in made}
        return made

    def matching(self, pattern: str, key: str) -> list[PlacedSite]:
        """Those whose name fits a pattern such as "head" or "spine_*"; none here if they are on other ranks.

        Raises InputError that names the key if no rank has one.
        """
        if is_glob(pattern):
            found = {*fitting(pattern, [site.name for site in self])}
            here = [site for site in self if site.name in found]
        else:
            here = [self._by_name[pattern]] if pattern in self._by_name else []
        if pattern == "neuron":
            raise InputError("a drive fills or holds a species of a site, not neuron", where=key)
        if here or (is_glob(pattern) and fitting(pattern, [*self.everywhere])) or pattern in self.everywhere:
            return here
        # a link between two names of which none is neuron may have meant it; a drive cannot
        meant = [*self.everywhere, *(["neuron"] if key.startswith("link") else [])]
        raise InputError(f'unknown site "{pattern}"; {nearest(pattern, meant)}', where=key)


def distances(sites: Sequence[PlacedSite], branches: Branches | None, segments: Sequence[str]) -> dict[str, float]:
    """Path distance from the soma in µm of sites, their segments weighted by volume, and of "neuron.SEGMENT".

    Empty without a soma.
    """
    if branches is None or not branches.sections:
        return {}
    try:
        away = branches.distances(branches.soma())
    except InputError:  # no section is called soma
        return {}
    of_segments = {f"neuron.{segment}": away[segment] for segment in segments if segment in away}
    return of_segments | {
        site.name: sum(away[s.segment] * s.volume for s in site.shares) / sum(s.volume for s in site.shares)
        for site in sites
        if site.shares and all(segment in away for segment in site.segments)
    }
