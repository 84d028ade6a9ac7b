"""A spine head on a dendrite, with calcium that leaves it through its neck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.simulation.simulation import Simulation

D = 0.22
"""µm²/ms"""
HEAD, NECK, LONG = Geometry.cylinder(0.5, 0.5), (0.2, 0.4), 2.0
"""The head; diameter and length of the neck, length of the dendrite, µm."""
IONS, WINDOW, WINDOWS = 1500, 0.1, 60
"""In the head at the start; ms; how many."""

FIELD = {"sections": ["dend"], "engine": "pde"}
PARTICLES = {"segment": "dend", "engine": "lattice", "lattice": {"spacing": "50 nm"}}
"""What the dendrite is."""

CELL = f"""
from neuron import h

def build():
    dend = h.Section(name="dend")
    dend.L, dend.diam, dend.nseg = {LONG}, 1.0, 4
    dend.insert("pas")
    return dend
"""


def pair(folder: Path, head: str, dendrite: dict[str, Any], seed: int = 1, neck: float = NECK[0]) -> Simulation:
    """A spine head on a dendrite, all ions in the head."""
    (folder / "cell.py").write_text(CELL)
    content = {
        "experiment": {
            "name": "pair", "duration": f"{WINDOW * WINDOWS} ms", "exchange": f"{WINDOW} ms", "seed": seed,
        },
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "v_init": "-65 mV"},
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}, "initial": {"Ca": {"count": 0}}},
        "spine": [
            {
                "name": "spine", "place": {"on": "dend(0.625)", "count": 1, "spread": "even"},
                "head": {"diameter": "0.5 um", "length": "0.5 um"},
                "neck": {"diameter": f"{neck} um", "length": f"{NECK[1]} um"},
            }
        ],
        "site": [
            {"name": "head", "segment": "spine_0.head", "engine": head, "lattice": {"spacing": "25 nm"}},
            {"name": "dendrite", **dendrite},
        ],
        "link": [{"from": "head.Ca", "to": "dendrite.Ca", "through": "spine_0.neck"}],
        "record": {"every": f"{WINDOW * WINDOWS} ms"},
    }  # fmt: skip
    simulation = Simulation.in_memory(Experiment.parse(content, path=folder / "pair.toml"))
    exchange, engine = simulation.orchestrator.exchange, simulation.system.engines[0]
    engine.write_counts([[IONS]], np.random.default_rng(seed))
    exchange.balance[:, 0] = [exchange.held(h) for h in exchange.holdings]
    return simulation
