"""What all ranks have to agree on: which sites make up a component, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from couple.parallel.communicator import world
from couple.wiring.sites import Order, Place

Group = tuple[str, str, tuple[str, ...], str]


@dataclass(frozen=True)
class Agreed:
    """Of a component: its name, the species that enter its sites, the ranks that have some, where it is in the file."""

    name: str
    filled: tuple[str, ...]
    ranks: tuple[int, ...]
    key: str


def agree_on_groups(
    groups: dict[Group, list[Place]], filled: dict[str, list[str]], everywhere: dict[str, Order]
) -> dict[Group, Agreed]:
    """What the component of each group is, as one process would choose it: of all ranks, in the same order on all.

    groups: sites of this rank with the same engine and options. filled: species that enter each site.
    """
    mine = [
        (
            group,
            everywhere[members[0].name],
            members[0].name,
            len(members),
            _first_filled(members, filled, everywhere),
            members[0].key,
        )
        for group, members in groups.items()
    ]
    merged: dict[Group, list[tuple[Order, str, int, dict[str, tuple[Order, int]], str]]] = {}
    ranks: dict[Group, list[int]] = {}
    for rank, there in enumerate(world().gather(mine)):
        for group, *rest in there:
            merged.setdefault(group, []).append(tuple(rest))  # type: ignore[arg-type]
            ranks.setdefault(group, []).append(rank)
    found: dict[Group, Agreed] = {}
    names: set[str] = set()
    for group, parts in sorted(merged.items(), key=lambda item: min(part[0] for part in item[1])):
        first = min(parts)
        name = first[1] if sum(part[2] for part in parts) == 1 else group[0]
        while name in names:
            name += "_"
        names.add(name)
        species: dict[str, tuple[Order, int]] = {}
        for *_, entries, _ in parts:
            for one, place in entries.items():
                species[one] = min(place, species.get(one, place))
        ordered = tuple(sorted(species, key=lambda one: species[one]))
        found[group] = Agreed(name, ordered, tuple(ranks[group]), first[4])
    return found


def _first_filled(
    members: Sequence[Place], filled: dict[str, list[str]], everywhere: dict[str, Order]
) -> dict[str, tuple[Order, int]]:
    """Species → where it comes first."""
    found: dict[str, tuple[Order, int]] = {}
    for place in members:
        for k, species in enumerate(filled.get(place.name, ())):
            found.setdefault(species, (everywhere[place.name], k))
    return found
