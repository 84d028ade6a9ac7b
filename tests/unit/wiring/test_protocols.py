"""Protocols and trains of currents are, to the bit, the pulses and events that one would write by hand."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.experiment.understood.resolved import resolved_text
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring.plan.plan import make_plan

CELL = """
from neuron import h

def build():
    soma, dend = sections = [h.Section(name=name) for name in ("soma", "dend")]
    soma.L = soma.diam = 20
    dend.connect(soma(1))
    dend.L, dend.diam, dend.nseg = 100, 1, 5
    for section in sections:
        section.insert("pas")
        section.insert("hh")
    return sections
"""
STDP = {
    "kind": "stdp",
    "dt": "1 ms",
    "rate": "200 Hz",
    "pairs": 3,
    "start": "2 ms",
    "amplitude": "4 nA",
    "duration": "0.5 ms",
}
THETA = {"kind": "theta", "rate": "100 Hz", "bursts": 2, "spikes": 3, "within": "500 Hz", "start": "1 ms"}


def experiment(folder: Path, synapse: dict[str, Any], currents: list[dict[str, Any]], *protocols: Any) -> Experiment:
    (folder / "cell.py").write_text(CELL)
    content = {
        "experiment": {"name": "protocol", "duration": "16 ms", "exchange": "0.1 ms"},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "v_init": "-65 mV", "current": currents},
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}, "initial": {"Ca": "0.1 uM"}},
        "spine": [
            {
                "name": "spine",
                "place": {"on": "dend", "count": 2, "spread": "even"},
                "head": {"diameter": "0.6 um", "length": "0.5 um"},
                "neck": {"diameter": "0.1 um", "length": "1 um"},
                "synapse": {"AMPA": "0.5 nS", **synapse},
            }
        ],
        "protocol": protocols,
        "site": [{"name": "spine_*", "place": {"on": "spine_*.head"}, "engine": "ode"}],
        "record": {"every": "0.1 ms", "voltages": ["soma(0.5)", "spine_0.head(0.5)", "spine_1.head(0.5)"]},
    }
    return Experiment.parse(content, path=folder / "protocol.toml")


def voltages(made: Experiment, out: Path) -> np.ndarray:
    Simulation.new(made, out).run()
    with Results(out) as results:
        return np.array([*results.voltages().values()])


def pulse(start: str) -> dict[str, Any]:
    return {"at": "soma(0.5)", "start": start, "duration": "0.5 ms", "amplitude": "4 nA"}


def test_stdp_is_what_one_would_write(tmp_path: Path) -> None:
    by_hand = experiment(tmp_path, {"times": "2 7 12 ms"}, [pulse("3 ms"), pulse("8 ms"), pulse("13 ms")])
    train = {**pulse(""), "times": "3 8 13 ms"}
    del train["start"]
    found = voltages(by_hand, tmp_path / "by hand")
    assert found.max() > 0, "spikes"
    np.testing.assert_array_equal(found, voltages(experiment(tmp_path, {}, [], STDP), tmp_path / "protocol"))
    mixed = experiment(tmp_path, {"times": "2 7 12 ms"}, [train])
    np.testing.assert_array_equal(found, voltages(mixed, tmp_path / "train"))
    reversed_ = experiment(tmp_path, {}, [], {**STDP, "dt": "-1 ms"})
    assert (found != voltages(reversed_, tmp_path / "reversed")).any()


def test_theta_is_what_one_would_write(tmp_path: Path) -> None:
    by_hand = experiment(tmp_path, {"times": "1 3 5 11 13 15 ms"}, [])
    found = voltages(by_hand, tmp_path / "by hand")
    np.testing.assert_array_equal(found, voltages(experiment(tmp_path, {}, [], THETA), tmp_path / "protocol"))
    paired = {**THETA, "amplitude": "4 nA", "duration": "0.5 ms", "dt": "1 ms"}
    train = {"at": "soma(0.5)", "times": "2 4 6 12 14 16 ms", "duration": "0.5 ms", "amplitude": "4 nA"}
    both = experiment(tmp_path, {"times": "1 3 5 11 13 15 ms"}, [train])
    np.testing.assert_array_equal(
        voltages(experiment(tmp_path, {}, [], paired), tmp_path / "paired"), voltages(both, tmp_path / "both")
    )


def test_protocols_add_up_and_join_given_times(tmp_path: Path) -> None:
    plan = make_plan(experiment(tmp_path, {"times": "2 4 ms"}, [], STDP, THETA))
    events = {2, 4} | {2, 7, 12} | {1, 3, 5, 11, 13, 15}
    assert all(f"{len(events)} spikes" in line for line in plan.grown)
    assert not [w for w in plan.warnings if "protocol[" in w]
    late = make_plan(experiment(tmp_path, {}, [], {**STDP, "pairs": 5}))
    assert any("protocol[0]: 4 of its 10 events and pulses come after the end, at 16 ms" in w for w in late.warnings)


@pytest.mark.parametrize("protocol", [STDP, THETA])
def test_resolved_reads_as_the_same(protocol: dict[str, Any], tmp_path: Path) -> None:
    train = {"at": "soma(0.5)", "times": "3 8 13 ms", "duration": "0.5 ms", "amplitude": "4 nA"}
    made = experiment(tmp_path, {}, [train], protocol)
    again = Experiment.parse(tomllib.loads(resolved_text(made)), path=made.path)
    for key in ("protocol", "neuron", "spine"):
        assert again.model_dump()[key] == made.model_dump()[key]
    assert again.protocol[0].events == made.protocol[0].events and resolved_text(again) == resolved_text(made)


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        ({**STDP, "kind": "stpd"}, r"protocol\[0\]\.kind: must be 'stdp' or 'theta'"),
        ({k: v for k, v in STDP.items() if k != "dt"}, r'dt: is missing; kind = "stdp" needs pairs, dt, amplitude'),
        ({**THETA, "bursts": None}, r'bursts: is missing; kind = "theta" needs bursts and rate'),
        ({**STDP, "bursts": 2}, r'bursts: kind = "stdp" has none'),
        ({**THETA, "pairs": 2}, r'pairs: kind = "theta" has none'),
        ({**THETA, "dt": "1 ms"}, r"dt: there is no pulse; give amplitude"),
        ({**STDP, "dt": "-3 ms"}, r"dt: the first pulse would be at -1 ms; give a start of 3 ms"),
        ({**STDP, "dt": "5 ms"}, r"dt: 5 ms reaches the next pair, 5 ms later"),
        ({**STDP, "duration": "6 ms"}, r"duration: 6 ms reaches the next pulse, 5 ms later"),
        ({**THETA, "spikes": 6}, r"spikes: a burst of 6 reaches the next one, 10 ms later"),
        ({**STDP, "rate": "5"}, r"protocol\[0\]\.rate: .*unit"),
        ({**STDP, "pairs": 0}, r"protocol\[0\]\.pairs: must be at least 1"),
        ({**STDP, "rate": "1e-310 Hz"}, r"rate: the last event would never come"),
        ({**THETA, "bursts": 50000}, r"bursts: 50000 of 3 events are more than 100000"),
        ({**STDP, "spines": "spin"}, r'protocol\[0\]\.spines: no \[\[spine\]\] "spin" .*did you mean "spine"'),
        ({**STDP, "at": "som(0.5)"}, r"protocol\[0\]\.at: "),
        ({**STDP, "ddt": "1 ms"}, r'protocol\[0\]: unknown key "ddt"; did you mean "dt"'),
    ],
)
def test_what_cannot_be_meant(protocol: dict[str, Any], says: str, tmp_path: Path) -> None:
    protocol = {key: value for key, value in protocol.items() if value is not None}
    with pytest.raises(InputError, match=says):
        make_plan(experiment(tmp_path, {}, [], protocol))


@pytest.mark.parametrize(
    ("synapse", "current", "protocols", "says"),
    [
        ({}, {}, (), r'spine\[0\]\.synapse: give times = "20 40 ms" or rate = "5 /s", or a \[\[protocol\]\]'),
        ({"rate": "5 /s"}, {}, (STDP,), r"spine\[0\]\.synapse\.rate: protocol\[0\] drives these synapses"),
        ({"times": "2 ms"}, {"times": "1 2 ms", "start": "3 ms"}, (), r"give start for one pulse, or times for many"),
        ({"times": "2 ms"}, {"times": "1 1.2 ms"}, (), r"times: the pulse at 1 ms lasts 0.5 ms, beyond 1.2 ms"),
        ({"times": "2 ms"}, {"times": "-1 2 ms"}, (), r"times: -1 ms is before 0"),
        ({"times": "2 ms"}, {"times": "1 2"}, (), r"neuron\.current\[0\]\.times: .*unit"),
    ],
)
def test_what_nothing_drives(
    synapse: dict[str, Any], current: dict[str, Any], protocols: tuple[Any, ...], says: str, tmp_path: Path
) -> None:
    currents = [{"at": "soma(0.5)", "duration": "0.5 ms", "amplitude": "4 nA", **current}] if current else []
    with pytest.raises(InputError, match=says):
        make_plan(experiment(tmp_path, synapse, currents, *protocols))
