"""examples/growth: a head grows after a burst and shrinks again; what is in it is diluted by as much (shortened)."""

import numpy as np
import pytest

from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.paths import EXAMPLES


def test_the_head_grows_and_what_is_in_it_is_diluted() -> None:
    path = EXAMPLES / "growth" / "growth.toml"
    simulation = Simulation.in_memory(Experiment.load(path, ["experiment.duration=40 s", "experiment.exchange=50 ms"]))
    simulation.run()
    with simulation.results as results:
        grown = results.volume("head") / results.volume("head")[0]
        marker = results.micromolar("head", "Marker")
        burst = results.time < 5000
    assert (grown[burst] == 1.0).all() and 1.3 < grown.max() < 3.0
    assert marker * grown == pytest.approx(np.ones(len(grown)), rel=1e-12)
    assert simulation.orchestrator.ledger().max_imbalance <= 1e-9 * 2e7
