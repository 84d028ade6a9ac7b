"""Probabilities of the states of calmodulin and CaMKII under courses of calcium, by mass action of all 155 species."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from couple.simulation.simulation import Simulation
from reducers.gccd.data.protocol_data import build_experiment, stimuli_of, stimulus_site
from reducers.gccd.data.settings import StimulusSet
from reducers.gccd.law.molecule import census, names_in

COURSES = {
    "name": "graph",
    "duration": "600 ms",
    "exchange": "1 ms",
    "every": "100 ms",
    "stimuli": [
        {"kind": "step", "peak": "1 10 uM", "count": 2},
        {"kind": "noise", "peak": "1 4 uM"},
        {"kind": "theta", "peak": "3 8 uM", "rate": "5 /s"},
    ],
}


def camkii_states(path: Path) -> Floats:
    """(n_slices, 45) of the experiment at `path`, four courses at six times each."""
    protocol = StimulusSet.model_validate(COURSES)
    stimuli = stimuli_of(protocol, 3)
    experiment = build_experiment(protocol, stimuli, path, {"engine": "ode"})
    simulation, names = Simulation.in_memory(experiment), names_in(experiment.network().names)
    weights, found = census(names)[:45].T, []
    for _ in range(round(protocol.duration / protocol.every)):
        for _ in range(round(protocol.every / protocol.exchange)):
            simulation.step()
        for i in range(len(stimuli)):
            counts = np.array([float(simulation.read(f"{stimulus_site(i)}.{name}")) for name in names])
            found.append(counts @ weights)
    states = np.array(found)
    return np.asarray(states / states.sum(axis=1, keepdims=True))
