"""The sections of a model by name and pattern."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from couple.base.errors import InputError, nearest, quoted
from couple.components.electrics import ElectricalModel, Section


def stem(pattern: str, name: str) -> str | None:
    """What the first * of a pattern stands for in `name` ("" without one); None if the pattern does not fit.

    Only * and ? are special: brackets are part of NEURON's names. A part behind a dot fits too: "apic*" fits
    "Cell[0].apic[3]".
    """
    parts = name.split(".")
    for i in range(len(parts)):
        found = _compiled(pattern).fullmatch(".".join(parts[i:]))
        if found is not None:
            return found[1] if found.re.groups else ""
    return None


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\?", ".").replace(r"\*", "(.*)", 1).replace(r"\*", ".*")
    return re.compile(text)


def section_of(segment: str) -> str:
    """ "head(0.5)" → "head"."""
    return segment.rsplit("(", 1)[0]


class Branches:
    """Sections and their segments, in the model's order, found once."""

    def __init__(self, model: ElectricalModel) -> None:
        self.model = model
        self.sections: dict[str, list[str]] = {}
        self._cells: dict[str, dict[str, list[str]]] = {}
        for segment in model.segments():
            self.sections.setdefault(section_of(segment), []).append(segment)

    def of_cell(self, cell: str) -> dict[str, list[str]]:
        """The sections of a cell of a network."""
        if not self._cells:
            for section, segments in self.sections.items():
                self._cells.setdefault(section.partition(".")[0], {})[section] = segments
        return self._cells.get(cell, {})

    def find(self, patterns: Iterable[str], key: str) -> dict[str, str]:
        """Segment → what a * stood for, of all segments that fit: "dend(0.3)", "dend" (all of it), "apical*".

        Raises InputError, with the nearest names, for a name or pattern that nothing fits.
        """
        found: dict[str, str] = {}
        for pattern in patterns:
            try:
                for segment, star in self._fitting(pattern).items():
                    found.setdefault(segment, star)
            except InputError as error:
                raise error.at(key) from None
        return found

    @cached_property
    def table(self) -> dict[str, Section]:
        """Section by name, with its length, its parent and where it stands on that."""
        return {section.name: section for section in self.model.sections()}

    @cached_property
    def _ending(self) -> dict[str, list[str]]:
        """What names end in, behind a dot ("dend[3]" of "Cell[0].dend[3]"), or all of them → sections."""
        found: dict[str, list[str]] = {}
        for section in self.sections:
            parts = section.split(".")
            for i in range(len(parts)):
                found.setdefault(".".join(parts[i:]), []).append(section)
        return found

    def _fitting(self, pattern: str) -> dict[str, str]:
        name, bracket, position = pattern.partition("(")
        if name in self.sections:  # a full name before any that ends like it
            matches = {name: ""}
        elif not is_pattern(name):
            matches = dict.fromkeys(self._ending.get(name.strip(), ()), "")
        else:
            stems = {section: stem(name.strip(), section) for section in self.sections}
            matches = {section: star for section, star in stems.items() if star is not None}
        if not is_pattern(name) and (len(matches) != 1 or bracket):
            if bracket or matches:
                return {self.model.resolve(pattern if bracket else f"{pattern}(0.5)"): ""}  # with the model's messages
            raise InputError(self._unknown(name))
        if not matches:
            raise InputError(self._unknown(name))
        if bracket:
            return {self.model.resolve(f"{section}({position}"): star for section, star in matches.items()}
        return {segment: star for section, star in matches.items() for segment in self.sections[section]}

    def _unknown(self, name: str) -> str:
        short = {section.rsplit(".", 1)[-1] for section in self.sections}
        return f"the model has no section {quoted(name)}; {nearest(name, sorted({*self.sections, *short}))}"

    def soma(self) -> list[str]:
        """The middles of all sections called soma. Raises InputError if there is none."""
        found = [parts for name, parts in self.sections.items() if re.search(r"(^|\.)soma(\[\d+\])?$", name, re.I)]
        if not found:
            raise InputError(
                f'no section is called soma: say where distance is counted from, from = "{next(iter(self.sections))}"'
            )
        return [parts[len(parts) // 2] for parts in found]

    def distances(self, origins: Iterable[str]) -> dict[str, float]:
        """Segment → path distance in µm from the nearest of some segments, of all that are connected to one."""
        away: dict[str, float] = {}
        for origin in origins:
            for segment, distance in self.model.distances(origin).items():
                away[segment] = min(distance, away.get(segment, distance))
        return away


def is_pattern(name: str) -> bool:
    """Whether a name stands for several, by * or ?."""
    return "*" in name or "?" in name


def is_glob(name: str) -> bool:
    """The same for names of sites and cells, where [ab] stands for a or b."""
    return is_pattern(name) or "[" in name


def fitting(pattern: str, names: Sequence[str]) -> list[str]:
    """Names of sites that fit a pattern such as "head" or "spine_*"."""
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]
