"""Calcium that models have under a second name ("ca2", "Ca", "cal") and that no link of a site takes up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from couple.wiring.cells.sections import Branches, section_of
from couple.wiring.links.neuron_links import PlacedLink

_CALCIUM = re.compile(r"ca(\d+|[a-z])?", re.IGNORECASE)
"""Names under which models have calcium."""


@dataclass
class UnlinkedCalcium:
    """An ion that carries calcium past the sites of a block. through: its mechanisms. segments: where."""

    key: str
    ion: str
    through: str
    segments: dict[str, None]


def unlinked_calcium(links: Sequence[PlacedLink], branches: Branches | None) -> list[UnlinkedCalcium]:
    """One for all sites of a block."""
    ions = {} if branches is None else branches.model.ions()
    calcium = [ion for ion, valence in ions.items() if valence == 2 and _CALCIUM.fullmatch(ion)]
    if branches is None or len(calcium) < 2:
        return []
    charges = [link for link in links if link.crossing == "charge"]
    taken: dict[str, set[str]] = {}
    for link in charges:
        taken.setdefault(link.site.name, set()).add(str(link.ion))
    found: dict[tuple[str, str, str], UnlinkedCalcium] = {}
    carriers: dict[tuple[str, str], str] = {}
    for link in charges if calcium else ():
        for segment in link.site.segments if link.ion in calcium else ():
            for ion in [c for c in calcium if c not in taken[link.site.name]]:
                place = (section_of(segment), ion)
                if place not in carriers:
                    carriers[place] = ", ".join(branches.model.carriers(segment, ion))
                if names := carriers[place]:
                    key = (link.site.key, ion, names)
                    found.setdefault(key, UnlinkedCalcium(*key, {})).segments[segment] = None
    return list(found.values())
