"""What all ranks have to agree on: which sites make up a component, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence

from couple.parallel import world
from couple.wiring.places import Order, Place

Group = tuple[str, str, tuple[str, ...], str]


def agree_on_groups(
    groups: dict[Group, list[Place]], filled: dict[str, list[str]], everywhere: dict[str, Order]
) -> dict[Group, tuple[str, tuple[str, ...]]]:
    """Name and injected species of the component of each group, as one process would choose them.

    groups: sites of this rank with the same engine and options. filled: species that enter each site.
    """
    mine = [
        (group, everywhere[members[0].name], members[0].name, len(members), _first_filled(members, filled, everywhere))
        for group, members in groups.items()
    ]
    merged: dict[Group, list[tuple[Order, str, int, dict[str, tuple[Order, int]]]]] = {}
    for rank in world().gather(mine):
        for group, *rest in rank:
            merged.setdefault(group, []).append(tuple(rest))  # type: ignore[arg-type]
    found: dict[Group, tuple[str, tuple[str, ...]]] = {}
    names: set[str] = set()
    for group, parts in sorted(merged.items(), key=lambda item: min(part[0] for part in item[1])):
        first = min(parts)
        name = first[1] if sum(part[2] for part in parts) == 1 else group[0]
        while name in names:
            name += "_"
        names.add(name)
        species: dict[str, tuple[Order, int]] = {}
        for *_, entries in parts:
            for one, place in entries.items():
                species[one] = min(place, species.get(one, place))
        found[group] = name, tuple(sorted(species, key=lambda one: species[one]))
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
