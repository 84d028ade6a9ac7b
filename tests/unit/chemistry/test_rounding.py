"""Real counts become whole ones: what reactions conserve stays, and the mean stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.chemistry.rounding import Rounding
from couple.experiment import Experiment
from couple.experiment.chemistry.chemistry import Chemistry
from support.engine_under_test import NETWORK
from support.networks import build
from support.paths import EXAMPLES
from support.statistics import z_bound

SPINE = Experiment.load(EXAMPLES / "spine" / "spine.toml").network()
DIMERS = build(
    [Species("A"), Species("A2"), Species("A2B"), Species("B")],
    [("A + A <-> A2", "1e6 /M/s", "1 /s"), ("A2 + B <-> A2B", "1e6 /M/s", "1 /s")],
)
FREE = build([Species("X"), Species("Y")], [("X -> Y", "1 /s")])
NOTHING = build([Species("X")], [("X -> ", "1 /s")])
CAMKII = Chemistry.model_validate(
    {"species": {"Ca": {"contains": {"Ca": 1}}}, "include": {"camkii": {"topology": "dimer"}}}
).network()
NETWORKS = {"spine": SPINE, "camkii": CAMKII, "pump": NETWORK, "dimers": DIMERS, "isomers": FREE, "nothing": NOTHING}


def real(network: ReactionNetwork, rng: np.random.Generator, largest: float = 30.0) -> np.ndarray:
    """Real counts: a mixture of states that reactions lead to from a whole one."""
    n = len(network.species)
    start = np.zeros(len(network.states))
    start[:n] = rng.integers(0, int(largest), n)
    states = []
    for _ in range(4):
        x = start.copy()
        for change in network.change[rng.integers(0, len(network.change), 300)]:
            if (x[:n] + change[:n] >= 0).all():
                x = x + change
        states.append(x)
    # what went into reservoirs leaves a fraction behind: these sums are not whole
    return np.asarray(rng.dirichlet(np.ones(4)) @ np.array(states))[:n]


def left_out(rounding: Rounding, difference: np.ndarray) -> np.ndarray:
    """(n_sums,) molecules of each carrier."""
    return np.asarray(np.linalg.solve(rounding.sums[:, rounding.carriers], rounding.sums @ difference))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_sums_stay_and_counts_move_little(name: str) -> None:
    network, rng = NETWORKS[name], np.random.default_rng(5)
    rounding = Rounding(network)
    others = np.setdiff1d(np.arange(len(network.species)), rounding.carriers)
    for _ in range(30):
        x = real(network, rng)
        w = rounding(x, rng)
        assert (w >= 0).all()
        assert (abs(w - x)[others] < 1).all()
        rest = left_out(rounding, x - w)
        assert (rest > -1e-6).all() and (rest < 1).all(), "less than one of each carrier is left out"
        for substance in network.substances:
            total = network.contents(substance)[: len(w)] @ x
            assert network.contents(substance)[: len(w)] @ w == np.floor(total + 1e-6)


def test_buffers_and_channels_stay_whole() -> None:
    rng, rounding = np.random.default_rng(2), Rounding(SPINE)
    pools = {p: [k for k, s in enumerate(SPINE.names) if s in (p, f"Ca{p}") or s.startswith(f"{p}_")] for p in
             ("CBP", "CB", "PMCA", "NCX", "SK")}  # fmt: skip
    for _ in range(20):
        x = real(SPINE, rng)
        w = rounding(x, rng)
        assert {p: w[k].sum() for p, k in pools.items()} == {p: round(x[k].sum()) for p, k in pools.items()}


def test_whole_counts_stay() -> None:
    rng = np.random.default_rng(3)
    for network in NETWORKS.values():
        x = rng.integers(0, 9, len(network.species))
        assert (Rounding(network)(x, rng) == x).all()
        assert (Rounding(network)(x + 1e-9, rng) == x).all()


@pytest.mark.parametrize("name", ["spine", "pump", "dimers", "isomers"])
def test_the_mean_stays(name: str) -> None:
    network, rng, n = NETWORKS[name], np.random.default_rng(11), 4000
    rounding = Rounding(network)
    x = real(network, rng)
    for c in rounding.carriers:
        x[c] += 20  # enough for whatever rounding asks for
    draws = np.array([rounding(x, rng) for _ in range(n)])
    mean = draws.mean(axis=0)
    mean[rounding.carriers] += np.mean([left_out(rounding, x - w) for w in draws], axis=0)
    error = draws.std(axis=0, ddof=1) / np.sqrt(n)
    bound = z_bound(4 * len(x))
    assert (abs(mean - x) <= bound * error + 1e-6).all()
    if name == "spine":  # set down always, calcium that is bound would be lost: the test would see it
        wrong = np.floor(x).mean() - x.mean()
        assert abs(wrong) > bound * error.mean()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 50), min_size=5, max_size=5), st.integers(0, 2**32))
def test_any_counts(x: list[float], seed: int) -> None:
    w = Rounding(NETWORK)(x, np.random.default_rng(seed))
    assert (w >= 0).all()
    total = NETWORK.contents("Ca")[:5] @ np.array(x)
    assert NETWORK.contents("Ca")[:5] @ w <= total + 1e-5
    assert NETWORK.contents("Ca")[:5] @ w > total - 6
