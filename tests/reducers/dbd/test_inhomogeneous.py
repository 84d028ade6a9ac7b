"""Chains that differ from place to place: against listed states, the master equation, and each other."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.chains.fluxes import Events, events_of
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.interval import hats
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.perturbation import Perturbation
from reducers.dbd.chains.projection import Projection
from reducers.dbd.chains.rule import Rule
from reducers.dbd.energy.family import Enumerated
from reducers.dbd.energy.mrf import MarkovRandomField
from reducers.dbd.fit.adjoint import RK4, Solver
from reducers.dbd.fit.rates import estimate_rates
from reducers.dbd.laws.reactions import (
    InhomogeneousCombination,
    InhomogeneousFunction,
    hops,
    rules_of,
)
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.sampling.static_fit import match_moments
from reducers.dbd.training import DistributionTraining

NETWORK = ReactionNetwork(
    [Species("A"), Species("B")],
    [
        Reaction(("A",), (), 0.7),
        Reaction(("A", "A"), (), 0.4),
        Reaction(("A",), ("A", "A"), 0.3),
        Reaction(("A",), ("B",), 0.2),
    ],
)
EVERYWHERE = [rule for r in NETWORK.reactions[:3] for rule in rules_of(r, NETWORK, r.rate)] + hops(1, 1.3)
TURN, SOURCE = rules_of(NETWORK.reactions[3], NETWORK, 0.2), Rule((0,), (1,), 0.9)


def listed(chain: InhomogeneousChain) -> MarkovRandomField:
    """The same distribution with all states listed."""
    field = MarkovRandomField([len(chain.species) + 1] * chain.size, {"none": []})
    Enumerated.__init__(field, chain.parameters, chain.features_of(field.states))
    return field


def sources(chain: InhomogeneousChain) -> tuple[Events, dict[int, list[tuple[int, ...]]]]:
    """Everything everywhere, and a source at both ends of the left half."""
    rules = EVERYWHERE + (TURN if len(chain.species) > 1 else [])
    places = [0, chain.size // 2]
    parts = events_of(rules, chain.size), events_of([SOURCE], chain.size, places)
    joined = Events(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))
    return joined, {1: [(i,) for i in places]}


def row(size: int) -> dict[int, list[tuple[int, ...]]]:
    return {1: [(i,) for i in range(size)], 2: list(pairwise(range(size)))}


CASES = {
    "14 free sites": (("A",), 14, 14),
    "hats on 12 sites": (("A",), 12, (0.0, 2.5, 11.0)),
    "two species, free": (("A", "B"), 7, 7),
    "two species, hats": (("A", "B"), 8, 3),
    "two sites": (("A",), 2, 2),
    "one node": (("A",), 5, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_everything_agrees_with_listed_states(case: str) -> None:
    species, size, nodes = CASES[case]
    chain = InhomogeneousChain(species, size, nodes)
    field, rng = listed(chain), np.random.default_rng(1)
    theta = rng.normal(0, 1, len(chain.parameters))
    assert chain.log_z(theta) == pytest.approx(field.log_z(theta), abs=1e-12)
    assert chain.moments(theta) == pytest.approx(field.moments(theta), abs=1e-12)
    assert chain.covariance(theta) == pytest.approx(field.covariance(theta), abs=1e-12)
    along = rng.normal(0, 1, len(theta))
    assert chain.covariance_product(theta, along) == pytest.approx(field.covariance(theta) @ along, abs=1e-12)
    density = field.marginal(field.probabilities(theta), [1])[1:]
    assert chain.densities(theta)[1] == pytest.approx(density, abs=1e-12)

    events, places = sources(chain)
    rules = EVERYWHERE + (TURN if len(species) > 1 else [])
    drift = field.drift(rules, row(size)) + field.drift([SOURCE], places)
    here = Projection(chain, theta)
    expected = field.projection(theta, drift)
    assert here.rates(events) == pytest.approx(expected, rel=1e-11, abs=1e-11)
    weights = rng.normal(0, 1, (2, len(theta)))
    assert here.pulled(events, weights) == pytest.approx(
        weights @ field.projection_jacobian(theta, drift), rel=1e-10, abs=1e-10
    )


def moved(field: MarkovRandomField, p: Floats, places: Sequence[tuple[Rule, Sequence[tuple[int, ...]]]]) -> Floats:
    """dp/dt of the master equation."""
    out = np.zeros_like(p)
    for rule, where in places:
        for units in where:
            fits = np.flatnonzero((field.states[:, list(units)] == np.array(rule.before)).all(axis=1))
            after = field.states[fits]
            after[:, list(units)] = rule.after
            np.add.at(out, field.index(after), rule.rate * p[fits])
            out[fits] -= rule.rate * p[fits]
    return out


def test_rates_are_differences_of_the_master_equation() -> None:
    """θ of the moments of p(t ± dt), the difference being of second order in dt; without the source it is another."""
    chain = InhomogeneousChain(("A",), 6, (0.0, 2.0, 5.0))
    field, theta = listed(chain), np.random.default_rng(2).normal(0, 0.7, 6)
    places = [(rule, row(6)[len(rule.before)]) for rule in EVERYWHERE] + [(SOURCE, [(0,), (3,)])]
    p = field.probabilities(theta)
    slope = moved(field, p, places)
    assert slope.sum() == pytest.approx(0.0, abs=1e-12)
    exact = Projection(chain, theta).rates(sources(chain)[0])
    off = []
    for dt in (4e-3, 2e-3, 1e-3):
        ends = [match_moments(field, (p + s * dt * slope) @ field.features, theta, tolerance=1e-13) for s in (1, -1)]
        off.append(np.abs((ends[0] - ends[1]) / (2 * dt) - exact).max())
    order = np.polyfit(np.log([4, 2, 1]), np.log(off), 1)[0]
    assert 1.9 < order < 2.1
    assert off[-1] < 1e-4 * np.abs(exact).max()
    assert np.abs(Projection(chain, theta).rates(events_of(EVERYWHERE, 6)) - exact).max() > 0.1


@pytest.mark.parametrize("species", ["A", "AB"])
def test_perturbations_are_of_second_order(species: str) -> None:
    """F around the homogeneous chain, with a hat-shaped source of fields and couplings: what is left is O(ε²)."""
    endless, size = Chain(species), 81 if species == "A" else 41
    theta = np.array([-0.4, 0.6]) if species == "A" else np.array([-0.4, -0.8, 0.6, -0.3, 0.2])
    rules = EVERYWHERE + (TURN if species == "AB" else [])
    found = Perturbation(endless, rules, theta, accuracy=1e-14 if species == "A" else 1e-9)
    count = len(species)
    chain = InhomogeneousChain(species, size, size)
    shape = hats(np.arange(size, dtype=float), np.array([0, size / 2 - 6, size / 2, size / 2 + 4, size - 1]))
    rng = np.random.default_rng(3)
    fields = np.outer(shape[:, 2], rng.normal(0, 1, count))
    couplings = np.outer(shape[:-1, 2], rng.normal(0, 1, len(endless.pairs)))
    events = events_of(rules, size)
    base = np.concatenate([np.repeat(theta[:count], size), np.repeat(theta[count:], size - 1)])
    direction = np.concatenate([fields.T.ravel(), couplings.T.ravel()])
    steps, off, plain = np.array([0.04, 0.02, 0.01]), [], []
    middle = slice(size // 2 - 4, size // 2 + 4)
    for step in steps:
        exact = Projection(chain, base + step * direction).rates(events)
        h = exact[: count * size].reshape(count, size).T
        j = exact[count * size :].reshape(-1, size - 1).T
        dh, dj = found.change(step * fields, step * couplings)
        gaps = [h - found.rates[:count] - dh, j - found.rates[count:] - dj]
        off.append(max(float(np.abs(gap[middle]).max()) for gap in gaps))
        plain.append(float(np.abs(h - found.rates[:count])[middle].max()))
    order = np.polyfit(np.log(steps), np.log(off), 1)[0]
    assert 1.9 < order < 2.1
    assert off[-1] < 0.05 * np.abs(found.change(steps[-1] * fields, steps[-1] * couplings)[0]).max()
    assert np.polyfit(np.log(steps), np.log(plain), 1)[0] < 1.1  # the control: without the kernel it is of order one


def test_the_homogeneous_chain_is_that_of_the_endless_one() -> None:
    theta = np.array([-0.4, 0.6])
    found = Perturbation(Chain("A"), EVERYWHERE, theta)
    ring = InhomogeneousChain("A", 201, 201)
    everywhere = np.concatenate([np.full(201, theta[0]), np.full(200, theta[1])])
    assert ring.densities(everywhere)[100, 0] == pytest.approx(Chain("A").moments(theta)[0], abs=1e-12)
    total = found.sites.sum(axis=2)[:, 0], found.bonds.sum(axis=2)[:, 0]
    step = 1e-5
    for k, column in enumerate(total):  # the kernel summed over distances: the slope of the homogeneous F
        ends = [Perturbation(Chain("A"), EVERYWHERE, theta + s * step * np.eye(2)[k]).rates for s in (1, -1)]
        assert column == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-7, abs=1e-7)


def test_rates_of_a_source_come_back_from_a_path_of_the_reduced_model() -> None:
    chain = InhomogeneousChain("A", 20, (0.0, 6.0, 12.0, 19.0))
    functions = [
        InhomogeneousFunction(chain, events_of([Rule((1,), (0,))], 20)),
        InhomogeneousFunction(chain, events_of([Rule((0,), (1,))], 20, [6])),
        InhomogeneousFunction(chain, events_of(hops(1), 20)),
    ]
    law, true = InhomogeneousCombination(functions), np.array([0.05, 0.4, 0.5])
    law.coefficients.values[:, 0] = true
    solver, start = Solver(2.0, RK4, 4), np.zeros((1, len(chain.parameters)))
    start[0, :4] = -1.5
    path = solver.path(start, 6)
    solver.solve(law, path)
    moments = np.array([chain.moments(theta) for theta in path[::4, 0]])
    assert chain.densities(path[-1, 0])[6, 0] > 1.3 * chain.densities(path[-1, 0])[19, 0]
    law.coefficients.values[:, 0] = 0.08, 0.25, 0.4
    conditions = np.zeros(2, dtype=np.int64)
    found = estimate_rates(law, chain, solver, start, np.stack([moments] * 2), conditions, fitted_start=False)
    assert found.values == pytest.approx(true, rel=1e-5)


def test_the_laws_agree_with_each_other() -> None:
    chain = InhomogeneousChain("A", 8, 3)
    functions = [InhomogeneousFunction(chain, events_of(rules, 8)) for rules in (EVERYWHERE, [SOURCE])]
    law = InhomogeneousCombination(functions)
    law.coefficients.values[:, 0] = 0.7, -0.2
    rng = np.random.default_rng(4)
    theta, weights = rng.normal(0, 1, (2, 6)), rng.normal(0, 1, (2, 6))
    parts = 0.7 * functions[0].rates(theta) - 0.2 * functions[1].rates(theta)
    assert law.rates(theta) == pytest.approx(parts, abs=1e-12)
    jacobian = law.jacobian(theta)
    assert jacobian == pytest.approx(0.7 * functions[0].jacobian(theta) - 0.2 * functions[1].jacobian(theta), abs=1e-10)
    assert law.vjp(theta, weights) == pytest.approx(np.einsum("bk,bkm->bm", weights, jacobian), abs=1e-10)
    assert functions[0].vjp(theta, weights)[1] == pytest.approx(weights[1] @ functions[0].jacobian(theta)[1], abs=1e-10)
    law.pull(theta, weights)
    each = [float((weights * f.rates(theta)).sum()) for f in functions]
    assert law.coefficients.gradient[:, 0] == pytest.approx(each, abs=1e-10)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [(0, "give 1 to 9"), (10, "give 1 to 9"), ((0.0, 9.0), "sites 0 to 8"), ((4.0, 3.0), "ascending"),
     ((), "ascending"), ((3.1, 3.2, 3.3), "too close")],
)  # fmt: skip
def test_nodes_that_do_not_fit(nodes: int | tuple[float, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        InhomogeneousChain("A", 9, nodes)


EXPERIMENT = """
[experiment]
name = "row"
duration = "12 steps"
exchange = "1 step"
[chemistry]
species.A = {}
observables.a = ["A"]
reactions = [{ equation = "A -> 0", forward = "0.02 per step" }]
initial.A = { count = 4 }
[[site]]
name = "row"
engine = "lattice"
lattice.mode = "paper"
lattice.shape = [16]
lattice.reservoirs = [{ species = "A", at = [4], fill = 0.4 }]
lattice.snapshots = true
[record]
every = "1 step"
"""
TRAINING = """
train = { name = "row", held_out = 20, allowed = 10.0 }
data = { experiment = "row.toml", runs = 240, every = 2, periodic = false }
model = { family = "chain", nodes = [0, 4, 9, 15] }
law = { family = "reactions", reactions = [
  { equation = "A -> 0", rate = 0.02 }, { equation = "0 -> A", at = [4], rate = 0.3 }, { hop = "A", rate = 0.4 } ] }
