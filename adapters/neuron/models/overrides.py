"""What an experiment changes in a model that is built: mechanisms taken out, values set; [neuron] uninsert and set.

    uninsert = ["pool", "dend*.hva"]                  # everywhere, or in some sections
    set = { "soma.gnabar_hh" = "0.1 S/cm^2", "dend*.diam" = 2, "apical.ek" = -90, "vhalf_x" = -20, "clamp.amp" = 0.2 }

In front of the last dot stand sections (a name, a pattern with *, a region, "all") or an object of HOC; a name without
a dot is a global. A plain number is in NEURON's unit.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import all_sections, section_name
from adapters.neuron.mechanisms.parameters import density_mechanisms, in_unit, unit_of
from adapters.neuron.models.regions import REGIONS, region_of
from couple.base.errors import InputError, brief, nearest

_CABLE = {"L": "um", "diam": "um", "Ra": "ohm cm", "cm": "uF/cm^2", "nseg": ""}
_OF_SECTION = ("L", "Ra", "nseg")


def apply(uninsert: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Change the model; a line for each change. Raises InputError that names the key."""
    lines = [_take_out(given, f"neuron.uninsert[{i}]") for i, given in enumerate(uninsert)]
    return lines + [_set(name, value, f'neuron.set."{name}"') for name, value in values.items()]


def _take_out(given: str, where: str) -> str:
    head, _, mechanism = given.rpartition(".")
    found = [s for s in _sections(head or "all", where) if s.has_membrane(mechanism)]
    if not found:
        known = sorted({m for m in density_mechanisms() for s in all_sections() if s.has_membrane(m)})
        raise InputError(
            f'"{mechanism}" is in no section of "{head or "all"}"; {nearest(mechanism, known)}', where=where
        )
    for section in found:
        section.uninsert(mechanism)
    return f"{mechanism} taken out of {_shown(found)}"


def _set(name: str, value: Any, where: str) -> str:
    head, _, variable = name.rpartition(".")
    if not head:
        return _set_on(h, variable, value, unit_of(variable), where, "")
    objects = _object(head)
    if objects is not None:
        return _set_on(objects, variable, value, "", where, f"{head}.")
    unit = _CABLE.get(variable, unit_of(variable))
    number = _number(value, unit, where)
    if variable in _CABLE and not (number > 0 and (variable != "nseg" or number == int(number))):
        raise InputError(
            f"{number:g} is not {'a whole number above 0' if variable == 'nseg' else 'positive'}", where=where
        )
    sections = _sections(head, where)
    before = [_of_section(section, variable, where) for section in sections]
    _guarded(lambda: _assign(sections, variable, number), where)
    was = f"{before[0]:g}" if len({*before}) == 1 else f"{min(before):g} to {max(before):g}"
    return f"{variable} of {_shown(sections)} = {number:g} (was {was})"


def _set_on(owner: Any, variable: str, value: Any, unit: str, where: str, prefix: str) -> str:
    """Set a number of an object or of HOC itself."""
    try:
        before = getattr(owner, variable)
    except (AttributeError, TypeError, LookupError):
        before = None
    if not isinstance(before, float):
        raise InputError(f'"{prefix}{variable}" is no number of the model', where=where)
    number = _number(value, unit, where)
    _guarded(lambda: setattr(owner, variable, number), where)
    return f"{prefix}{variable} = {number:g} (was {before:g})"


def _object(name: str) -> Any | None:
    """An object of HOC by the name of its reference, None if there is none."""
    sections = (section_name(section).rpartition(".")[2].partition("[")[0] for section in all_sections())
    if not name.isidentifier() or name in sections:
        return None
    found: Any = getattr(h, name, None)
    return found if hasattr(found, "hname") and str(found.hname()) != "NULLobject" else None


def _sections(head: str, where: str) -> list[Any]:
    """Sections by name, pattern or region."""
    everything = [(section_name(section), section) for section in all_sections()]
    short = [(name.rpartition(".")[2], section) for name, section in everything]
    bare = [(name.partition("[")[0], section) for name, section in short]
    for names in (everything, short, bare):
        found = [section for name, section in names if name == head or ("*" in head and _fits(name, head))]
        if found:
            return found
    found = [section for name, section in everything if head in ("all", region_of(name))]
    if not found:
        raise InputError(
            f'no section and no object of the model is called "{head}"; '
            f"{nearest(head, [*dict.fromkeys(name for name, _ in bare), *REGIONS, 'all'])}",
            where=where,
        )
    return found


def _fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern in which only * stands for anything."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _of_section(section: Any, variable: str, where: str) -> float:
    """The value in the middle of a section."""
    try:
        return float(getattr(section if variable in _OF_SECTION else section(0.5), variable))
    except (AttributeError, NameError, TypeError, ValueError, LookupError):
        here = [m.name() for m in section(0.5)]
        raise InputError(
            f'{section_name(section)} has no variable "{variable}"; it has L, diam, Ra, cm, nseg, and those of '
            f"{', '.join(here) or 'no mechanism'}, written like gnabar_hh",
            where=where,
        ) from None


def _assign(sections: Sequence[Any], variable: str, number: float) -> None:
    for section in sections:
        for owner in (section,) if variable in _OF_SECTION else section:
            setattr(owner, variable, int(number) if variable == "nseg" else number)


def _number(value: Any, unit: str, where: str) -> float:
    if isinstance(value, str):
        return in_unit(value, unit, where)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f'{brief(value)} is no number; give one, or text with a unit like "0.1 S/cm^2"', where=where)
    return float(value)


def _guarded(change: Callable[[], Any], where: str) -> None:
    try:
        change()
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(f"NEURON does not take it: {' '.join(str(error).split())}", where=where) from None


def _shown(sections: Sequence[Any]) -> str:
    more = f" and {len(sections) - 1} more sections" if len(sections) > 1 else ""
    return f"{section_name(sections[0])}{more}"
