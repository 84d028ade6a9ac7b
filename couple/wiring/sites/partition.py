"""Sites without an electrical model, shared among the ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from couple.parallel.communicator import world
from couple.wiring.sites.placed_site import PlacedSite, PlacedSites


def share_sites(sites: PlacedSites, joined: Iterable[tuple[str, str]]) -> PlacedSites:
    """Those of this rank: every rank gets the same number of every engine's sites, joined sites stay together.

    joined: names of pairs of sites between which something diffuses.
    """
    size = world().size
    if size == 1:
        return sites
    pieces: dict[str, list[list[PlacedSite]]] = {}
    for piece in _pieces(sites, joined):
        pieces.setdefault(piece[0].engine.kind, []).append(piece)
    mine: set[str] = set()
    for members in pieces.values():
        for k, piece in enumerate(members):
            if k * size // len(members) == world().rank:
                mine |= {site.name for site in piece}
    return PlacedSites([site for site in sites if site.name in mine], sites.everywhere)


def _pieces(sites: Sequence[PlacedSite], joined: Iterable[tuple[str, str]]) -> list[list[PlacedSite]]:
    """Sites in groups that diffusion joins."""
    head = {site.name: site.name for site in sites}

    def find(name: str) -> str:
        while head[name] != name:
            head[name] = name = head[head[name]]
        return name

    for first, second in joined:
        head[find(second)] = find(first)
    groups: dict[str, list[PlacedSite]] = {}
    for site in sites:
        groups.setdefault(find(site.name), []).append(site)
    return list(groups.values())
