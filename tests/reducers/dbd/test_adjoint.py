"""The discrete adjoint is the derivative of what was computed; closure terms add up to the derivative of a moment."""

from collections.abc import Callable

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.chains.ising import Chain
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer, Link
from reducers.dbd.energy.mrf import MarkovRandomField
from reducers.dbd.fit.adjoint import METHODS, Solver
from reducers.dbd.fit.regression import regress
from reducers.dbd.laws.combination import Combination, DrivenLaw, SumLaw
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.laws.law import Law
from reducers.dbd.laws.polynomial import Polynomial
from reducers.dbd.laws.reactions import ChainFunction, hops, rules_of
from reducers.dbd.report.covariances import closure_terms

LINK = Link(((0,), (1,)), (("H", "H"), ("P", "P")))
MACHINE = DeepBoltzmann(
    [Layer((2,), ("H", "P")), Layer((2,), ("H", "P")), Layer((2,), ("H",))], [LINK, Link(((0,),), (("H", "H"),))]
)
FIELD: MarkovRandomField = MACHINE.field()
VISIBLE = (0, 1)
NAMES = MACHINE.parameters
N, STEPS, DT = len(NAMES), 6, 0.1
RNG = np.random.default_rng(5)
DATA = RNG.dirichlet(np.ones(9), STEPS + 1)
START = RNG.normal(0, 0.4, (1, N))
DRIVE = RNG.uniform(0, 1, (STEPS, 1, 1))


class Field(Law):
    """A fixed smooth function, for linear combinations."""

    def __init__(self, matrix: Floats) -> None:
        self.parameters, self.matrix = NAMES, matrix

    def rates(self, theta: Floats, drive: Floats = DRIVE) -> Floats:
        return np.sin(theta @ self.matrix.T)

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = DRIVE) -> Floats:
        return np.asarray((weights * np.cos(theta @ self.matrix.T)) @ self.matrix)


def hermite() -> Law:
    domain = ("a0_H", "a1_P", "W01_PP")
    columns = [NAMES.index(name) for name in domain]
    return Hermite(NAMES, domain, (0.1, 0.2, 0.1), START[0, columns] - np.array([0.05, 0.1, 0.05]))


def polynomial() -> Law:
    return Polynomial(NAMES, ("a0_H", "W01_HH"), 2, (0.1, -0.2))


def combination(shared: bool = True) -> Law:
    return Combination([Field(RNG.normal(0, 1, (N, N))) for _ in range(3)], shared)


FAMILIES: dict[str, Callable[[], Law]] = {
    "hermite": hermite,
    "polynomial": polynomial,
    "combination": combination,
    "separate combination": lambda: combination(False),
    "sum": lambda: SumLaw([hermite(), combination()]),
    "driven": lambda: DrivenLaw(polynomial(), {"Ca": hermite()}),
}


def objective(theta: Floats, first: int = 0) -> float:
    """Σ dt KL(data ‖ model) over the points after `first`, of the visible marginal."""
    total = 0.0
    for k in range(first + 1, len(theta)):
        p = FIELD.marginal(FIELD.probabilities(theta[k, 0]), VISIBLE)
        total += DT * float((DATA[k] * np.log(DATA[k] / p)).sum())
    return total


def slopes(theta: Floats) -> Floats:
    out = np.empty_like(theta)
    for k in range(len(theta)):
        awake = FIELD.clamped(theta[k, 0], VISIBLE, DATA[k]) @ FIELD.features
        out[k, 0] = DT * FIELD.slope(theta[k, 0], awake)
    out[0] = 0.0
    return out


