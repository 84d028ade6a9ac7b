"""A loaded model: what `couple` asks about it before anything is coupled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.neuron.alone.here import StepRecorder, run_here
from adapters.neuron.alone.requests import BuiltRequest, bare_request
from adapters.neuron.alone.run import alone, alone_built
from adapters.neuron.component import NeuronComponent
from adapters.neuron.coupling.ion_ownership import held_reversal, valences
from adapters.neuron.coupling.ion_use import carriers
from adapters.neuron.coupling.ownership import ownership
from adapters.neuron.coupling.parameters import ParameterFinder
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import (
    all_sections,
    cache_sections,
    clear_section_cache,
    find_membrane,
    find_segment,
    segment_name,
)
from adapters.neuron.mechanisms import user
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory.ranges import range_variables
from adapters.neuron.models.loader import LoadedModel, initial_voltage, load
from adapters.neuron.models.network import check_delays, connect, register_gids
from adapters.neuron.models.section_table import points_3d, section_table
from adapters.neuron.models.spines import grow
from adapters.neuron.models.start import reads_state
from adapters.neuron.summary import describe, ion_sources, notices, owners_of
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.components.attachments import Attachments, Parameter, ParameterPlaces
from couple.components.electrics import ElectricalModel, Section
from couple.components.model_spec import Contact, ModelSpec, SpineSpec
from couple.geometry.geometry import Geometry

_UNCONNECTED = 1e19
"""What NEURON gives as the distance of two segments that nothing connects is more than this."""


class NeuronModel(ElectricalModel):
    """A model in NEURON, which holds one at a time: loading another releases this one."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        # Before the model's own mechanisms and sections, in every process alike: a saved state holds type numbers.
        if reads_state(spec):
            user.load_before_ours(spec.mechanisms, spec.given)
        self.channel_path = channel_path()
        self._built: LoadedModel = load(spec)
        self._built.on_release.append(clear_section_cache)
        cache_sections()
        self._cell: NeuronComponent | None = None
        # Now: finding out what mechanisms do takes scratch sections, which a running model would not survive.
        self._description = describe(self.channel_path, spec, self._built)
        self._coupled: list[str] = []
        self._spines: list[SpineSpec] = []
        self._contacts: list[Contact] = []
        self._recorder: StepRecorder | None = None
        self._finder = ParameterFinder()
        self._built.on_release.append(self._finder.forget)

    def segments(self) -> Sequence[str]:
        """Names of all segments, as "head(0.5)"."""
        return [segment_name(segment) for section in all_sections() for segment in section]

    def resolve(self, segment: str) -> str:
        """The full name of the segment that `segment` means: "head(0.4)" → "Cell.head(0.5)"."""
        return segment_name(find_segment(segment))

    def geometry(self, segment: str) -> Geometry:
        """The cylinder of a segment; volume and area are NEURON's, where 3-d points taper too.

        Raises InputError for a segment without volume.
        """
        found = find_membrane(segment)
        length = found.sec.L / found.sec.nseg
        try:
            volume, area = float(found.volume()), float(found.area())
        except RuntimeError:
            volume = area = 0.0
        if not (volume > 0 and area > 0):
            raise InputError(f'"{segment}" has no volume: its diameter is {found.diam:g} um, its length {length:g} um')
        return replace(Geometry.cylinder(2 * math.sqrt(volume / math.pi / length), length), volume=volume, area=area)

    def area(self, segment: str) -> float:
        """Membrane area of a segment, µm²."""
        return float(find_membrane(segment).area())

    def range_variables(self, segment: str) -> Sequence[str]:
        """See ElectricalModel."""
        return range_variables(find_segment(segment))

    def mechanisms(self, segment: str) -> Sequence[str]:
        """See ElectricalModel."""
        return self._finder.mechanisms(segment)

    def find_parameter(self, parameter: Parameter) -> ParameterPlaces | None:
        """See ElectricalModel."""
        found = self._finder.find(parameter)
        return None if found is None else found.described

    def grow(self, spines: Sequence[SpineSpec]) -> None:
        """Add spines to the model. Raises InputError that names the key of one that cannot be."""
        with self._built.streams:
            grown = grow(spines)
        self._spines += spines
        self._built.on_release.append(grown.clear)
        cache_sections()
        self._description = describe(self.channel_path, self.spec, self._built)

    def connect(self, contacts: Sequence[Contact]) -> None:
        """Give the cells of a network their numbers and connect them. Raises InputError that names the key."""
        check_delays(contacts, self.spec.dt)
        with self._built.streams:
            kept = register_gids(self.spec.cells, lambda cell, name: find_segment(f"{cell}.{name}"))
            kept += connect(contacts)
        self._contacts += contacts
        self._built.on_release.append(kept.clear)
        self._description = describe(self.channel_path, self.spec, self._built)

    def distances(self, origin: str) -> Mapping[str, float]:
        """Path distance in µm from `origin` to every segment connected to it, middle to middle."""
        start = find_segment(origin)
        connected = start.sec.wholetree()  # not all sections: a network has thousands of cells
        away = {segment_name(s): float(h.distance(start, s)) for section in connected for s in section}
        return {name: distance for name, distance in away.items() if distance < _UNCONNECTED}

    def ions(self) -> Mapping[str, float]:
        """Charge number of every ion that NEURON knows, by name."""
        return valences()

    def carriers(self, segment: str, ion: str) -> Sequence[str]:
        """See ElectricalModel."""
        return carriers(find_segment(segment), ion)

    def held_reversal(self, segment: str, ion: str) -> float | None:
        """See ElectricalModel."""
        return held_reversal(ion, find_segment(segment))

    @property
    def notices(self) -> Sequence[str]:
        """See ElectricalModel."""
        return tuple(notices(self.spec, self._built))

    def describe(self) -> Sequence[str]:
        """Lines for `couple check`; once attached, also where the calcium of each coupled segment comes from."""
        return [*self._description, *self._coupled]

    def sections(self) -> Sequence[Section]:
        """All sections with region, length and path distance."""
        return section_table()

    def points(self, section: str) -> npt.NDArray[np.float64]:
        """(n, 4) x, y, z and diameter along a section, µm; (0, 4) if it was given as length and diameter."""
        return points_3d(section)

    def attach(self, attachments: Attachments) -> NeuronComponent:
        """The stepping component, initialised at t = 0; takes the place of an earlier one of this model."""
        if self._cell is not None:
            self._cell.close()
        before = [ownership(ion.ion, _found(ion.segments)) for ion in attachments.ions]
        self._finder.forget()
        self._cell = NeuronComponent(self._built, self.spec, attachments, self._finder)
        sources = [line for ion in attachments.ions for line in ion_sources(ion.segments, ion.ion)]
        owners = [
            line
            for ion, was in zip(attachments.ions, before, strict=True)
            for line in owners_of(attachments, ion, was, ownership(ion.ion, _found(ion.segments)))
        ]
        self._coupled = [*self._cell.notes, *sources, *owners]
        return self._cell

    def record_steps(self, segments: Sequence[str]) -> None:
        """See ElectricalModel."""
        self._recorder = StepRecorder(segments)
        self._built.on_release.append(self._recorder.close)

    def recorded_steps(self) -> Floats:
        """See ElectricalModel."""
        return np.empty((0, 0)) if self._recorder is None else self._recorder.read()

    @property
    def couple_builds(self) -> str:
        """See ElectricalModel."""
        if self.spec.cells:
            return "its cells and connections"
        if self.spec.model.suffix == ".swc":
            return "its sections, from a morphology"
        return "its spines" if self._spines else ""

    def alone(self, segments: Sequence[str], steps: int) -> Floats:
        """See ElectricalModel."""
        if self.couple_builds:
            return alone_built(BuiltRequest(self.spec, self._spines, self._contacts, segments, steps))
        how = (self._built.procedure, initial_voltage(self.spec))
        return alone(bare_request(self.spec, how, segments, steps))

    def run_here(self, segments: Sequence[str], steps: int) -> Floats:
        """(steps + 1, segments) V in this process, with nothing attached; only before `attach`."""
        return run_here(self.spec, self._built, segments, steps)


def _found(segments: Sequence[str]) -> list[Any]:
    return [find_membrane(name) for name in segments]


def load_model(spec: ModelSpec) -> NeuronModel:
    """Build the model of `spec` in NEURON. Raises InputError for a fault in the file, with its place."""
    return NeuronModel(spec)
