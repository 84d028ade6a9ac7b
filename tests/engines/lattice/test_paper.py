"""The paper's lattice: exact laws of small cases, and Lotka–Volterra against two independent simulators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import chi2

from adapters.lattice.common.domain import EMPTY, build_domain
from adapters.lattice.paper import annihilation, ensemble, lotka_volterra, roessler, run
from adapters.lattice.paper.choose import random_free_site, random_particle
from adapters.lattice.paper.kernel import add_particle, advance
from adapters.lattice.paper.tables import build_particles, build_rules
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.rng.streams import stream
from support.jit_off import without_jit
from support.lattice_cases import count_pairs
from support.lotka_volterra import BETWEEN, ROW_FIRST, UNIFORM, campaign, column, disagreements
from support.statistics import z_bound

RUNS = 200


def reacting(species: str, *reactions: tuple[str, str, float]) -> ReactionNetwork:
    """A network from ("A B", "C", chance or rate) with one letter for each molecule."""
    made = []
    for left, right, rate in reactions:
        reactants, products = tuple(left.split()), tuple(right.split())
        made.append(Reaction(reactants, products, rate, per="encounter" if len(reactants) == 2 else "step"))
    return ReactionNetwork([Species(s) for s in species], made)


@pytest.mark.parametrize(
    "row_first",
    [pytest.param(True, marks=pytest.mark.acceptance, id="row first"), pytest.param(False, id="uniform")],
)
def test_lotka_volterra_against_independent_simulators(row_first: bool) -> None:
    made = campaign(RUNS, row_first=row_first)
    own, other = (ROW_FIRST, UNIFORM) if row_first else (UNIFORM, ROW_FIRST)
    assert disagreements(made, own) == {}
    assert len(disagreements(made, other)) > 10, "the way of choosing does not matter"
    if row_first:
        assert (column(made, "P") > 0).all()
        assert disagreements(made, BETWEEN) == {}


@pytest.mark.parametrize("row_first", [True, False], ids=["row first", "uniform"])
def test_neighbours_at_the_start_are_those_of_chance(row_first: bool) -> None:
    """3200 bonds and 6400 pairs at distance 2, each taken with the chance of two random sites."""
    made = ensemble(lotka_volterra(), (40, 40), 0, RUNS, 5, initial={"H": 100, "P": 100}, row_first=row_first)
    pair = 1 / (1600 * 1599)
    for found, bonds in ((made.nn, 3200), (made.m2, 6400)):
        expected = bonds * pair * np.array([100 * 99, 2 * 100 * 100, 100 * 99])
        error = found[:, 0].std(axis=0, ddof=1) / math.sqrt(RUNS)
        assert made.pairs == (("H", "H"), ("H", "P"), ("P", "P"))
        assert (abs(found[:, 0].mean(axis=0) - expected) < z_bound(12) * error).all()
        assert (abs(found[:, 0].mean(axis=0) - 1.2 * expected) > z_bound(12) * error).all()


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(17,), (6, 7), (4, 5, 6)])
def test_moments_count_every_pair_once(shape: tuple[int, ...], periodic: bool) -> None:
    start = np.random.default_rng(1).integers(0, 3, shape).astype(np.uint8)
    made = run(reacting("AB", ("A", "B", 0.1)), shape, 0, 1, initial=start, periodic=periodic, snapshots=True)
    assert made.snapshots is not None and np.array_equal(made.snapshots[0], start)
    for k, (a, b) in enumerate([(1, 1), (1, 2), (2, 2)]):
        assert made.nn[0, k] == count_pairs(start, a, b, 1, periodic=periodic)
        assert made.m2[0, k] == count_pairs(start, a, b, 2, periodic=periodic)


@pytest.mark.parametrize("row_first", [True, False])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_lonely_particle_hops_in_every_step(dimension: int, row_first: bool) -> None:
    """Each step leads to a neighbour: the mean square displacement is the number of steps, and it changes colour."""
    steps, edge, n = 8, 21, 2000
    start = np.zeros((edge,) * dimension, dtype=np.uint8)
    start[(edge // 2,) * dimension] = 1
    made = ensemble(
        reacting("A"), start.shape, steps, n, 3, initial=start, row_first=row_first, every=steps, snapshots=True
    )
    assert made.snapshots is not None
    where = np.argwhere(made.snapshots[:, 1] == 1)[:, 1:] - edge // 2
    assert len(where) == n and (abs(where).sum(axis=1) % 2 == steps % 2).all()
    square = (where**2).sum(axis=1)
    assert abs(square.mean() - steps) < z_bound(6) * square.std() / math.sqrt(n)
    assert (abs((where**2).mean(axis=0) - steps / dimension) < z_bound(6) * (where**2).std(axis=0) / math.sqrt(n)).all()


def test_a_wall_is_left_out_of_the_choice() -> None:
    """In a corner of a closed square there are two neighbours, each as likely."""
    start = np.zeros((5, 5), dtype=np.uint8)
    start[0, 0] = 1
    n = 4000
    made = ensemble(reacting("A"), (5, 5), 1, n, 1, initial=start, periodic=False, snapshots=True)
    assert made.snapshots is not None
    right, down = made.snapshots[:, 1, 0, 1].sum(), made.snapshots[:, 1, 1, 0].sum()
    assert right + down == n and abs(right - n / 2) < z_bound(1) * math.sqrt(n / 4)


@pytest.mark.parametrize("row_first", [True, False])
def test_an_encounter_reacts_with_its_probability(row_first: bool) -> None:
    """Two neighbours in a row of two sites meet twice a step: both are left after n steps with (1 - p)^2n."""
    p, steps, n = 0.15, 3, 4000
    pair = np.array([1, 2], dtype=np.uint8)
    network = reacting("AB", ("A B", "", p))
    made = ensemble(network, (2,), steps, n, 1, initial=pair, periodic=False, row_first=row_first)
    left = made.counts[:, -1, 0].sum()
    share = (1 - p) ** (2 * steps)
    assert (made.counts[:, :, 0] == made.counts[:, :, 1]).all()
    limit = z_bound(2) * math.sqrt(n * share * (1 - share))
    assert abs(left - n * share) < limit
    assert abs(left - n * (1 - 1.2 * p) ** (2 * steps)) > limit


def test_channels_of_a_pair_are_tried_in_order() -> None:
    """The first that succeeds wins: 0.5, then half of the rest; a mover that reacted leaves no second try."""
    network = reacting("ABCD", ("A B", "C C", 0.5), ("B A", "D D", 0.5))
    start, n = np.array([1, 2], dtype=np.uint8), 4000
    counts = ensemble(network, (2,), 1, n, 1, initial=start, periodic=False).counts[:, 1]
    first, second = (counts[:, 2] == 2).sum(), (counts[:, 3] == 2).sum()
    for found, share in ((first, 0.5 + 0.25 * 0.5), (second, 0.25 + 0.25 * 0.25)):
        assert abs(found - n * share) < z_bound(2) * math.sqrt(n * share * (1 - share))


def test_products_stand_where_the_rules_say() -> None:
    """Product 1 at the target's site and product 2 at the mover's old one, whoever moved: then all is over."""
    network = reacting("ABCD", ("A B", "C D", 1.0))
    made = ensemble(network, (2,), 1, 400, 1, initial=np.array([1, 2], dtype=np.uint8), periodic=False, snapshots=True)
    assert made.snapshots is not None
    last = made.snapshots[:, 1].tolist()
    assert all(row in ([3, 4], [4, 3]) for row in last)
    assert abs(last.count([4, 3]) - 200) < z_bound(1) * 10


def test_deaths_are_exponential_and_births_follow_the_larger_of_number_and_one() -> None:
    rate, steps, n = 0.05, 20, 2000
    made = ensemble(reacting("A", ("A", "", rate)), (9, 9), steps, n, 1, initial={"A": 20}).counts[:, -1, 0]
    share = math.exp(-rate * steps)
    limit = z_bound(4) * math.sqrt(20 * share * (1 - share) / n)
    assert abs(made.mean() - 20 * share) < limit < abs(made.mean() - 20 * math.exp(-1.2 * rate * steps))
    born = ensemble(reacting("A", ("", "A", rate)), (40, 40), steps, n, 1, initial={}).counts[:, -1, 0]
    assert abs((born == 0).mean() - share) < z_bound(4) * math.sqrt(share * (1 - share) / n)
    # at rate k from 0 to 1, then doubling as a Yule process
    assert abs(born.mean() - math.sinh(rate * steps)) < z_bound(4) * born.std() / math.sqrt(n)
    # nothing is said of events that come after a full lattice: they find no place
    full = run(reacting("A", ("A", "A A", 0.5)), (3, 3), 50, 1, initial={"A": 1}).counts[:, 0]
    assert full[-1] == 9


@pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 4, 5)])
def test_the_law_of_choosing_row_by_row(shape: Sequence[int]) -> None:
    """1 / (planes that hold one × rows of the plane that do × such sites of the row), by chi-square."""
    start = (np.random.default_rng(len(shape)).random(shape) < 0.3).astype(np.uint8)
    start[0] = len(shape) == 1
    domain = build_domain(shape, [("periodic", "periodic")] * len(shape))
    network = reacting("A", ("A", "", 0.1))
    rules = build_rules(network, domain, row_first=True)
    for code in (1, EMPTY):
        m = build_particles(network, domain, stream(1, "a", "b", "c"), row_first=True)
        for site in np.flatnonzero(domain.lattice == EMPTY)[start.ravel() == 1]:
            add_particle(m, 1, int(site))
        n = 20_000
        found = np.zeros(m.lattice.size, dtype=np.int64)
        for _ in range(n):
            found[random_particle(rules, m, 1) if code else random_free_site(rules, m)] += 1
        match = (start == code).reshape((1,) * (3 - len(shape)) + tuple(shape))
        rows, planes = match.any(axis=2), match.any(axis=(1, 2))
        chance = match / np.maximum(match.sum(axis=2, keepdims=True), 1)
        chance = chance * rows[:, :, None] / np.maximum(rows.sum(axis=1), 1)[:, None, None] / planes.sum()
        expected, counted = n * chance[match], domain.inner(found).reshape(match.shape)[match]
        assert counted.sum() == n
        z = float(((counted - expected) ** 2 / expected).sum())
        assert z < chi2.isf(1e-5, match.sum() - 1)


@pytest.mark.parametrize("row_first", [True, False])
def test_the_order_of_movers_has_its_law(row_first: bool) -> None:
    """B alone in its row and the middle one of three A in another race for the site between them.

    A particle that has moved, or may no longer, leaves the choice of the next mover to the others.
    """
    start = np.zeros((3, 3), dtype=np.uint8)
    start[0, 1], start[2] = 2, (1, 1, 1)
    n = 6000
    made = ensemble(reacting("AB"), (3, 3), 1, n, 1, initial=start, periodic=False, row_first=row_first, snapshots=True)
    assert made.snapshots is not None

    def chance(b_first: float) -> float:
        """B goes to the centre with 1/3, unless the A was there before it, which had the same chance."""
        return (b_first + (1 - b_first) * 2 / 3) / 3

    # Row first the row of the three comes before B with 1/2 each time: the middle A is its first, second or third.
    share, other = chance(0.5), chance(1 - sum(0.5**k / 3 for k in (1, 2, 3)))
    if row_first:
        share, other = other, share
    centre = (made.snapshots[:, 1, 1, 1] == 2).mean()
    assert abs(centre - share) < z_bound(2) * math.sqrt(share * (1 - share) / n)


def test_rows_do_not_change_the_run() -> None:
    """Recording at every step or once, in one thread or two: the same bits."""
    for row_first in (True, False):
        often = campaign_of(1, row_first, threads=1)
        rarely = campaign_of(30, row_first, threads=2)
        assert np.array_equal(often.counts[:, ::30], rarely.counts)
        assert often.snapshots is not None and rarely.snapshots is not None
        assert np.array_equal(often.snapshots[:, ::30], rarely.snapshots)


def campaign_of(every: int, row_first: bool, threads: int):  # type: ignore[no-untyped-def]
    return ensemble(
        lotka_volterra(),
        (20, 20),
        60,
        3,
        9,
        initial={"H": 30, "P": 40},
        every=every,
        row_first=row_first,
        threads=threads,
        snapshots=True,
    )


def bits() -> str:
    """Runs with every kind of event, as text."""
    network = reacting(
        "ABC",
        ("", "A", 0.3),
        ("A", "A A", 0.1),
        ("B", "", 0.05),
        ("C", "B", 0.1),
        ("A B", "B B", 0.4),
        ("A A", "C", 0.5),
    )
    out = []
    for row_first, shape, periodic in ((True, (5, 6), True), (False, (3, 4, 5), False), (False, (5, 6), True)):
        made = run(
            network, shape, 12, 3, initial={"A": 8, "B": 6}, row_first=row_first, periodic=periodic, snapshots=True
        )
        out += [a.tobytes().hex() for a in (made.counts, made.nn, made.m2, made.snapshots) if a is not None]
    return " ".join(out)


def test_the_same_bits_without_the_compiler() -> None:
    assert without_jit(bits) == bits()


def test_lists_and_lattice_say_the_same() -> None:
    domain = build_domain((10, 10, 10), [("reflecting", "reflecting")] * 3)
    network = roessler()
    for row_first in (True, False):
        rules = build_rules(network, domain, row_first=row_first)
        m = build_particles(network, domain, stream(1, "x", "y", "z"), row_first=row_first)
        for k, site in enumerate(np.flatnonzero(domain.lattice == EMPTY)[:600]):
            add_particle(m, 1 + k % 3, int(site))
        for _ in range(60):
            advance(rules, m, 1)
            inside = domain.inner(m.lattice).ravel()
            assert np.array_equal(np.bincount(inside, minlength=4)[1:], m.population[1:])
            sites = m.sites[: m.length[0]]
            assert len(np.unique(sites)) == m.length[0] == np.count_nonzero(inside)
            assert (m.lattice[sites] > 0).all() and np.array_equal(m.entry[sites], np.arange(m.length[0]))


def test_roessler_and_annihilation_run() -> None:
    """The two other systems of the papers with their settings."""
    made = ensemble(roessler(), (10, 10, 10), 250, 20, 1, initial=dict.fromkeys("ABC", 200), periodic=False, every=10)
    assert made.counts.shape == (20, 26, 3) and (made.counts.sum(axis=2) <= 1000).all()
    assert (made.counts[:, 1:] > 0).any(axis=(0, 1)).all()
    start = (np.random.default_rng(1).random((20, 1000)) < 0.5).astype(np.uint8)
    made = ensemble(annihilation(), (1000,), 200, 20, 1, initial=list(start), periodic=False, every=10)
    left = made.counts[:, :, 0]
    assert (np.diff(left, axis=1) <= 0).all() and (np.diff(left, axis=1) % 2 == 0).all()
    assert (left[:, -1] < 0.5 * left[:, 0]).all()


def refused(network: ReactionNetwork, shape: Sequence[int] = (4, 4), **wrong: object) -> str:
    with pytest.raises(InputError) as caught:
        run(network, shape, 4, 1, **{"initial": {}, **wrong})  # type: ignore[arg-type]
    return str(caught.value)


def test_what_the_lattice_of_the_paper_does_not_know() -> None:
    plain = reacting("A", ("A", "", 0.1))
    assert "17 particles ([17]) for 16 lattice sites" in refused(plain, initial={"A": 17})
    assert 'unknown species "B"' in refused(plain, initial={"B": 1})
    assert "shape (4, 4)" in refused(plain, initial=np.zeros((4, 5), dtype=np.uint8))
    assert "give a multiple" in refused(plain, every=3)
    assert "neighbours coincide" in refused(plain, (2, 4))
    assert "one to three numbers" in refused(plain, (2, 2, 2, 2))
    assert "makes 3 molecules" in refused(reacting("A", ("A", "A A A", 0.1)))
    physical = ReactionNetwork([Species("A")], [Reaction(("A",), (), 0.1)])
    assert 'takes a rate like "0.1 per step"' in refused(physical)
    assert "on the membrane" in refused(ReactionNetwork([Species("M", on="membrane")]))
    assert "leave D out" in refused(ReactionNetwork([Species("A", 0.1)]))
    with pytest.raises(InputError, match="rate per step"):
        lotka_volterra().count_rates(1.0, 1.0)
