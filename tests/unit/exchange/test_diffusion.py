"""Ions between sites: right time constants, right fluctuations, none lost, none made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.wiring import wire

D = 0.22  # µm²/ms
NECK = {"diameter": "0.1 um", "length": "0.6 um"}
# End corrections by hand: the access resistance 1/(4 D a) is that of a neck longer by π/8 of its diameter.
K = D * np.pi * 0.05**2 / (0.6 + 2 * np.pi / 8 * 0.1)


def box(volume: float) -> dict[str, Any]:
    return {"box": {"size": " ".join(3 * [f"{volume ** (1 / 3):.12f}"]) + " um"}}


def site(name: str, engine: str, volume: float) -> dict[str, Any]:
    return {"name": name, "engine": engine, "geometry": box(volume), "lattice": {"spacing": "50 nm"}}


def link(first: str, second: str, through: Any = NECK) -> dict[str, Any]:
    return {"from": f"{first}.Ca", "to": f"{second}.Ca", "through": through}


def content(sites: list[Any], links: list[Any], window: float, windows: int, seed: int = 1) -> dict[str, Any]:
    return {
        "experiment": {
            "name": "neck",
            "duration": f"{window * windows!r} ms",
            "exchange": f"{window!r} ms",
            "seed": seed,
        },
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}},
        "site": sites,
        "link": links,
    }


def start(folder: Path, source: dict[str, Any], counts: dict[str, int] | None = None) -> Simulation:
    """A simulation whose sites hold the given molecules at the start."""
    simulation = Simulation.new(Experiment.parse(source), folder)
    for engine in simulation.system.engines if counts else ():
        given = [[counts.get(s.name, 0)] for s in engine.sites]
        engine.write_counts(given, np.random.default_rng(0))
    exchange = simulation.orchestrator.exchange
    exchange.balance[:, 0] = [exchange.held(h) for h in exchange.holdings]
    return simulation


def now(simulation: Simulation) -> dict[str, float]:
    return {s.name: float(e.read("counts")[r, 0]) for e in simulation.system.engines for r, s in enumerate(e.sites)}


def time_constant(folder: Path, through: Any) -> float:
    """Of two `ode` sites, from the counts of one."""
    source = content([site("a", "ode", 0.1), site("b", "ode", 0.5)], [link("a", "b", through)], 0.5, 100)
    simulation = start(folder, source, {"a": 6000})
    even, n = 6000 * 0.1 / 0.6, []
    for _ in range(60):
        simulation.step()
        n.append(now(simulation)["a"] - even)
    slope = np.polyfit(0.5 * np.arange(60), np.log(n), 1)[0]
    return float(-1 / slope)


def test_two_sites_relax_with_the_time_constant_of_their_neck(tmp_path: Path) -> None:
    expected = 1 / (K * (1 / 0.1 + 1 / 0.5))
    assert time_constant(tmp_path / "neck", NECK) == pytest.approx(expected, rel=1e-6)
    assert time_constant(tmp_path / "K", {"conductance": f"{K!r} um^3/ms"}) == pytest.approx(expected, rel=1e-6)
    # the controls: no end correction, and a conductance that is a fifth too large
    for wrong in ({**NECK, "ends": 0}, {"conductance": f"{1.2 * K!r} um^3/ms"}):
        assert abs(time_constant(tmp_path / str(len(wrong)), wrong) / expected - 1) > 0.02


@pytest.mark.parametrize(
    ("engines", "window"),
    [
        (("ssa", "ssa"), 0.1),
        (("ssa", "ssa"), 200),
        (("ode", "ssa"), 0.1),
        (("ode", "ssa"), 200),
        (("lattice", "ssa"), 3),
    ],
)
def test_ions_are_spread_binomially_at_equilibrium_and_none_is_lost(
    engines: tuple[str, str], window: float, tmp_path: Path
) -> None:
    """Many pairs of small sites, each with 25 ions: every ion is in the first with probability V₁ / (V₁ + V₂)."""
    pairs = 50 if "lattice" in engines else 250
    sites = [
        site(f"{n}{i}", e, v) for i in range(pairs) for n, e, v in (("a", engines[0], 0.02), ("b", engines[1], 0.06))
    ]
    through = {"conductance": "0.05 um^3/ms"}  # evens out in 0.3 ms
    simulation = start(
        tmp_path / "out",
        content(sites, [link("a*", "b*", through)], window, 10**6),
        {s["name"]: 25 for s in sites if s["name"].startswith("a")},
    )
    rounds, steps = (8, 30) if window < 1 else (8, 1)
    found = []
    for _ in range(rounds):
        for _ in range(steps):
            simulation.step()
        counts = now(simulation)
        owed = {e.link: e.owed_by_first - e.owed_by_second for e in simulation.orchestrator.ledger().diffusion}
        for i in range(pairs):
            whole = counts[f"a{i}"] + counts[f"b{i}"] - owed[f"a{i}.Ca <-> b{i}.Ca"]
            assert whole == (25 if engines[0] != "ode" else pytest.approx(25, abs=1e-9))
        found.append([counts[f"a{i}"] for i in range(pairs)])
    n = np.array(found)[1:]  # the first is still on its way
    p, size, z = 0.25, n.size, stats.norm.isf(1e-6 / 12)
    assert abs(n.mean() - 25 * p) < z * np.sqrt(25 * p * (1 - p) / size)
    variance, kurtosis = 25 * p * (1 - p), (1 - 6 * p * (1 - p)) / (25 * p * (1 - p))
    assert abs(n.var() / variance - 1) < z * np.sqrt((2 + kurtosis) / size)
    # the control: a Poisson number of ions would have this variance
    assert z * np.sqrt((2 + kurtosis) / size) < 1 / (1 - p) - 1 or "lattice" in engines
    if "ode" not in engines:
        assert simulation.orchestrator.ledger().max_imbalance == 0


def test_whole_ions_relax_with_the_same_time_constant(tmp_path: Path) -> None:
    pairs, ions, window = 200, 100, 1.0
    sites = [site(f"{n}{i}", "ssa", v) for i in range(pairs) for n, v in (("a", 0.1), ("b", 0.5))]
    source = content(sites, [link("a*", "b*")], window, 40)
    simulation = start(tmp_path / "out", source, {f"a{i}": ions for i in range(pairs)})
    rate = K * (1 / 0.1 + 1 / 0.5)
    z = stats.norm.isf(1e-6 / 40)
    wrong = 0
    for k in range(1, 41):
        simulation.step()
        mean = np.mean([v for name, v in now(simulation).items() if name.startswith("a")])

        def chance(rate: float, time: float = k * window) -> float:
            return float((0.1 + 0.5 * np.exp(-rate * time)) / 0.6)

        p = chance(rate)
        bound = z * np.sqrt(p * (1 - p) * ions / pairs)
        assert abs(mean - ions * p) < bound
        wrong += abs(mean - ions * chance(1.2 * rate)) > bound
    assert wrong > 5  # a conductance that is a fifth too large is seen


def chain_error(window: float, windows: int, folder: Path) -> float:
    """Largest error of three sites in a row against the exact solution."""
    volumes = {"a": 0.05, "b": 0.02, "c": 0.1}
    sites = [site(n, "ode", v) for n, v in volumes.items()]
    through = {"conductance": "0.01 um^3/ms"}
    simulation = start(
        folder, content(sites, [link("a", "b", through), link("b", "c", through)], window, windows), {"a": 1000}
    )
    simulation.run()
    v = np.array([*volumes.values()])
    flow = 0.01 * np.array([[-1, 1, 0], [1, -2, 1], [0, 1, -1]]) / v
    exact = expm(flow * window * windows) @ [1000, 0, 0]
    return float(np.abs(np.array([now(simulation)[n] for n in volumes]) - exact).max())


def test_chains_are_solved_to_second_order_and_stay_positive(tmp_path: Path) -> None:
    windows = [40, 80, 160, 320]  # of 0.1 ms and less: one round each
    errors = [chain_error(4.0 / n, n, tmp_path / str(n)) for n in windows]
    order = -np.polyfit(np.log(windows), np.log(errors), 1)[0]
    assert 1.8 < order < 2.2
    # a longer window takes as many rounds as the short ones together
    assert chain_error(4.0, 1, tmp_path / "whole") == pytest.approx(errors[0], rel=1e-6)
    # and one that is a hundred time constants long makes all concentrations equal
    assert chain_error(1000.0, 3, tmp_path / "long") < 1e-9


def test_the_order_of_sites_and_links_does_not_matter(tmp_path: Path) -> None:
    sites = [site("s", "ssa", 0.2), site("h0", "ssa", 0.05), site("h1", "ode", 0.05), site("h2", "ssa", 0.05)]
    links = [link("h0", "s"), link("h1", "s"), link("h2", "s")]
    found = []
    for k, (a, b) in enumerate(((sites, links), (sites[::-1], links[::-1]), (sites, [link("h*", "s")]))):
        simulation = start(tmp_path / str(k), content(a, b, 0.5, 100), {"h0": 100, "h1": 50})
        simulation.run()
        found.append(now(simulation))
    assert found[0] == found[1] == found[2]
    other = start(tmp_path / "seed", content(sites, links, 0.5, 100, seed=2), {"h0": 100, "h1": 50})
    other.run()
    assert now(other) != found[0]  # the control


def test_a_run_with_links_resumes_to_the_bit(tmp_path: Path) -> None:
    sites = [site("a", "ssa", 0.1), site("b", "ode", 0.3), site("c", "lattice", 0.02)]
    source = content(sites, [link("a", "b"), link("b", "c")], 0.5, 60)
    source["chemistry"]["initial"] = {"Ca": "1 uM"}
    source["drive"] = [{"to": "a.Ca", "influx": {"times": "0 20 ms", "rate": "30 /ms"}}]
    straight = Simulation.new(Experiment.parse(source), tmp_path / "straight")
    straight.run()
    broken = Simulation.new(Experiment.parse(source), tmp_path / "broken")
    broken.run(until=11.5)
    resumed = Simulation.resumed(tmp_path / "broken")
    resumed.run()
    assert now(resumed) == now(straight)
    assert resumed.orchestrator.ledger() == straight.orchestrator.ledger()
    entry = straight.orchestrator.ledger().diffusion[0]
    assert entry.forth > entry.back > 0
    assert straight.orchestrator.ledger().max_imbalance < 1e-9 * 600


@pytest.mark.parametrize("engine", ["ssa", "ode"])
def test_a_held_concentration_spreads_and_stays_in_the_books(engine: str, tmp_path: Path) -> None:
    """20 ms are six time constants of the open site: it comes to 10 µM, 602 ions, within noise."""
    sites = [site("held", engine, 0.1), site("free", engine, 0.1)]
    source = content(sites, [link("held", "free", {"conductance": "0.03 um^3/ms"})], 0.1, 200)
    source["drive"] = [{"to": "held.Ca", "clamp": "10 uM"}]
    simulation = Simulation.new(Experiment.parse(source), tmp_path / "out")
    simulation.run()
    counts = now(simulation)
    assert counts["held"] == pytest.approx(602.2, abs=0.6)
    assert abs(counts["free"] - 602.2 * (1 - np.exp(-6))) < 5 * np.sqrt(602)
    ledger = simulation.orchestrator.ledger()
    assert ledger.max_imbalance <= (0 if engine == "ssa" else 1e-6)
    (entry,) = ledger.diffusion
    assert entry.forth - entry.back == pytest.approx(counts["free"], abs=1e-6)


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing between": ({"from": "a.Ca", "to": "b.Ca"}, ["link[0]", "through", "diameter"]),
    "a membrane protein": ({"from": "a.P", "to": "b.P", "through": NECK}, ["link[0].from", "membrane"]),
    "immobile": ({"from": "a.B", "to": "b.B", "through": NECK}, ["link[0].from", "D is 0"]),
    "two species": ({"from": "a.Ca", "to": "b.B", "through": NECK}, ["link[0]", "Ca", "B", "one species"]),
    "unknown species": ({"from": "a.Cu", "to": "b.Ca", "through": NECK}, ["link[0].from", "Cu", "Ca"]),
    "unknown site": ({"from": "x.Ca", "to": "b.Ca", "through": NECK}, ["link[0].from", '"x"']),
    "itself": ({"from": "a.Ca", "to": "a.Ca", "through": NECK}, ["link[0]", "itself"]),
    "half a neck": ({"from": "a.Ca", "to": "b.Ca", "through": {"length": "1 um"}}, ["link[0].through", "diameter"]),
    "misspelt": (
        {"from": "a.Ca", "to": "b.Ca", "through": {"length": "1 um", "diametr": "1 um"}},
        ["link[0].through", "diametr", "diameter"],
    ),
    "unit": (
        {"from": "a.Ca", "to": "b.Ca", "through": {"conductance": "1 um^2/ms"}},
        ["link[0].through.conductance", "um^2/ms"],
    ),
    "absurd": (
        {"from": "a.Ca", "to": "b.Ca", "through": {"conductance": "1e-300 um^3/ms"}},
        ["link[0].through", "1e-300", "1e-12"],
    ),
    "absurd neck": (
        {"from": "a.Ca", "to": "b.Ca", "through": {"diameter": "1e-200 um", "length": "1 um"}},
        ["link[0].through.diameter", "1e-200", "0.0001"],
    ),
    "no model": ({"from": "a.Ca", "to": "b.Ca", "through": "neck"}, ["link[0].through", "neuron"]),
    "through to neuron": ({"from": "a.Ca", "to": "neuron.cai", "through": NECK}, ["link[0]", "through"]),
    "channels": ({"from": "a.Ca", "to": "b.Ca", "conductance": "1 pS"}, ["link[0]", "conductance"]),
    "twice": ({"from": "*.Ca", "to": "*.Ca", "through": NECK}, ["link[0]"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_named(case: str) -> None:
    wrong, words = MISTAKES[case]
    source = content([site("a", "ode", 0.1), site("b", "ode", 0.1)], [wrong], 0.1, 1)
    source["chemistry"]["species"] |= {"B": {}, "P": {"on": "membrane"}}
    with pytest.raises(InputError) as error:
        wire(Experiment.parse(source))
    for word in words:
        assert word in str(error.value)


def test_the_link_is_described_with_its_time_constant() -> None:
    source = content([site("a", "ode", 0.1), site("b", "ode", 0.5)], [link("a", "b")], 0.1, 1)
    lines = "\n".join(wire(Experiment.parse(source)).describe)
    assert f"{K:.6g} um^3/ms (0.1 x 0.6 um, 2 open ends)" in lines and "no charge" in lines
    assert f"{1 / (K * (10 + 2)):.4g} ms" in lines
