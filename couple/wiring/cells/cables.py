"""From sections of a model to the cable that an engine resolves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from couple.base.errors import InputError
from couple.components.electrics import Section
from couple.geometry.cable import Branch, Cable, Foot, outwards
from couple.wiring.cells.sections import Branches, section_of


def cable_of(patterns: Sequence[str], branches: Branches, key: str) -> Cable:
    """The sections that fit, with the volume and the membrane that NEURON computes with, segment by segment.

    Raises InputError that names the key for a part of a section, and for sections that do not hang together.
    """
    if part := next((p for p in patterns if "(" in p), ""):
        raise InputError(f'"{part}" is a segment; name whole sections, or give segment = "{part}"', where=key)
    found = dict.fromkeys(section_of(segment) for segment in branches.find(patterns, key))
    names = {name: k for k, name in enumerate(found)}
    sections = branches.table
    try:
        made = tuple(_branch(sections[name], names, sections, branches) for name in names)
        outwards(made)
    except InputError as error:
        raise error.at(key) from None
    return Cable(made, tuple(s for name in names for s in branches.sections[name]))


def _branch(section: Section, names: dict[str, int], sections: dict[str, Section], branches: Branches) -> Branch:
    inside = section.parent in names
    if inside and section.end > 0.5:
        raise InputError(f'section "{section.name}" is connected by its end 1: connect it by its end 0')
    shapes = [branches.model.geometry(segment) for segment in branches.sections[section.name]]
    spacing = section.length / section.segments
    return Branch(
        section.name,
        section.length,
        tuple(math.sqrt(g.volume / math.pi / spacing) for g in shapes),
        names[str(section.parent)] if inside else -1,
        _node_of(section.at, sections[str(section.parent)].segments) if inside else 1.0,
        tuple(g.area / spacing for g in shapes),
    )


def _node_of(x: float, segments: int) -> float:
    """Where along a section NEURON has the node that stands for `x`: its ends and the centres of segments."""
    return x if x in (0.0, 1.0) else (min(int(x * segments), segments - 1) + 0.5) / segments


def foot_of(cable: Cable, section: str, x: float, site: str) -> Foot:
    """Where a neck at `x` of a section opens into a cable. Raises InputError if that is no part of it."""
    names = [b.name for b in cable.branches]
    if section not in names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise InputError(f'"{section}" is no part of {site}, which lies along {shown}: name a neck that stands on it')
    return Foot(names.index(section), x)
