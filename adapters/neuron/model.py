"""A loaded model: what `couple` asks about it before anything is coupled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from adapters.neuron.calcium import calcium_use, density_names, point_names, valences
from adapters.neuron.cell import NeuronCell
from adapters.neuron.importing import h
from adapters.neuron.loading import Built, initial_voltage, load
from adapters.neuron.mechanisms import ChannelPath, channel_path
from adapters.neuron.naming import all_sections, find_membrane, find_segment, segment_name
from couple.electrics import Attachments, ModelSpec
from couple.errors import InputError
from couple.geometry import Geometry


class NeuronModel:
    """Implements `couple.electrics.ElectricalModel`. NEURON holds one at a time: loading another releases this one."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        # Before the model's own mechanisms and sections, in every process alike: a saved state holds type numbers.
        self.channel_path = channel_path()
        self._built: Built = load(spec)
        self._cell: NeuronCell | None = None
        # Now: finding out what mechanisms do takes scratch sections, which a running model would not survive.
        self._description = _describe(self.channel_path, spec)

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

    def ions(self) -> Mapping[str, float]:
        """Charge number of every ion that NEURON knows, by name."""
        return valences()

    def describe(self) -> Sequence[str]:
        """Lines for `couple check`."""
        return self._description

    def attach(self, attachments: Attachments) -> NeuronCell:
        """The stepping component, initialised at t = 0; takes the place of an earlier one of this model."""
        if self._cell is not None:
            self._cell.close()
        self._cell = NeuronCell(self._built, self.spec, attachments)
        return self._cell


def _describe(path: ChannelPath, spec: ModelSpec) -> list[str]:
    sections = all_sections()
    lines = [
        f"{len(sections)} sections, {sum(section.nseg for section in sections)} segments; "
        f"coupling mechanisms: {path}" + (" (no compiler: slower)" if path == "KSChan" else "")
    ]
    lines.append(f"celsius {h.celsius:g}, v_init {initial_voltage(spec):g} mV, dt {spec.dt:g} ms")
    for section in sections:
        uses = [(name, calcium_use(name, point=False)) for name in density_names(section)]
        uses += [(name, calcium_use(name, point=True)) for name in point_names(section)]
        known = [f"{name} {use}" for name, use in uses if use]
        if known:
            lines.append(f"{section.name()}: {', '.join(known)}")
    return lines


def load_model(spec: ModelSpec) -> NeuronModel:
    """Build the model of `spec` in NEURON. Raises InputError for a fault in the file, with its place."""
    return NeuronModel(spec)
