"""The master equation against closed forms, and the stochastic engines against the master equation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import binom, chi2, poisson

from adapters.cme import CmeOptions, MasterEquation, solve
from adapters.cme.size import size_of
from adapters.gridded import Gridded, GriddedOptions
from adapters.wellmixed.ssa.engine import Gillespie
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.geometry.geometry import Geometry
from support.jit_off import outputs, outputs_without_jit
from support.networks import SK_STATES, birth_death, build, dimerisation, isomers, sk, sk_open, spine, spine_site

ONE = Geometry.box(1, 1, 1)
ALPHA = 1e-5


def engine(network: ReactionNetwork, initial: tuple[int, ...], tick: float = 0.1, **setup: object) -> MasterEquation:
    return MasterEquation(EngineSetup("x", network, (Site("s", ONE, initial),), tick, **setup))  # type: ignore[arg-type]


def marginal(e: MasterEquation, column: int) -> np.ndarray:
    states, p = e.distribution()
    return np.bincount(states[:, column], p)


def distance(found: np.ndarray, exact: np.ndarray) -> float:
    """Total variation between two distributions over 0, 1, 2, ..."""
    n = max(len(found), len(exact))
    return float(abs(np.pad(found, (0, n - len(found))) - np.pad(exact, (0, n - len(exact)))).sum() / 2)


# -- closed forms ---------------------------------------------------------------------------------------------


def birth_death_law(start: int, birth: float, death: float, t: float) -> np.ndarray:
    """Survivors of the start are binomial, the newly born Poisson."""
    alive = math.exp(-death * t)
    old, new = binom.pmf(np.arange(start + 1), start, alive), poisson.pmf(np.arange(200), birth / death * (1 - alive))
    return np.convolve(old, new)


@pytest.mark.parametrize("t", [0.1, 1.0, 8.0])
def test_birth_and_death(t: float) -> None:
    found = solve(birth_death(1.0), ONE, (35,), [t])
    exact = birth_death_law(35, 20.0, 1.0, t)
    assert distance(found.marginal("A")[0], exact) <= found.error[0] + 1e-12
    assert 0 < found.error[0] <= 1e-10
    assert distance(found.marginal("A")[0], birth_death_law(35, 20.2, 1.0, t)) > 1e-4


def test_many_times_of_one_solution() -> None:
    times = [0.0, 0.5, 1.0, 3.0]
    found = solve(birth_death(1.0), ONE, (35,), times)
    for row, t in zip(found.marginal("A"), times, strict=True):
        assert distance(row, birth_death_law(35, 20.0, 1.0, t)) < 1e-10
    mean = 20 + 15 * np.exp(-np.array(times))
    np.testing.assert_allclose(found.mean()[:, 0], mean, rtol=1e-9)
    np.testing.assert_allclose(
        found.covariance()[:, 0, 0], 20 + 15 * np.exp(-np.array(times)) - 35 * np.exp(-2 * np.array(times)), atol=1e-6
    )


def dimers(total: int, forward: float = 0.01, backward: float = 1.0) -> np.ndarray:
    """Generator of the number of dimers of `total` molecules; columns sum to 0."""
    n = total // 2 + 1
    a = np.zeros((n, n))
    for m in range(n):
        left = total - 2 * m
        if m + 1 < n:
            a[m + 1, m] += forward * left * (left - 1)
        if m:
            a[m - 1, m] += backward * m
    return a - np.diag(a.sum(axis=0))


@pytest.mark.parametrize("total", [41, 2, 1])
def test_dimerisation(total: int) -> None:
    times = [0.3, 2.0, 60.0]
    found = solve(dimerisation(1.0), ONE, (total, 0), times)
    for row, t in zip(found.marginal("D"), times, strict=True):
        assert distance(row, expm(dimers(total) * t)[:, 0]) < 1e-10
    weights = np.cumprod([1.0] + [0.01 * (total - 2 * m) * (total - 2 * m - 1) / (m + 1) for m in range(total // 2)])
    assert distance(found.marginal("D")[-1], weights / weights.sum()) < 1e-10


def sk_matrix(c: float) -> np.ndarray:
    q = np.zeros((6, 6))
    pairs = [(0, 1, 200 * c, 80), (1, 2, 160 * c, 80), (2, 3, 80 * c, 200), (2, 4, 160, 1000), (3, 5, 1200, 100)]
    for a, b, forward, backward in pairs:
        q[b, a] += forward / 1000
        q[a, b] += backward / 1000
    return q - np.diag(q.sum(axis=0))


def test_six_states_of_sk() -> None:
    """Each of three channels by itself: the counts are multinomial with the probabilities of one channel."""
    e = engine(sk(), (0, 3, 0, 0, 0, 0, 0), 1.0, clamped=("Ca",))
    e.write("clamp", 1e-3 * IONS_PER_MM_UM3)
    over = np.zeros(6)
    for _ in range(40):
        e.advance(1)
        over += e.read("means")[0, 0]
    one = expm(sk_matrix(1.0) * 40)[:, 0]
    states, p = e.distribution()
    assert len(p) == math.comb(8, 5)
    fall = np.array([math.factorial(3) / math.prod(math.factorial(k) for k in s) for s in states[:, 1:]])
    np.testing.assert_allclose(p, fall * np.prod(one ** states[:, 1:], axis=1), atol=1e-12)
    np.testing.assert_allclose(e.read("counts")[0, 1:7], 3 * one, rtol=1e-10)
    # the mean over time of open channels, from the resolvent of one channel
    big = np.block([[sk_matrix(1.0), np.zeros((6, 6))], [np.eye(6), np.zeros((6, 6))]])
    assert over[0] == pytest.approx(3 * (expm(big * 40)[6:, :6][4:, 0].sum()), rel=1e-9)
    for _ in range(2):
        e.advance(2000)
    assert e.read("means")[0, 0] / 3 == pytest.approx(sk_open(1.0), rel=1e-8)
    assert list(SK_STATES) == list(sk().names[1:])


def test_leaving_and_fractions_of_an_influx() -> None:
    still = build([Species("A"), Species("B")], [("A -> B", "1e-9 /s")])
    e = engine(still, (10, 0), injected=("A",))
    e.write("influx", 2.25)
    e.advance(1)
    assert distance(marginal(e, 0), 0.75 * np.eye(14)[12] + 0.25 * np.eye(14)[13]) < 1e-9
    e.write("influx", -12.25 / 4)
    e.advance(1)
    kept = 0.75 * np.pad(binom.pmf(np.arange(13), 12, 0.75), (0, 1)) + 0.25 * binom.pmf(np.arange(14), 13, 0.75)
    assert distance(marginal(e, 0), kept) < 1e-9
    e.write("influx", -e.read("counts")[0, 0])
    e.advance(1)
    assert marginal(e, 0)[0] == pytest.approx(1.0, abs=1e-9)


def test_even_influx_enters_as_in_ssa() -> None:
    """Whole molecules at (i + 1/2)/n of the window, then binomial survival: means over the window agree with theory."""
    network = build([Species("A")], [("A -> 0", "1 /ms")], observables={"a": ["A"]})
    e = engine(network, (0,), 1.0, injected=("A",))
    e.write("influx", 5)
    e.advance(1)
    left = np.exp(-(1 - (np.arange(5) + 0.5) / 5))
    assert e.read("counts")[0, 0] == pytest.approx(left.sum(), rel=1e-10)
    assert e.read("means")[0, 0] == pytest.approx((1 - left).sum(), rel=1e-10)


# -- truncation -----------------------------------------------------------------------------------------------


def test_the_bound_holds_and_follows_what_is_allowed() -> None:
    exact = birth_death_law(35, 20.0, 1.0, 3.0)
    sizes = []
    for allowed in (1e-3, 1e-6, 1e-9):
        found = solve(birth_death(1.0), ONE, (35,), [3.0], leak=allowed)
        assert distance(found.marginal("A")[0], exact) <= found.error[0] <= allowed
        assert found.probability.sum() == pytest.approx(1 - found.error[0], abs=1e-12)
        sizes.append(len(found.states))
    assert sizes[0] < sizes[-1]


def test_rare_states_are_dropped() -> None:
    e = engine(birth_death(1.0, birth=2000.0, death=10.0), (0,), 0.1)
    sizes = []
    for _ in range(60):
        e.advance(1)
        sizes.append(e.spaces[0].n)
    assert sizes[-1] < 260
    assert e.leak[0] < 2e-10
    assert distance(marginal(e, 0), poisson.pmf(np.arange(600), 200 * -math.expm1(-60))) < 1e-8


def test_counts_are_those_of_the_distribution() -> None:
    """Counts follow from expected events; over many windows they stay within what was lost of Σ p n."""
    network = build(
        [Species("A", contains={"X": 1}), Species("B"), Species("C", contains={"X": 1})],
        [
            ("A + B <-> C", f"{0.05 * IONS_PER_MM_UM3!r} /mM/ms", "2 /ms"),
            ("C -> B + out", "1 /ms"),
            ("B + out -> B + A", "1 /ms"),
        ],
        ["out"],
    )
    e = engine(network, (8, 12, 3), injected=("A",), options=CmeOptions(leak=1e-9))
    held = float((e.read("counts") @ network.contents("X"))[0])
    for k in range(400):
        e.write("influx", 1.3 * (k % 7 == 0) - 0.4 * (k % 11 == 0))
        held += 1.3 * (k % 7 == 0) - 0.4 * (k % 11 == 0)
        e.advance(1)
        assert abs((e.read("counts") @ network.contents("X"))[0] - held) < 1e-11 * held
    states, p = e.distribution()
    np.testing.assert_allclose(p @ states, e.read("counts")[0, :3], atol=e.leak[0] * states.max())
    assert e.leak[0] < 400 * 2e-9


def test_sizes() -> None:
    assert size_of(dimerisation(1.0), (41, 0)).reachable == 21
    assert math.isinf(size_of(birth_death(1.0), (35,)).reachable)
    size = size_of(spine(), spine_site(spine()).initial)
    assert len(size.independent) == 17
    assert size.likely > 1e6


def test_a_space_that_does_not_fit_is_refused_with_its_size() -> None:
    network = spine()
    with pytest.raises(
        InputError, match=r'site "head": the master equation does not fit: 17 independent counts need .*e\+'
    ):
        MasterEquation(EngineSetup("x", network, (spine_site(network),), 0.1))
    with pytest.raises(InputError, match="does not fit"):
        MasterEquation.check(EngineSetup("x", network, (spine_site(network),), 0.1))
    with pytest.raises(InputError, match="more than 100 states carry probability"):
        solve(birth_death(1.0, birth=1000.0), ONE, (35,), [5.0], states=100)
    e = engine(birth_death(1.0, birth=1000.0), (35,), 5.0, options=CmeOptions(states=100))
    with pytest.raises(RunError, match='site "s" of "x": more than'):
        e.advance(1)


@pytest.mark.parametrize("times", [[], [-1.0], [2.0, 1.0]])
def test_times_must_increase(times: list[float]) -> None:
    with pytest.raises(InputError, match="must increase"):
        solve(isomers(), ONE, (3, 0), times)


# -- other engines against the master equation ----------------------------------------------------------------


def enzyme(k: float = 1.0) -> ReactionNetwork:
    """S + E <-> C -> E + P and 2 P -> S: four counts, two of them independent."""
    species = [Species(s, 10.0) for s in "SECP"]
    pair = IONS_PER_MM_UM3
    return build(
        species,
        [
            ("S + E <-> C", f"{0.1 * k * pair!r} /mM/ms", "1 /ms"),
            ("C -> E + P", "0.7 /ms"),
            ("2 P -> S", f"{0.05 * pair!r} /mM/ms"),
        ],
    )


def histogram(e: SiteEngine, species: int, n: int) -> np.ndarray:
    return np.bincount(e.read_counts()[:, species], minlength=n).astype(float)


def pearson(seen: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Chi-square, rare values taken together until 10 are expected, and its bound."""
    expected = probability * seen.sum()
    bins, total = [0], 0.0
    for k, x in enumerate(expected):
        total += x
        if total >= 10 and expected[k + 1 :].sum() >= 10:
            bins.append(k + 1)
            total = 0.0
    seen, expected = np.add.reduceat(seen, bins), np.add.reduceat(expected, bins)
    return float(((seen - expected) ** 2 / expected).sum()), float(chi2.isf(ALPHA / 4, len(bins) - 1))


