"""The engine `surrogate`: against mass action, exact SK, and what it refuses."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.surrogate import Surrogate
from adapters.surrogate.pools.factors import factors
from adapters.surrogate.pools.network import pools_of
from adapters.surrogate.pools.tables import exponential
from adapters.wellmixed.ode import engine as ode
from adapters.wellmixed.ssa import engine as ssa
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from reducers.markov.file import read_block, write_block
from reducers.markov.generator import Generator, candidates, matrices
from reducers.markov.markov import MarkovBlock
from support.networks import HEAD, SK_STATES, build, sk, sk_open, spine, spine_site
from support.statistics import z_bound
from support.surrogate_cases import INFLUX, SK, WINDOW, course, engine, exact_sk

# -- pools -----------------------------------------------------------------------------------------------------------


def reference(network: ReactionNetwork, influx: np.ndarray) -> np.ndarray:
    setup = EngineSetup(
        "x", network, (spine_site(network),), WINDOW, injected=("Ca",), options=ode.OdeOptions(rtol=1e-9)
    )
    return course(ode.MassAction(setup), influx)


@pytest.mark.parametrize("accuracy", [5e-3, 1e-4])
def test_pools_follow_mass_action(accuracy: float) -> None:
    network = spine()
    exact = reference(network, INFLUX)
    found = course(engine(network, [spine_site(network)], options={"accuracy": accuracy}), INFLUX)
    off = abs(found - exact).max(axis=0) / abs(exact).max(axis=0)
    free = network.index("Ca")
    assert off[free] < (5e-3 if accuracy > 1e-3 else 1e-3)
    assert np.delete(off, free).max() < accuracy, "what is bound follows closer than the free concentration of a window"
    wrong = course(engine(spine(scale=1.05), [spine_site(network)]), INFLUX)
    assert (abs(wrong - exact).max(axis=0) / abs(exact).max(axis=0)).max() > 1e-2, "a buffer 5 % off would pass"


def test_the_error_falls_with_the_square_of_the_step() -> None:
    network = spine()
    rng = np.random.default_rng(1)
    influx = np.repeat(rng.uniform(0, 60, 20), 10)
    exact = reference(network, influx)[9::10]
    steps, errors = [0.1, 0.05, 0.025], []
    for step in steps:
        options = {"step": f"{step} ms", "accuracy": 0.99}
        found = course(engine(network, [spine_site(network)], options=options), influx)[9::10]
        errors.append(abs(found - exact)[:, network.index("CaCBP")].max())
    order = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 1.7 < order < 2.6, errors


def test_calbindin_is_a_product() -> None:
    pools = {len(p.states): p for p in pools_of(spine(), "Ca")}
    found = factors(pools[9])
    assert found is not None and {len(found.first[0]), len(found.second[0])} == {3}
    assert factors(pools[6]) is None, "SK is a tree, not a product"
    cooperative = build(
        [Species("Ca", contains={"Ca": 1})]
        + [Species(f"A{i}{j}", contains={"Ca": i + j}) for i in range(2) for j in range(3)],
        [(f"Ca + A0{j} <-> A1{j}", f"{1 + j} /uM/s", "1 /s") for j in range(3)]
        + [(f"Ca + A{i}{j} <-> A{i}{j + 1}", "1 /uM/s", "1 /s") for i in range(2) for j in range(2)],
    )
    (pool,) = pools_of(cooperative, "Ca")
    assert factors(pool) is None, "rates that depend on the other site"


def test_exponential() -> None:
    from scipy.linalg import expm

    rng = np.random.default_rng(1)
    matrices_ = rng.normal(size=(5, 4, 4)) * np.array([1e-6, 0.1, 1, 10, 30])[:, None, None]
    for found, exact in zip(exponential(matrices_), expm(matrices_), strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-11 * max(1.0, abs(exact).max()))


def test_births_deaths_and_reservoirs() -> None:
    network = build(
        [Species("Ca", contains={"Ca": 1}), Species("A"), Species("B")],
        [
            ("0 -> A", "2 uM/s"),
            ("A -> B", "3 /s"),
            ("B -> 0", "5 /s"),
            ("Ca -> Ca_out", "7 /s"),
            ("Ca_out -> Ca", "4 uM/s"),
        ],
        ["Ca_out"],
        {"ab": ["A", "B"]},
    )
    made = engine(network, [Site("s", HEAD, (1000, 50, 20))])
    same = ode.MassAction(
        EngineSetup("x", network, made.sites, WINDOW, injected=("Ca",), options=ode.OdeOptions(rtol=1e-8))
    )
    influx = np.full(100, 3.0)
    np.testing.assert_allclose(course(made, influx), course(same, influx), rtol=3e-4)
    assert made.read("means")[0, 0] == pytest.approx(same.read("means")[0, 0], rel=1e-5)


def test_reactions_that_it_cannot_do_are_named() -> None:
    species = [Species(name) for name in ("Ca", "A", "B", "CaA", "CaB", "AB")]
    network = build(species, [(f"{x} + {y} -> {x}{y}", "1 /uM/s") for x, y in (("Ca", "A"), ("Ca", "B"), ("A", "B"))])
    with pytest.raises(InputError, match=r'"A \+ B -> AB" is not what this engine can do.*surrogate.models'):
        engine(network, [Site("s", HEAD, (1,) * 6)])


def test_calcium_beyond_the_tables_stops() -> None:
    network = build([Species("Ca")], [("Ca -> 0", "1 /s")])
    made = engine(network, [Site("s", Geometry.box(0.1, 0.1, 0.1), (0,))])
    made.write("influx", 1e7)
    with pytest.raises(RunError, match=r"rises above 16.4 mM"):
        made.advance(1)


def test_nothing_falls_below_zero() -> None:
    network = spine()
    site = spine_site(network, Geometry.cylinder(0.1, 0.1), ca=1e-5)
    made = engine(network, [site])
    for ions in (0.0, 5.0, 0.0, 300.0, 0.0, 0.0):
        for _ in range(20):
            made.write("influx", ions if ions else -made.read("counts")[0, 0])
            made.advance(1)
            assert made.read("counts")[0, : len(network.species)].min() >= -1e-9


# -- SK --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_block(exact_sk(sk()), tmp_path / "sk.h5")
    return tmp_path


def clamped(folder: Path, law: str, sites: int, c: float, start: int = 0, molecules: int = 20) -> Surrogate:
    """SK with calcium held at c uM."""
    network, volume = sk(), 10.0
    counts = [round(1e-3 * c * IONS_PER_MM_UM3 * volume)] + [molecules * (k == start) for k in range(6)]
    geometry = Geometry.box(10.0, 1.0, 1.0)
    made = [Site(f"s{i}", geometry, tuple(counts)) for i in range(sites)]
    options = {"models": {"SK": "sk.h5"}, "law": law}
    held = engine(network, made, folder, clamped=("Ca",), injected=(), options=options)
    held.write("clamp", 1e-3 * c * IONS_PER_MM_UM3 * volume)
    return held


@pytest.mark.parametrize("c", [0.1, 0.5, 1.0, 10.0])
def test_the_steady_curve_of_sk(model: Path, c: float) -> None:
    made = clamped(model, "mean", 1, c)
    made.advance(10000)
    made.advance(1)
    assert made.read("means")[0, 0] / 20 == pytest.approx(sk_open(c), rel=1e-3)


@pytest.mark.parametrize(("before", "after", "t63"), [(0.0, 10.0, 3.517), (0.0, 1.0, 31.5), (10.0, 0.0, 77.4)])
def test_step_responses_of_sk(model: Path, before: float, after: float, t63: float) -> None:
    """Time to 1 - 1/e of the way; 3.517 ms is exact for 0 -> 10 uM."""
    made = clamped(model, "mean", 1, before)
    made.advance(20000)
    network = made.network
    open_now = made.read("counts")[0, [network.index("SK_O1"), network.index("SK_O2")]].sum()
    made.write("clamp", 1e-3 * after * IONS_PER_MM_UM3 * 10.0)
    trace = [open_now]
    for _ in range(4000):
        made.advance(1)
        trace.append(made.read("counts")[0, [network.index("SK_O1"), network.index("SK_O2")]].sum())
    way = (np.array(trace) - open_now) / (20 * sk_open(after) - open_now)
    k = int(np.flatnonzero(way >= 1 - np.exp(-1))[0])
    at = WINDOW * (k - 1 + (1 - np.exp(-1) - way[k - 1]) / (way[k] - way[k - 1]))
    assert at == pytest.approx(t63, rel=0.01)


def test_the_noise_of_twenty_channels(model: Path) -> None:
    """Open channels of independent sites: mean, variance and autocorrelation of the exact process."""
    c, n = 0.5, 3000
    made = clamped(model, "multinomial", n, c, start=2)
    made.advance(5000)  # ten times the slowest relaxation
    columns = [made.network.index(s) for s in ("SK_O1", "SK_O2")]
    first = made.read("counts")[:, columns].sum(axis=1)
    made.advance(200)
    later = made.read("counts")[:, columns].sum(axis=1)
    assert (first == np.rint(first)).all() and (made.read("counts")[:, 1:7].sum(axis=1) == 20).all()
    p, bound = sk_open(c), z_bound(3)
    variance = 20 * p * (1 - p)
    assert abs(first.mean() - 20 * p) < bound * np.sqrt(variance / n)
    # the variance of a binomial's sample variance
    assert abs(first.var() / variance - 1) < bound * np.sqrt((2 + (1 - 6 * p * (1 - p)) / (20 * p * (1 - p))) / n)
    block = exact_sk(sk())
    from scipy.linalg import expm

    q = block.base + c * block.slope
    steady = expm(q * 1e4)[:, 0]
    opens = np.array([0, 0, 0, 0, 1, 1])
    joint = opens @ expm(q * 20.0) @ (opens * steady)
    exact = (joint - p * p) / (p * (1 - p))
    found = np.corrcoef(first, later)[0, 1]
    assert abs(found - exact) < bound * (1 - exact**2) / np.sqrt(n)
    assert abs(found - exact**0.5) > bound * (1 - exact**2) / np.sqrt(n), "SK at half speed would pass"


def test_channels_take_their_ions_from_the_free_pool(model: Path) -> None:
    network = spine()
    write_block(exact_sk(network), model / "sk.h5")
    sites = [replace(spine_site(network), name=f"s{i}") for i in range(50)]
    made = engine(network, sites, model, options={"models": ["sk.h5"]})
    contents = network.contents("Ca")
    before = made.read("counts") @ contents
    for k in range(300):
        ions = 30.0 * (k % 40 < 20)
        made.write("influx", ions)
        made.advance(1)
        before += ions
        counts = made.read("counts")
        assert abs(counts @ contents - before).max() < 1e-9 * before.max()
        assert counts[:, : len(network.species)].min() >= -1e-9
    channels = made.read("counts")[:, [network.index(s) for s in SK]]
    assert (channels == np.rint(channels)).all() and (channels.sum(axis=1) == 20).all()
    assert np.ptp(channels[:, 0]) > 0, "channels of all sites did the same"


def test_a_site_does_not_see_its_batch_and_goes_on_to_the_bit(model: Path) -> None:
    network = spine()
    write_block(exact_sk(network), model / "sk.h5")
    sites = [replace(spine_site(network), name=f"s{i}") for i in range(5)]

    def run(chosen: list[int], stop: int = 60) -> dict[str, bytes]:
        made = engine(network, [sites[i] for i in chosen], model, options={"models": ["sk.h5"]})
        for k in range(60):
            if k == stop:
                state, ports = made.save(), made.memory.copy()
                made = engine(network, [sites[i] for i in chosen], model, options={"models": ["sk.h5"]})
                made.restore(state)
                made.memory[:] = ports
            for row, i in enumerate(chosen):
                made.read("influx")[row] = 20.0 * i * (k % 7 == 0)
            made.advance(1)
        return {sites[i].name: made.read("counts")[row].tobytes() for row, i in enumerate(chosen)}

    together = run([0, 1, 2, 3, 4])
    assert run([4, 2, 0, 3, 1]) == together
    assert {**run([1, 3]), **run([0]), **run([4, 2])} == together
    assert run([0, 1, 2, 3, 4], stop=23) == together


@pytest.mark.acceptance
def test_the_noise_of_twenty_channels_is_that_of_the_ssa(model: Path) -> None:
    """Variance and autocorrelation over sites that do not see each other, as many as make 5 % a derived bound."""
    c, n = 0.5, 30000
    bound = z_bound(3, alpha=1e-2)

    def sample(made: Any) -> np.ndarray:
        columns = [made.network.index(s) for s in ("SK_O1", "SK_O2")]
        made.advance(5000)
        first = made.read("counts")[:, columns].sum(axis=1)
        made.advance(200)
        return np.array([first, made.read("counts")[:, columns].sum(axis=1)])

    mine = clamped(model, "multinomial", n, c, start=2)
    setup = replace(mine.setup, options=ssa.Gillespie.Options(), name="ssa")
    exact = ssa.Gillespie(setup)
    exact.write("clamp", mine.read("clamp"))
    a, b = sample(mine), sample(exact)
    p = sk_open(c)
    spread = np.sqrt(2 * (2 + (1 - 6 * p * (1 - p)) / (20 * p * (1 - p))) / n)
    assert bound * spread < 0.05
    assert abs(a[0].var() / b[0].var() - 1) < bound * spread
    rho, sigma = np.corrcoef(a)[0, 1], np.corrcoef(b)[0, 1]
    assert bound * np.sqrt(2 / n) * (1 - sigma**2) < 0.05 * sigma
    assert abs(rho - sigma) < bound * np.sqrt(2 / n) * (1 - sigma**2)
    assert abs(a[0].mean() - b[0].mean()) < bound * np.sqrt(2 * b[0].var() / n)


def test_models_that_do_not_fit_are_refused(model: Path) -> None:
    site = spine_site(spine())
    faster = build(
        [
            Species("Ca", contains={"Ca": 1}),
            *(Species(n, on="membrane", contains={"Ca": k}) for n, k in SK_STATES.items()),
        ],
        [("Ca + SK_C1 <-> SK_C2", "201 /uM/s", "80 /s")],
    )
    with pytest.raises(InputError, match=r"surrogate.models.SK: .*another chemistry of SK_C1"):
        engine(faster, [Site("s", HEAD, (1,) * 7)], model, options={"models": {"SK": "sk.h5"}})
    with pytest.raises(InputError, match=r"surrogate.models.SK.*no such file"):
        engine(spine(), [site], model, options={"models": {"SK": "no.h5"}})
    (model / "text.h5").write_text("text")
    with pytest.raises(InputError, match=r"surrogate.models.SK.*is not a driven model"):
        engine(spine(), [site], model, options={"models": {"SK": "text.h5"}})
    with pytest.raises(InputError, match=r"stands for what SK stands for, too"):
        engine(spine(), [site], model, options={"models": ["sk.h5", "sk.h5"]})


def test_leaving_the_box_is_said_once_and_counted(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = spine()
    write_block(exact_sk(network, drive_box=(0.0, 1.0)), model / "sk.h5")
    made = engine(network, [spine_site(network)], model, options={"models": ["sk.h5"]})
    with caplog.at_level(logging.WARNING):
        for _ in range(10):
            made.write("influx", 500.0)
            made.advance(1)
    assert len(caplog.records) == 1 and "left 0 .. 1 uM" in caplog.text and '"head"' in caplog.text
    assert 0 < made.outside[0] <= 10


def test_a_model_file_comes_back(tmp_path: Path) -> None:
    block = exact_sk(sk())
    write_block(block, tmp_path / "sk.h5")
    again = read_block(tmp_path / "sk.h5")
    assert isinstance(again, MarkovBlock) and again.about.signature == block.about.signature
    assert again.about.contents == block.about.contents and again.about.observables == block.about.observables
    assert (again.base == block.base).all() and (again.slope == block.slope).all()


# -- training --------------------------------------------------------------------------------------------------------


def test_candidates_and_their_gradient() -> None:
    held = list(SK_STATES.values())
    found = candidates(held)
    assert len(found) == 18 and sum(t.driven for t in found) == 7
    assert all(abs(held[t.target] - held[t.source]) <= 1 for t in found)
    law, rng = Generator(SK, found), np.random.default_rng(1)
    law.coefficients.values[:, 0] = rng.uniform(0, 1, len(found))
    base, slope = matrices(6, found, law.coefficients.values[:, 0])
    assert abs(base.sum(axis=0)).max() < 1e-12 and abs(slope.sum(axis=0)).max() < 1e-12
    theta, drive, weights = rng.uniform(size=(4, 6)), rng.uniform(size=(4, 1)), rng.normal(size=(4, 6))
    law.clear()
    law.pull(theta, weights, drive)
    gradient = law.coefficients.gradient[:, 0].copy()
    for r in range(len(found)):
        ends = []
        for sign in (1, -1):
            law.coefficients.values[r, 0] += sign * 1e-4
            ends.append((weights * law.rates(theta, drive)).sum())
            law.coefficients.values[r, 0] -= sign * 1e-4
        assert gradient[r] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6, abs=1e-9)
    numeric = [(law.rates(theta + h, drive) - law.rates(theta - h, drive)) / 2e-4 for h in 1e-4 * np.eye(6)]
    back = np.stack([(weights * d).sum(axis=1) for d in numeric], axis=1)
    np.testing.assert_allclose(law.vjp(theta, weights, drive), back, rtol=1e-6, atol=1e-8)
