"""Experiments that are sampled in tests; also a script: python -m support.ensembles NAME RUNS OUT JOBS."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.ensemble import sample
from couple.experiment import Experiment

BIRTH, DEATH = 10.0, 0.2
"""Per ms, and per ms and molecule: Poisson with mean 50, correlation time 5 ms."""

NOISY = """
from neuron import h
from adapters.neuron import insert_cav

def build():
    head = h.Section(name="head")
    head.L = head.diam = 0.5
    head.insert("pas")
    insert_cav(head, gbar=1e-3)
    axon = h.NetStim()
    axon.noise, axon.interval, axon.number, axon.start = 1, 1, 1e9, 0
    synapse = h.ExpSyn(head(0.5))
    connection = h.NetCon(axon, synapse)
    connection.weight[0] = 1e-4
    {more}
    return head, axon, synapse, connection
"""


def birth_death(duration: str = "20 ms", engine: str = "ssa", spacing: str = "50 nm", start: int = 50) -> Experiment:
    """0 -> A -> 0 in a box of 1 µm³."""
    content: dict[str, Any] = {
        "experiment": {"name": "birth-death", "duration": duration, "exchange": "0.5 ms"},
        "chemistry": {
            "species": {"A": {"D": "1 um^2/s"}},
            "observables": {"a": ["A"]},
            "reactions": [
                {"equation": "0 -> A", "forward": f"{BIRTH / 602.214076!r} uM/ms"},
                {"equation": "A -> 0", "forward": f"{DEATH} /ms"},
            ],
            "initial": {"A": {"count": start}},
        },
        "site": [
            {
                "name": "box",
                "engine": engine,
                "geometry": {"box": {"size": "1 1 1 um"}},
                "lattice": {"spacing": spacing},
            }
        ],
        "record": {"species": "all", "every": "1 ms"},
    }
    return Experiment.parse(content)


def noisy(folder: Path, more: str = "pass") -> Experiment:
    """A closed loop with a random synaptic input and `ssa`."""
    (folder / "cell.py").write_text(NOISY.replace("{more}", more))
    content = {
        "experiment": {"name": "noisy", "duration": "10 ms", "exchange": "0.1 ms"},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms"},
        "chemistry": {
            "species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}},
            "reservoirs": ["Ca_out"],
            "reactions": [{"equation": "Ca -> Ca_out", "forward": "1 /ms"}],
            "initial": {"Ca": "0.1 uM"},  # 5.9 ions, rounded by the seed of each run
        },
        "site": [{"name": "head", "segment": "head(0.5)", "engine": "ssa"}],
        "link": [{"from": "neuron.ica", "to": "head.Ca"}, {"from": "head.Ca", "to": "neuron.cai"}],
    }
    return Experiment.parse(content, path=folder / "noisy.toml")


def datasets(path: Path) -> dict[str, np.ndarray]:
    """All of a result or ensemble file but the timings."""
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("timing"):
                found[name] = item[()]

        file.visititems(visit)
    return found


def assert_same(a: Path, b: Path) -> None:
    """Two files agree to the bit, but for timings."""
    first, second = datasets(a), datasets(b)
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.dtype == second[name].dtype and values.tobytes() == second[name].tobytes(), name


if __name__ == "__main__":
    name, runs, out, jobs = sys.argv[1:]
    experiment = birth_death("1000 ms") if name == "long" else noisy(Path(name))
    sample(experiment, int(runs), 7, out, jobs=int(jobs)).close()
