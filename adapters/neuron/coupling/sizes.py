"""Segments that grow and shrink with their sites: L and diam of whole sections, the charge on the membrane staying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adapters.neuron.coupling.charge_over_window import IonCurrent
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import find_membrane, segment_name
from couple.base.arrays import Floats
from couple.base.errors import InputError


class SegmentSizes:
    """Scales L and diam of sections of one segment each, until `close`.

    factors: (n,) of lengths, as they are now.
    """

    def __init__(self, segments: Sequence[str], currents: Sequence[IonCurrent]) -> None:
        """currents: of ions, whose charge is summed for areas as they are here.

        Raises InputError for a section of several segments, and for one with a shape of its own.
        """
        self._segments = [find_membrane(name) for name in segments]
        for name, segment in zip(segments, self._segments, strict=True):
            section: Any = segment.sec
            if int(section.nseg) != 1:
                raise InputError(
                    f"{name}: its section has {int(section.nseg)} segments, and changes its size as a whole"
                )
            if int(section.n3d()):
                raise InputError(f"{name}: its section has 3-d points, and only L and diam can change")
        self._own = [(float(s.sec.L), float(s.diam)) for s in self._segments]
        self.factors = np.ones(len(segments))
        at = {segment_name(s): k for k, s in enumerate(self._segments)}
        self._of = np.array([at.get(segment_name(c.segment), -1) for c in currents], dtype=np.intp)

    def apply(self, factors: Floats) -> None:
        """Have these sizes; of what has changed the voltage follows, so that the charge stays."""
        for k in np.flatnonzero(factors != self.factors).tolist():
            segment = self._segments[k]
            before = float(segment.area())
            self._set(k, float(factors[k]))
            segment.v *= before / float(segment.area())

    def restore(self, factors: Floats) -> None:
        """Have these sizes; voltages are restored by whoever has them."""
        for k, factor in enumerate(factors.tolist()):
            self._set(k, factor)

    def _set(self, k: int, factor: float) -> None:
        section, (length, diameter) = self._segments[k].sec, self._own[k]
        if int(section.n3d()):  # drawn since: NEURON would take them for its shape
            h.pt3dclear(sec=section)
        section.L, self._segments[k].diam = length * factor, diameter * factor
        self.factors[k] = factor

    def scale(self, charges: Floats) -> None:
        """Make charges (n_currents,), summed for the areas at the start, those of areas now."""
        grown = self._of >= 0
        charges[grown] *= self.factors[self._of[grown]] ** 2

    def close(self) -> None:
        """Give the model back what it had."""
        self.restore(np.ones(len(self._segments)))
