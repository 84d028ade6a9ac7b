"""Engine `adaptive`: what it switches, when, and that nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.adaptive import Adaptive
from adapters.adaptive.options import AdaptiveOptions
from adapters.adaptive.rule import mixing_times
from adapters.wellmixed.ode.engine import MassAction
from couple.base import registry
from couple.base.errors import CoupleError, InputError, RunError
from couple.components.capabilities import HasErrorIndicator
from couple.components.engine import EngineSetup, Site
from couple.ensemble import sample
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.engine_under_test import HEAD, NETWORK, held, same
from support.paths import ROOT, SUPPORT

BURST = ROOT / "examples" / "adaptive" / "burst.toml"
CAMKII = ROOT / "examples" / "camkii" / "camkii.h5"
RULES = SUPPORT / "rules" / "flap.py"
SITES = tuple(Site(f"s{k}", HEAD, (30, 60, 10, 40, 5)) for k in range(4))


def adaptive(sites: tuple[Site, ...] = SITES, seed: int = 1, tick: float = 0.1, **options: Any) -> Adaptive:
    """ode and a coarse lattice, of the contract's chemistry."""
    content = {
        "engines": ("ode", "lattice"),
        "few": 0,
        "options": {"lattice": {"spacing": "25 nm"}} if "engines" not in options else {},
        **options,
    }
    setup = EngineSetup("head", NETWORK, sites, tick, ("Ca",), seed=seed, options=AdaptiveOptions(**content))
    return Adaptive(setup)


def drive(e: Adaptive, windows: int, influx: Any) -> np.ndarray:
    """Influx (n_sites,) of each window by a function of its number; returns counts after each."""
    rows = []
    for k in range(windows):
        e.read("influx")[:, 0] = influx(k)
        e.advance(1)
        rows.append(e.read("counts").copy())
    return np.array(rows)


def accuracies(e: Adaptive, windows: int, influx: Any) -> np.ndarray:
    """(n_windows, n_sites) numbers of the engines."""
    found = []
    for k in range(windows):
        e.read("influx")[:, 0] = influx(k)
        e.advance(1)
        found.append(e.read("accuracy").astype(int))
    return np.array(found)


def short(*overrides: str) -> Experiment:
    """The example, shortened."""
    quick = ["experiment.duration=12 ms", "site.head.adaptive.dwell=2 ms", "site.head.lattice.spacing=20 nm"]
    quick += ['site.head.adaptive.engines=["ode", "lattice"]']
    return Experiment.load(BURST, [*quick, 'drive.0.influx={ times = "2 4 ms", rate = "300 /ms" }', *overrides])


# -- switching -----------------------------------------------------------------------------------------------------


def test_a_burst_goes_to_the_lattice_and_back(tmp_path: Path) -> None:
    Simulation.new(short(), tmp_path / "out").run()
    with Results(tmp_path / "out") as results:
        switches = results.file["head/switches"][()]
        assert [(s["before"], s["after"]) for s in switches] == [(b"ode", b"lattice"), (b"lattice", b"ode")]
        assert switches["time"][0] == pytest.approx(2.0), "a finer engine is taken at once"
        # the estimate has to fall from its largest value first, then dwell
        assert 6.0 < switches["time"][1] < 12.0
        assert b"not mixed" in switches["reason"][0] and b"good enough" in switches["reason"][1]
        taken, time = results.file["head/accuracy"][1:], results.time[1:]
        names = list(results.file["head"].attrs["accuracies"])
        at = [names[k] for k in taken[:, 0]]
        assert at == ["lattice" if 2.0 < t <= switches["time"][1] + 1e-9 else "ode" for t in time]
        ledger = results.ledger()
        assert ledger["max_imbalance_ions"] <= 1e-9 * 600
        spent = dict(results.file["timing/head"].attrs)
        assert set(spent) == {"ode", "lattice", "deciding", "handing over"} and min(spent.values()) > 0


