"""Everything in a NEURON model that a state has to hold besides what NEURON's own SaveState holds.

SaveState keeps voltages, STATE variables, weights and events. It leaves out parameters, ion concentrations (whether
`cai` is in depends on which section happens to be accessed), globals, delays and the position of random streams.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.objects import HocObjects
from adapters.neuron.hoc.sections import all_sections, section_name, segment_name
from adapters.neuron.hoc.variables import HocVariables
from adapters.neuron.mechanisms.source import without_comments
from adapters.neuron.state.gids import SpikeDetector, detectors, name_by_gid

EVERY, _GLOBAL = 0, -1
_DRAWS = re.compile(r"scop_random|normrand|exprand|poisrand|mcell_ran4|VERBATIM")
"""What a MOD file draws by from what all of NEURON shares, or may do so unseen."""


class Inventory:
    """References to all of it, in an order that depends on the model alone. files: that it consists of."""

    def __init__(self, files: Iterable[Path] = ()) -> None:
        files = tuple(files)
        self.hoc, self.objects = HocVariables(files), HocObjects(files)
        self.references: list[Any] = []
        self.streams: list[Any] = []
        self.keys: list[str] = []
        """What each reference is of, the same on any rank; "" for what every rank has, or builds anew."""
        self.stream_keys: list[str] = []
        self.connections: list[str] = []
        """What each of NEURON's NetCons connects, in their order."""
        self.detectors: list[SpikeDetector] = detectors()
        self._by_gid = name_by_gid(detector.gid for detector in self.detectors)
        self._owner = ""
        self._processes: dict[str, str] = {}
        self._seen: Counter[str] = Counter()
        self._names: list[str] = []
        self.mechanisms: dict[str, None] = {}
        for section in all_sections():
            self._names.append(f"{section_name(section).rsplit('.', 1)[-1]}[{section.nseg}]")
            for segment in section:
                self._owner = self._by_gid(section, segment_name(segment))
                self._segment(section, segment)
        self._owner = ""
        for process in artificial_cells():
            self._instance(process, _class_name(process), "")
        for connection in h.List("NetCon"):
            self._connection(connection)
        for mechanism in self.mechanisms:
            for name, size in variables(mechanism, _GLOBAL):
                self._add(h, name, size)
        for name in ("celsius", "dt"):
            self._add(h, name, 1)
        self.references += self.hoc.references
        self.keys += [""] * len(self.hoc.references)
        self._names += [*self.hoc.names, *self.objects.names]
        self.generators = list(h.List("Random"))
        # A saved state names mechanisms by these numbers, which depend on what else the process has loaded before.
        self._names += [f"{name} {_type_number(name)}" for name in self.mechanisms]

    @property
    def fingerprint(self) -> str:
        """Equal for equally built models."""
        text = "\n".join([*self._names, f"{len(self.streams)} streams, {len(self.generators)} generators"])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @functools.cached_property
    def draws_from_shared(self) -> bool:
        """Whether anything of the model may draw from a generator that all of NEURON shares."""
        drawing = any(_DRAWS.search(source(mechanism)) for mechanism in self.mechanisms)
        return drawing or bool(self.hoc.private or self.hoc.texts or self.hoc.references or self.objects.names)

    def _segment(self, section: Any, segment: Any) -> None:
        for name in ("v", "cm"):
            self._add(segment, name, 1)
        densities = [mechanism.name() for mechanism in segment if not mechanism.name().endswith("_ion")]
        for mechanism in [*densities, *(ion for ion in _ions() if h.ismembrane(ion, sec=section))]:
            self._instance(segment, mechanism, f"_{mechanism}")
        place = self._owner
        for process in segment.point_processes():
            self._owner = self._numbered(f"{place} {_class_name(process)}")
            self._processes[process.hname()] = self._owner
            self._instance(process, _class_name(process), "")
        self._owner = place

    def _numbered(self, name: str) -> str:
        """The name, with how often it was there before."""
        self._seen[name] += 1
        return f"{name} {self._seen[name]}"

    def _instance(self, owner: Any, mechanism: str, suffix: str) -> None:
        """All range variables of one instance; `suffix` ends the names of a density mechanism's variables."""
        self.mechanisms[mechanism] = None
        elsewhere = pointer_names(mechanism)
        for name, size in variables(mechanism, EVERY):
            if name.removesuffix(suffix) in elsewhere:
                continue
            if not self._add(owner, name, size):
                holder = getattr(owner, mechanism, None) if suffix else owner
                value = getattr(holder, name.removesuffix(suffix), None)
                if hasattr(value, "set_seq"):
                    self.streams.append(value)
                    self.stream_keys.append(f"{self._owner} {name}" if self._owner else "")
                    self._names.append(name)

    def _connection(self, connection: Any) -> None:
        process = connection.syn()
        target = self._processes.get(process.hname() if process is not None else "")
        # By the gid of the source: in which order a builder connects may depend on the ranks.
        self._owner = self._numbered(f"{target} NetCon from {int(connection.srcgid())}") if target else ""
        self.connections.append(self._owner)
        self._add(connection, "weight", int(connection.wcnt()), always_array=True)
        self._add(connection, "delay", 1)
        self._owner = ""  # a threshold is that of the source, which may be on another rank
        self._add(connection, "threshold", 1)

    def _add(self, owner: Any, name: str, size: int, *, always_array: bool = False) -> bool:
        """Note a variable; False if it cannot be referred to (a random stream)."""
        try:
            reference = getattr(owner, f"_ref_{name}")
        except (AttributeError, TypeError):
            return False
        parts = [reference[i] for i in range(size)] if size > 1 or always_array else [reference]
        self.references += parts
        self.keys += [f"{self._owner} {name} {i}" if self._owner else "" for i in range(len(parts))]
        self._names += [name] * len(parts)
        return True


