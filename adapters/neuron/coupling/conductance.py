"""Conductances that chemistry sets: one point process each, solved implicitly with the membrane equation."""

from __future__ import annotations

from typing import Any, NamedTuple

from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms.builtin import channel_path
from couple.base.errors import InputError, nearest
from couple.components.attachments import Conductance

US_PER_DENSITY = 1e-2
"""From S/cm² times µm² to µS."""

IONS = ("k", "na", "ca")


class ConductanceProcess(NamedTuple):
    """The point process of a conductance. to_gmax: factor from the port's unit to its `gmax` (µS)."""

    process: Any
    to_gmax: float


def insert_conductance(conductance: Conductance, segment: Any) -> ConductanceProcess:
    """The point process of a conductance, made at a segment.

    Raises InputError if there is no mechanism for its ion.
    """
    channel_path()
    scale = 1.0 if conductance.kind == "point" else float(segment.area()) * US_PER_DENSITY
    if conductance.reversal is not None:
        process = h.couple_ns(segment)
        process.e = conductance.reversal
        return ConductanceProcess(process, scale)
    if conductance.ion not in IONS:
        raise InputError(
            f'conductance "{conductance.name}" is of the ion "{conductance.ion}"; {nearest(conductance.ion, IONS)} '
            "For any other current give its reversal potential instead of an ion"
        )
    return ConductanceProcess(getattr(h, f"couple_{conductance.ion}")(segment), scale)
