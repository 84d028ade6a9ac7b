"""The direct method against exact distributions, each with a control that must fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, poisson

from adapters.wellmixed.ssa.engine import Gillespie
from couple.base.errors import RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.chemistry.whole_counts import apportion
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.jit_off import outputs, outputs_without_jit
from support.networks import HEAD, birth_death, build, dimerisation, isomers, sk, sk_open, spine, spine_site
from support.ssa_cases import dimers, replicas
from support.statistics import ALPHA, pearson, z_bound


@pytest.mark.parametrize("windows", [1, 400])
def test_birth_and_death_are_poisson(windows: int) -> None:
    exact = poisson.pmf(np.arange(200), 20.0)
    e = replicas(birth_death(1.0), 3000, (20,), 12.0 / windows)
    for _ in range(windows):
        e.advance(1)
    found, bound = pearson(e.read_counts()[:, 0], exact)
    assert found < bound
    wrong = replicas(birth_death(1.0, birth=24.0), 3000, (20,), 12.0)
    wrong.advance(1)
    found, bound = pearson(wrong.read_counts()[:, 0], exact)
    assert found > bound, "a rate wrong by a fifth would pass"


def test_number_of_events() -> None:
    n, t = 1000, 10.0
    e = replicas(birth_death(1.0), n, (20,), t)
    e.advance(1)
    births = (e.events + e.read_counts()[:, 0] - 20) / 2
    assert (births == np.rint(births)).all()
    bound = z_bound(2, ALPHA)
    assert abs(births.mean() - 20 * t) < bound * math.sqrt(20 * t / n)
    # sample variance of a Poisson number: its own variance is (mu + 2 mu²) / n and a little
    assert abs(births.var(ddof=1) - 20 * t) < bound * math.sqrt((20 * t + 2.01 * (20 * t) ** 2) / n)


@pytest.mark.parametrize("total", [41, 3, 2, 1])
def test_dimerisation_at_equilibrium(total: int) -> None:
    e = replicas(dimerisation(1.0), 4000, (total, 0), 20.0)
    e.advance(1)
    exact = dimers(total, 0.01, 1.0)
    counts = e.read_counts()
    assert (counts @ [1, 2] == total).all()
    assert (counts >= 0).all()
    if total < 2:
        assert (counts == [total, 0]).all()
        return
    if total < 4:
        z = (counts[:, 1].mean() - exact[1]) / math.sqrt(exact[0] * exact[1] / len(counts))
        assert abs(z) < z_bound(1, ALPHA)
        return
    found, bound = pearson(counts[:, 1], exact)
    assert found < bound
    found, bound = pearson(counts[:, 1], dimers(total, 0.012, 1.0))
    assert found > bound, "a rate wrong by a fifth would pass"


def test_many_species_in_a_ring() -> None:
    """150 kinds that turn into one another: the search goes over several blocks; each kind is equally likely."""
    n = 150
    species = [Species(f"A{i}") for i in range(n)]
    ring = build(species, [(f"A{i} <-> A{(i + 1) % n}", "1 /ms", "1 /ms") for i in range(n)])
    jumps = [(f"A{i} -> A{(i * 7 + 3) % n}", "1 /ms") for i in range(n)]
    e = replicas(ReactionNetwork(species, ring.reactions + build(species, jumps).reactions), 4, (200,) * n, 30.0)
    e.advance(1)
    counts = e.read_counts()
    assert (counts.sum(axis=1) == 200 * n).all()
    # independent walkers on a doubly stochastic graph: multinomial with equal shares
    assert ((counts - 200.0) ** 2 / 200.0).sum() < chi2.isf(ALPHA, 4 * (n - 1))
    assert abs(e.events.sum() - 4 * 200 * n * 3 * 30.0) < z_bound(1, ALPHA) * math.sqrt(4 * 200 * n * 3 * 30.0)


def channels(c: float, n_sites: int, opening: float = 1.0, seed: int = 5) -> tuple[float, float, float]:
    """(open at the end, mean open, channels) of SK2 with calcium clamped at `c` µM, from the steady state on."""
    network = sk()
    if opening != 1.0:
        network = build(
            network.species,
            [("Ca + SK_C1 <-> SK_C2", "200 /uM/s", "80 /s"), ("Ca + SK_C2 <-> SK_C3", "160 /uM/s", "80 /s"),
             ("Ca + SK_C3 <-> SK_C4", "80 /uM/s", "200 /s"), ("SK_C3 <-> SK_O1", f"{160 * opening!r} /s", "1000 /s"),
             ("SK_C4 <-> SK_O2", f"{1200 * opening!r} /s", "100 /s")],
            observables=network.observables,
        )  # fmt: skip
    counts = apportion(200, network.steady_fractions("SK_C1", {"Ca": c * 1e-3}))
    e = replicas(network, n_sites, (0, *(counts[s] for s in network.names[1:])), 400.0, clamped=("Ca",), seed=seed)
    e.write("clamp", c * 1e-3 * IONS_PER_MM_UM3)
    e.advance(1)
    return float(e.read("counts")[:, 5:7].sum()), float(e.read("means").sum()), 200.0 * n_sites


@pytest.mark.parametrize("c", [0.1, 0.5, 3.0])
def test_sk_equilibrium_with_clamped_calcium(c: float) -> None:
    found, mean, n = channels(c, 150)
    p = sk_open(c)
    bound = z_bound(6, ALPHA) * math.sqrt(n * p * (1 - p))
    assert abs(found - n * p) < bound
    assert abs(mean - n * p) < bound  # a time mean varies less


def test_sk_control() -> None:
    found, _, n = channels(0.5, 150, opening=1.2)
    p = sk_open(0.5)
    assert abs(found - n * p) > z_bound(6, ALPHA) * math.sqrt(n * p * (1 - p)), "a rate wrong by a fifth would pass"


def test_mean_is_the_exact_time_average_of_even_influx() -> None:
    inert = build([Species("A"), Species("B")], [], observables={"a": ["A"], "all": ["A", "B"]})
    e = replicas(inert, 2, (10, 3), 0.1, injected=("A", "B"))
    e.write("influx", [[7, 4], [0, -2]])
    e.advance(1)
    assert e.read("counts").tolist() == [[17, 7], [10, 1]]
    # n molecules at (i + 1/2)/n of the window are there for half of it on average; what leaves, leaves at its start
    np.testing.assert_allclose(e.read("means"), [[13.5, 18.5], [10, 11]], rtol=1e-14)
    assert e.events.tolist() == [0, 0]


def test_a_clamped_count_may_be_a_fraction() -> None:
    """Zero order in disguise: A held at 0.3 turns into B, so that B is Poisson; A + A needs more than one."""
    network = build([Species("A"), Species("B"), Species("D")], [("A -> B", "1 /ms")])
    pair = build(network.species, [("2 A -> D", f"{IONS_PER_MM_UM3!r} /mM/ms")])
    both = ReactionNetwork(network.species, network.reactions + pair.reactions)
    e = replicas(both, 3000, (0, 0, 0), 20.0, clamped=("A",))
    e.write("clamp", 0.3)
    e.advance(1)
    found, bound = pearson(e.read_counts()[:, 1], poisson.pmf(np.arange(60), 6.0))
    assert found < bound
    assert (e.read("counts")[:, 2] == 0).all()
    np.testing.assert_allclose(e.read("counts")[:, 0], 0.3, atol=2**-24)


def test_spine_keeps_calcium_exactly() -> None:
    network = spine()
    e = Gillespie(EngineSetup("x", network, (spine_site(network),), 0.1, injected=("Ca",), seed=3))
    held = network.contents("Ca") @ e.read("counts")[0]
    for k in range(2000):
        n = 12 if k % 100 < 20 else -(k % 50 == 0) * min(3, e.read("counts")[0, 0])
        held += n
        e.write("influx", n)
        e.advance(1)
        assert network.contents("Ca") @ e.read("counts")[0] == held
        assert (e.read("counts")[0, :-1] >= 0).all()
    assert e.events[0] > 50_000


@pytest.mark.parametrize(
    ("port", "value", "message"),
    [
        ("influx", math.nan, "not in whole molecules"),
        ("influx", 0.5, "not in whole molecules"),
        ("influx", -9.0, "more molecules leave"),
        ("clamp", -1.0, "not a finite count"),
        ("clamp", math.inf, "not a finite count"),
    ],
)
def test_impossible_inputs_stop(port: str, value: float, message: str) -> None:
    e = replicas(isomers(), 2, (5, 0), 0.1, injected=("A",), clamped=("B",))
    e.read(port)[1, 0] = value
    with pytest.raises(RunError, match=f'site "s1" of "x": .*{message}'):
        e.advance(1)


def test_a_propensity_that_is_no_number_stops() -> None:
    species = [Species("M", on="membrane"), Species("N", on="membrane")]
    network = build(species, [("M + N -> N", "1 um^2/ms")])
    bare = Site("bare", Geometry("box", (1, 1, 1), 1.0, 0.0), (3, 3))
    e = Gillespie(EngineSetup("x", network, (bare,), 0.1))
    with pytest.raises(RunError, match=r'site "bare" of "x": the propensity of "M \+ N -> N"'):
        e.advance(1)


def test_without_jit_the_bits_are_the_same() -> None:
    assert outputs_without_jit()["ssa"] == outputs("ssa")


def test_spine_head_is_the_minimal_spine() -> None:
    network = spine()
    counts = dict(zip(network.names, spine_site(network).initial, strict=True))
    assert counts["Ca"] == 6
    assert HEAD.volume == pytest.approx(0.0981748, rel=1e-5)
    calbindin = {name: n for name, n in counts.items() if name.startswith("CB_")}
    bound = sum(network.species[network.index(name)].contains.get("Ca", 0) * n for name, n in calbindin.items())
    assert bound / sum(calbindin.values()) == pytest.approx(0.986, abs=5e-4)