def artificial_cells() -> Iterator[Any]:
    """All artificial cells (NetStim, IntFire, ...) that NEURON holds."""
    kinds, name = h.MechanismType(1), h.ref("")
    for i in range(int(kinds.count())):
        if kinds.is_artificial(i):
            kinds.select(i)
            kinds.selected(name)
            yield from h.List(name[0])


def mechanism_type(mechanism: str) -> Any | None:
    """NEURON's MechanismType with a mechanism or point process selected; None if there is none of this name."""
    for kind in (0, 1):
        kinds, name = h.MechanismType(kind), h.ref("")
        for i in range(int(kinds.count())):
            kinds.select(i)
            kinds.selected(name)
            if name[0] == mechanism:
                return kinds
    return None


@functools.cache
def source(mechanism: str) -> str:
    """Text of the MOD file of a mechanism, without comments; "" of one that has none."""
    kinds = mechanism_type(mechanism)
    return "" if kinds is None else without_comments(str(kinds.code() or ""))


@functools.cache
def pointer_names(mechanism: str) -> frozenset[str]:
    """Variables that lie elsewhere: in another mechanism, which has them, or in an object that is no number at all."""
    lists = re.findall(
        r"\b(?:BBCORE)?POINTER\s+(\w+(?:\s*\[\s*\d+\s*\])?(?:\s*,\s*\w+(?:\s*\[\s*\d+\s*\])?)*)", source(mechanism)
    )
    return frozenset(name.partition("[")[0].strip() for names in lists for name in names.split(","))


def _type_number(mechanism: str) -> int:
    kinds = mechanism_type(mechanism)
    return -1 if kinds is None else int(kinds.internal_type())


def _ions() -> list[str]:
    kinds, name, found = h.MechanismType(0), h.ref(""), []
    for i in range(int(kinds.count())):
        kinds.select(i)
        kinds.selected(name)
        if name[0].endswith("_ion"):
            found.append(name[0])
    return found


@functools.cache
def variables(mechanism: str, kind: int) -> list[tuple[str, int]]:
    """Names and array sizes of a mechanism's variables: range ones (0) or global ones (−1)."""
    standard, name = h.MechanismStandard(mechanism, kind), h.ref("")
    return [(name[0], size) for i in range(int(standard.count())) for size in [int(standard.name(name, i))]]


def _class_name(process: Any) -> str:
    return str(process.hname()).split("[")[0]
