"""Checkpoints with a seal that fits and states that no run has written, of every engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from couple import Experiment, Simulation
from couple.storage import checkpoint
from support.paths import EXAMPLES

BOX: dict[str, Any] = {
    "experiment": {"duration": "2 ms", "exchange": "0.1 ms"},
    "chemistry": {
        "species": {
            "Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}},
            "B": {"D": "10 um^2/s"},
            "CaB": {"D": "10 um^2/s", "contains": {"Ca": 1}},
        },
        "reactions": [
            {"equation": "Ca + B <-> CaB", "forward": "1e7 /M/s", "backward": "100 /s"},
            {"equation": "0 -> B", "forward": "1 uM/s"},
        ],
        "initial": {"Ca": {"count": 40}, "B": {"count": 30}},
    },
    "drive": [{"to": "box.Ca", "influx": {"times": "0 2 ms", "rate": "5 /ms"}}, {"to": "box.B", "clamp": "2 uM"}],
}
ENGINES: dict[str, dict[str, Any]] = {
    "ssa": {},
    "ode": {},
    "langevin": {},
    "gridded": {"gridded": {"spacing": "100 nm"}},
    "lattice": {"lattice": {"spacing": "20 nm"}},
    "pde": {"pde": {"resolution": "150 nm"}},
    "knp": {"knp": {"resolution": "150 nm"}},
    "spde": {"spde": {"resolution": "150 nm"}},
    "ecell4_meso": {"ecell4_meso": {"spacing": "100 nm"}},
    "spatiocyte": {"spatiocyte": {"spacing": "50 nm"}},
}
"""Engine → its options."""
FAMILIES = {"surrogate, machine": "array"}
"""Learned models in a site → the example whose burst.toml has one."""


def half_way(engine: str, folder: Path) -> Path:
    """The checkpoint of a short run, in the middle."""
    if engine in FAMILIES:
        file = EXAMPLES / FAMILIES[engine] / "burst.toml"
        Simulation.new(Experiment.load(file, ["experiment.duration=2 ms"]), folder).run(until=1.0)
        return folder / "checkpoint.h5"
    site = {"name": "box", "engine": engine, "geometry": {"sphere": {"diameter": "0.4 um"}}, **ENGINES[engine]}
    run = Simulation.new(
        Experiment.build(**{**BOX, "experiment": {**BOX["experiment"], "name": engine}}, site=[site]), folder
    )
    run.run(until=1.0)
    return folder / "checkpoint.h5"


def absurd(value: np.ndarray[Any, Any]) -> Mapping[str, np.ndarray[Any, Any]]:
    """Name → what stands in the place of an array, of the same shape and kind."""
    if value.dtype.kind == "f":
        odd = {
            "huge": 1e300,
            "negative": -1e300,
            "NaN": np.nan,
            "infinite": np.inf,
            "large": 1e18,
            "zero": 0.0,
            "-1": -1.0,
        }
    elif value.dtype.kind in "iu" and value.dtype != np.uint64:  # those are random numbers
        limits = np.iinfo(value.dtype)
        odd = {"most": limits.max, "least": limits.min, "third": limits.max // 3, "zero": 0}
    else:
        odd = {}
    return {name: np.full_like(value, x) for name, x in odd.items()}


def forged(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is forged, and all states with it."""
    states = checkpoint.read(path)
    for part, state in states.items():
        for key, value in state.items():
            if part in ("run", "versions") or key.startswith("seconds.") or isinstance(value, str | bytes):
                continue
            for name, other in absurd(np.asarray(value)).items():
                new = other if isinstance(value, np.ndarray) else other.item()
                yield f"{part}/{key} {name}", {**states, part: {**state, key: new}}
