"""V at every step, of the model that this process holds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.hoc.sections import find_segment
from adapters.neuron.models.loader import LoadedModel, initial_voltage
from adapters.neuron.models.start import start
from adapters.neuron.state.random_objects import reseed
from couple.base.arrays import Floats
from couple.components.model_spec import ModelSpec


class StepRecorder:
    """Records V of segments at every step from the next start of the model on; it does not touch them."""

    def __init__(self, segments: Sequence[str]) -> None:
        self._recorded = [h.Vector().record(find_segment(name)._ref_v) for name in segments]

    def read(self) -> Floats:
        """(steps + 1, segments), mV, so far."""
        return np.array([np.array(v) for v in self._recorded]).T

    def close(self) -> None:
        """Let go of the model."""
        self._recorded.clear()


def run_here(spec: ModelSpec, built: LoadedModel, segments: Sequence[str], steps: int) -> Floats:
    """(steps + 1, segments) V of a model with nothing attached, from its start, by NEURON's own steps; seed 0."""
    recorder = StepRecorder(segments)
    reseed(list(h.List("Random")), 0, built.generators.seeded(0))
    pc.set_maxstep(10)
    start(
        built.procedure,
        initial_voltage(spec),
        cvode_off=spec.cvode_off,
        second_order=spec.second_order,
        folder=spec.model.parent,
    )
    h.dt = spec.dt
    for _ in range(steps):
        h.fadvance()
    found = recorder.read()
    recorder.close()
    return found
