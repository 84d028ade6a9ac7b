"""Mechanisms of the model that write `cai` where chemistry owns it: refused, removed, or overruled.

refuse  An error that names them (the default).
remove  Density mechanisms are taken out of the sections that have coupled segments, with all that they do: a pump
        that also carries ica no longer does. Point processes cannot be taken out and are refused.
ignore  They stay, and their currents count as before, so that what they carry as ica enters the site. What they write
        into `cai` of a coupled segment is replaced by the chemistry's value in the same step, after all writers and
        before any reader; uncoupled segments of the section keep what they write. Needs compiled mechanisms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.neuron.coupling.ion_ownership import density_names, in_rxd, point_names, writes
from adapters.neuron.coupling.ion_use import ion_uses
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages
from adapters.neuron.hoc.sections import section_name
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import DirectAccess
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.components.electrics import CALCIUM, CaiWriters

WHERE = "neuron.cai_writers"


class CaiClamps:
    """Point processes that hold `cai` of segments against writers; `notes` says what was done, a line each."""

    def __init__(self, segments: Sequence[Any], policy: CaiWriters) -> None:
        self.notes: list[str] = []
        self._processes: dict[int, Any] = {}
        for section, here in _by_section(segments):
            _refuse_rxd(section, CALCIUM)
            self._apply_policy(section, policy, here)

    def _apply_policy(self, section: Any, policy: CaiWriters, here: Sequence[tuple[int, Any]]) -> None:
        density = [n for n in density_names(section) if writes(n, CALCIUM, point=False)]
        points = [n for n in point_names(section) if writes(n, CALCIUM, point=True)]
        if not density and not points:
            return
        if policy == "ignore":
            self._hold(section, [*density, *points], here)
            return
        for name in density:
            if policy == "refuse":
                raise _refusal(name, section, _choices(name))
            section.uninsert(name)
            self.notes.append(f"{name} taken out of {section_name(section)} (it wrote cai{_and_current(name, False)})")
        for name in points:
            raise _refusal(name, section, 'set neuron.cai_writers = "ignore": point processes cannot be taken out')

    def _hold(self, section: Any, names: Sequence[str], here: Sequence[tuple[int, Any]]) -> None:
        if channel_path() != "MOD":
            raise _refusal(names[0], section, '"ignore" needs a C++ compiler, and there is none: remove the mechanism')
        with capture_messages() as messages:
            for i, segment in here:
                self._processes[i] = h.couple_hold(segment)
            messages.clear()  # NEURON remarks that two mechanisms write cai there: this is the purpose
        self.notes.append(
            f"cai that {', '.join(names)} would write in coupled segments of {section_name(section)} is ignored"
        )

    def initialise(self, values: Sequence[float]) -> None:
        """Set what is held, mM, for all coupled segments, before the model is initialised."""
        for i, process in self._processes.items():
            process.held = values[i]

    def scatter_with(self, inputs: DirectAccess) -> DirectAccess | ClampedScatter:
        """`inputs` whose first values are the `cai` of the segments, so that what is written is held as well."""
        return ClampedScatter(inputs, self._processes) if self._processes else inputs

    def close(self) -> None:
        """Let go of everything."""
        self._processes.clear()


class ClampedScatter:
    """Writes values, and some of them a second time; see `CaiClamps.scatter_with`."""

    def __init__(self, inputs: DirectAccess, processes: dict[int, Any]) -> None:
        self._inputs, self._columns = inputs, list(processes)
        self._held = DirectAccess([NeuronVariable(process, "held") for process in processes.values()])
        self.size = inputs.size

    def refresh_addresses(self) -> None:
        """See DirectAccess."""
        self._inputs.refresh_addresses()
        self._held.refresh_addresses()

    def scatter(self, values: Floats) -> None:
        """As in `couple_hold`: the value itself now, and what every later step sets it to."""
        self._inputs.scatter(values)
        self._held.scatter(values[self._columns])


def _by_section(segments: Sequence[Any]) -> list[tuple[Any, list[tuple[int, Any]]]]:
    """Sections with their segments and the places of these, in one pass: there may be ten thousand of each."""
    found: dict[str, tuple[Any, list[tuple[int, Any]]]] = {}
    for i, segment in enumerate(segments):
        found.setdefault(section_name(segment.sec), (segment.sec, []))[1].append((i, segment))
    return list(found.values())


def _choices(name: str) -> str:
    lost = " with the ica that it carries" if _and_current(name, False) else ""
    return f'set neuron.cai_writers = "remove" to take it out{lost}, or "ignore" to overrule what it writes into cai'


def _and_current(name: str, point: bool) -> str:
    return " and carried ica" if any(u.ion == "ca" and u.carries for u in ion_uses(name, point)) else ""


def refuse_writers(ion: str, segments: Sequence[Any]) -> None:
    """Raise InputError if anything writes the concentration of an ion other than calcium in these sections."""
    for section in {section_name(s.sec): s.sec for s in segments}.values():
        _refuse_rxd(section, ion)
        for point, names in ((False, density_names(section)), (True, point_names(section))):
            for name in names:
                if writes(name, ion, point=point):
                    raise _refusal(name, section, "remove it from that section", ion)


def _refuse_rxd(section: Any, ion: str) -> None:
    if in_rxd(section, ion):
        of = "calcium" if ion == CALCIUM else ion
        raise _refusal("rxd", section, f"leave that section out of the rxd region of {of}", ion)


def _refusal(name: str, section: Any, advice: str, ion: str = CALCIUM) -> InputError:
    return InputError(
        f'mechanism "{name}" in {section_name(section)} writes {ion}i, which couple owns in coupled segments: {advice}',
        where=WHERE if ion == CALCIUM else "neuron.model",
    )
