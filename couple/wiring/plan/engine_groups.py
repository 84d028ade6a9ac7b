"""What all ranks have to agree on: which sites make up a component, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from couple.parallel.communicator import world
from couple.wiring.links.filled_species import SpeciesBySite
from couple.wiring.sites.placed_site import Order, PlacedSite, PlacedSites


class Group(NamedTuple):
    """What sites of one component have in common.

    kind: the engine's name. options: their table as JSON. held: species that drives hold, in all of its sites or in
    none. alone: name of a site along sections, which has a component of its own; "" for others.
    """

    kind: str
    options: str
    held: tuple[str, ...]
    alone: str


@dataclass(frozen=True)
class Agreed:
    """Of a component: its name, the species that enter its sites, the ranks that have some, where it is in the file."""

    name: str
    filled: tuple[str, ...]
    ranks: tuple[int, ...]
    key: str


class _Part(NamedTuple):
    """What one rank has of a group: where its first site comes, its name, how many there are, species in their order,
    the key of its block.
    """

    first: Order
    name: str
    sites: int
    filled: dict[str, tuple[Order, int]]
    key: str


def group_sites(sites: PlacedSites, held: SpeciesBySite) -> dict[Group, list[PlacedSite]]:
    """Sites of this rank by component, in the order of their first sites."""
    groups: dict[Group, list[PlacedSite]] = {}
    for site in sites:
        alone = site.name if site.cable is not None else ""
        group = Group(site.engine.kind, site.engine.text, tuple(held.get(site.name, ())), alone)
        groups.setdefault(group, []).append(site)
    return groups


def agree_on_groups(
    groups: Mapping[Group, Sequence[PlacedSite]], filled: SpeciesBySite, everywhere: Mapping[str, Order]
) -> dict[Group, Agreed]:
    """The component of each group as one process would choose it: of all ranks, in the same order on all.

    groups: sites of this rank. filled: species that enter each site. everywhere: order of the sites of all ranks.
    """
    mine = [
        (
            group,
            _Part(
                everywhere[members[0].name],
                members[0].name,
                len(members),
                _first_filled(members, filled, everywhere),
                members[0].key,
            ),
        )
        for group, members in groups.items()
    ]
    merged: dict[Group, list[_Part]] = {}
    ranks: dict[Group, list[int]] = {}
    for rank, there in enumerate(world().gather(mine)):
        for group, part in there:
            merged.setdefault(group, []).append(part)
            ranks.setdefault(group, []).append(rank)
    found: dict[Group, Agreed] = {}
    names: set[str] = set()
    for group, parts in sorted(merged.items(), key=lambda item: min(part.first for part in item[1])):
        first = min(parts, key=lambda part: (part.first, part.name))
        name = first.name if sum(part.sites for part in parts) == 1 else group.kind
        while name in names:
            name += "_"
        names.add(name)
        found[group] = Agreed(name, _ordered(parts), tuple(ranks[group]), first.key)
    return found


def _ordered(parts: Sequence[_Part]) -> tuple[str, ...]:
    """The species of all ranks, by where each comes first."""
    species: dict[str, tuple[Order, int]] = {}
    for part in parts:
        for one, place in part.filled.items():
            species[one] = min(place, species.get(one, place))
    return tuple(sorted(species, key=lambda one: species[one]))


def _first_filled(
    members: Sequence[PlacedSite], filled: SpeciesBySite, everywhere: Mapping[str, Order]
) -> dict[str, tuple[Order, int]]:
    """Species → where it comes first."""
    found: dict[str, tuple[Order, int]] = {}
    for site in members:
        for k, species in enumerate(filled.get(site.name, ())):
            found.setdefault(species, (everywhere[site.name], k))
    return found
