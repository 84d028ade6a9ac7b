"""Mechanisms of the model that write a concentration where chemistry owns it: refused, removed, overruled, or left to
themselves.

refuse   An error that names them (the default).
remove   Density mechanisms are taken out of the sections that have coupled segments, with all that they do: a pump
         that also carries ica no longer does. Point processes cannot be taken out and are refused.
ignore   They stay, and their currents count as before, so that what they carry as ica enters the site. What they write
         into `cai` of a coupled segment is replaced by the chemistry's value in the same step, after all writers and
         before any reader; uncoupled segments of the section keep what they write. Needs compiled mechanisms.
emulate  They stay and go on beside the chemistry: at each step they find the concentration that they left themselves,
         as in the model alone; all else reads the chemistry's. Needs compiled mechanisms, and none that carries a
         current of the ion, which would be worked out with the chemistry's concentration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.neuron.coupling.ion_ownership import default_concentration, density_names, in_rxd, point_names, writes
from adapters.neuron.coupling.ion_use import ion_uses
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages
from adapters.neuron.hoc.sections import section_name
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.mechanisms.own import own_process
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import DirectAccess
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.components.attachments import CALCIUM
from couple.components.calls import Call, python_call
from couple.components.model_spec import CaiWriters

WHERE = "neuron.cai_writers"


class IonClamps:
    """Point processes that hold the concentration of an ion in segments against writers.

    policies: segment's name → what becomes of writers there. notes: what was done, a line each. Raises InputError for
    writers that are refused, and for two policies in a section, from whose whole length mechanisms are taken.
    """

    def __init__(self, ion: str, segments: Sequence[tuple[str, Any]], policies: Mapping[str, CaiWriters]) -> None:
        self.ion, self.notes = ion, list[str]()
        self.processes: dict[int, Any] = {}
        self._owning: list[Any] = []
        for section, here in _by_section(segments):
            _refuse_rxd(section, ion)
            self._apply_policy(section, _policy(section, here, policies), here)

    def _apply_policy(self, section: Any, policy: CaiWriters, here: Sequence[tuple[int, str, Any]]) -> None:
        density = [n for n in density_names(section) if writes(n, self.ion, point=False)]
        points = [n for n in point_names(section) if writes(n, self.ion, point=True)]
        if not density and not points:
            return
        if policy in ("ignore", "emulate"):
            self._hold(section, [*density, *points], here, policy)
            return
        for name in density:
            if policy == "refuse":
                raise _refusal(name, section, self.ion, _choices(name, self.ion))
            section.uninsert(name)
            carried = _and_current(name, self.ion, point=False)
            self.notes.append(f"{name} taken out of {section_name(section)} (it wrote {self.ion}i{carried})")
        for name in points:
            raise _refusal(
                name, section, self.ion, 'set neuron.cai_writers = "ignore": point processes cannot be taken out'
            )

    def _hold(
        self, section: Any, names: Sequence[str], here: Sequence[tuple[int, str, Any]], policy: CaiWriters
    ) -> None:
        if channel_path() != "MOD":
            advice = f'"{policy}" needs a C++ compiler, and there is none: remove the mechanism'
            raise _refusal(names[0], section, self.ion, advice)
        carrying = [n for n in names if _and_current(n, self.ion, point=n not in density_names(section))]
        if policy == "emulate" and carrying:
            advice = f'it carries i{self.ion} too, which follows from the chemistry\'s {self.ion}i: use "ignore"'
            raise _refusal(carrying[0], section, self.ion, advice)
        with capture_messages() as messages:
            for i, _, segment in here:
                self.processes[i] = self._keep(segment) if policy == "emulate" else self._clamp(segment)
            messages.clear()  # NEURON remarks that two mechanisms write cai there: this is the purpose
        writers, place = ", ".join(names), f"in coupled segments of {section_name(section)}"
        if policy == "emulate":
            self.notes.append(f"{self.ion}i of {writers} goes on {place} beside the chemistry's, and nothing reads it")
        else:
            self.notes.append(f"{self.ion}i that {writers} would write {place} is ignored")

    def _clamp(self, segment: Any) -> Any:
        if self.ion == CALCIUM:
            return h.couple_hold(segment)
        process = h.couple_hold_ion(segment)
        h.setpointer(getattr(segment, f"_ref_{self.ion}i"), "conc", process)
        return process

    def _keep(self, segment: Any) -> Any:
        own = getattr(h, own_process(self.ion))(segment)
        own.first = default_concentration(self.ion)
        self._owning.append(own)
        process = h.couple_keep(segment)
        h.setpointer(getattr(segment, f"_ref_{self.ion}i"), "conc", process)
        h.setpointer(own._ref_own, "own", process)
        return process

    def close(self) -> None:
        """Let go of everything."""
        self.processes.clear()
        self._owning.clear()


class ClampedScatter:
    """Writes values, and some of them a second time, so that what is written is held as well.

    processes: of `IonClamps`, by the place of their value.
    """

    def __init__(self, inputs: DirectAccess, processes: Mapping[int, Any]) -> None:
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

    def scatter_calls(self, values: Floats) -> list[Call]:
        """See DirectAccess."""
        return [python_call(lambda: self.scatter(values))]


def _policy(section: Any, here: Sequence[tuple[int, str, Any]], policies: Mapping[str, CaiWriters]) -> CaiWriters:
    """Of all coupled segments of a section."""
    found = {policies[name]: name for _, name, _ in here}
    if len(found) > 1:
        said = " and ".join(f'"{policy}" for {name}' for policy, name in found.items())
        raise InputError(f"{said}: a section has one policy, since mechanisms are taken out of all of it", where=WHERE)
    return next(iter(found))


def _by_section(segments: Sequence[tuple[str, Any]]) -> list[tuple[Any, list[tuple[int, str, Any]]]]:
    """Sections with their segments and the places of these, in one pass: there may be ten thousand of each."""
    found: dict[str, tuple[Any, list[tuple[int, str, Any]]]] = {}
    for i, (name, segment) in enumerate(segments):
        found.setdefault(section_name(segment.sec), (segment.sec, []))[1].append((i, name, segment))
    return list(found.values())


def _choices(name: str, ion: str) -> str:
    lost = f" with the i{ion} that it carries" if _and_current(name, ion, point=False) else ""
    return f'set neuron.cai_writers = "remove" to take it out{lost}, or "ignore" to overrule what it writes into {ion}i'


def _and_current(name: str, ion: str, *, point: bool) -> str:
    return f" and carried i{ion}" if any(u.ion == ion and u.carries for u in ion_uses(name, point)) else ""


def _refuse_rxd(section: Any, ion: str) -> None:
    if in_rxd(section, ion):
        of = "calcium" if ion == CALCIUM else ion
        raise _refusal("rxd", section, ion, f"leave that section out of the rxd region of {of}")


def _refusal(name: str, section: Any, ion: str, advice: str) -> InputError:
    return InputError(
        f'mechanism "{name}" in {section_name(section)} writes {ion}i, which couple owns in coupled segments: {advice}',
        where=WHERE,
    )
