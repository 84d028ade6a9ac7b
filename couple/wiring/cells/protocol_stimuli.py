"""Protocols and trains as single current pulses and synaptic events, the same as written out by hand."""

from __future__ import annotations

from collections.abc import Iterator

from couple.components.model_spec import Current
from couple.experiment import Experiment
from couple.experiment.cells.protocol_targets import drives
from couple.wiring.cells.network_cells import Cells
from couple.wiring.cells.spike_times import spike_times


def current_pulses(experiment: Experiment, cells: Cells) -> tuple[Current, ...]:
    """All current pulses, those of [neuron] first; of a network those into cells of this rank."""
    return tuple(
        pulse
        for pulse in _pulses(experiment)
        if not cells.all or cells.local_of([pulse.segment.partition(".")[0]], pulse.key)
    )


def _pulses(experiment: Experiment) -> Iterator[Current]:
    assert experiment.neuron is not None
    for i, c in enumerate(experiment.neuron.current):
        for onset in c.onsets:
            yield Current(c.at, onset, c.duration, c.amplitude, f"neuron.current[{i}].at")
    for i, p in enumerate(experiment.protocol):
        for onset in p.pulses:
            assert p.amplitude is not None
            yield Current(p.at, onset, p.duration, p.amplitude, f"protocol[{i}].at")


def synapse_times(experiment: Experiment, number: int) -> tuple[float, ...]:
    """Times (ms) of the events of a [[spine]] block's synapses: its own and those of protocols, each time once.

    Raises InputError that names the key.
    """
    block = experiment.spine[number]
    times = spike_times(block.synapse.times if block.synapse else None, f"spine[{number}].synapse.times")
    driven = [p.events for p in experiment.protocol if drives(p, block)]
    return tuple(sorted({*times, *(t for events in driven for t in events)})) if driven else times


def late_events(experiment: Experiment) -> Iterator[str]:
    """Warnings on protocols that are not over when the experiment is."""
    end = experiment.experiment.duration
    for i, protocol in enumerate(experiment.protocol):
        times = (*protocol.events, *protocol.pulses)
        late = sum(t >= end for t in times)
        if late:
            yield f"protocol[{i}]: {late} of its {len(times)} events and pulses come after the end, at {end:g} ms"
