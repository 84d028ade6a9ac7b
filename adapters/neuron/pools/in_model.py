"""Pools of a loaded model: the law of each, by the values that its parameters have there, and its segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.neuron.coupling.ion_ownership import density_names
from adapters.neuron.coupling.ion_use import ion_uses
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import section_name, segment_name
from adapters.neuron.mechanisms.user import loaded
from adapters.neuron.pools.blocks import PooledSegments
from adapters.neuron.pools.law import PoolLaw, pool_law
from adapters.neuron.pools.mod_text import ModText
from couple.base.errors import InputError


def pools_in(sections: Sequence[Any], mechanism: str = "") -> list[PooledSegments]:
    """The pools of sections, those of one law together. mechanism: of several in a section, the one that is meant.

    Raises InputError where there is none, or more than one in a section.
    """
    texts, found = loaded(), dict[tuple[str, tuple[float, ...]], tuple[PoolLaw, list[Any]]]()
    for section in sections:
        for name in [n for n in density_names(section) if mechanism in ("", n) and _writes(n)]:
            for segment in section:
                law = pool_law(texts[name], f"{name}.mod", values_in(segment, name, texts[name]))
                _, segments = found.setdefault((name, law.key), (law, []))
                segments.append(segment)
    if not found:
        what = f'"{mechanism}"' if mechanism else "a mechanism that writes a concentration"
        raise InputError(f"{section_name(sections[0])} and others of these have no {what}" if len(sections) > 1 else
                         f"{section_name(sections[0])} has no {what}")  # fmt: skip
    several = len(found) > 1
    return [
        PooledSegments(law, f"{law.name}{f'_{i + 1}' if several else ''}", _names(segments))
        for i, (law, segments) in enumerate(found.values())
    ]


def values_in(segment: Any, name: str, text: str) -> dict[str, float]:
    """Values of what a MOD file names, in a segment: range variables, or globals of the mechanism."""
    found = {"celsius": float(h.celsius), "diam": float(segment.diam), "area": float(segment.area()), "v": -65.0}
    for parameter in ModText(text, name).parameters:
        for owner in (segment, h):
            value = getattr(owner, f"{parameter}_{name}", None)
            if isinstance(value, float):
                found[parameter] = value
                break
    return found


def _writes(name: str) -> bool:
    return any(f"{use.ion}i" in use.writes for use in ion_uses(name, False))


def _names(segments: Sequence[Any]) -> tuple[str, ...]:
    """Sections where all segments are meant, else segments."""
    by_section: dict[str, list[Any]] = {}
    for segment in segments:
        by_section.setdefault(section_name(segment.sec), []).append(segment)
    names: list[str] = []
    for section, there in by_section.items():
        names += [section] if len(there) == there[0].sec.nseg else [segment_name(s) for s in there]
    return tuple(names)
