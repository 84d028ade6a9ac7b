"""Twelve small runs on a lattice, and a Boltzmann machine that learns from them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reducers.data.trajectories import Trajectories

TRAINING = """
[train]
name = "small"
held_out = 4
checkpoint = 5
allowed = 1e6
[data]
files = ["ensemble.h5"]
[model]
family = "dbm"
hidden = [{ species = ["H", "P"] }]
links = [{ pairs = [["H", "H"], ["P", "P"]], width = 2 }]
[law]
family = "hermite"
domain = ["a0_H", "W01_PP"]
side = 0.1
[fit]
steps = 12
window = 3
truncate = true
rate = 1e-3
chains = 2
wake = 2
sleep = 2
[report]
chains = 4
sweeps = 3
closure = ["P"]
"""


def place_files(folder: Path) -> Path:
    """Put `ensemble.h5`, of densities that grow, and `train.toml` into `folder`; returns it."""
    rng = np.random.default_rng(0)
    density, draws = np.linspace(0.1, 0.25, 9)[None, :, None], rng.uniform(size=(12, 9, 25))
    states = np.where(draws < density, 1, np.where(draws < 2 * density, 2, 0)).astype(np.uint8)
    Trajectories.of_snapshots(np.arange(9.0), ("H", "P"), states, (5, 5)).write(folder / "ensemble.h5")
    (folder / "train.toml").write_text(TRAINING)
    return folder
