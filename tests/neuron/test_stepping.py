"""The stepping component: exact steps, charge, calcium that is ours, conductances that are solved implicitly."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from couple.base.errors import RunError
from couple.components.attachments import Attachments, Conductance
from support.neuron_models import CALCIUM, DT, PASSIVE, SPINE, attach, fresh, spec


@pytest.fixture
def model(tmp_path: Path):
    def write(source: str) -> Path:
        path = tmp_path / "cell.py"
        path.write_text(source)
        return path

    return write


def head() -> object:
    return next(section for section in h.allsec() if section.name() == "head")(0.5)


@pytest.mark.parametrize("ticks", [1, 3, 4, 40])
def test_exactly_so_many_steps(model, ticks: int) -> None:
    loaded = load_model(spec(model(PASSIVE)))
    recording = h.Vector().record(head()._ref_v)
    cell = loaded.attach(Attachments((), (), ("head(0.5)",)))
    windows = 100_000 // ticks
    for _ in range(windows):
        cell.advance(ticks)
    assert len(recording) == windows * ticks + 1
    assert h.t == pytest.approx(windows * ticks * DT, abs=DT / 100)


def test_chunks_do_not_change_a_bit(model) -> None:
    ends = []
    for ticks in (1, 4, 40, 4000):
        cell = attach(model(CALCIUM), conductances=())
        for _ in range(4000 // ticks):
            cell.advance(ticks)
        ends.append(cell.read("v").copy())
    assert all(np.array_equal(end, ends[0]) for end in ends)
    assert not np.array_equal(ends[0], [-65, -65])


@pytest.mark.parametrize("compiler", [True, False])
def test_no_charge_is_lost(model, tmp_path: Path, compiler: bool) -> None:
    charges, recorded, path = fresh("charge", model(CALCIUM), tmp_path / "out", compiler=compiler)
    assert path == "KSChan" or compiler
    assert recorded.sum() > 0.1
    np.testing.assert_allclose(charges, recorded, rtol=1e-12)
    # Control: the current at the window's end, times the window, is another number.
    assert abs(charges.sum() / (4 * recorded[3::4].sum()) - 1) > 1e-6


def test_calcium_is_held_and_eca_follows_it(model) -> None:
    cell = attach(model(CALCIUM), cai=(2e-4,))
    nernst = 1e3 * 8.31446261815324 * (273.15 + 34) / (2 * 96485.33212)
    for cai in (2e-4, 1e-4, 5e-3):
        cell.write("cai", cai)
        cell.advance(4)
        assert head().cai == cai
        assert head().eca == pytest.approx(nernst * math.log(head().cao / cai), rel=1e-9)
    # An uncoupled segment of the same section stays where NEURON starts.
    assert head().sec(0.1).cai == h.cai0_ca_ion


def test_initial_states_see_the_initial_calcium(model) -> None:
    attach(model(CALCIUM), cai=(7e-4,))
    assert h.t == 0
    assert head().cai == 7e-4
    assert head().eca < 130


@pytest.mark.parametrize(
    ("conductance", "value", "reversal"),
    [
        (Conductance("SK", "head(0.5)"), 2e-3, -77.0),
        (Conductance("Na", "head(0.5)", ion="na"), 1e-3, 50.0),
        (Conductance("leak", "head(0.5)", reversal=-20.0), 3e-3, -20.0),
        (Conductance("SK", "head(0.5)", kind="point"), 5e-5, -77.0),
        (Conductance("shunt", "head(0.5)", kind="point", reversal=-10.0), 5e-5, -10.0),
    ],
)
def test_conductance_sets_the_steady_voltage(model, conductance: Conductance, value: float, reversal: float) -> None:
    cell = load_model(spec(model(PASSIVE))).attach(Attachments((), (conductance,), ("head(0.5)",)))
    cell.write("g", value)
    for _ in range(100):
        cell.advance(40)
    density = value if conductance.kind == "density" else value * 1e2 / math.pi
    expected = (1e-3 * -60 + density * reversal) / (1e-3 + density)
    assert cell.read("v")[0] == pytest.approx(expected, abs=1e-9)


def test_conductances_of_one_segment_add(model) -> None:
    both = (Conductance("SK", "head(0.5)"), Conductance("BK", "head(0.5)"))
    cell = load_model(spec(model(PASSIVE))).attach(Attachments((), both, ("head(0.5)",)))
    cell.write("g", [1e-3, 2e-3])
    cell.advance(10_000)
    assert cell.read("v")[0] == pytest.approx((-60 - 3 * 77) / 4, abs=1e-9)


def test_ports_may_move(model) -> None:
    cell = attach(model(CALCIUM))
    block = np.zeros(cell.memory.size)
    cell.attach(block)
    cell.write("cai", 3e-4)
    cell.advance(4)
    assert head().cai == 3e-4
    assert block[cell.start_of("v")] == head().v


@pytest.mark.parametrize("calcium", [("head(0.5)",), ("head(0.2)", "head(0.5)", "head(0.9)")])
def test_a_voltage_that_is_not_finite_stops_the_run(model, calcium: tuple[str, ...]) -> None:
    cell = attach(model(CALCIUM), calcium=calcium, cai=(1e-4,) * len(calcium))
    cell.advance(4)
    cell.write("g", math.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RunError, match=r"not finite at t = 0.2 ms: .*v of head\(0.5\)"):
            cell.advance(4)


def test_a_changed_dt_is_noticed(model) -> None:
    cell = attach(model(PASSIVE), calcium=(), cai=(), conductances=(), voltages=("head(0.5)",))
    cell.advance(40)
    h.dt = 0.1
    with pytest.raises(RunError, match="has the model changed dt"):
        cell.advance(41)


def test_both_channel_paths_agree_on_the_spine(tmp_path: Path) -> None:
    """The example, with and without a compiler. They differ by the hold of NMDA over a window and by the derivative
    of its magnesium block, both of the order of the window."""
    compiled, first = fresh("spine", SPINE, tmp_path / "a")
    plain, second = fresh("spine", SPINE, tmp_path / "b", compiler=False)
    assert second == "KSChan"
    assert first == "MOD" or np.array_equal(compiled, plain)
    assert np.abs(compiled - plain)[:, :2].max() < 0.2
    assert abs(compiled[:, 2].sum() / plain[:, 2].sum() - 1) < 2e-3

    rest, train = compiled[190], compiled[200:1200]
    assert rest[:2] == pytest.approx([-65, -65], abs=1.5)
    assert 10 < train[:, 0].max() - rest[0] < 40
    assert compiled[1500:, 1].max() > 0
    assert compiled[1500:, 0].max() > 0
    assert 500 < compiled[200:400, 2].sum() < 8000
