"""Set-up goes over many sites once: turns of loops grow with their number, not with its square."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.neuron.coupling import charge_over_window as charge
from couple.experiment import Experiment
from couple.wiring import wire
from support.loop_turns import grows, turns

FEW, MANY = 40, 160

CELL = """
from neuron import h
from adapters.neuron import insert_cav

def build(spines=0):
    soma, dend = h.Section(name="soma"), h.Section(name="dend")
    soma.L = soma.diam = 10
    dend.L, dend.diam, dend.nseg = 100, 1, 41
    dend.connect(soma(1))
    for section in (soma, dend):
        section.insert("pas")
        insert_cav(section, 1e-4)
    return soma, dend
"""

CHEMISTRY = {
    "species": {
        "Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}},
        "B": {"D": "10 um^2/s"},
        "CaB": {"D": "10 um^2/s", "contains": {"Ca": 1}},
    },
    "observables": {"bound": ["CaB"]},
    "reactions": [{"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"}],
    "initial": {"Ca": "0.1 uM", "B": "20 uM"},
}


def experiment(folder: Path, n: int, **changes: object) -> Experiment:
    (folder / "cell.py").write_text(CELL)
    size = {"diameter": "0.5 um", "length": "0.5 um"}
    content: dict[str, object] = {
        "experiment": {"name": "many", "duration": "1 ms", "exchange": "0.1 ms"},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "cai_writers": "ignore"},
        "spine": [
            {
                "name": "spine",
                "place": {"on": "dend", "count": n, "spread": "even"},
                "head": {**size, "channels": {"couple_cav": {"gmax": "1e-3 S/cm^2"}}},
                "neck": {"diameter": "0.1 um", "length": "1 um"},
                "synapse": {"AMPA": "1 nS", "times": "1 2 ms"},
            }
        ],
        "chemistry": CHEMISTRY,
        "site": [
            {"name": "spine_*", "place": {"on": "spine_*.head"}, "engine": "ode"},
            {"name": "shaft", "segment": "dend(0.5)", "engine": "ode"},
        ],
        "link": [
            {"from": "neuron.ica", "to": "spine_*.Ca"},
            {"from": "spine_*.Ca", "to": "neuron.cai"},
            {"from": "spine_*.bound", "to": "neuron.K", "conductance": "10 pS"},
            {"from": "spine_*.Ca", "to": "shaft.Ca", "through": "spine_*.neck"},
        ],
        **changes,
    }
    return Experiment.build(folder=folder, **content)


def crowded(folder: Path, n: int) -> Experiment:
    """Many sites in one segment, which add up to one concentration and one conductance."""
    geometry = {"sphere": {"diameter": "0.1 um"}}
    place = {"on": "dend(0.5)", "count": n, "spread": "even"}
    return experiment(
        folder, 1,
        site=[{"name": "dot", "place": place, "geometry": geometry, "engine": "ode"}],
        link=[
            {"from": "neuron.ica", "to": "dot_*.Ca"},
            {"from": "dot_*.Ca", "to": "neuron.cai"},
            {"from": "dot_*.bound", "to": "neuron.K", "conductance": "10 pS"},
        ],
    )  # fmt: skip


def paired(folder: Path, n: int) -> Experiment:
    """Many pairs of sites, each joined with its own partner, and voltages asked for one by one."""
    geometry = {"sphere": {"diameter": "0.1 um"}}
    sites = [
        {"name": kind, "place": {"on": "dend", "count": n, "spread": "even"}, "geometry": geometry, "engine": "ode"}
        for kind in ("left", "right")
    ]
    link = {"from": "left_*.Ca", "to": "right_*.Ca", "through": {"diameter": "0.1 um", "length": "1 um"}}
    voltages = [f"spine_{k}.head(0.5)" for k in range(n)]
    return experiment(folder, n, site=sites, link=[link], record={"voltages": voltages})


def alone(folder: Path, n: int) -> Experiment:
    """Many blocks without NEURON, each with a drive of its own."""
    geometry = {"sphere": {"diameter": "0.1 um"}}
    return Experiment.build(
        folder=folder,
        experiment={"name": "many", "duration": "1 ms", "exchange": "0.1 ms"},
        chemistry=CHEMISTRY,
        site=[{"name": f"dot_{k}", "geometry": geometry, "engine": "ode"} for k in range(n)],
        drive=[{"to": f"dot_{k}.Ca", "influx": {"times": "0 1 ms", "rate": "1 /ms"}} for k in range(n)],
    )


def measured(make: Callable[[Path, int], Experiment], folder: Path) -> dict[str, float]:
    """Functions that go round too often when there are MANY in place of FEW."""

    def work(n: int) -> None:
        system = wire(make(folder, n))
        _ = system.describe, system.labels

    work(FEW)  # what is done once in a process
    return grows(turns(lambda: work(FEW)), turns(lambda: work(MANY)), MANY / FEW)


@pytest.mark.parametrize("make", [experiment, crowded, paired, alone])
def test_turns_of_loops_grow_with_the_number_of_sites(
    make: Callable[[Path, int], Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charge, "MANY", FEW // 2)  # so that few currents are summed as many are
    assert not measured(make, tmp_path)


def test_a_pass_over_all_for_each_is_seen() -> None:
    """The control."""

    def square(n: int) -> list[list[int]]:
        return [[i for i in range(n) if i == k] for k in range(n)]

    found = grows(turns(lambda: square(FEW)), turns(lambda: square(MANY)), MANY / FEW)
    assert [name.split(":")[0] for name in found] == [Path(__file__).name] and sys.version_info >= (3, 12)
