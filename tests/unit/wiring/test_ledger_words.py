"""The words of the ledger: what is free, and what is bound."""

from __future__ import annotations

import pytest

from couple import Experiment, Simulation

CHEMISTRY = {
    "species": {"Ca": {"contains": {"Ca": 1}}, "B": {}, "CaB": {"contains": {"Ca": 1}}},
    "reactions": [{"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"}],
}


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize("driven", [False, True])
@pytest.mark.parametrize("engine", ["ode", "ssa"])
def test_free_is_the_species_of_the_substance_whether_it_is_filled_or_not(
    bound: bool, driven: bool, engine: str
) -> None:
    simulation = Simulation.in_memory(
        Experiment(
            experiment={"name": "words", "duration": "5 ms", "exchange": "0.1 ms"},
            chemistry={**CHEMISTRY, "initial": {"Ca": "3.1 uM", "B": "20 uM" if bound else "0 uM"}},
            site=[{"name": "s", "engine": engine, "geometry": {"sphere": {"diameter": "0.7 um"}}}],
            drive=[{"to": "s.Ca", "influx": {"times": "0 2 ms", "rate": "33 /ms"}}] if driven else [],
        )
    )
    simulation.run()
    (entry,) = simulation.orchestrator.ledger().sites
    assert entry.free == simulation.read("s.Ca") and entry.bound == simulation.read("s.CaB")
    assert (entry.bound > 0) == bound
