"""The reduced law of CaMKII: exact where it can be, its adjoint, its field, and what regression finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.stats import linregress

from couple.base.arrays import Floats
from reducers.gccd.fit.boltzmann_learning import fit_slice, fit_slices, smooth_counts
from reducers.gccd.fit.free_runs import pull_back_divergence
from reducers.gccd.fit.lasso import refit
from reducers.gccd.fit.regression import normal_equations
from reducers.gccd.law.adjoint import run_back
from reducers.gccd.law.graph import GRAPHS, SiteGraph, divergence
from reducers.gccd.law.kernel import DK, DP, N_RATES, N_STATE, NODES, ON, calcium_grid, run
from reducers.gccd.law.library import NAMES, LibraryInput, expanded, reduced, term_values
from reducers.gccd.law.molecule import SPECIES, STATES, census, members
from reducers.gccd.law.propagators import rates_pulled, tables
from support.camkii_law import network, true_rates


def path_of(rates: Floats, start: Floats, calcium: Floats, h: float = 0.1, graph: int = 0) -> Floats:
    out = np.empty((len(calcium) + 1, N_STATE))
    run(start.copy(), rates, 80.0, tables(rates[:16], h), calcium, 1, h, graph, out)
    return out


def lobes_alone(rates: Floats, calcium: float) -> Floats:
    """(9, 9) generator of calmodulin alone, put together from its rules."""
    q = np.zeros((9, 9))
    for c in range(3):
        for n in range(3):
            at = 3 * c + n
            for j, level, apart in ((0, c, 3), (4, n, 1)):
                if level < 2:
                    q[at + apart, at] += rates[j + 2 * level] * calcium
                if level > 0:
                    q[at - apart, at] += rates[j + 2 * level - 1]
    return q - np.diag(q.sum(axis=0))


@pytest.mark.parametrize("node", [0, 60, 120, 170])
def test_calmodulin_alone_is_exact(node: int) -> None:
    """Two lobes, calcium held at a node of the grid: any step is the exponential of the generator, to rounding."""
    rates, calcium = true_rates(), calcium_grid()[node]
    rates[ON : ON + 9] = 0.0
    start = np.zeros(N_STATE)
    start[:9] = np.random.default_rng(node).dirichlet(np.ones(9)) * 30
    found = path_of(rates, start, np.full(50, calcium))[-1, :9]
    exact = expm(lobes_alone(rates, float(calcium)) * 5.0) @ start[:9]
    np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)
    other = expm(lobes_alone(rates, float(calcium) * 1.01 + 1e-3) * 5.0) @ start[:9]
    assert np.abs(found - other).max() > 1e-5  # the control: a percent more calcium is seen


def test_between_nodes_calcium_is_interpolated_to_a_thousandth() -> None:
    rates, start = true_rates(), np.zeros(N_STATE)
    rates[ON : ON + 9] = 0.0
    start[0] = 30.0
    for calcium in (0.07, 0.9, 4.3, 33.0):
        found = path_of(rates, start, np.full(50, calcium))[-1, :9]
        exact = expm(lobes_alone(rates, calcium) * 5.0) @ start[:9]
        assert np.abs(found - exact).max() < 1e-3 * 30


def test_the_step_converges_with_order_one_or_better_to_mass_action() -> None:
    """Halving the step of the split law: errors against the functions of the library, integrated finely."""
    rates, start = true_rates(), np.zeros(N_STATE)
    start[0] = 30.0
    every = np.zeros(len(NAMES))
    every[:N_RATES] = rates

    def slope(y: Floats) -> Floats:
        return np.asarray(np.tensordot(every, term_values(LibraryInput(y[None], np.array([10.0]), 80.0)), axes=1)[0])

    y, h = start.copy(), 0.01
    for _ in range(1000):
        a = slope(y)
        b = slope(y + h / 2 * a)
        c = slope(y + h / 2 * b)
        y = y + h / 6 * (a + 2 * b + 2 * c + slope(y + h * c))
    grid = calcium_grid()
    (node,) = np.flatnonzero(grid == 10.0)
    steps = np.array([0.2, 0.1, 0.05, 0.025])
    errors = []
    for step in steps:
        found = path_of(rates, start, np.full(round(10 / step), grid[node]), step)[-1]
        errors.append(np.abs(found - y).max())
    assert linregress(np.log(steps), np.log(errors)).slope > 0.9
    assert errors[1] < 0.01 * 30


@pytest.mark.parametrize("graph", [0, 1, 2])
def test_the_adjoint_is_the_gradient(graph: int) -> None:
    rng = np.random.default_rng(graph)
    rates = true_rates()
    rates[-3:] = 1e-4, 2e-4, 3e-4
    start = np.zeros(N_STATE)
    start[:27] = rng.dirichlet(np.r_[np.ones(9), 3 * np.ones(9), np.ones(9)]) * 30
    start[DK], start[DP] = 5.0, 1.0
    calcium, weights = np.exp(rng.normal(1, 1, 40)), rng.normal(size=(41, N_STATE))
    weights[0] = 0.0

    def value(k: Floats) -> float:
        return float((path_of(k, start, calcium, graph=graph) * weights).sum())

    found, gtable = np.zeros(N_RATES), np.zeros((NODES, 24))
    made = path_of(rates, start, calcium, graph=graph)
    run_back(made, rates, 80.0, tables(rates[:16], 0.1), calcium, 1, 0.1, graph, weights, 1, found, gtable)
    found[:16] += rates_pulled(rates[:16], 0.1, gtable)
    for j in range(N_RATES):
        step = 1e-5 * max(rates[j], 1e-4)
        up, down = rates.copy(), rates.copy()
        up[j] += step
        down[j] -= step
        numeric = (value(up) - value(down)) / (2 * step)
        assert found[j] == pytest.approx(numeric, rel=2e-5, abs=1e-6 * np.abs(found).max())


def test_divergence_is_pulled_back_to_the_state() -> None:
    rng = np.random.default_rng(0)
    y = np.zeros((1, N_STATE))
    y[0, :27], y[0, DK], y[0, DP] = rng.dirichlet(np.ones(27)), 0.2, 0.1
    g = rng.normal(size=(1, 45))
    found = pull_back_divergence(y, g)[0]
    for j in range(N_STATE):
        up, down = y.copy(), y.copy()
        up[0, j] += 1e-6
        down[0, j] -= 1e-6
        assert found[j] == pytest.approx(((expanded(up) - expanded(down)) * g).sum() / 2e-6, rel=1e-6, abs=1e-8)


# -- the field ----------


@pytest.mark.parametrize("name", GRAPHS)
def test_boltzmann_learning_finds_the_interactions_that_made_the_data(name: str) -> None:
    family = SiteGraph.named(name)
    mu = np.random.default_rng(1).normal(0, 1, len(family.parameters))
    found = fit_slice(family, family.moments(mu), np.zeros_like(mu))
    np.testing.assert_allclose(found, mu, atol=1e-6)


def test_the_state_of_the_kernel_is_the_field_of_triples() -> None:
    """Any state of the kernel is a member of that family; pairs alone cannot hold it."""
    rng = np.random.default_rng(2)
    y = np.zeros(N_STATE)
    y[:27], y[DK], y[DP] = rng.dirichlet(np.ones(27)), 0.1, 0.05
    p = expanded(y)
    for name, fits in (("triples", True), ("full", True), ("all pairs", False), ("pairs", False)):
        family = SiteGraph.named(name)
        best = family.probabilities(fit_slices(family, p[None])[0])
        assert (divergence(p, best) < 1e-12) == fits, name


def test_pseudo_counts_keep_interactions_finite() -> None:
    counts = np.zeros((1, len(STATES)))
    counts[0, 0] = 1000.0  # all free and empty: without them every interaction would be infinite
    assert np.isfinite(fit_slices(SiteGraph.named("triples"), smooth_counts(counts))).all()


# -- species and regression ----------


def test_the_census_counts_all_molecules_and_ions() -> None:
    made = network()
    names = [n for n in made.names if n != "Ca"]
    weights = census(names)
    holds = {s.name: s.contains for s in made.species}
    for k, name in enumerate(names):
        assert weights[:45, k].sum() == holds[name].get("CaM", 0)
        assert weights[9:, k].sum() == holds[name].get("CaMKII", 0)
        assert weights[:45, k] @ (STATES[:, 0] + STATES[:, 1]) == holds[name].get("Ca", 0)
    assert members("pK_K_c1n0_c2n2") == [9 * 4 + 3, 9 * 2 + 8]
    assert set(SPECIES) <= set(names)


def test_functions_conserve_and_are_linear_in_calcium() -> None:
    rng = np.random.default_rng(3)
    y = np.zeros((1, N_STATE))
    y[0, :27], y[0, DK], y[0, DP] = rng.dirichlet(np.ones(27)) * 30, 3.0, 1.0
    one, two, four = (term_values(LibraryInput(y, np.array([c]), 80.0)) for c in (1.0, 2.0, 4.0))
    np.testing.assert_allclose(four - two, 2 * (two - one), atol=1e-12)
    np.testing.assert_allclose(one[:, 0, :27].sum(axis=1), 0.0, atol=1e-12)
    assert np.abs(one).reshape(len(NAMES), -1).max(axis=1).min() > 0


def test_regression_finds_the_rates_of_a_known_course_with_order_two() -> None:
    """Calmodulin alone, whose course is exact: what is left is the trapezoidal rule between rows."""
    rates, start, grid = true_rates(), np.zeros(N_STATE), calcium_grid()
    rates[ON : ON + 9] = 0.0
    start[0] = 30.0
    calcium = np.repeat(grid[[100, 130, 165, 81]], 400)
    fine, errors = path_of(rates, start, calcium, 0.01), []
    gaps = np.array([0.01, 0.02, 0.04])
    for gap in gaps:
        per = round(gap / 0.01)
        y, held = fine[::per], calcium[::per]
        left, right = term_values(LibraryInput(y[:-1], held, 80.0)), term_values(LibraryInput(y[1:], held, 80.0))
        whole = normal_equations(np.diff(y, axis=0), gap / 2 * (left + right), np.ones(N_STATE))
        errors.append(np.abs(refit(whole, list(range(8)))[:8] / rates[:8] - 1).max())
    assert linregress(np.log(gaps), np.log(errors)).slope == pytest.approx(2.0, abs=0.2)


def test_an_empty_census_is_an_empty_state() -> None:
    assert not reduced(np.zeros((1, 46))).any()