def prepared(family: str, method: str, substeps: int) -> tuple[Law, Solver, Floats]:
    law, solver = FAMILIES[family](), Solver(DT, METHODS[method], substeps)
    path = solver.path(START, STEPS)
    rows = -1
    while rows != sum(t.rows for t in law.tables):  # coefficients move the path to cells that need some in turn
        rows = sum(t.rows for t in law.tables)
        solver.solve(law, path, DRIVE, reserve=True)
        for table in law.tables:
            new = ~table.values.any(axis=1)
            table.values[new] = RNG.normal(0, 0.6, (int(new.sum()), table.values.shape[1]))
    solver.solve(law, path, DRIVE)
    return law, solver, path


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("method", "substeps"), [("euler", 1), ("euler", 3), ("rk4", 1)])
def test_gradient_is_the_finite_difference(family: str, method: str, substeps: int) -> None:
    law, solver, path = prepared(family, method, substeps)
    law.clear()
    at_start = solver.pull_back(law, path, slopes(path[::substeps]), DRIVE)

    def along(direction: list[Floats], step: float) -> float:
        for table, d in zip(law.tables, direction, strict=True):
            table.values[:] += step * d
        moved = solver.path(START, STEPS)
        solver.solve(law, moved, DRIVE)
        for table, d in zip(law.tables, direction, strict=True):
            table.values[:] -= step * d
        return objective(moved[::substeps])

    assert sum(np.abs(t.gradient).sum() for t in law.tables) > 0
    for _ in range(3):
        direction = [RNG.normal(0, 1, t.values.shape) for t in law.tables]
        exact = sum(float((t.gradient * d).sum()) for t, d in zip(law.tables, direction, strict=True))
        difference = (along(direction, 2e-6) - along(direction, -2e-6)) / 4e-6  # short: the elements are only C1
        size = np.sqrt(sum(float((t.gradient**2).sum()) for t in law.tables)) + abs(exact)
        assert exact == pytest.approx(difference, abs=1e-6 * size)

    moved = START.copy()
    moved[0, 3] += 2e-6
    up = solver.path(moved, STEPS)
    solver.solve(law, up, DRIVE)
    down = solver.path(2 * START - moved, STEPS)
    solver.solve(law, down, DRIVE)
    fd = (objective(up[::substeps]) - objective(down[::substeps])) / 4e-6
    assert at_start[0, 3] == pytest.approx(fd, rel=1e-6)


@pytest.mark.parametrize("family", ["hermite", "sum", "driven"])
def test_the_truncated_gradient_is_that_of_a_path_begun_at_the_window(family: str) -> None:
    law, solver, path = prepared(family, "euler", 1)
    tau = 3
    window = slopes(path)[tau:]
    window[0] = 0.0
    law.clear()
    solver.pull_back(law, path, window, DRIVE, first=tau, begin=tau)
    truncated = [t.gradient.copy() for t in law.tables]
    law.clear()
    solver.pull_back(law, path[tau:], window, DRIVE[tau:])
    for t, expected in zip(law.tables, truncated, strict=True):
        assert np.array_equal(t.gradient, expected)
    law.clear()
    solver.pull_back(law, path, window, DRIVE, first=tau)
    assert any(not np.allclose(t.gradient, e, rtol=1e-3) for t, e in zip(law.tables, truncated, strict=True))


def test_functions_of_reactions_on_a_chain() -> None:
    network = ReactionNetwork([Species("A")], [Reaction(("A",), (), 1.0), Reaction(("A", "A"), (), 1.0)])
    chain = Chain("A")
    law = Combination(
        [ChainFunction(chain, rules_of(r, network)) for r in network.reactions] + [ChainFunction(chain, hops(1))]
    )
    law.coefficients.values[:, 0] = 0.5, 0.7, 1.2
    solver = Solver(0.05, METHODS["rk4"])
    path = solver.path(np.array([[0.4, 0.3]]), 10)
    solver.solve(law, path)
    solver.pull_back(law, path, np.array([[[0.3, -0.7]]]), first=10)

    def end(step: float, r: int) -> float:
        law.coefficients.values[r] += step
        solver.solve(law, path)
        law.coefficients.values[r] -= step
        return float(path[-1, 0] @ np.array([0.3, -0.7]))

    for r in range(3):
        fd = (end(1e-5, r) - end(-1e-5, r)) / 2e-5
        assert law.coefficients.gradient[r, 0] == pytest.approx(fd, rel=1e-6)


