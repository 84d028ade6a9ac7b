"""Concentrations of coupled segments: those that chemistry owns are written, the others stay the model's and are read.

A segment is owned where a link to its concentration exists. Where only charge is taken up nothing of the model changes:
not who writes the concentration, not its ion style, not its reversal potential.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.neuron.coupling.cai_writers import ClampedScatter, IonClamps
from adapters.neuron.coupling.ion_ownership import (
    NERNST,
    ReversalStyle,
    default_concentration,
    own_concentration,
    reversal_style,
)
from adapters.neuron.hoc.sections import section_name
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import DirectAccess
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.components.attachments import CALCIUM, IonSegments
from couple.components.calls import Call, python_call
from couple.components.model_spec import CaiWriters, Reversal

Indexes = np.ndarray[Any, np.dtype[np.intp]]


class Concentrations:
    """Concentrations of ions in segments, in the order of the port values.

    initial: of all of them, mM, those that stay the model's being 0. notes: what was done with writers of them.
    Raises InputError if a mechanism writes one that is owned and may not be removed.
    """

    def __init__(
        self, ions: Sequence[tuple[IonSegments, Sequence[Any]]], policy: CaiWriters, eca: Reversal = "nernst"
    ) -> None:
        places = [(ion, name, at) for ion, segments in ions for name, at in zip(ion.segments, segments, strict=True)]
        variables = [NeuronVariable(segment, ion.concentration) for ion, _, segment in places]
        ours = np.array([name not in ion.listened for ion, name, _ in places], dtype=np.bool_)
        owned = [[s for n, s in zip(ion.segments, there, strict=True) if n not in ion.listened] for ion, there in ions]
        # Before anything is inserted: what NEURON does with eX depends on all that uses the ion.
        styles = [_styles(ion.ion, mine) if eca == "keep" else {} for (ion, _), mine in zip(ions, owned, strict=True)]
        named = [[n for n in ion.segments if n not in ion.listened] for ion, _ in ions]
        self._clamps = [
            IonClamps(ion.ion, list(zip(names, mine, strict=True)), {n: ion.writers.get(n, policy) for n in names})
            for (ion, _), names, mine in zip(ions, named, owned, strict=True)
        ]
        self.notes = [note for clamps in self._clamps for note in clamps.notes]
        # By the place of the value among those that are owned, of all ions.
        before = np.cumsum([0, *map(len, owned)]).tolist()
        self._held = {
            first + i: p for first, c in zip(before, self._clamps, strict=False) for i, p in c.processes.items()
        }
        for (ion, segments), mine, style in zip(ions, owned, styles, strict=True):
            _own(ion, mine, style)
            _insert(ion.ion, segments)
        self.size = len(places)
        self.initial = [value for ion, _ in ions for value in _initial(ion)]
        self._ours, self._theirs = np.flatnonzero(ours), np.flatnonzero(~ours)
        self.owned = [variables[i] for i in self._ours]
        self._read = DirectAccess([variables[i] for i in self._theirs])
        self._stretch, self._values = stretch(self._theirs), np.empty(self._theirs.size)

    @property
    def listens(self) -> bool:
        """Whether there are any that stay the model's."""
        return self._theirs.size > 0

    def initialise(self) -> None:
        """Set those that are owned before the model is initialised."""
        values = [self.initial[i] for i in self._ours]
        for variable, value in zip(self.owned, values, strict=True):
            setattr(variable.owner, variable.name, value)
        for i, process in self._held.items():
            process.held = values[i]

    def scatter_with(self, inputs: DirectAccess) -> DirectAccess | ClampedScatter | OwnedScatter:
        """`inputs`, whose first values are those that are owned, to be given all port values."""
        clamped = ClampedScatter(inputs, self._held) if self._held else inputs
        return OwnedScatter(clamped, self._theirs) if self.listens else clamped

    def read(self, values: Floats) -> None:
        """Put those that stay the model's into the port values."""
        if self._stretch is not None:
            self._read.gather(values[self._stretch])
            return
        self._read.gather(self._values)
        values[self._theirs] = self._values

    def read_calls(self, values: Floats) -> list[Call]:
        """What `read` does, for a compiled loop."""
        if self._stretch is not None:
            return self._read.gather_calls(values[self._stretch], lambda: None)
        return [python_call(lambda: self.read(values))]

    def refresh_addresses(self) -> None:
        """See DirectAccess."""
        self._read.refresh_addresses()

    def close(self) -> None:
        """Let go of everything."""
        self._held.clear()
        for clamps in self._clamps:
            clamps.close()


def stretch(columns: Indexes) -> slice | None:
    """Ascending columns as a slice, which is a view and no copy; None if some lie between them."""
    if columns.size == 0:
        return slice(0, 0)
    first, last = int(columns[0]), int(columns[-1])
    return slice(first, last + 1) if last - first + 1 == columns.size else None


class OwnedScatter:
    """Writes port values without those at `left_out`; see `Concentrations`."""

    def __init__(self, inputs: DirectAccess | ClampedScatter, left_out: Indexes) -> None:
        self._inputs, self.size = inputs, inputs.size + left_out.size
        columns = np.setdiff1d(np.arange(self.size), left_out)
        self._columns: slice | Indexes = stretch(columns) or columns

    def refresh_addresses(self) -> None:
        """See DirectAccess."""
        self._inputs.refresh_addresses()

    def scatter(self, values: Floats) -> None:
        """See DirectAccess."""
        self._inputs.scatter(values[self._columns])

    def scatter_calls(self, values: Floats) -> list[Call]:
        """See DirectAccess."""
        if isinstance(self._columns, slice):
            return self._inputs.scatter_calls(values[self._columns])
        return [python_call(lambda: self.scatter(values))]


def _initial(ion: IonSegments) -> Sequence[float]:
    if ion.initial and len(ion.initial) != len(ion.segments):
        of = "calcium" if ion.ion == CALCIUM else ion.ion
        raise InputError(f"{len(ion.initial)} initial concentrations are given for {len(ion.segments)} {of} segments")
    return ion.initial or [default_concentration(ion.ion)] * len(ion.segments)


def _own(ion: IonSegments, segments: Sequence[Any], styles: Mapping[str, ReversalStyle]) -> None:
    """Make the concentration of an ion ours."""
    for section in _sections(segments):
        own_concentration(ion.ion, section, styles.get(section_name(section), NERNST))


def _styles(ion: str, segments: Sequence[Any]) -> dict[str, ReversalStyle]:
    """What NEURON does with the reversal potential in each section, by name."""
    return {section_name(section): reversal_style(ion, section) for section in _sections(segments)}


def _insert(ion: str, segments: Sequence[Any]) -> None:
    """Have the ion where it is coupled, which changes nothing: no current of it crosses where nothing uses it."""
    for section in _sections(segments):
        if not section.has_membrane(f"{ion}_ion"):
            section.insert(f"{ion}_ion")


def _sections(segments: Sequence[Any]) -> list[Any]:
    return list({section_name(segment.sec): segment.sec for segment in segments}.values())
