"""Spines on the branches of a loaded model: two sections each, passive like the branch, with channels and synapses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import find_section, section_name
from adapters.neuron.mechanisms.parameters import density_mechanisms, in_unit, parameters
from adapters.neuron.mechanisms.synapses import NMDA, give_role
from couple.base.errors import InputError, nearest
from couple.components.model_spec import SpineSpec, SynapseSpec

_AMPA_RISE, _AMPA_DECAY, _AMPA_REVERSAL = 0.2, 2.0, 0.0
_ENDLESS = 1e9
"""Spikes of a train without an end."""


class Spine:
    """Sections `neck` and `head`, called NAME.neck and NAME.head; whoever holds it keeps them alive."""

    def __init__(self, spec: SpineSpec) -> None:
        self._name = spec.name
        branch = find_section(spec.section)(spec.x)
        self.neck = self._section("neck", spec.neck, spec, branch)
        self.head = self._section("head", spec.head, spec, branch)
        self.neck.connect(branch)
        self.head.connect(self.neck(1))
        _insert(self.neck, spec.neck_channels, f"{spec.key}.neck")
        _insert(self.head, spec.head_channels, f"{spec.key}.head")
        self.receptors: list[Any] = []
        self.connections: list[Any] = []

    def __repr__(self) -> str:
        return self._name  # NEURON puts it in front of the sections' names

    def _section(self, name: str, size: tuple[float, float], spec: SpineSpec, branch: Any) -> Any:
        """A cylinder with the passive properties of the branch, or those that are given."""
        section = h.Section(name=name, cell=self)
        section.diam, section.L = size
        section.Ra = branch.sec.Ra if spec.Ra is None else spec.Ra
        section.cm = branch.cm if spec.cm is None else spec.cm
        section.insert("pas")
        section(0.5).pas.g, section(0.5).pas.e = _leak(spec, branch)
        return section

    def stimulate(self, synapse: SynapseSpec, sources: Sequence[Any]) -> None:
        """Receptors on the head, driven by `sources`."""
        if synapse.ampa:
            ampa = h.Exp2Syn(self.head(0.5))
            ampa.tau1, ampa.tau2, ampa.e = _AMPA_RISE, _AMPA_DECAY, _AMPA_REVERSAL
            give_role(ampa, "AMPA")
            self.receptors.append(ampa)
            for source in sources:
                connection = h.NetCon(source, ampa)
                connection.delay, connection.weight[0] = 0.0, synapse.ampa
                self.connections.append(connection)
        if synapse.nmda:
            nmda = NMDA(self.head(0.5))
            self.receptors.append(nmda)
            for source in sources:
                nmda.connect(source, delay=0.0, weight=synapse.nmda)


def grow(specs: Sequence[SpineSpec]) -> list[Any]:
    """Grow spines on the loaded model; returns what has to be kept. Raises InputError that names the key."""
    trains: dict[tuple[float, ...], list[Any]] = {}
    grown: list[Any] = []
    for spec in specs:
        spine = Spine(spec)
        grown.append(spine)
        if spec.synapse is None:
            continue
        if spec.synapse.rate:
            sources = [_poisson(spec.synapse)]
            grown += sources
        else:  # one axon for all that fire at the same times
            if spec.synapse.times not in trains:
                trains[spec.synapse.times] = [_spike(t) for t in spec.synapse.times]
                grown += trains[spec.synapse.times]
            sources = trains[spec.synapse.times]
        spine.stimulate(spec.synapse, sources)
    return grown


def _spike(time: float) -> Any:
    source = h.NetStim()
    source.start, source.number, source.noise = time, 1, 0
    return source


def _poisson(synapse: SynapseSpec) -> Any:
    source = h.NetStim()
    source.start, source.number, source.noise, source.interval = synapse.start, _ENDLESS, 1, 1 / synapse.rate
    source.noiseFromRandom123(*synapse.stream, synapse.cell)
    return source


def _leak(spec: SpineSpec, branch: Any) -> tuple[float, float]:
    """(g in S/cm², e in mV): as given, or of the branch's `pas`."""
    if spec.leak is not None:
        return in_unit(spec.leak[0], "S/cm2", f"{spec.key}.leak.g"), spec.leak[1]
    if not h.ismembrane("pas", sec=branch.sec):
        raise InputError(
            f'{section_name(branch.sec)} has no "pas" that {spec.name} could take its leak from: '
            'give leak = { g = "1e-4 S/cm^2", e = "-65 mV" }',
            where=spec.key,
        )
    return float(branch.pas.g), float(branch.pas.e)


def _insert(section: Any, channels: Mapping[str, Mapping[str, str | float]], key: str) -> None:
    """Insert density mechanisms and set their variables. Raises InputError, with the nearest names."""
    offered = [name for name in density_mechanisms() if not name.endswith("_ion")]
    for name, variables in channels.items():
        where = f"{key}.channels.{name}"
        if name not in offered:
            raise InputError(f"NEURON has no density mechanism of this name; {nearest(name, offered)}", where=where)
        section.insert(name)
        for variable, number in parameters(name, variables, where).items():
            for segment in section:
                setattr(getattr(segment, name), variable, number)
