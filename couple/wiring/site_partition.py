"""Sites without an electrical model, shared among the ranks."""

from __future__ import annotations

from collections.abc import Sequence

from couple.parallel.communicator import world
from couple.wiring.diffusion import Tie
from couple.wiring.sites import Place, Sited


def share_sites(places: Sited, ties: Sequence[Tie]) -> Sited:
    """Those of this rank: every rank gets the same number of every engine's sites, joined sites stay together."""
    size = world().size
    if size == 1:
        return places
    pieces: dict[str, list[list[Place]]] = {}
    for piece in _joined(places, ties):
        pieces.setdefault(piece[0].block.engine, []).append(piece)
    mine: set[str] = set()
    for members in pieces.values():
        for k, piece in enumerate(members):
            if k * size // len(members) == world().rank:
                mine |= {place.name for place in piece}
    return Sited([place for place in places if place.name in mine], places.everywhere)


def _joined(places: Sequence[Place], ties: Sequence[Tie]) -> list[list[Place]]:
    """Sites in groups that diffusion joins."""
    head = {place.name: place.name for place in places}

    def find(name: str) -> str:
        while head[name] != name:
            head[name] = name = head[head[name]]
        return name

    for tie in ties:
        head[find(tie.second.name)] = find(tie.first.name)
    groups: dict[str, list[Place]] = {}
    for place in places:
        groups.setdefault(find(place.name), []).append(place)
    return list(groups.values())
