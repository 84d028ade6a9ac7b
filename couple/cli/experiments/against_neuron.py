"""`couple check --against-neuron`: what coupling does to the model, in lines for a person or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from couple.cli.output.quantities import Output, Quantity

if TYPE_CHECKING:
    from couple.simulation.against_neuron import Comparison, Difference

FEW = 8
"""Changes that have a line each."""


class DifferenceOutput(Output):
    """A run against the model alone. spike_shift: None where the numbers of spikes differ in some segment."""

    exact: bool
    largest: Quantity = Field(description="max |dV| over all steps")
    at: Quantity
    segment: str
    first: Quantity | None = Field(description="the first difference")
    spikes: int
    spikes_alone: int
    spike_shift: Quantity | None


class AgainstNeuronOutput(Output):
    """What coupling does to a model. changes: what links and keys change in it, lines for people."""

    duration: Quantity
    dt: Quantity
    segments: tuple[str, ...]
    recorded: int = Field(description="segments whose V is recorded; the first of them are compared")
    built_by_couple: str
    unsteady: bool = Field(description="whether the model alone differs from one run to the next")
    listening: DifferenceOutput
    linked: DifferenceOutput | None
    failed: str = Field(description="why it does not run with its links")
    changes: tuple[str, ...]


def against_output(found: Comparison) -> AgainstNeuronOutput:
    """The comparison with its units."""
    return AgainstNeuronOutput(
        duration=_ms("duration", found.duration),
        dt=_ms("dt", found.dt),
        segments=found.segments,
        recorded=found.of,
        built_by_couple=found.builds,
        unsteady=found.unsteady,
        listening=_difference(found.listening),
        linked=None if found.linked is None else _difference(found.linked),
        failed=found.failed,
        changes=found.changes,
    )


def against_lines(found: Comparison) -> Iterator[tuple[str, str]]:
    """Pairs (what, value)."""
    steps = f"{found.duration:g} ms by fixed steps of {found.dt:g} ms"
    more = f" of {found.of}" if found.of > len(found.segments) else ""
    yield "against NEURON alone", f"{steps}, V of {_plural(len(found.segments), 'segment', more)} at every step"
    if found.builds:
        yield "", f"couple builds {found.builds}, in both"
    yield "  listening", _words(found.listening)
    if found.unsteady:
        yield "", "NEURON alone differs from itself from run to run: does the model seed random numbers by the clock?"
    yield "  with its links", f"does not run: {found.failed}" if found.linked is None else _words(found.linked)
    for line in found.changes[:FEW]:
        yield "", line
    if len(found.changes) > FEW:
        yield "", f"... and {len(found.changes) - FEW} more (--json)"


def _words(found: Difference) -> str:
    here, alone = found.spikes
    if found.exact:
        return f"the same to the bit (max |dV| = 0 mV, {_plural(here, 'spike')})"
    spikes = f"{_plural(here, 'spike')}, alone {alone}"
    shift = "" if found.shift is None or not here else f", shifted by up to {found.shift:g} ms"
    place = f"at {found.at:g} ms in {found.segment}"
    return f"max |dV| = {found.largest:.3g} mV {place}; {spikes}{shift}; differs from {found.first:g} ms on"


def _plural(n: int, what: str, more: str = "") -> str:
    return f"{n}{more} {what}{'' if n == 1 and not more else 's'}"


def _difference(found: Difference) -> DifferenceOutput:
    return DifferenceOutput(
        exact=found.exact,
        largest=Quantity(name="largest", unit="mV", values=found.largest),
        at=_ms("at", found.at),
        segment=found.segment,
        first=None if found.first is None else _ms("first", found.first),
        spikes=found.spikes[0],
        spikes_alone=found.spikes[1],
        spike_shift=None if found.shift is None else _ms("spike_shift", found.shift),
    )


def _ms(name: str, value: float) -> Quantity:
    return Quantity(name=name, unit="ms", values=value)
