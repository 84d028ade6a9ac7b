"""Which ions a mechanism uses, and how: read from the MOD text that NEURON keeps of every compiled mechanism."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.neuron.coupling.ion_ownership import calcium_use, density_names, point_names
from adapters.neuron.mechanisms.source import without_comments
from adapters.neuron.mechanisms.user import loaded

_USE = re.compile(r"\bUSEION\s+(\w+)((?:\s+(?:READ|WRITE)\s+\w+(?:\s*,\s*\w+)*)+)")
_PART = re.compile(r"\b(READ|WRITE)\s+(\w+(?:\s*,\s*\w+)*)")

_WITHOUT_TEXT = {"couple_k": "k", "couple_na": "na", "couple_ca": "ca", "couple_cav": "ca", "couple_nmda_ca": "ca"}
"""Ion of the channels that are built without a compiler, by the start of their names."""


@dataclass(frozen=True)
class IonUse:
    """What a mechanism does with one ion: names such as "cai", "eca", "ica"."""

    ion: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def carries(self) -> bool:
        """Whether it has a current of the ion."""
        return f"i{self.ion}" in self.writes

    @property
    def sets_concentration(self) -> bool:
        """Whether it writes a concentration of the ion, inside or outside."""
        return f"{self.ion}i" in self.writes or f"{self.ion}o" in self.writes

    def __str__(self) -> str:
        parts = [f"reads {', '.join(self.reads)}"] if self.reads else []
        return ", ".join([*parts, *([f"writes {', '.join(self.writes)}"] if self.writes else [])])


@functools.cache
def ion_uses(name: str, point: bool) -> tuple[IonUse, ...]:
    """How a mechanism uses ions; for one without MOD text (a ChannelBuilder channel), what NEURON's ion style tells."""
    text = loaded().get(name, "")
    if text:
        return uses_in(text)
    for start, ion in _WITHOUT_TEXT.items():
        if name == start or name.startswith(f"{start}_"):
            return (IonUse(ion, (f"e{ion}",), (f"i{ion}",)),)
    use = calcium_use(name, point=point)
    if not use:
        return ()
    # a channel of the ChannelBuilder: it cannot write a concentration; whether it carries ica, nothing tells
    return (IonUse("ca", ("cai",) if "cai" in use else ("eca",), () if "cai" in use else ("ica",)),)


def uses_in(text: str) -> tuple[IonUse, ...]:
    """The USEION statements of a MOD file."""
    found = []
    for match in _USE.finditer(without_comments(text)):
        parts: dict[str, tuple[str, ...]] = {"READ": (), "WRITE": ()}
        for kind, names in _PART.findall(match[2]):
            parts[kind] += tuple(name.strip() for name in names.split(","))
        found.append(IonUse(match[1], parts["READ"], parts["WRITE"]))
    return tuple(found)


def mechanisms_in(section: Any) -> list[tuple[str, bool]]:
    """Density mechanisms and classes of point processes of a section, each with whether it is a point process."""
    return [*((n, False) for n in density_names(section)), *((n, True) for n in point_names(section))]


def carriers(segment: Any, ion: str) -> list[str]:
    """Mechanisms that carry a current of the ion into a segment: its density mechanisms and its own point processes."""
    points: Sequence[str] = sorted({p.hname().split("[")[0] for p in segment.point_processes()})
    here = [*((n, False) for n in density_names(segment.sec)), *((n, True) for n in points)]
    return [n for n, point in here if any(u.ion == ion and u.carries for u in ion_uses(n, point))]
