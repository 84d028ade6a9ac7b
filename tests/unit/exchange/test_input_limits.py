"""A limit on what enters or is held holds on every way in: drives, by hand, links, start, hand-over, restore."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adapters.surrogate.kernels.layout import HIGHEST
from couple.base.errors import CoupleError, InputError, RunError
from couple.components.drive import MOST
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation

ABOVE = 1.1 * HIGHEST
"""uM, above the end of the surrogate's tables."""


def experiment(folder: Path, engine: str = "surrogate", **changes: Any) -> Experiment:
    content: dict[str, Any] = {
        "experiment": {"name": "limits", "duration": "2 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {
                "Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}},
                "B": {},
                "CaB": {"contains": {"Ca": 1}},
            },
            "reactions": [{"equation": "Ca + B <-> CaB", "forward": "1e7 /M/s", "backward": "100 /s"}],
            "initial": {"Ca": "1 uM", "B": "10 uM"},
        },
        "site": [{"name": "head", "engine": engine, "geometry": {"sphere": {"diameter": "0.3 um"}}}],
        "drive": [{"to": "head.Ca", "influx": {"times": "0 2 ms", "rate": "1 /ms"}}],
        **changes,
    }
    return Experiment.build(folder=folder, **content)


def recorded(folder: Path, charge: float) -> str:
    """A result file with so much charge (fC) in each row."""
    with h5py.File(folder / "run.h5", "w") as file:
        file["time"] = np.arange(20) * 0.1
        file["neuron/charge"] = np.full((20, 1), charge)
        file["neuron/charge"].attrs["segment"] = ["head(0.5)"]
    return "run.h5:neuron.ica"


def drive(**block: Any) -> dict[str, Any]:
    return {"drive": [{"to": "head.Ca", **block}]}


def by_influx(folder: Path) -> None:
    Simulation.in_memory(experiment(folder, **drive(influx={"times": "0 2 ms", "rate": "5e6 /ms"}))).run()


def by_clamp(folder: Path) -> None:
    Simulation.in_memory(experiment(folder, **drive(clamp=f"{ABOVE} uM"))).run()


def by_clamp_course(folder: Path) -> None:
    course = {"times": "0 1 ms", "values": f"1 {ABOVE} uM"}
    Simulation.in_memory(experiment(folder, **drive(clamp=course))).run()


def by_replay(folder: Path) -> None:
    Simulation.in_memory(experiment(folder, **drive(replay=recorded(folder, 500.0)))).run()


def by_start(folder: Path) -> None:
    made = experiment(folder)
    chemistry = {**made.source["chemistry"], "initial": {"Ca": f"{ABOVE} uM"}}
    Simulation.in_memory(experiment(folder, chemistry=chemistry)).run()


def by_hand(folder: Path) -> None:
    simulation = Simulation.in_memory(experiment(folder))
    simulation.send("head.Ca", 1e6)
    simulation.run()


def by_hand_over(folder: Path) -> None:
    simulation = Simulation.in_memory(experiment(folder))
    (engine,) = simulation.system.engines
    counts = engine.read("counts")[:, : len(engine.network.species)].round()
    counts[0, engine.network.index("Ca")] = 1e6
    engine.write_counts(counts, np.random.default_rng(0))
    engine.advance(1)


def by_restore(folder: Path) -> None:
    simulation = Simulation.in_memory(experiment(folder))
    (engine,) = simulation.system.engines
    state = engine.save()
    counts = np.array(state["counts"])
    counts[0, engine.network.index("Ca")] = 1e6
    engine.restore({**state, "counts": counts})
    engine.advance(1)


WAYS: dict[str, Callable[[Path], None]] = {
    f.__name__: f
    for f in (by_influx, by_clamp, by_clamp_course, by_replay, by_start, by_hand, by_hand_over, by_restore)
}


@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_the_surrogates_tables_holds_on_every_way(way: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"rises above 16\.4 mM, the end of the tables"):
        WAYS[way](tmp_path)


def test_below_the_end_every_way_is_open(tmp_path: Path) -> None:
    """The control."""
    for more in ({}, drive(clamp=f"{0.9 * HIGHEST} uM"), drive(replay=recorded(tmp_path, 0.01))):
        Simulation.in_memory(experiment(tmp_path, **more)).run()


@pytest.mark.parametrize("engine", ["ssa", "ode", "lattice", "surrogate"])
def test_so_many_molecules_enter_on_no_way(engine: str, tmp_path: Path) -> None:
    """What would take an engine for ever, one by one."""
    options = {"site": [{
        "name": "head", "engine": engine, "geometry": {"sphere": {"diameter": "0.3 um"}},
        "lattice": {"spacing": "20 nm"},
    }]}  # fmt: skip
    chemistry = {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}}
    says = re.escape(f"more than {MOST:g} molecules in an exchange interval")
    for more in (
        drive(influx={"times": "0 2 ms", "rate": "1e11 /ms"}),
        drive(replay=recorded(tmp_path, 1e9)),
    ):
        with pytest.raises(InputError, match=says) as error:
            Simulation.in_memory(experiment(tmp_path, chemistry=chemistry, **options, **more))
        assert "drive[0]" in str(error.value)
    simulation = Simulation.in_memory(experiment(tmp_path, chemistry=chemistry, **options))
    for molecules in (1e10, -1e10, np.inf, np.nan):
        with pytest.raises(InputError, match=says):
            simulation.send("head.Ca", molecules)


def test_so_many_ions_enter_through_no_link() -> None:
    from couple.exchange import kernels, tables
    from couple.exchange.link import IonLink

    link = IonLink("ica -> Ca", "head", 1, 2, False, ((0, 1.0),), {}, "ions_per_charge", 1.0)
    memory, books = np.array([1e8, 0.0, 0.0]), np.zeros((1, 4))
    packed = tables.pack_ions([link], ())
    assert kernels.deliver(memory, *packed, books, np.zeros((0, 4)), 1e3) == -1
    memory[0] = 2 * MOST
    assert kernels.deliver(memory, *packed, books, np.zeros((0, 4)), 1e3) == 0


@pytest.mark.parametrize("initial", [{"count": 10**16}, "1e12 M", {"total": "1e12 M", "at": "steady"}])
def test_so_many_molecules_are_there_at_the_start_on_no_way(initial: object, tmp_path: Path) -> None:
    chemistry = {"species": {"Ca": {"contains": {"Ca": 1}}}, "initial": {"Ca": initial}}
    with pytest.raises(CoupleError, match=r"chemistry.initial.Ca"):
        Simulation.in_memory(experiment(tmp_path, "ode", chemistry=chemistry))
