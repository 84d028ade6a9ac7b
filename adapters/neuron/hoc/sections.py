"""Sections and segments of the loaded model by name: "head(0.5)"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from adapters.neuron.hoc.h import h
from couple.base.errors import InputError, is_near, nearest, quoted

_SEGMENT = re.compile(r"\s*(.+?)\s*\(\s*([^()]*?)\s*\)\s*")


def all_sections() -> list[Any]:
    """All sections that NEURON holds, in the order of their creation."""
    return list(h.allsec())


_labels: dict[Any, str] = {}
"""Names of sections in a network, where cells of one model have sections of one name."""


def set_label(section: Any, name: str) -> None:
    """Call a section `name` until `clear_section_cache`."""
    _labels[section] = name


def section_name(section: Any) -> str:
    """The full name of a section."""
    return _labels.get(section) or str(section.name()) if _labels else str(section.name())


def segment_name(segment: Any) -> str:
    """The name of a segment as input files write it, by its middle (an end point keeps its 0 or 1)."""
    x, n = segment.x, segment.sec.nseg
    middle = x if x in (0.0, 1.0) else (int(x * n) + 0.5) / n
    return f"{section_name(segment.sec)}({middle:g})"


_known: dict[str, Any] = {}
"""Sections of the loaded model by full name: a search through a thousand, for each of a thousand, takes seconds."""


_short: dict[str, list[str]] = {}
"""What full names end in → full names, of `_known`."""


def cache_sections() -> None:
    """Find sections by their names in a table until `clear_section_cache`; once the model is complete."""
    everything = all_sections()
    _known.update((section_name(section), section) for section in everything)
    if len(_known) < len(everything):  # of two with one name neither is meant
        _known.clear()
    _short.clear()
    _short.update(_by_ending(_known))


def _by_ending(names: Iterable[str]) -> dict[str, list[str]]:
    """What names end in → names, in their order: "dend[3]" and "dend" for "Cell[0].dend[3]"."""
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        for i in range(len(parts)):
            ending = ".".join(parts[i:])
            for key in dict.fromkeys((ending, re.sub(r"\[\d+\]$", "", ending))):
                found.setdefault(key, []).append(name)
    return found


def clear_section_cache() -> None:
    """Let go of all sections and their labels."""
    _known.clear()
    _short.clear()
    _labels.clear()


def find_section(name: str) -> Any:
    """The section called `name`, or the only one whose name ends in ".name" (a section of a cell object)."""
    if name in _known:
        return _known[name]
    everything = all_sections() if not _known else list(_known.values())
    sections = _known or {section_name(section): section for section in everything}
    if name in sections:
        if sum(section_name(section) == name for section in everything) > 1:
            raise InputError(f'several sections of the model are called "{name}"; give each a name of its own')
        return sections[name]
    # "dend[3]" for "Cell[0].dend[3]"; and without an index where there is one alone: "soma" for "soma[0]"
    endings = (_short or _by_ending(sections)).get(name, [])
    whole = [full for full in endings if f".{full}".endswith(f".{name}")]
    for found in (whole, [full for full in endings if full not in {*whole}]):
        if len(found) == 1:
            return sections[found[0]]
        if found:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise InputError(
                f'"{name}" is the name of several sections: {", ".join(found[:5])}{more}; write one of these'
            )
    short = {full.rsplit(".", 1)[-1] for full in sections}
    known = [*sections, *sorted(short - set(sections))]
    offered = known if is_near(name, known) else _bases(sections)
    raise InputError(f"the model has no section {quoted(name)}; {nearest(name, offered)}")


def _bases(names: Iterable[str]) -> list[str]:
    """Names without objects and indices, each once: what there is, where all names would be too many."""
    return sorted({re.sub(r"\[\d+\]$", "", name.rsplit(".", 1)[-1]) for name in names})


def find_segment(name: str) -> Any:
    """The segment called `name`, as in "head(0.5)"; any position inside a segment names it."""
    match = _SEGMENT.fullmatch(name)
    if match is None:
        raise InputError(f'"{name}" is not a segment; write section and position, like "{name.strip() or "soma"}(0.5)"')
    section = find_section(match[1])
    try:
        x = float(match[2])
    except ValueError:
        raise InputError(f'"{match[2]}" in "{name}" is not a position; give a number from 0 to 1') from None
    if not 0 <= x <= 1:
        raise InputError(f'position {x:g} in "{name}" is outside of the section; give a number from 0 to 1')
    return section(x)


def find_membrane(name: str) -> Any:
    """Like `find_segment`, but not an end point (x = 0 or 1), which has no membrane and no volume."""
    segment = find_segment(name)
    if segment.x in (0.0, 1.0):
        inner = segment.sec(min(max(segment.x, 0.5 / segment.sec.nseg), 1 - 0.5 / segment.sec.nseg))
        raise InputError(
            f'"{name}" is an end point and has no membrane; the nearest segment is "{segment_name(inner)}"'
        )
    return segment


def find_membranes(names: Sequence[str], *, repeats: bool = False) -> list[Any]:
    """Segments by name; two names of one segment are refused unless `repeats`."""
    segments = [find_membrane(name) for name in names]
    seen: dict[tuple[str, int], str] = {}
    for name, segment in zip(names, segments, strict=True):
        # Not its x, which is what was asked for, nor node_index, which is wrong until NEURON has sorted the tree.
        node = (section_name(segment.sec), int(segment.x * segment.sec.nseg))
        if node in seen and not repeats:
            raise InputError(f'"{name}" and "{seen[node]}" are the same segment; name it once')
        seen[node] = name
    return segments
