"""Lattice engine: diffusion and reactions in the volume against exact laws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import gammaln

from adapters.lattice.physical.calibrate import AGAIN_VOLUME
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.reaction import Species
from couple.components.engine import Site
from couple.geometry.geometry import Geometry
from support.lattice_cases import binding, copies, equilibrium, lattice, relaxation
from support.networks import HEAD, build
from support.statistics import z_bound

BOX = Geometry.box(0.3, 0.3, 0.3)
MODE = 4


def diffusion(D: float, seed: int) -> tuple[float, float]:
    """D measured from the decay of cosine modes in a closed dilute box, and its standard error.

    Between reflecting walls the mode cos(pi k x) of a uniform molecule decays as exp(-D (pi k)^2 t), with no correction
    for the walls; after one mean life each.
    """
    network = build([Species("Fast", 0.22), Species("A", D)], [])
    life = 1.0 / (D * (math.pi * MODE) ** 2)
    engine = lattice(network, copies(1, Geometry.box(1, 1, 1), (0, 1000)), tick=life, seed=seed)
    old, products = np.cos(math.pi * MODE * (engine.positions(0, "A") + 0.5)), []
    for _ in range(60):
        engine.advance(1)
        new = np.cos(math.pi * MODE * (engine.positions(0, "A") + 0.5))
        products.append((2 * old * new).mean())
        old = new
    mean, error = np.mean(products), np.std(products, ddof=1) / math.sqrt(len(products))
    return -math.log(mean) / life / (math.pi * MODE) ** 2, error / mean / life / (math.pi * MODE) ** 2


@pytest.mark.parametrize("D", [0.22, 0.028, 0.15])
def test_free_diffusion(D: float) -> None:
    measured, error = diffusion(D, seed=3)
    # 0.1 % of the sites are taken; steps of h, not infinitesimal ones, change the decay by (pi k h)^2 / 12 at most.
    exact, bound = D * (1 - 0.001), z_bound(3) * error + D * (math.pi * MODE * 0.01) ** 2 / 12
    assert abs(measured - exact) < bound
    assert abs(1.2 * measured - exact) > bound, "a D wrong by a fifth would pass"


KON = 600.0  # /mM/ms: about one encounter in eight reacts
PAIR = KON / IONS_PER_MM_UM3 / BOX.volume


@pytest.mark.parametrize("D", [(0.1, 0.1), (0.2, 0.0), (0.17, 0.03)], ids=["equal", "immobile", "slow"])
def test_equilibrium_is_the_one_of_mass_action(D: tuple[float, float]) -> None:
    engine = lattice(binding(KON, 1.2, D=D), copies(1, BOX, (30, 30, 30)), tick=1.0, seed=1)
    engine.advance(3)
    bound = np.empty(400)
    for i in range(bound.size):
        engine.advance(1)
        bound[i] = engine.read("counts")[0, 2]
    mean, variance = equilibrium(60, 60, PAIR / 1.2)
    # Correlation between samples: the relaxation rate is above 3.5 per ms.
    rho = math.exp(-3.5)
    limit = z_bound(6) * math.sqrt(variance / bound.size * (1 + rho) / (1 - rho))
    assert abs(bound.mean() - mean) < limit
    assert abs(bound.var() - variance) < z_bound(6) * variance * math.sqrt(2.2 / bound.size)
    assert abs(equilibrium(60, 60, 1.2 * PAIR / 1.2)[0] - bound.mean()) > limit, "K wrong by a fifth would pass"


@pytest.mark.parametrize(
    ("start", "fast", "koff", "t"),
    [((200, 200, 0), KON, None, 0.6), ((0, 0, 200), 4 * KON, 2.0, 0.15)],
    ids=["association", "dissociation"],
)
def test_kinetics_are_those_of_mass_action(
    start: tuple[int, int, int], fast: float, koff: float | None, t: float
) -> None:
    """Association far from the limit of diffusion, which would thin out partners; release with a sixth of it undone."""
    pair, n = fast / IONS_PER_MM_UM3 / 0.125, 60
    engine = lattice(binding(fast, koff), copies(n, Geometry.box(0.5, 0.5, 0.5), start), tick=t, seed=5)
    engine.advance(1)
    found = engine.read("counts")[:, 2].mean()
    mean, variance = relaxation(*start, pair, koff or 0.0, t)
    limit = z_bound(2) * math.sqrt(variance / n)
    assert abs(found - mean) < limit
    wrong, _ = relaxation(*start, pair if koff else 1.2 * pair, 1.2 * (koff or 0.0), t)
    assert abs(found - wrong) > limit, "a rate wrong by a fifth would pass"


def survival(edge: int, hop: float, chance: float, t: float) -> float:
    """Chance that a walker in edge^3 cells misses one target, both anywhere, until `t`; exact, by the generator.

    It tries each direction `hop` times per ms; walls reflect; a try at the target succeeds with `chance`.
    """
    cells = list(itertools.product(range(edge), repeat=3))
    index = {c: k for k, c in enumerate(cells)}
    generator = np.zeros((len(cells), len(cells)))
    for c, k in index.items():
        for axis, sign in itertools.product(range(3), (-1, 1)):
            other = index.get(tuple(x + sign * (axis == a) for a, x in enumerate(c)))
            if other is not None:
                generator[k, other] += hop
                generator[k, k] -= hop
    total, weight = 0.0, 0
    for target in itertools.combinations_with_replacement(range((edge + 1) // 2), 3):
        n = len(set(itertools.permutations(target))) * 2 ** sum(x != edge // 2 for x in target)
        k = index[target]
        rates = generator.copy()
        # Failed tries leave the walker where it is.
        rates[np.diag_indices_from(rates)] += (1 - chance) * generator[:, k]
        rates = np.delete(np.delete(rates, k, 0), k, 1)
        values, vectors = np.linalg.eigh(rates)
        total += n * float(np.exp(values * t) @ vectors.sum(axis=0) ** 2) / len(rates)
        weight += n
    return total / weight


def test_encounters_against_the_exact_lattice_walk() -> None:
    """Where walls and depletion matter: the survival near one immobile target, with the chance from calibration."""
    edge, n, walkers, D, chance = 7, 400, 6, 0.1, 0.5
    open_share = 1 - 1 / edge
    kon = chance / (1 + AGAIN_VOLUME * chance) * 6 * D * 0.01 * open_share * IONS_PER_MM_UM3
    network = build([Species("A", D), Species("M")], [("A + M -> M", f"{kon!r} /mM/ms")])
    t = 0.1
    engine = lattice(network, copies(n, Geometry.box(0.07, 0.07, 0.07), (walkers, 1)), tick=t, seed=21)
    left, rng = [], np.random.default_rng(1)
    for _ in range(5):
        engine.write_counts(np.tile([walkers, 1], (n, 1)), rng)
        engine.advance(1)
        left.append(engine.read("counts")[:, 0].copy())
    found = np.concatenate(left) / walkers
    limit = z_bound(1) * found.std(ddof=1) / math.sqrt(found.size)
    assert abs(found.mean() - survival(edge, D / 0.01**2, chance, t)) < limit
    assert abs(found.mean() - survival(edge, D / 0.01**2, 1.2 * chance, t)) > limit


def test_like_partners() -> None:
    """2 A -> 0 with propensity rate n (n - 1), two molecules an event."""
    network = build([Species("A", 0.1)], [("2 A -> 0", f"{KON!r} /mM/ms")])
    n, t = 80, 0.2
    engine = lattice(network, copies(n, BOX, (100,)), tick=t, seed=2)
    engine.advance(1)
    found = engine.read("counts")[:, 0]
    assert (found % 2 == 0).all()

    def mean_after(pair: float) -> float:
        p, size = np.zeros(51), np.arange(0, 102, 2)
        p[-1] = 1.0
        rate = pair * size * (size - 1)
        steps = 4000
        for _ in range(steps):
            flow = rate * p * (t / steps)
            p = p - flow + np.r_[flow[1:], 0.0]
        return float(p @ size)

    limit = z_bound(1) * found.std(ddof=1) / math.sqrt(n) + 0.01 * (100 - mean_after(PAIR))
    assert abs(found.mean() - mean_after(PAIR)) < limit
    assert abs(found.mean() - mean_after(1.2 * PAIR)) > limit
    assert abs(found.mean() - mean_after(2 * PAIR)) > limit


def test_occupancy_is_uniform_on_a_mask() -> None:
    """Detailed balance: molecules that hop, bind and part visit every cell of a cylinder equally."""
    network = binding(4.0 * KON, 40.0, D=(0.2, 0.05))
    engine = lattice(network, copies(1, Geometry.cylinder(0.1, 0.1), (20, 10, 10)), tick=0.02, seed=4)
    mask, samples, held = engine.masks[0], 3000, 0
    seen = np.zeros(len(mask.cells))
    for _ in range(samples):
        engine.advance(1)
        taken = engine.molecules[0].lattice[mask.cells] != 0
        seen += taken
        held += int(taken.sum())
    cells = len(mask.cells)
    expected = held / cells
    edge = np.isin(mask.cells, mask.slot_cell)

    def excess(counts: np.ndarray) -> float:
        """z of chi-square: cells are independent but for the fixed total, samples but for slow drifts."""
        chi = ((counts - expected) ** 2 / (expected * (1 - expected / samples))).sum() / 1.1
        return float((chi - (cells - 1)) / math.sqrt(2 * (cells - 1)))

    assert abs(seen[edge].sum() / (edge.sum() * expected) - 1) < z_bound(2) / math.sqrt(edge.sum() * expected)
    assert excess(seen) < z_bound(2)
    assert excess(np.where(edge, 1.2, 1.0) * seen / np.where(edge, 1.2, 1.0).mean()) > z_bound(2)


def test_a_buffer_takes_calcium_up() -> None:
    """Free calcium with and without 78.7 uM of an immobile buffer, a crowd that fills 5 % of the sites."""
    network = build(
        [Species("A", 0.22), Species("B"), Species("C")],
        [("A + B <-> C", "2.47e8 /M/s", "524 /s")],
        observables={"free": ["A"]},
    )
    total = round(0.0787 * IONS_PER_MM_UM3 * HEAD.volume)
    bare = lattice(network, [Site("bare", HEAD, (100, 0, 0))])
    bare.advance(5)
    assert bare.read("counts")[0].tolist() == [100, 0, 0]
    engine = lattice(network, [Site("head", HEAD, (100, total, 0))], seed=6, tick=1.0)
    engine.advance(10)
    free = np.empty(500)
    for i in range(free.size):
        engine.advance(1)
        free[i] = engine.read("means")[0, 0]
    blocks = free.reshape(50, 10).mean(axis=1)
    limit = z_bound(1) * blocks.std(ddof=1) / math.sqrt(blocks.size)
    pair = 247.0 / IONS_PER_MM_UM3 / HEAD.volume / 0.524
    assert abs(free.mean() - (100 - equilibrium(100, total, pair)[0])) < limit
    assert abs(free.mean() - (100 - equilibrium(100, total, 1.2 * pair)[0])) > limit
    assert engine.read("counts")[0] @ [1, 0, 1] == 100


def test_reactions_of_order_zero_and_one() -> None:
    """0 -> A -> 2 B -> 0 : Poisson numbers, and none of the events lost between windows."""
    birth = 20.0 / (IONS_PER_MM_UM3 * BOX.volume)
    network = build(
        [Species("A", 0.01), Species("B", 0.002)],
        [("0 -> A", f"{birth!r} mM/ms"), ("A -> 2 B", "0.8 /ms"), ("B -> 0", "1 /ms")],
    )
    engine = lattice(network, copies(300, BOX, (0, 0)), seed=8, tick=8.0)
    engine.advance(1)
    a, b = engine.read("counts").T
    limit = z_bound(2) * math.sqrt(25.0 / a.size)
    assert abs(a.mean() - 25.0 * (1 - math.exp(-6.4))) < limit
    assert abs(b.mean() - 40.0) < z_bound(2) * b.std(ddof=1) / math.sqrt(b.size) + 0.1
    assert abs(a.mean() - 30.0) > limit


def test_exchange_of_partners_has_the_right_equilibrium() -> None:
    """A + B <-> C + D in both directions by encounter."""
    species = [Species(n, D) for n, D in (("A", 0.1), ("B", 0.0), ("C", 0.05), ("D", 0.05))]
    network = build(species, [("A + B <-> C + D", f"{KON!r} /mM/ms", f"{KON / 3!r} /mM/ms")])
    engine = lattice(network, copies(1, BOX, (60, 60, 0, 0)), seed=9, tick=0.5)
    engine.advance(10)
    made = np.empty(600)
    for i in range(made.size):
        engine.advance(1)
        made[i] = engine.read("counts")[0, 2]

    def mean_of(ratio: float) -> float:
        c = np.arange(61)
        logs = c * math.log(ratio) - 2 * gammaln(61 - c) - 2 * gammaln(c + 1)
        p = np.exp(logs - logs.max())
        return float(p @ c / p.sum())

    blocks = made.reshape(60, 10).mean(axis=1)
    limit = z_bound(1) * blocks.std(ddof=1) / math.sqrt(blocks.size)
    assert abs(made.mean() - mean_of(3.0)) < limit
    assert abs(made.mean() - mean_of(3.0 * 1.2)) > limit
