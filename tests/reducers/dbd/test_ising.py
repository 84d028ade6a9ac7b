"""The 1-D Ising chain of one or many species by transfer matrix, and its functions of reactions."""

from pathlib import Path

import numpy as np
import pytest

from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.chains.ising import Chain, decay_rates, diffusion_rates
from reducers.dbd.chains.rule import Rule
from reducers.dbd.energy.mrf import ising_ring, ring
from reducers.dbd.fit.adjoint import RK4, Solver
from reducers.dbd.fit.comparison import ExactComparison
from reducers.dbd.fit.fit import Fit, Recipe
from reducers.dbd.fit.optimisers import Adam, Schedule
from reducers.dbd.laws.combination import Combination, SumLaw
from reducers.dbd.laws.reactions import ChainFunction, EnumeratedFunction, hops, rules_of
from reducers.dbd.report.law_maps import draw_maps, reaction_map, standard_rules

ONE = ReactionNetwork(
    [Species("A")],
    [
        Reaction(("A",), (), 1.0),
        Reaction(("A", "A"), (), 1.0),
        Reaction(("A", "A"), ("A",), 1.0),
        Reaction(("A",), ("A", "A"), 1.0),
    ],
)
MOTIF = ReactionNetwork(
    [Species(s) for s in "ABC"], [Reaction(("A",), ("B", "C"), 1.0), Reaction(("B", "C"), ("A",), 1.0)]
)
POINT = np.array([[0, -0.5, -0.3, 0.2, -0.1, 0.3, 0, 0.4, -0.2]])

# (h, J): density, bonds; F of A -> 0, diffusion, A + A -> 0, A + A -> A, A -> 2 A
LISTED = {
    (0.0, 0.0): ((0.5, 0.25), (-2, 0), (0, 0), (-2, 0), (1, -2), (-1, 2)),
    (1.0, 0.0): (
        (0.731059, 0.534447),
        (-3.718282, 0),
        (0, 0),
        (-14.778112, 6.389056),
        (2.718282, -3.718282),
        (-1, 1.367879),
    ),
    (-1.0, 0.5): (
        (0.345732, 0.145532),
        (-0.781335, -0.572049),
        (0.662504, -0.877394),
        (-0.326535, -0.920290),
        (0.884168, -1.847327),
        (-0.885054, 2.102579),
    ),
}


@pytest.mark.parametrize("point", LISTED)
def test_listed_values_of_one_species(point: tuple[float, float]) -> None:
    chain, theta = Chain("A"), np.array([point])
    moments, *listed = LISTED[point]
    assert chain.moments(theta[0]) == pytest.approx(moments, abs=1e-6)
    decay, annihilation, coalescence, branching = (rules_of(r, ONE) for r in ONE.reactions)
    for rules, expected in zip((decay, hops(1), annihilation, coalescence, branching), listed, strict=True):
        closed = rules in (decay, hops(1))
        got = ChainFunction(chain, rules).rates(theta)[0]
        assert got == pytest.approx(expected, abs=1e-6 if closed else 1e-5)
    h, j = np.array(point)
    assert decay_rates(h, j) == pytest.approx(listed[0], abs=1e-6)
    assert diffusion_rates(h, j) == pytest.approx(listed[1], abs=1e-6)


def test_closed_forms_agree_with_the_projection_everywhere() -> None:
    chain = Chain("A")
    h, j = (grid.ravel() for grid in np.meshgrid(np.linspace(-3, 3, 7), np.linspace(-3, 3, 7)))
    theta = np.stack([h, j], axis=1)
    for rules, closed in ((rules_of(ONE.reactions[0], ONE), decay_rates), (hops(1), diffusion_rates)):
        expected = np.stack(closed(h, j), axis=1)
        assert ChainFunction(chain, rules).rates(theta) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_partition_function_of_a_ring() -> None:
    theta = np.array([0.5, -1.0])
    assert 12 * Chain("A").log_z(theta) == pytest.approx(8.9162403927, abs=1e-9)
    assert ising_ring(12, "A").log_z(theta) == pytest.approx(8.9162404223, abs=1e-9)


def test_reversible_dissociation_of_three_species() -> None:
    chain = Chain("ABC")
    moments = [0.322233, 0.179277, 0.247775, 0.107891, 0.092860, 0.179989, 0.029808, 0.115552, 0.041197]
    assert chain.moments(POINT[0]) == pytest.approx(moments, abs=1e-6)
    forward, backward = (rules_of(r, MOTIF) for r in MOTIF.reactions)
    f, b = ChainFunction(chain, forward).rates(POINT)[0], ChainFunction(chain, backward).rates(POINT)[0]
    listed_f = [-1.0, -0.01836, 0.04875, 1.0, 0.57282, 0.45293, -0.03961, 0.59462, 0.08041]
    listed_b = [1.70029, 0.25811, -0.01049, -1.71966, -0.88975, -0.75545, -0.19626, -1.06196, 0.07234]
    assert f == pytest.approx(listed_f, abs=1.5e-5)
    assert b == pytest.approx(listed_b, abs=1.5e-5)
    both = [Rule(r.before, r.after, k * r.rate) for k, rules in ((0.7, forward), (1.3, backward)) for r in rules]
    together = ChainFunction(chain, both).rates(POINT)[0]
    assert together == pytest.approx(0.7 * f + 1.3 * b, abs=1e-13)
    small = ising_ring(7, "ABC")
    assert EnumeratedFunction(small, small.drift(both, ring(7))).rates(POINT)[0] == pytest.approx(together, abs=1e-4)


