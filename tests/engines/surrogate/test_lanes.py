"""Sites side by side: the same as alone within the accuracy, to the bit whatever the batch, and each piece exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import hyp1f1

from adapters.surrogate import Surrogate
from adapters.surrogate.kernels.lanes import LANES, exponentials, lanes
from adapters.surrogate.kernels.program import ADD, nodes, program
from adapters.surrogate.pools.tables import grid, propagators
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import Site
from couple.geometry.geometry import Geometry
from reducers.markov.file import write_block
from support.jit_off import without_jit
from support.networks import build, spine, spine_site
from support.surrogate_cases import SK, WINDOW, engine, exact_sk


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_block(exact_sk(spine()), folder / "sk.h5")
    return folder


def drive(made: Surrogate, row: int, window: int) -> float:
    """Ions into a site, by its number and the window: rest, trains, and jumps that one step cannot take."""
    number = int(made.sites[row].name[1:])
    return (0.2, 8.0, 30.0 * (window % 10 < 3), 400.0 * (window % 20 == 7))[number % 4]


def sites(numbers: range | list[int]) -> list[Site]:
    return [replace(spine_site(spine()), name=f"s{i}") for i in numbers]


def run(made: Surrogate, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """(windows, n_sites, n_states) counts and (windows, n_sites) who went alone."""
    rows, who = [], []
    for k in range(windows):
        made.read("influx")[:, 0] = [drive(made, row, k) for row in range(len(made.sites))]
        made.advance(1)
        rows.append(made.read("counts").copy())
        who.append(alone(made))
    return np.array(rows), np.array(who)


def alone(made: Surrogate) -> np.ndarray:
    """Marks of the last block."""
    ((_, side),) = made.scratch
    return side.alone[: min(len(made.sites), len(side.alone))].copy()


def test_a_site_does_not_see_who_is_beside_it(model: Path) -> None:
    """More sites than lanes, in another order, and split; whole molecules and steps of their own among them."""
    options = {"models": ["sk.h5"]}
    n, windows = 2 * LANES + 9, 40
    together, who = run(engine(spine(), sites(range(n)), model, options=options), windows)
    assert 0 < who.mean() < 0.5, "some go alone, most do not"
    assert np.ptp(together[-1, 1::4, spine().index("SK_C1")]) > 0
    order = [int(i) for i in np.random.default_rng(1).permutation(n)]
    for part in (order[:5], order[5:]):
        found, _ = run(engine(spine(), sites(part), model, options=options), windows)
        assert (found == together[:, part]).all()


def test_alone_or_not_a_site_follows_the_same_course() -> None:
    """Without whole molecules: both are within the accuracy of the course with steps thirty times shorter."""
    fine, _ = run(engine(spine(), sites(range(4)), options={"accuracy": 1e-5, "step": "3.125 us"}), 150)
    beside, who = run(engine(spine(), sites(range(4)), options={"accuracy": 5e-3}), 150)
    single = engine(spine(), sites(range(4)), options={"accuracy": 5e-3})
    single._program.usable[0] = 0
    lonely, all_alone = run(single, 150)
    assert who.mean() < 0.3 and all_alone.all()
    scale = abs(fine).max(axis=0)
    scale[scale == 0] = 1.0
    assert (abs(beside - fine).max(axis=0) / scale).max() < 5e-3
    assert (abs(lonely - fine).max(axis=0) / scale).max() < 5e-3
    wrong, _ = run(engine(spine(scale=1.05), sites(range(4))), 150)
    assert (abs(wrong - fine).max(axis=0) / scale).max() > 1e-2, "a buffer 5 % off would pass"


def test_births_and_other_columns(model: Path) -> None:
    """Births from nothing, deaths, a reservoir and an observable of a pool, side by side as alone."""
    network = build(
        [Species("Ca", contains={"Ca": 1}), Species("A"), Species("B"), Species("AC", contains={"Ca": 1})],
        [("0 -> B", "2 uM/s"), ("Ca + A <-> AC", "90 /uM/s", "70 /s"), ("B -> 0", "5 /s"), ("Ca -> Ca_out", "7 /s")],
        ["Ca_out"],
        {"held": ["AC", "B"]},
    )
    given = [Site(f"s{i}", Geometry.box(0.5, 0.5, 0.4), (100 + 10 * i, 4000, 20, 30)) for i in range(3)]
    both = [engine(network, given) for _ in range(2)]
    both[1]._program.usable[0] = 0
    for _ in range(200):
        for made in both:
            made.write("influx", 5.0)
            made.advance(1)
    assert not alone(both[0]).any() and alone(both[1]).all()
    np.testing.assert_allclose(both[0].read("counts"), both[1].read("counts"), rtol=1e-5)
    np.testing.assert_allclose(both[0].read("means"), both[1].read("means"), rtol=1e-5)
    held = np.array([[100 + 10 * i + 30 + 200 * 5.0] for i in range(3)])[:, 0]
    contents = network.contents("Ca")
    np.testing.assert_allclose(both[0].read("counts") @ contents, held, rtol=1e-13)


def test_means_of_exponentials() -> None:
    """(1 - exp(-z)) / z and (1 - that) / z, over all z that occur."""
    made = engine(spine(), sites(range(1)))
    side = lanes(made._program, 30)
    for z in np.split(np.concatenate([[0.0], np.geomspace(1e-12, 700.0, 10 * LANES - 1)]), 10):
        side.relax[:] = z
        exponentials(side, 0, LANES)
        np.testing.assert_allclose(side.shrink, hyp1f1(1, 2, -z), rtol=1e-12)
        np.testing.assert_allclose(side.share, hyp1f1(1, 3, -z) / 2, rtol=1e-9)


def test_the_program_is_the_propagators() -> None:
    """Operations on amounts against the dense matrices of every pool, at points of the grid."""
    made = engine(spine(), sites(range(1)))
    plan = made._plan
    rows, uptakes = propagators(plan, WINDOW)
    listed = program(plan, made.network)
    table = nodes(plan, made.network, listed, rows, uptakes)
    rng = np.random.default_rng(2)
    for point in (0, 40, 300, 500, 800):
        amounts = np.zeros(int(listed.registers[0]))
        n = len(listed.columns)
        amounts[:n] = rng.uniform(0, 100, n)
        for to, source, entry in listed.ops.tolist():
            if entry >= 0:
                amounts[to] += table.rows[point, entry] * amounts[source]
            else:
                amounts[to] += amounts[source] * (1 if entry == ADD else -1)
        at = 0
        for pool in plan.pools:
            size = len(pool.states)
            if pool.law != "mean":
                continue
            exact = expm(WINDOW * (pool.base + grid()[point] * pool.slope)) @ amounts[at : at + size]
            np.testing.assert_allclose(amounts[listed.results[at : at + size]], exact, rtol=1e-9, atol=1e-10)
            at += size


def test_too_many_moves_go_alone(model: Path) -> None:
    """A thousand channels move more often than one by one."""
    network: ReactionNetwork = spine()
    site = spine_site(network)
    counts = list(site.initial)
    counts[network.index("SK_C1")] = 2000
    made = engine(network, [replace(site, initial=tuple(counts))], model, options={"models": ["sk.h5"]})
    made.write("influx", 300.0)
    for _ in range(20):
        made.advance(1)
    assert alone(made).all()
    columns = [network.index(s) for s in SK]
    moved = made.read("counts")[0, columns]
    assert moved.sum() == sum(counts[c] for c in columns) and (moved == np.rint(moved)).all() and moved[0] < 1000


def outputs() -> str:
    """Ten windows of a few sites, as text."""
    made = engine(spine(), sites(range(3)))
    rows, _ = run(made, 10)
    return " ".join(map(repr, rows[-1].ravel().tolist()))


def test_plain_python_does_the_same() -> None:
    """Sums go in another order there, so bits may differ in the last places."""
    plain, compiled = ([float(x) for x in text.split()] for text in (without_jit(outputs), outputs()))
    np.testing.assert_allclose(plain, compiled, rtol=1e-9, atol=1e-9)


def test_what_goes_on_is_what_is_saved() -> None:
    """Scratch of lanes carries nothing from window to window."""
    first = engine(spine(), sites(range(5)))
    run(first, 5)
    second = engine(spine(), sites(range(5)))
    second.restore(first.save())
    ((_, side),) = first.scratch
    for array in side:
        array[...] = 1  # rubbish
    a, _ = run(first, 5)
    b, _ = run(second, 5)
    assert (a == b).all()
