"""Choosing reactions by composition and rejection: the same laws as the direct method."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy.stats import chi2, poisson

from adapters.wellmixed.ssa import engine as ssa
from adapters.wellmixed.ssa.engine import Gillespie
from adapters.wellmixed.ssa.levels import choose, empty_levels, put, refuse_unfit, restore_levels, saved_levels
from couple.base.arrays import Words
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.rng.streams import stream
from support.engine_under_test import NETWORK, SITES
from support.networks import birth_death, build, dimerisation
from support.ssa_cases import ONE, dimers, replicas
from support.statistics import ALPHA, pearson, z_bound


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network counts as a large one."""
    monkeypatch.setattr(ssa, "MANY", 0)


DRAWS = 400_000


@njit
def draws(levels, words: Words, n: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    seen = np.zeros(len(levels.value))
    for _ in range(n):
        seen[choose(levels, words)[0]] += 1
    return seen


def misfit(weights: np.ndarray, seen: np.ndarray, total: float | None = None) -> tuple[float, float]:
    """chi² of how often each was chosen, and its bound."""
    assert not seen[weights == 0].any()
    expected = weights / (total or weights.sum()) * DRAWS
    rare = expected < 10
    seen, expected = (np.append(x[~rare], x[rare].sum()) for x in (seen, expected))
    return float(((seen - expected) ** 2 / expected).sum()), float(chi2.isf(ALPHA, len(seen) - 1))


def test_choices_follow_the_weights() -> None:
    rng, words = np.random.default_rng(1), stream(1, "test", "", "levels")
    levels = empty_levels(500, 1e-3)
    for _ in range(4):  # weights over six powers of ten, some below the lowest level; many change, some vanish
        for i in rng.choice(500, 300, replace=False):
            put(levels, i, float(10 ** rng.uniform(-4, 2)) if rng.random() < 0.9 else 0.0)
    found, bound = misfit(levels.value, draws(levels, words, DRAWS))
    assert found < bound < misfit(levels.value * 1.02, draws(levels, words, DRAWS), levels.value.sum())[0]
    other, again = empty_levels(500, 1e-3), words.copy()
    restore_levels(other, saved_levels(levels))
    assert (draws(other, words, 1000) == draws(levels, again, 1000)).all()
    finer = empty_levels(500, 1e-5)  # of an experiment with a slower reaction
    restore_levels(finer, saved_levels(levels))
    assert (finer.value == levels.value).all()
    found, bound = misfit(levels.value, draws(finer, words, DRAWS))
    assert found < bound


def test_levels_that_no_run_has_written_are_refused() -> None:
    levels = empty_levels(5, 1.0)
    put(levels, 3, 2.0)
    refuse_unfit(levels, saved_levels(levels))
    for top in (-1, 64, np.iinfo(np.int64).max):
        with pytest.raises(InputError, match="head"):
            refuse_unfit(levels, saved_levels(levels) | {"head": np.array([levels.head[0], top])})


@pytest.mark.usefixtures("always")
def test_birth_and_death_are_poisson() -> None:
    exact = poisson.pmf(np.arange(200), 20.0)
    e = replicas(birth_death(1.0), 3000, (20,), 0.5)
    for _ in range(24):
        e.advance(1)
    found, bound = pearson(e.read_counts()[:, 0], exact)
    assert found < bound


@pytest.mark.usefixtures("always")
def test_dimerisation_at_equilibrium() -> None:
    e = replicas(dimerisation(1.0), 4000, (41, 0), 20.0)
    e.advance(1)
    found, bound = pearson(e.read_counts()[:, 1], dimers(41, 0.01, 1.0))
    assert found < bound
    found, bound = pearson(e.read_counts()[:, 1], dimers(41, 0.012, 1.0))
    assert found > bound, "a rate wrong by a fifth would pass"


@pytest.mark.usefixtures("always")
def test_influx_clamps_and_conservation() -> None:
    e = Gillespie(EngineSetup("x", NETWORK, SITES, 0.1, injected=("Ca",), clamped=("B",), seed=3))
    content = e.network.contents("Ca")
    held = e.read("counts") @ content
    for k in range(50):
        e.write("influx", float(k % 3))
        e.advance(1)
        held += k % 3
        assert (e.read("counts") @ content == held).all()
        assert (e.read("counts")[:, :5] >= 0).all()


def test_a_large_network_chooses_it_by_itself() -> None:
    """600 kinds that turn into one another on a doubly stochastic graph: multinomial with equal shares."""
    n = ssa.MANY + 88
    species = [Species(f"A{i}") for i in range(n)]
    ring = build(species, [(f"A{i} <-> A{(i + 1) % n}", "1 /ms", "1 /ms") for i in range(n)])
    jumps = build(species, [(f"A{i} -> A{(i * 7 + 3) % n}", "1 /ms") for i in range(n)])
    network = ReactionNetwork(species, ring.reactions + jumps.reactions)
    e = Gillespie(EngineSetup("x", network, (Site("s", ONE, (50,) * n),), 30.0, seed=4))
    assert e.scratch[0][1] is not None
    e.advance(1)
    counts = e.read_counts()
    assert counts.sum() == 50 * n
    assert ((counts - 50.0) ** 2 / 50.0).sum() < chi2.isf(ALPHA, n - 1)
    mean = 50 * n * 3 * 30.0
    assert abs(e.events.sum() - mean) < z_bound(1, ALPHA) * np.sqrt(mean)