def test_closure_terms_add_up_to_the_derivative() -> None:
    theta, rates, step = START[0], RNG.normal(0, 1, N), 1e-4
    observable = FIELD.indicator({0: 1, 1: 2}) + FIELD.indicator({0: 2, 1: 1})
    p = FIELD.probabilities(theta)
    terms = closure_terms(rates, observable, FIELD.features, p)

    def mean(s: float) -> float:
        return float(FIELD.probabilities(theta + s * rates) @ observable)

    fd = (8 * (mean(step) - mean(-step)) - mean(2 * step) + mean(-2 * step)) / (12 * step)
    assert terms.sum() == pytest.approx(fd, abs=1e-8)
    assert abs(terms.sum()) > 1e-3


def test_hermite_elements_have_a_continuous_derivative() -> None:
    law = hermite()
    theta = np.repeat(START, 3, axis=0)
    assert isinstance(law, Hermite)
    column = law.columns[0]
    edge = law.origin[0] + law.side[0]
    theta[:, column] = edge - 1e-9, edge, edge + 1e-9
    law.reserve(theta)
    law.coefficients.values[:] = RNG.normal(0, 1, law.coefficients.values.shape)
    rates, jacobian = law.rates(theta), law.jacobian(theta)
    assert np.ptp(rates, axis=0) == pytest.approx(0, abs=1e-6)
    assert np.ptp(jacobian, axis=0) == pytest.approx(0, abs=1e-5)


def test_a_cubic_is_represented_exactly_in_one_dimension() -> None:
    law = Hermite(("x",), ("x",), 0.5, [0.0])
    x = np.linspace(-1.9, 1.9, 40)[:, None]
    law.reserve(x)
    at = law.origin[0] + law.side[0] * law.vertices[:, 0]
    law.coefficients.values[:, 0] = at**3 - 2 * at
    law.coefficients.values[:, 1] = (3 * at**2 - 2) * law.side[0]
    assert law.rates(x) == pytest.approx(x**3 - 2 * x, abs=1e-12)
    assert law.jacobian(x)[:, 0] == pytest.approx(3 * x**2 - 2, abs=1e-12)


def test_divergence_is_one_line_that_names_parameter_and_time() -> None:
    law = Polynomial(("x",), ("x",), 2)
    law.coefficients.values[-1] = 1.0
    solver = Solver(0.1)
    with pytest.raises(RunError, match=r"diverged: x = .* at t = "):
        solver.solve(law, solver.path(np.array([[2.0]]), 100))
    with pytest.raises(RunError, match="diverged"):
        solver.solve(law, solver.path(np.array([[np.nan]]), 2))


@pytest.mark.parametrize("family", ["hermite", "polynomial", "sum", "driven"])
def test_a_law_is_regressed_from_a_path(family: str) -> None:
    """The rates along a path are reproduced as well as the ridge allows."""
    law, _, path = prepared(family, "euler", 1)
    states, drive = path[:-1, 0], DRIVE[:, 0]
    rates = law.rates(states, drive)
    other = FAMILIES[family]()
    if family == "sum":
        for mine, theirs in zip(other.parts(), law.parts(), strict=True):
            if isinstance(mine, Combination) and isinstance(theirs, Combination):
                mine.functions = theirs.functions
    ridge = 1e-9
    residual = regress(other, states, rates, drive=drive, ridge=ridge)
    # the minimum of |F - rates|² + ridge |u|² is at most its value at the true coefficients
    bound = np.sqrt(ridge / rates.size * sum(float((t.values**2).sum()) for t in law.tables))
    assert residual <= 1.01 * bound
    assert np.sqrt(np.mean(rates**2)) > 10 * bound
