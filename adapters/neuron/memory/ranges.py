"""Range variables of mechanisms and ions, read by name; nothing is ever written to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import find_segment
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.pointers import pointers
from couple.base.arrays import Floats
from couple.base.errors import InputError


def range_variables(segment: Any) -> list[str]:
    """Names in a segment, as "m_hh", "eca"; those of arrays are left out."""
    return [v.name() for mechanism in segment for v in mechanism if "[" not in v.name()]


class RangeReader:
    """Reads range variables at once. Raises InputError for one that was there and has been taken out since."""

    def __init__(self, ranges: Sequence[tuple[str, str]]) -> None:
        self.size = len(ranges)
        self._references = pointers([_reference(*place) for place in ranges])

    def gather(self, out: Floats) -> None:
        """Their values into `out` (size,), finite or not."""
        if self.size:
            self._references.gather(out)


def _reference(segment: str, variable: str) -> Any:
    try:
        return NeuronVariable(find_segment(segment), variable).reference
    except (AttributeError, TypeError, ValueError):
        raise InputError(
            f'"{variable}" is not in {segment} any more: its mechanism was taken out, or it is no single number',
            where="record.ranges",
        ) from None


def unit_of_range(variable: str) -> str:
    """As NEURON has it; "1" where it has none."""
    try:
        return str(h.units(variable)) or "1"
    except RuntimeError:
        return "1"