def test_moments_and_jacobians_are_derivatives() -> None:
    chain, step = Chain("ABC"), 1e-5
    unit = np.eye(9) * step
    ups, downs = [POINT[0] + u for u in unit], [POINT[0] - u for u in unit]
    slope = [(chain.log_z(u) - chain.log_z(d)) / (2 * step) for u, d in zip(ups, downs, strict=True)]
    assert chain.moments(POINT[0]) == pytest.approx(slope, abs=1e-9)
    slopes = [(chain.moments(u) - chain.moments(d)) / (2 * step) for u, d in zip(ups, downs, strict=True)]
    assert chain.covariance(POINT[0]) == pytest.approx(np.array(slopes), abs=1e-9)
    for reaction in MOTIF.reactions:
        function = ChainFunction(chain, rules_of(reaction, MOTIF))
        pairs = zip(ups, downs, strict=True)
        columns = [(function.rates(u[None]) - function.rates(d[None]))[0] / (2 * step) for u, d in pairs]
        assert function.jacobian(POINT)[0] == pytest.approx(np.stack(columns, axis=1), abs=1e-8)


def test_an_enzyme_on_a_chain_stays_finite_and_conserves_enzyme() -> None:
    """E + S <-> ES -> E + P, initial state and rates of the published example; E + ES per site is constant."""
    network = ReactionNetwork(
        [Species(s) for s in ("S", "E", "X", "P")],
        [Reaction(("E", "S"), ("X",), 1.0), Reaction(("X",), ("E", "S"), 0.1), Reaction(("X",), ("E", "P"), 0.5)],
    )
    chain = Chain(network.names)
    rules = [rule for r in network.reactions for rule in rules_of(r, network, r.rate)]
    law = SumLaw([ChainFunction(chain, rules + [r for s in range(1, 5) for r in hops(s, 50.0)])])
    start = np.zeros((1, len(chain.parameters)))
    start[0, :4] = 0.5, 1.0, -1.0, -1.0
    assert 100 * chain.moments(start[0])[:4] == pytest.approx([27.016, 44.542, 6.028, 6.028], abs=1e-3)
    assert 100 * chain.moments(start[0])[4] == pytest.approx(7.299, abs=1e-3)
    solver = Solver(0.01, RK4, substeps=2)
    path = solver.path(start, 100)
    solver.solve(law, path)
    first, last = chain.moments(path[0, 0]), chain.moments(path[-1, 0])
    assert last[1] + last[2] == pytest.approx(first[1] + first[2], abs=1e-6)
    assert last[0] + last[2] + last[3] == pytest.approx(first[0] + first[2] + first[3], abs=1e-6)
    assert (np.diff([chain.moments(theta)[3] for theta in path[::20, 0]]) > 0).all()
    made = chain.covariance(start[0]) @ law.rates(start)[0]
    assert made[3] == pytest.approx(0.5 * chain.probability(start[0], (3, 0)), rel=1e-9)


@pytest.mark.acceptance
def test_rates_are_recovered_from_a_path_with_known_rates() -> None:
    chain, true = Chain("A"), np.array([0.3, 0.8, 0.5])
    functions = [ChainFunction(chain, rules_of(r, ONE)) for r in (ONE.reactions[0], ONE.reactions[1])]
    law = Combination([*functions, ChainFunction(chain, hops(1))])
    solver = Solver(0.2)
    start = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.5]])
    law.coefficients.values[:, 0] = true
    truth = solver.path(start, 8)
    solver.solve(law, truth)
    data = np.array([[chain.moments(truth[k, c]) for k in range(9)] for c in range(3)])
    law.coefficients.values[:, 0] = 0.1, 0.1, 0.1
    recipe = Recipe(steps=700, schedule=Schedule("cosine", 0.01))
    found = Fit(law, ExactComparison(chain, data), solver, start, Adam(0.15), recipe)
    found.run()
    assert law.coefficients.values[:, 0] == pytest.approx(true, rel=0.01)


def test_maps_of_the_published_figure_are_drawn(tmp_path: Path) -> None:
    assert set(standard_rules()) == {"A → 0", "A → 2 A", "2 A → 0", "2 A → A", "diffusion"}
    axis, rates = reaction_map(standard_rules()["A → 0"], points=9)
    h, j = np.meshgrid(axis, axis)
    assert rates == pytest.approx(np.stack(decay_rates(h, j), axis=2), rel=1e-5, abs=1e-5)
    assert draw_maps(tmp_path / "maps.png").stat().st_size > 10_000
