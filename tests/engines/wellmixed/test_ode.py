"""Mass action against scipy's integrators, closed forms and the numbers of the sources."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from adapters.wellmixed.ode.engine import MassAction, OdeOptions
from couple.base.errors import RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.jit_off import outputs, outputs_without_jit
from support.networks import SK_STATES, build, dimerisation, isomers, sk, sk_open, spine, spine_site

ONE = Geometry.box(1, 1, 1)
TICK = 0.1


def influx(window: int) -> float:
    """A train of entries into a head, molecules per window; it jumps from window to window."""
    return 49.0 * math.exp(-(window - 5) / 5) if 5 <= window < 25 else 10.0 * (window % 40 == 30)


def scipy_windows(network: ReactionNetwork, site: Site, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """(counts, means) after each window by scipy, written independently of the engine."""
    rates = network.count_rates(site.geometry.volume, site.geometry.area)
    n = len(network.states)
    first, second = (np.where(column < 0, n, column) for column in network.reactant_columns.T)
    change, weights = network.change.T.astype(float), network.observable_weights
    y, counts, means = np.zeros(n), [], []
    y[: len(site.initial)] = site.initial

    def slope(_: float, y: np.ndarray, source: np.ndarray) -> np.ndarray:
        z = np.append(y[:n], 1.0)
        return np.concatenate([change @ (rates * z[first] * z[second]) + source, weights @ y[:n]])

    for window in range(windows):
        source = np.zeros(n)
        source[network.index("Ca")] = influx(window) / TICK
        start = np.concatenate([y, np.zeros(len(weights))])
        done = solve_ivp(slope, (0, TICK), start, "LSODA", args=(source,), rtol=1e-10, atol=1e-8)
        y = done.y[:n, -1]
        counts.append(y)
        means.append(done.y[n:, -1] / TICK)
    return np.array(counts), np.array(means)


def engine(network: ReactionNetwork, *sites: Site, tick: float = TICK, options: OdeOptions | None = None,
           clamped: tuple[str, ...] = (), injected: tuple[str, ...] = ()) -> MassAction:  # fmt: skip
    setup = EngineSetup("x", network, sites, tick, injected, clamped, options=options or OdeOptions())
    return MassAction(setup)


def our_windows(e: MassAction, windows: int) -> tuple[np.ndarray, np.ndarray]:
    counts, means = [], []
    for window in range(windows):
        e.write("influx", influx(window))
        e.advance(1)
        counts.append(e.read("counts")[0].copy())
        means.append(e.read("means")[0].copy())
    return np.array(counts), np.array(means)


def error(found: np.ndarray, exact: np.ndarray) -> float:
    """Largest error relative to the largest value of its column."""
    return float((abs(found - exact) / abs(exact).max(axis=0)).max())


@functools.cache
def reference(calbindin: bool, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    network = spine(calbindin=calbindin, scale=scale)
    return scipy_windows(network, spine_site(network), 60)


@pytest.mark.parametrize("calbindin", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e4], ids=["as measured", "stiff"])
def test_spine_against_scipy(calbindin: bool, scale: float) -> None:
    network = spine(calbindin=calbindin, scale=scale)
    counts, means = our_windows(engine(network, spine_site(network), injected=("Ca",)), 60)
    exact_counts, exact_means = reference(calbindin, scale)
    assert error(counts, exact_counts) < 1e-5
    assert error(means, exact_means) < 1e-5


def test_errors_follow_the_tolerance() -> None:
    network = spine()

    def at(options: OdeOptions) -> np.ndarray:
        return our_windows(engine(network, spine_site(network), injected=("Ca",), options=options), 60)[0]

    exact, tolerances = at(OdeOptions(steps=128)), np.array([1e-4, 1e-6, 1e-8])
    errors = np.array([error(at(OdeOptions(rtol=t, atol=t)), exact) for t in tolerances])
    assert (errors < tolerances).all()
    assert (errors[1:] < 0.1 * errors[:-1]).all()


def test_a_wrong_rate_is_seen() -> None:
    network = spine(scale=1.2)
    counts, _ = our_windows(engine(network, spine_site(network), injected=("Ca",)), 60)
    assert error(counts, reference(True)[0]) > 1e-2


def test_order_four_in_counts_and_means() -> None:
    network = spine()
    site = spine_site(network)

    def at(steps: int) -> np.ndarray:
        e = engine(network, site, tick=0.4, injected=("Ca",), options=OdeOptions(steps=int(steps)))
        e.write("influx", 100.0)
        e.advance(1)
        return np.concatenate([e.read("counts")[0] / site.initial[2], e.read("means")[0]])

    exact, steps = at(4096), np.array([16, 32, 64, 128])
    found = np.array([at(n) for n in steps])
    for part in (slice(0, len(network.states)), slice(len(network.states), None)):
        errors = abs(found - exact)[:, part].max(axis=1)
        order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
        assert 3.7 < order < 4.5


def test_fast_decay_is_damped_in_one_step() -> None:
    """L-stability: a step 10⁹ times longer than a decay leaves nothing of it, and all of it in the product."""
    network = build([Species("A", contains={"X": 1}), Species("B", contains={"X": 1})], [("A -> B", "1e10 /ms")])
    e = engine(network, Site("s", ONE, (1000, 0)), options=OdeOptions(steps=1))
    e.advance(1)
    np.testing.assert_allclose(e.read("counts")[0], [0.0, 1000.0], atol=1e-4)


@pytest.mark.parametrize("c", [0.05, 0.1, 0.5, 1.0, 10.0])
def test_sk_steady_state(c: float) -> None:
    e = engine(sk(), Site("s", ONE, (0, 20, 0, 0, 0, 0, 0)), tick=10.0, clamped=("Ca",))
    e.write("clamp", c * 1e-3 * IONS_PER_MM_UM3)
    for _ in range(300):
        e.advance(1)
    assert e.read("means")[0, 0] / 20 == pytest.approx(sk_open(c), rel=1e-9)
    assert e.read("counts")[0, 5:7].sum() / 20 == pytest.approx(sk_open(c), rel=1e-9)


def sk_generator(c: float) -> np.ndarray:
    """Rates between C1 C2 C3 C4 O1 O2 at `c` µM, per ms; columns sum to zero."""
    q = np.zeros((6, 6))
    pairs = [(0, 1, 200 * c, 80), (1, 2, 160 * c, 80), (2, 3, 80 * c, 200), (2, 4, 160, 1000), (3, 5, 1200, 100)]
    for a, b, forward, backward in pairs:
        q[b, a], q[a, b] = forward, backward
    return (q - np.diag(q.sum(axis=0))) * 1e-3


@pytest.mark.parametrize(
    ("start", "end", "listed"), [(0, 10, 3.52), (0, 1, 31.5), (0.05, 0.5, 59.1), (10, 0, 77.4), (1, 0, 75.2)]
)
def test_sk_step_response(start: float, end: float, listed: float) -> None:
    """The whole course against the matrix exponential, and the time to 1 - 1/e of the way."""
    e = engine(sk(), Site("s", ONE, (0, 1000, 0, 0, 0, 0, 0)), tick=0.02, clamped=("Ca",))
    e.write("clamp", start * 1e-3 * IONS_PER_MM_UM3)
    e.advance(100_000)
    e.write("clamp", end * 1e-3 * IONS_PER_MM_UM3)
    state, move = e.read("counts")[0, 1:7] / 1000, expm(sk_generator(end) * 0.02)
    found, exact = [state[4:].sum()], [state[4:].sum()]
    while len(found) < 2 * listed / 0.02:
        e.advance(1)
        state = move @ state
        found.append(e.read("counts")[0, 5:7].sum() / 1000)
        exact.append(state[4:].sum())
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-5)
    way = (np.array(found) - sk_open(start)) / (sk_open(end) - sk_open(start))
    time = np.interp(1 - math.exp(-1), way, np.arange(len(way)) * 0.02)
    assert float(f"{time:.3g}") == listed


def test_calbindin_and_pumps_at_rest() -> None:
    network = spine()
    e = engine(network, spine_site(network), tick=100.0, clamped=("Ca",))
    e.write("clamp", 1e-4 * IONS_PER_MM_UM3 * spine_site(network).geometry.volume)
    for _ in range(100):
        e.advance(1)
    share = dict(zip(network.states, e.read("counts")[0], strict=False))
    calbindin = {name: n for name, n in share.items() if name.startswith("CB_")}
    bound = sum(network.species[network.index(name)].contains.get("Ca", 0) * n for name, n in calbindin.items())
    assert bound / sum(calbindin.values()) == pytest.approx(0.986, abs=5e-4)
    assert share["CaPMCA"] / (share["PMCA"] + share["CaPMCA"]) == pytest.approx(15 / 42, rel=1e-8)
    assert share["CaNCX"] / (share["NCX"] + share["CaNCX"]) == pytest.approx(30 / 930, rel=1e-8)
    before = e.read("counts")[0, network.index("Ca_out")]
    e.advance(1)
    extruded = 100.0 * 12e-3 * share["CaPMCA"]
    assert abs(e.read("counts")[0, network.index("Ca_out")] - before) < 1e-8 * extruded, "leaks balance the pumps"


def test_conservation_over_many_windows() -> None:
    network = spine()
    site = spine_site(network)
    e = engine(network, site, injected=("Ca",))
    held = {"Ca": network.contents("Ca").astype(float)}
    for first in ("CBP", "PMCA", "NCX", "SK_", "CB_"):
        held[first] = np.array(
            [float(first in name and not (first == "CB_" and "CBP" in name)) for name in network.states]
        )
    counts, port = e.read("counts"), e.read("influx")
    start = {key: counts[0] @ row for key, row in held.items()}
    sent, exchanged = 0.0, 0.0
    for window in range(100_000):
        port[0, 0] = influx(window % 1000) - 0.25 * (window % 7 == 0)
        sent += port[0, 0]
        exchanged += abs(port[0, 0])
        e.advance(1)
    for key, row in held.items():
        change = counts[0] @ row - start[key] - (sent if key == "Ca" else 0.0)
        assert abs(change) <= 1e-9 * max(start[key], exchanged if key == "Ca" else 0.0), key


def test_clamp_is_booked() -> None:
    network = spine()
    e = engine(network, spine_site(network), clamped=("Ca",), injected=("Ca",))
    contents = e.network.contents("Ca")
    start, sent = contents @ e.read("counts")[0], 0.0
    for k in range(200):
        e.write("clamp", 6 + 5 * math.sin(k))
        e.write("influx", 0.3 * k)
        sent += 0.3 * k
        e.advance(1)
        assert e.read("counts")[0, 0] == e.read("clamp")[0, 0] == e.read("means")[0, 0]
    assert contents @ e.read("counts")[0] == pytest.approx(start + sent, rel=1e-12)


def test_two_of_a_kind() -> None:
    """dn/dt = -2 k n² + 2 b m to its equilibrium k n² = b m."""
    e = engine(dimerisation(1.0), Site("s", ONE, (1000, 0)), tick=10.0)
    e.advance(1)
    e.advance(1)
    n = (-1.0 + math.sqrt(1 + 8 * 0.01 * 1000)) / (4 * 0.01)
    np.testing.assert_allclose(e.read("counts")[0], [n, (1000 - n) / 2], rtol=1e-9)


def test_influx_is_even_and_removal_is_at_the_start() -> None:
    inert = build([Species("A"), Species("B")], [], observables={"a": ["A"]})
    e = engine(inert, Site("s", ONE, (10, 3)), Site("t", ONE, (10, 3)), injected=("A", "B"))
    e.write("influx", [[7.5, 4], [-2.25, 0]])
    e.advance(1)
    np.testing.assert_allclose(e.read("counts"), [[17.5, 7], [7.75, 3]], rtol=1e-14)
    np.testing.assert_allclose(e.read("means"), [[13.75], [7.75]], rtol=1e-13)


def test_matrix_of_a_large_network_is_eliminated_exactly() -> None:
    """Random bimolecular networks, hence fill-in: one step of each size agrees with scipy."""
    rng = np.random.default_rng(3)
    species = [Species(f"S{i}", contains={"X": 1}) for i in range(30)] + [Species("Ca")]
    equations = []
    for _ in range(60):
        a, b, c, d = rng.choice(30, 4, replace=False)
        equations.append((f"S{a} + S{b} -> S{c} + S{d}", "3e4 /mM/ms"))
        equations.append((f"S{a} -> S{d}", "0.5 /ms"))
    network = build(species, equations)
    site = Site("s", ONE, tuple(int(n) for n in rng.integers(1, 40, 31)))
    counts, _ = our_windows(engine(network, site, injected=("Ca",)), 12)
    assert error(counts, scipy_windows(network, site, 12)[0]) < 1e-5


@pytest.mark.parametrize(
    ("port", "value", "message"),
    [
        ("influx", math.nan, "is not finite"),
        ("influx", -9.0, "more molecules leave"),
        ("clamp", -1.0, "not a finite count"),
        ("clamp", math.nan, "not a finite count"),
    ],
)
def test_impossible_inputs_stop(port: str, value: float, message: str) -> None:
    e = engine(isomers(), Site("s", ONE, (5, 0)), Site("t", ONE, (5, 0)), injected=("A",), clamped=("B",))
    e.read(port)[1, 0] = value
    with pytest.raises(RunError, match=f'site "t" of "x": .*{message}'):
        e.advance(1)


def test_what_cannot_be_integrated_stops() -> None:
    """More and more of itself: the count is infinite after 1/20 ms."""
    network = build([Species("A")], [("2 A -> 3 A", f"{IONS_PER_MM_UM3!r} /mM/ms")])
    with pytest.raises(RunError, match=r'site "burst" of "x": "A" .* inner step'):
        engine(network, Site("burst", ONE, (20,))).advance(1)


def test_a_count_far_below_zero_stops() -> None:
    """One coarse step for a reaction that uses up A long before the step ends."""
    network = build([Species("A"), Species("B")], [("A + B -> 0", f"{IONS_PER_MM_UM3!r} /mM/ms")])
    crude = engine(network, Site("crude", ONE, (50, 100)), tick=0.3, options=OdeOptions(steps=1))
    with pytest.raises(RunError, match='site "crude" of "x": "A" is negative'):
        crude.advance(1)
    fine = engine(network, Site("fine", ONE, (50, 100)), tick=0.3)
    fine.advance(1)
    assert fine.read("counts")[0] == pytest.approx([0.0, 50.0], abs=1e-3)


def test_without_jit_the_bits_are_the_same() -> None:
    assert outputs_without_jit()["ode"] == outputs("ode")


def test_states_of_sk_hold_their_calcium() -> None:
    assert sk().contents("Ca").tolist() == [1, *SK_STATES.values()]


TIGHT = OdeOptions(rtol=1e-11, atol=1e-10)


def exact_ends(k: float, a: float, b: float, t: float) -> dict[str, float]:
    """C of A + B -> C, D of 2 A -> D and B of A <-> B, each after `t` ms from `a` (and `b`) molecules."""
    e = math.exp(-(a - b) * k * t)
    return {
        "pair": a * b * (1 - e) / (a - b * e),
        "dimer": a * a * k * t / (1 + 2 * a * k * t),
        "isomer": a * 0.6 * -math.expm1(-0.5 * t),
    }


@pytest.mark.parametrize("t", [0.3, 4.0])
def test_closed_forms_to_eight_digits(t: float) -> None:
    k, a, b = 2e-3, 500.0, 300.0
    rate = f"{k * IONS_PER_MM_UM3!r} /mM/ms"
    abc = [Species(s) for s in "ABC"]
    cases = {
        "pair": (build(abc, [("A + B -> C", rate)]), (500, 300, 0), 2),
        "dimer": (build([Species("A"), Species("D")], [("2 A -> D", rate)]), (500, 0), 1),
        "isomer": (isomers(), (500, 0), 1),
    }
    exact = exact_ends(k, a, b, t)
    for name, (network, start, column) in cases.items():
        e = engine(network, Site("s", ONE, start), tick=t, options=TIGHT)
        e.advance(1)
        assert e.read("counts")[0, column] == pytest.approx(exact[name], rel=1e-8), name
    assert exact_ends(1.001 * k, a, b, t)["pair"] != pytest.approx(exact["pair"], rel=1e-8)


@pytest.mark.parametrize("t", [0.5, 20.0])
def test_sk_kinetics_to_eight_digits(t: float) -> None:
    e = engine(sk(), Site("s", ONE, (0, 20, 0, 0, 0, 0, 0)), tick=t, clamped=("Ca",), options=TIGHT)
    e.write("clamp", 1e-3 * IONS_PER_MM_UM3)
    e.advance(1)
    np.testing.assert_allclose(e.read("counts")[0, 1:7], 20 * expm(sk_generator(1.0) * t)[:, 0], rtol=1e-8)
