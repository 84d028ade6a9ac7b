"""Exchange intervals that follow from their error: within the tolerance, fewer than fixed ones, resumed to the bit."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.cli.output.summaries import show_lines
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.command_line import assert_equal_results
from support.coupled_compartment import EXPERIMENT, course_of, error, experiment

TEXT = EXPERIMENT.replace("models/compartment.py:build", "models/gated_compartment.py:at_rest")
EXACT = ("neuron.second_order=true", "site.head.ode.rtol=1e-8", "site.head.ode.atol=1e-8", "record.every=2 ms")
AUTO = ("experiment.exchange=auto", "experiment.scheme=extrapolated")
PULSE = '[[neuron.current]]\nat = "head(0.5)"\nstart = "{:.4f} ms"\nduration = "{:.4f} ms"\namplitude = "{:.7f} nA"\n'
STEP = 0.025
FIXED = (1.0, 0.5, 0.25, 0.2, 0.125, 0.1, 0.05)


def pulses(seed: int, length: float = 200.0) -> str:
    """The compartment under one to four current pulses, of which the stronger make calcium spikes."""
    rng, text = np.random.default_rng(seed), TEXT.replace('"120 ms"', f'"{length:g} ms"')
    for _ in range(1 + seed % 4):
        values = 5 + rng.uniform(0, 0.6 * length), rng.uniform(1, 8), rng.uniform(0.6e-3, 1.8e-3)
        text += PULSE.format(*values)
    return text


@cache
def course(text: str, *overrides: str) -> tuple[Floats, int]:
    """(3, n_rows) and the number of exchanges, with steps of STEP."""
    simulation = Simulation.in_memory(experiment(0.1, *EXACT, f"neuron.dt={STEP} ms", *overrides, text=text))
    exchanges = simulation.run()["exchanges"]
    with simulation.results as results:
        return course_of(results), exchanges


def exact(text: str) -> Floats:
    """Windows of one step, which agree with themselves."""
    return course(text, f"experiment.exchange={STEP} ms", "experiment.scheme=iterated")[0]


def auto(text: str, tolerance: float, *overrides: str) -> tuple[float, int]:
    """True error and exchanges."""
    found, exchanges = course(text, *AUTO, f"exchange.tolerance={tolerance}", *overrides)
    return float(error(found, exact(text)).max()), exchanges


def fixed(text: str, exchange: float) -> tuple[float, int]:
    found, exchanges = course(text, f"experiment.exchange={exchange} ms", "experiment.scheme=extrapolated")
    return float(error(found, exact(text)).max()), exchanges


def test_the_error_is_what_was_asked_for_at_half_the_exchanges() -> None:
    text = pulses(3, 60.0)
    off, exchanges = auto(text, 1e-2)
    assert off <= 2e-2
    assert all(not (error <= 1e-2 and n <= 2 * exchanges) for error, n in (fixed(text, e) for e in (0.25, 0.2)))
    assert auto(text, 1e-3)[0] < off / 3  # the tolerance is what makes it


@pytest.mark.acceptance
def test_ten_stimuli_are_followed_within_three_tolerances_at_half_the_exchanges() -> None:
    """Against the longest fixed interval that keeps the tolerance for all of them."""
    texts = [pulses(seed) for seed in range(10)]
    every = {exchange: [fixed(text, exchange) for text in texts] for exchange in FIXED}
    for tolerance in (1e-2, 3e-3, 1e-3):
        found = [auto(text, tolerance) for text in texts]
        assert max(off for off, _ in found) <= 2 * tolerance
        good = [sum(n for _, n in runs) for runs in every.values() if max(off for off, _ in runs) <= tolerance]
        mine = sum(n for _, n in found)
        ratios = [round(off / tolerance, 2) for off, _ in found]
        print(f"\n{tolerance:g}: error / tolerance {ratios}, {mine} exchanges, of a fixed interval {min(good)}")
        assert mine <= min(good) / 2


@pytest.mark.parametrize(
    ("scheme", "engine"), [pytest.param("extrapolated", "ode", marks=pytest.mark.acceptance), ("iterated", "ssa")]
)
def test_a_stopped_run_goes_on_with_the_same_intervals(scheme: str, engine: str, tmp_path: Path) -> None:
    overrides = (*AUTO, f"experiment.scheme={scheme}", f"site.head.engine={engine}", "experiment.duration=40 ms")
    made = experiment(0.1, "record.every=1 ms", "neuron.dt=0.025 ms", *overrides, text=pulses(3, 60.0))
    for name in ("straight", "stopped"):
        Simulation.new(made, tmp_path / name).run(until=None if name == "straight" else 17.0)
    summary = Simulation.resumed(tmp_path / "stopped").run()
    assert_equal_results(tmp_path / "straight" / "results.h5", tmp_path / "stopped" / "results.h5")
    with Results(tmp_path / "stopped" / "results.h5") as results:
        intervals = results.exchange_intervals()
        shown = dict(show_lines(results))
    assert intervals.sum() == pytest.approx(40.0) and len(intervals) == summary["exchanges"]
    assert intervals.min() < 0.2 < 0.5 <= intervals.max()
    assert shown["exchange intervals"].startswith(f"{len(intervals)}, ")
    assert summary["rejected"] > 0  # the books stand on windows that were undone
    assert summary["ledger"]["max_imbalance_ions"] <= (0 if engine == "ssa" else 1e-9 * 5000)


def test_a_window_that_is_too_long_for_a_part_is_tried_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    made = experiment(0.1, *AUTO, "neuron.dt=0.025 ms", "experiment.duration=10 ms", "record.every=1 ms", text=TEXT)
    simulation = Simulation.in_memory(made)
    (engine,) = simulation.system.engines
    advance = engine.advance

    def advance_a_little(ticks: int) -> None:
        if ticks > 4:
            raise RunError("too long")
        advance(ticks)

    monkeypatch.setattr(engine, "advance", advance_a_little)
    summary = simulation.run()
    with simulation.results as results:
        assert results.exchange_intervals().max() == pytest.approx(0.1)
    assert summary["rejected"] > 0 and summary["ledger"]["max_imbalance_ions"] < 1e-9 * 5000
    assert float(simulation.read("neuron.v")[0]) == pytest.approx(-64.9, abs=0.5)


def test_what_is_prescribed_enters_whole_whatever_the_intervals() -> None:
    text = TEXT + (
        '[[drive]]\nto = "head.Ca"\ninflux = { times = "3.01 3.12 9 9.3 ms", rate = "0 900 900 0 /ms" }\n'
        '[[site]]\nname = "shaft"\nengine = "ode"\ngeometry = { sphere = { diameter = "1 um" } }\n'
        '[[link]]\nfrom = "head.Ca"\nto = "shaft.Ca"\nthrough = { diameter = "0.1 um", length = "0.5 um" }\n'
    )
    more = ("chemistry.species.Ca.D=220 um^2/s", "experiment.duration=20 ms")
    ends = {}
    for exchange in ("auto", "0.025 ms"):
        made = experiment(0.1, *EXACT, "neuron.dt=0.025 ms", *AUTO, f"experiment.exchange={exchange}", *more, text=text)
        simulation = Simulation.in_memory(made)
        summary = simulation.run()
        sent = {entry["link"]: entry["sent"] for entry in summary["ledger"]["links"]}
        (drive,) = (n for name, n in sent.items() if name.startswith("influx"))
        assert drive == pytest.approx(900 * (0.055 + 5.88 + 0.15))
        ends[exchange] = np.array([simulation.read(name) for name in ("head.Ca", "shaft.Ca")])
        assert exchange != "auto" or summary["exchanges"] < 400
    assert np.allclose(ends["auto"], ends["0.025 ms"], rtol=5e-3)


MISTAKES = {
    "experiment.scheme=staggered": '"auto" needs a scheme that looks ahead',
    "experiment.exchange=0.1 ms": 'exchange: nothing is chosen with a given experiment.exchange; give "auto"',
    "experiment.exchange=fast": "experiment.exchange",
    "experiment.exchange=-1 ms": "experiment.exchange",
    "exchange.tolerance=1e-15": "exchange.tolerance",
    "exchange.longest=0.03 ms": "exchange.longest",
    "exchange.shortest=3 ms": "exchange.shortest: 3 ms is above exchange.longest",
    "record.every=0.5 ms": "record.every: 0.5 ms is not a multiple of exchange.longest",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_what_does_not_fit_is_one_line(override: str) -> None:
    with pytest.raises(InputError) as caught:
        made = experiment(0.1, *AUTO, "exchange.longest=1 ms", override, text=TEXT)
        Simulation.in_memory(made)
    assert MISTAKES[override] in str(caught.value) and "\n" not in str(caught.value)
