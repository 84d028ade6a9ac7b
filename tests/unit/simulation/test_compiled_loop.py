"""Many windows in one call are, to the bit, the windows of `step` one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.neuron.coupling import charge_over_window
from couple.base.errors import RunError
from couple.exchange.kernels import SENT
from couple.experiment import Experiment
from couple.simulation import compiled_loop
from couple.simulation.simulation import Simulation
from support.coupled_compartment import EXPERIMENT, experiment

TEXT = EXPERIMENT.replace("models/compartment.py", "models/gated_compartment.py").replace("count = 400", "count = 40")


def made(*overrides: str) -> Experiment:
    return experiment(0.1, "experiment.duration=15 ms", *overrides, text=TEXT)


def rows(simulation: Simulation) -> bytes:
    """All that was recorded."""
    return simulation.recorder.rows[: simulation.recorder.next_row].tobytes()


def both(text: Experiment) -> tuple[Simulation, Simulation]:
    """The same experiment, window by window and by the loop, which differ in no bit."""
    steps = Simulation.in_memory(text)
    for _ in range(steps.system.plan.clock.windows):
        steps.step()
    recorded, ledger = rows(steps), steps.orchestrator.ledger()
    loop = Simulation.in_memory(text)
    assert loop.orchestrator.loop is not None
    loop.run()
    assert loop.recorder.next_row == loop.system.plan.clock.windows // loop.system.plan.clock.record + 1
    assert rows(loop) == recorded
    assert loop.orchestrator.ledger() == ledger
    return steps, loop


@pytest.mark.parametrize("engine", ["ode", "ssa", "langevin", "surrogate"])
def test_every_bit_is_that_of_single_windows(engine: str) -> None:
    both(made(f"site.head.engine={engine}", "record.every=0.5 ms"))


@pytest.mark.parametrize("scheme", ["parallel", "staggered"])
def test_the_order_of_a_window_is_kept(scheme: str) -> None:
    both(made(f"experiment.scheme={scheme}"))


def test_currents_that_one_pass_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charge_over_window, "MANY", 1)
    _, loop = both(made())
    assert loop.orchestrator.exchange.accounts[0, SENT] > 1


def test_another_window_differs() -> None:
    """Control: the bits tell one ion."""
    recorded = []
    for more in (0, 1):
        simulation = Simulation.in_memory(made("site.head.engine=ssa"))
        simulation.run(until=5.0)
        simulation.send("head.Ca", more)
        simulation.run()
        recorded.append(rows(simulation))
    assert recorded[0] != recorded[1]


def test_what_moves_in_memory_is_followed() -> None:
    """A new section moves all others: addresses that the calls hold are out of date."""
    from adapters.neuron.hoc.h import h

    recorded = []
    for one_by_one in (True, False):
        simulation = Simulation.in_memory(made())
        simulation.run(until=7.3)
        new = h.Section(name="new")
        new.nseg = 101
        if one_by_one:
            while simulation.orchestrator.window < simulation.system.plan.clock.windows:
                simulation.step()
        else:
            simulation.run()
        recorded.append(rows(simulation))
    assert recorded[0] == recorded[1]


def test_a_model_that_turns_on_cvode_while_it_runs_is_refused_alike() -> None:
    from adapters.neuron.hoc.h import cvode

    said = []
    for one_by_one in (True, False):
        simulation = Simulation.in_memory(made())
        cvode.event(7.31, lambda: cvode.active(1))
        try:
            if one_by_one:
                while simulation.orchestrator.window < simulation.system.plan.clock.windows:
                    simulation.step()
            else:
                simulation.run()
            said.append("")
        except RunError as error:
            said.append(str(error).rpartition(": ")[2])
        finally:
            cvode.active(0)
    assert said[0] == said[1]


def test_an_error_leaves_the_windows_before_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Raised by a part that is called in Python, with its time; what was recorded is there."""
    text = made("site.head.engine=langevin")
    simulation = Simulation.new(text, tmp_path / "out")
    (engine,) = simulation.system.engines
    advance, windows = engine.advance, 0

    def failing(ticks: int) -> None:
        nonlocal windows
        windows += 1
        if windows == 73:
            raise RunError("enough")
        advance(ticks)

    monkeypatch.setattr(engine, "advance", failing)
    simulation = Simulation(tmp_path / "out", simulation.system, None)
    windows = 0
    simulation.orchestrator.start()
    with pytest.raises(RunError, match=r"t = 7\.2 ms: enough"):
        simulation.orchestrator.run(150)
    assert simulation.orchestrator.window == 72
    assert simulation.recorder.next_row == 73


def test_a_pause_comes_when_it_is_asked_for() -> None:
    simulation = Simulation.in_memory(made())
    orchestrator, seen = simulation.orchestrator, []
    orchestrator.run(150, lambda: bool(seen.append(orchestrator.window)), lambda: orchestrator.window // 40 * 40 + 40)
    assert {40, 80, 120, 150} <= set(seen) and seen == sorted(seen)


def test_windows_that_take_long_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each took longer than the loop may: signals and progress are looked at after each."""
    monkeypatch.setattr(compiled_loop, "PAUSE", 0.0)
    simulation = Simulation.in_memory(made())
    orchestrator, seen = simulation.orchestrator, []
    orchestrator.run(150, lambda: bool(seen.append(orchestrator.window)), lambda: 150)
    assert seen == list(range(1, 151))