def test_whole_engines_balance_exactly() -> None:
    experiment = short('site.head.adaptive.engines=["ssa", "lattice"]')
    simulation = Simulation.in_memory(experiment)
    summary = simulation.run()
    assert summary["ledger"]["max_imbalance_ions"] == 0
    engine = simulation.system.engines[0]
    assert isinstance(engine, Adaptive) and engine.integer and len(engine.switches) == 2


def test_a_flapping_input_does_not_make_it_oscillate() -> None:
    def flapping(k: int) -> float:
        return 4.0 * (k // 10 % 2)  # 1 ms on, 1 ms off

    calm = adaptive(gradient=0.005, dwell="5 ms")
    found = accuracies(calm, 300, flapping)
    assert (np.abs(np.diff(found, axis=0)).sum(axis=0) == 1).all(), "once to the lattice, and there it stays"
    nervous = adaptive(gradient=0.005, dwell="0 ms", hysteresis=1.0, memory="0.01 ms")
    found = accuracies(nervous, 300, flapping)
    assert (np.abs(np.diff(found, axis=0)).sum(axis=0) > 10).all(), "the control has to oscillate"


def test_no_more_than_one_return_in_a_dwell() -> None:
    e = adaptive(rule=f"{RULES}:by_influx", dwell="3 ms")
    rng = np.random.default_rng(4)
    drive(e, 600, lambda k: 1.0 * (rng.random(4) < 0.02))
    for site in SITES:
        back = [s.time for s in e.switches if s.site == site.name and s.after == "ode"]
        assert len(back) > 2 and np.diff(back).min() >= 3.0


def test_few_molecules_ask_for_whole_ones() -> None:
    poor = (Site("poor", HEAD, (5, 60, 10, 40, 5)), Site("rich", HEAD, (500, 60, 10, 40, 5)))
    e = adaptive(poor, engines=("ode", "ssa"), few=20, gradient=0)
    e.advance(1)
    assert e.read("accuracy").tolist() == [1, 0]
    assert "few Ca" in e.switches[0].reason


def test_three_accuracies() -> None:
    e = adaptive(engines=("ode", "ssa", "lattice"), few=20, gradient=0.1, options={"lattice": {"spacing": "25 nm"}})
    e.read("counts")[:, 0] = [5, 500, 5, 500]
    e.read("influx")[:, 0] = [0, 0, 300, 1000]
    e.advance(1)
    assert e.read("accuracy").tolist() == [1, 0, 2, 2]


def test_a_surrogate_there_and_back() -> None:
    simulation = Simulation.in_memory(short('site.head.adaptive.engines=["surrogate", "lattice"]'))
    summary = simulation.run()
    engine = simulation.system.engines[0]
    assert isinstance(engine, Adaptive)
    assert [s.after for s in engine.switches] == ["lattice", "surrogate"]
    assert summary["ledger"]["max_imbalance_ions"] <= 1e-9 * 600


def test_a_model_in_the_place_of_species_there_and_back(tmp_path: Path) -> None:
    """CaMKII as a reduced model, then in 155 species, then as a model: calcium, calmodulin and CaMKII all stay."""
    (tmp_path / "rules.py").write_text(
        "def choose(now):\n    return 'ssa' if 1 <= now.time < 2 else 'surrogate'\n",
    )
    content = Experiment.load(CAMKII.parent / "site.toml").source
    site = {
        **content["site"][0],
        "engine": "adaptive",
        "adaptive": {"engines": ["surrogate", "ssa"], "rule": f"{tmp_path / 'rules.py'}:choose", "dwell": "0 ms"},
        "surrogate": {"models": {"CaMKII": str(CAMKII)}},
    }
    run = {**content["experiment"], "duration": "3 ms", "exchange": "0.1 ms"}
    drives = [{"to": "head.Ca", "influx": {"times": "0 1 ms", "rate": "100.3 /ms"}}]
    tables = {**content, "experiment": run, "site": [site], "drive": drives, "record": {"species": "all"}}
    simulation = Simulation.in_memory(Experiment.parse(tables, path=CAMKII.parent / "site.toml"))
    summary = simulation.run()
    engine = simulation.system.engines[0]
    assert isinstance(engine, Adaptive) and [s.after for s in engine.switches] == ["ssa", "surrogate"]
    for entry in summary["ledger"]["sites"]:
        assert abs(entry["imbalance"]) <= 1e-9 * max(entry["held_at_start"], 100)
    with simulation.results as results:
        whole, K = results.counts("head", "CaMKII_CaMKII"), results.counts("head", "K")
        assert (whole[1:11] == whole[-1]).all() and (K[1:11] == 0).all(), "the model has them"
        assert (whole[11:21] == 0).all() and (K[11:21] > 0).all(), "the species are back"


class Scored(MassAction, HasErrorIndicator):
    """To be left at 100 ions."""

    def error_indicator(self, counts: np.ndarray) -> np.ndarray:
        return counts[:, 0] / 100


def test_error_indicator_of_the_engines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine whose trust score is 1 is left, and taken again when half of that is left."""
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda group, name: Scored if name == "ode" else load(group, name))
    e = adaptive(SITES[:1], gradient=0, dwell="0.5 ms", engines=("ode", "ssa"))
    assert e.accuracies[0].reports and not e.accuracies[1].reports
    drive(e, 1, lambda k: 200.0)
    assert e.read("counts")[0, 0] > 100
    drive(e, 1, lambda k: 0.0)
    assert e.active.tolist() == [1] and "edge of its box" in e.switches[0].reason
    drive(e, 1, lambda k: -np.floor(e.read("counts")[0, 0] * 0.9))
    drive(e, 20, lambda k: 0.0)
    assert [s.after for s in e.switches] == ["ssa", "ode"]


def test_mixing_time_of_a_cylinder() -> None:
    """The excess below the membrane of a cylinder, influx J of n: c(R) - mean = j R / (4 D)."""
    radius, length, D, J, n = 0.25, 0.5, 0.22, 100.0, 50.0
    area, volume = 2 * np.pi * radius * length, np.pi * radius**2 * length
    exact = (J / area) * radius / (4 * D) / (n / volume)
    assert float(mixing_times([volume], [area], [D])[0, 0]) * J / n == pytest.approx(exact, rel=1e-12)


# -- what goes on --------------------------------------------------------------------------------------------------


def test_inactive_engines_rest_and_fractions_come_back() -> None:
    e = adaptive(rule=f"{RULES}:late")
    lattice = e.accuracies[1]
    start = held(e)
    drive(e, 10, lambda k: 1.37)
    assert not lattice.components(), "a lattice that nobody asked for was built"
    assert e.fractions.carried.sum() == 0
    resting = e.accuracies[0].engine(0)[0].memory.copy()
    drive(e, 10, lambda k: 1.37)
    assert e.active.tolist() == [1] * 4
    states = e.accuracies[0].engine(0)[0]
    n = len(e.network.states) * 4
    at = states.start_of("counts")
    assert same(states.memory[at : at + n], resting[at : at + n]), "an engine that is not active was advanced"
    carried = e.fractions.carried[:, 0]
    assert ((carried >= -1e-9) & (carried < 1)).all() and (carried > 0).any()
    whole = e.read("counts")[:, :5] - e.fractions.carried
    assert (abs(whole - np.rint(whole)) < 1e-9).all()
    np.testing.assert_allclose(held(e), start + 20 * 1.37, rtol=1e-12)


def test_sites_switch_for_themselves_and_do_not_see_their_batch() -> None:
    def influx(k: int) -> np.ndarray:
        return np.array([0.0, 300.0 * (k == 5), 300.0 * (k % 40 == 20), 10.0])

    options = {"gradient": 0.3, "dwell": "1 ms", "memory": "0.2 ms"}
    together = adaptive(**options)
    all_rows = drive(together, 80, influx)
    assert len({s.site for s in together.switches}) == 2 and len(together.switches) > 4
    for k in range(4):
        alone = adaptive(SITES[k : k + 1], **options)
        assert same(drive(alone, 80, lambda w, k=k: influx(w)[k])[:, 0].copy(), all_rows[:, k].copy()), k


def test_resuming_is_exact(tmp_path: Path) -> None:
    Simulation.new(short(), tmp_path / "whole").run()
    for k, until in enumerate((1.0, 3.0, 8.0, 11.0)):
        folder = tmp_path / f"part{k}"
        Simulation.new(short(), folder).run(until=until)
        Simulation.resumed(folder).run()
        with Results(tmp_path / "whole") as whole, Results(folder) as resumed:
            for name in ("head/counts", "head/means", "head/accuracy", "head/switches"):
                assert whole.file[name][()].tobytes() == resumed.file[name][()].tobytes(), (until, name)


@pytest.mark.acceptance
@pytest.mark.parametrize("cheap", ["surrogate", "ode"])
def test_a_burst_costs_a_fifth_and_is_as_good_as_particles(tmp_path: Path, cheap: str) -> None:
    """Error over runs and time at most 1.5 times the scatter of the lattice; what it costs is in tests/bench."""
    runs, engines = 12, f'site.head.adaptive.engines=["{cheap}", "lattice"]'
    more = 'drive.0.influx={ times = "100 101 115 116 ms", rate = "0 280 280 0 /ms" }'
    made = {
        name: sample(Experiment.load(BURST, changes), runs, 1, tmp_path / name)
        for name, changes in {
            "lattice": ["site.head.engine=lattice"],
            "adaptive": [engines],
            "control": [engines, more],
        }.items()
    }
    for quantity in ("head.Ca", "head.SK_open"):
        truth = made["lattice"][quantity]
        scatter = np.sqrt(truth.var(axis=0, ddof=1).mean())
        error = {k: np.sqrt(((made[k][quantity] - truth.mean(axis=0)) ** 2).mean()) for k in ("adaptive", "control")}
        assert error["adaptive"] <= 1.5 * scatter, quantity
        assert quantity == "head.SK_open" or error["control"] > 1.5 * scatter, (
            "the control, 40 % more ions, has to fail"
        )
    accuracy = made["adaptive"].file["head/accuracy"][:, 1:, 0]
    assert (abs(np.diff(accuracy.astype(int), axis=1)).sum(axis=1) == 2).all(), "there and back, once"
    assert accuracy.mean() <= 0.2
    assert made["adaptive"].imbalance.max() <= 1e-9 * 3000 and made["lattice"].imbalance.max() == 0


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ('site.head.adaptive.engines=["ode", "latice"]', ["latice", "lattice"]),
        ('site.head.adaptive.engines=["ode"]', ["at least 2"]),
        ('site.head.adaptive.engines=["ode", "ode"]', ["twice"]),
        ('site.head.adaptive.engines=["ode", "adaptive"]', ["adaptive"]),
        ('site.head.adaptive.species=["Cb"]', ["Cb"]),
        ('site.head.adaptive.rule="rules.py"', ["rule"]),
        ('site.head.adaptive.rule="none.py:choose"', ["none.py"]),
        (f'site.head.adaptive.rule="{RULES}:nothing"', ["nothing"]),
        ('site.head.lattice.spacing="30 ms"', ["lattice"]),
        ("site.head.adaptive.hysteresis=0.5", ["at least 1"]),
        ("site.head.adaptive.dwel=1", ["dwel", "dwell"]),
    ],
)
def test_bad_input_is_one_line(override: str, words: list[str]) -> None:
    with pytest.raises(CoupleError) as found:
        Simulation.in_memory(short(override))
    text = str(found.value)
    assert "\n" not in text and all(w in text for w in words), text
    assert "site" in text


def test_a_site_without_engines_to_choose_from() -> None:
    content = short().source
    site = {k: v for k, v in content["site"][0].items() if k != "adaptive"}
    with pytest.raises(InputError, match="engines"):
        Simulation.in_memory(Experiment.parse({**content, "site": [site]}))


@pytest.mark.parametrize(("name", "words"), [("wrong", "lattise"), ("failing", "KeyError")])
def test_rules_that_fail_stop_the_run(name: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        adaptive(rule=f"{RULES}:{name}").advance(1)