@pytest.mark.parametrize("name", ["ssa", pytest.param("gridded", marks=pytest.mark.acceptance)])
def test_histograms_of_an_enzyme(name: str) -> None:
    initial, t, n = (18, 6, 0, 0), 3.0, 4000
    exact = solve(enzyme(), ONE, initial, [t])
    sites = tuple(Site(f"s{i}", ONE, initial) for i in range(n))

    def make(network: ReactionNetwork) -> SiteEngine:
        if name == "ssa":
            return Gillespie(EngineSetup("x", network, sites, t, seed=11))
        # mixing in 8 voxels takes 10 µs, a reaction some ms
        options = GriddedOptions.model_validate({"spacing": "0.5 um"})
        return Gridded(EngineSetup("x", network, sites[: n // 4], t, seed=11, options=options))

    e = make(enzyme())
    e.advance(1)
    for species in (0, 2, 3):
        found, bound = pearson(
            histogram(e, species, exact.states[:, species].max() + 1), exact.marginal("SECP"[species])[0]
        )
        assert found < bound, "SECP"[species]
    wrong = solve(enzyme(1.2), ONE, initial, [t])
    ratios = []
    for species in (0, 2, 3):
        found, bound = pearson(
            histogram(e, species, wrong.states[:, species].max() + 1), wrong.marginal("SECP"[species])[0]
        )
        ratios.append(found / bound)
    assert max(ratios) > 1, "a rate wrong by a fifth would pass"


def test_two_voxels_are_a_master_equation_of_their_own() -> None:
    """A + B -> C in two voxels with slow hops: every pair of counts in the voxels against the master equation."""
    pair = 0.4 * IONS_PER_MM_UM3
    hop, network = (
        0.3,
        build([Species("A", 0.3), Species("B", 0.0), Species("C")], [("A + B -> C", f"{pair!r} /mM/ms")]),
    )
    species = [Species(f"{s}{v}") for v in (0, 1) for s in "ABC"]
    local = [(f"A{v} + B{v} -> C{v}", f"{pair!r} /mM/ms") for v in (0, 1)]
    split = build(species, [*local, ("A0 <-> A1", f"{hop!r} /ms", f"{hop!r} /ms")])
    half = Geometry.box(1, 1, 1)
    exact = solve(split, half, (6, 1, 0, 0, 4, 0), [1.0])
    n = 2000
    site = tuple(Site(f"s{i}", Geometry.box(2, 1, 1), (6, 5, 0)) for i in range(n))
    options = GriddedOptions.model_validate({"spacing": "1 um"})
    e = Gridded(EngineSetup("x", network, site, 1.0, seed=3, options=options))
    for k in range(n):
        e.write_voxel_counts(k, [[6, 1, 0], [0, 4, 0]])
    e.advance(1)
    seen = np.array([e.voxel_counts(k)[:, [0, 2]].ravel() for k in range(n)]).astype(int)  # A0 C0 A1 C1
    keys = {tuple(row): i for i, row in enumerate(np.unique(exact.states[:, [0, 2, 3, 5]], axis=0).tolist())}
    p = np.zeros(len(keys))
    for row, weight in zip(exact.states[:, [0, 2, 3, 5]].tolist(), exact.probability[0], strict=True):
        p[keys[tuple(row)]] += weight
    counts = np.bincount([keys[tuple(row)] for row in seen.tolist()], minlength=len(keys)).astype(float)
    order = np.argsort(-p)
    found, bound = pearson(counts[order], p[order])
    assert found < bound
    hops = build(species, [("A0 <-> A1", "0.36 /ms", "0.36 /ms")]).reactions
    faster = solve(ReactionNetwork(split.species, split.reactions[:2] + hops), half, (6, 1, 0, 0, 4, 0), [1.0])
    q = np.zeros(len(keys))
    for row, weight in zip(faster.states[:, [0, 2, 3, 5]].tolist(), faster.probability[0], strict=True):
        q[keys[tuple(row)]] += weight
    found, bound = pearson(counts[order], q[order])
    assert found > bound, "hops faster by a fifth would pass"


def test_without_jit_the_bits_are_the_same() -> None:
    assert outputs_without_jit()["cme"] == outputs("cme")