fit = { steps = 1, method = "rk4", substeps = 2, rate = 0.001 }
"""


def test_a_row_with_a_source_is_trained_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "row.toml").write_text(EXPERIMENT)
    (tmp_path / "train.toml").write_text(TRAINING)
    summary = DistributionTraining.new(tmp_path / "train.toml", tmp_path / "out").run()
    assert set(summary["rates"]) == {"A -> 0", "0 -> A at 4", "hop A"}
    assert set(summary["nrmse"]) == {"<h_A>", "<J_AA>"}
    model = ReducedModel.read(tmp_path / "out" / "model.h5")
    assert isinstance(model.model, InhomogeneousChain)
    rate, error = summary["rates"]["0 -> A at 4"]
    assert 0.2 < rate < 0.8
    assert 0 < error < 0.2
    last = model.model.densities(model.trajectory()[-1, 0])[:, 0]
    assert np.argmax(last) == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("periodic = false", "periodic = true", "periodic = false"),
        ("at = [4]", "at = [16]", "no site 16"),
        ('nodes = [0, 4, 9, 15]', "largest = 9", "give model.nodes"),
        ('family = "chain", nodes = [0, 4, 9, 15]', 'family = "triplets", nodes = 3', 'family = "chain"'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in TRAINING
    (tmp_path / "row.toml").write_text(EXPERIMENT)
    (tmp_path / "train.toml").write_text(TRAINING.replace(old, new).replace("runs = 240", "runs = 22"))
    with pytest.raises(InputError, match=said):
        DistributionTraining.new(tmp_path / "train.toml", tmp_path / "out")
