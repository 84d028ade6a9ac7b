"""examples/electrodiffusion: four ions in one spine, whose reversal potentials and neck follow them (shortened)."""

import math

import pytest

from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.paths import EXAMPLES

THERMAL = 8.31446261815324 * (273.15 + 34) / 96.48533212331001  # mV


def test_sodium_fills_the_head_and_its_reversal_follows() -> None:
    path = EXAMPLES / "electrodiffusion" / "spine.toml"
    simulation = Simulation.in_memory(Experiment.load(path, ["experiment.duration=4 ms"]))
    simulation.run()
    with simulation.results as results:
        sodium, chloride = results.counts("head", "Na"), results.counts("head", "Cl")
        assert sodium.max() > 1.5 * sodium[0] and chloride.max() > 1.05 * chloride[0]
    inside, outside = simulation.read("neuron.nai")[0], 140.0
    ena, ek = simulation.read("neuron.range_ena")[0], simulation.read("neuron.range_ek")[0]
    # NEURON works them out when a step begins: from what was handed over before it.
    assert ena == pytest.approx(THERMAL * math.log(outside / inside), abs=0.2)
    assert ena < THERMAL * math.log(outside / 18.0) - 5
    assert ek == pytest.approx(THERMAL * math.log(2.5 / simulation.read("neuron.ki")[0]), abs=0.2)
    ledger = simulation.orchestrator.ledger()
    assert {ion.species for ion in ledger.drift} == {"Na", "K", "Cl", "Ca"}
    (neck,) = ledger.axial
    assert sum(ion.charge_fC for ion in ledger.drift) == pytest.approx(neck.charge_fC, rel=1e-9)
    assert neck.untracked_fC == 0.0 and neck.charge_fC > 10
