"""Well-mixed dynamic Boltzmann distributions: exact cases, published numbers, variational derivative."""

import numpy as np
import pytest
from scipy.integrate import quad

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.energy.wellmixed import WellMixedModel, mean_of_geometric
from reducers.dbd.energy.wellmixed_species import MassAction, WellMixedSpecies
from reducers.dbd.fit.adjoint import RK4, Solver
from reducers.dbd.laws.birth_death import BirthDeath, GaussianBirthDeath
from reducers.dbd.laws.combination import Combination
from reducers.dbd.laws.law import AUTONOMOUS, Law
from reducers.dbd.laws.reactions import EnumeratedFunction, MassActionFunction

NETWORK = ReactionNetwork([Species("A")], [Reaction(("A",), ("A", "A"), 1.0), Reaction(("A",), (), 1.0)])
BIRTH, DEATH = 0.5, 1.5


def path(law: Law, start: Floats, end: float, steps: int = 400) -> Floats:
    solver = Solver(end / steps, RK4)
    out = solver.path(start, steps)
    solver.solve(law, out)
    return out


@pytest.mark.parametrize(
    ("start", "half", "full"),
    [(0.5, 0.727336, 1.016464), (1.0, 1.343639, 1.735326), (0.1, 0.159903, 0.251447)],
)
def test_birth_and_death_follow_the_published_numbers(start: float, half: float, full: float) -> None:
    nu = path(BirthDeath(BIRTH, DEATH), np.array([[start]]), 1.0)[:, 0, 0]
    assert nu[[200, 400]] == pytest.approx([half, full], abs=1e-6)
    n0 = 1 / np.expm1(start)
    assert nu[400] == pytest.approx(np.log1p(1 / (n0 * np.exp(BIRTH - DEATH))), abs=1e-10)
    if start == 0.5:
        assert mean_of_geometric(nu[[0, 200, 400]]) == pytest.approx([1.541494, 0.934963, 0.567084], abs=1e-6)


def test_the_projection_of_the_master_equation_is_the_closed_form() -> None:
    family = WellMixedModel(1, 1500)
    drift = family.drift(NETWORK, 0, BIRTH) + family.drift(NETWORK, 1, DEATH)
    general, closed = EnumeratedFunction(family, drift), BirthDeath(BIRTH, DEATH)
    nu = np.array([[0.1], [0.5], [1.0], [3.0]])
    assert general.rates(nu) == pytest.approx(closed.rates(nu), rel=1e-9)
    assert general.jacobian(nu) == pytest.approx(closed.jacobian(nu), rel=1e-9)


def test_pure_death_keeps_the_geometric_distribution_exactly() -> None:
    """p(n, t) of the master equation, integrated, against the reduced model: KL = 0; with births it is not."""
    family = WellMixedModel(1, 120)
    n = family.counts
    for birth, exact in ((0.0, True), (0.5, False)):
        law = BirthDeath(birth, DEATH)
        nu = path(law, np.array([[0.5]]), 1.0)[-1, 0]
        generator = np.diag(-(birth + DEATH) * n.astype(float)) + np.diag(DEATH * n[1:], 1)
        generator += np.diag(birth * n[:-1], -1)
        generator[-1, -1] += birth * n[-1]
        values, vectors = np.linalg.eig(generator)
        p = family.probabilities(np.array([0.5]))
        p = (vectors @ (np.exp(values) * np.linalg.solve(vectors, p))).real if birth else _thinned(p, np.exp(-DEATH))
        divergence = family.divergence(nu, np.clip(p, 0, None))
        assert (abs(divergence) < 5e-8) == exact
        if not exact:
            assert divergence == pytest.approx(0.0218, abs=5e-4)


def _thinned(p: Floats, survive: float) -> Floats:
    from scipy.stats import binom

    n = np.arange(len(p))
    return np.asarray(binom.pmf(n[:, None], n[None, :], survive) @ p)


class Bump(Law):
    """A normalised Gaussian of width w about a place."""

    parameters = ("nu1",)

    def __init__(self, at: float, width: float) -> None:
        self.at, self.width = at, width

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        z = (theta - self.at) / self.width
        return np.asarray(np.exp(-z * z / 2) / (self.width * np.sqrt(2 * np.pi)))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        return np.asarray(-weights * (theta - self.at) / self.width**2 * self.rates(theta))


def test_variational_derivative_of_the_path_with_respect_to_the_law() -> None:
    law = Combination([BirthDeath(0.0, 1.0), Bump(1.0, 0.1)])
    law.coefficients.values[:, 0] = 1.0, 0.0
    solver = Solver(2.0 / 800, RK4)
    nu = solver.path(np.array([[0.5]]), 800)
    solver.solve(law, nu)
    solver.pull_back(law, nu, np.ones((1, 1, 1)), first=800)
    assert law.coefficients.gradient[1, 0] == pytest.approx(2.105358, abs=1e-6)
    end = nu[-1, 0, 0]
    exact = quad(lambda v: Bump(1.0, 0.1).rates(np.array([v]))[0] / np.expm1(-v) ** 2, 0.5, end, points=[1.0])[0]
    assert law.coefficients.gradient[1, 0] == pytest.approx(-np.expm1(-end) * exact, abs=1e-8)


def test_two_potentials_in_the_gaussian_approximation() -> None:
    law = GaussianBirthDeath(BIRTH, DEATH)
    assert law.rates(np.array([[-2.5, 2.0]]))[0] == pytest.approx([16.0, -10.0], abs=1e-12)
    rng = np.random.default_rng(0)
    nu = rng.uniform([-3, 0.1], [0.5, 3], (20, 2))
    f = law.rates(nu)
    mean, variance = 0.5 - nu[:, 0] / nu[:, 1], 1 / nu[:, 1]
    d_mean = (-f[:, 0] + nu[:, 0] / nu[:, 1] * f[:, 1]) / nu[:, 1]
    assert d_mean == pytest.approx((BIRTH - DEATH) * mean, abs=1e-10)
    d_variance = -f[:, 1] / nu[:, 1] ** 2
    assert d_variance == pytest.approx(2 * (BIRTH - DEATH) * variance + (BIRTH + DEATH) * mean, abs=1e-10)
    # the discrete family with K = 2 agrees where the distribution is wide and far from zero
    family = WellMixedModel(2, 400)
    drift = family.drift(NETWORK, 0, BIRTH) + family.drift(NETWORK, 1, DEATH)
    far = np.array([[-10.0, 0.1]])
    assert EnumeratedFunction(family, drift).rates(far)[0] == pytest.approx(law.rates(far)[0], rel=0.02)


def test_bad_families_are_refused() -> None:
    with pytest.raises(InputError, match="order"):
        WellMixedModel(0, 10)
    two = ReactionNetwork([Species("A"), Species("B")], [Reaction(("A",), ("B",), 1.0)])
    with pytest.raises(InputError, match="one species"):
        WellMixedModel(1, 10).drift(two, 0)


def test_mass_action_of_one_species_is_the_projection_of_the_master_equation() -> None:
    several, one = WellMixedSpecies(2, 60, ["A"]), WellMixedModel(2, 60)
    nu = np.array([[-0.5, 0.05], [0.1, 0.01]])
    for reactants, products in ((("A",), ()), (("A",), ("A", "A")), (("A", "A"), ()), ((), ("A",))):
        network = ReactionNetwork([Species("A")], [Reaction(reactants, products, 1.0)])
        exact = EnumeratedFunction(one, one.drift(network, 0))
        law = MassActionFunction(MassAction(several, [len(reactants)], [len(products) - len(reactants)]))
        assert law.rates(nu) == pytest.approx(exact.rates(nu), rel=1e-9, abs=1e-12)
        assert law.jacobian(nu) == pytest.approx(exact.jacobian(nu), rel=1e-8, abs=1e-10)


def test_mass_action_of_several_species_moves_means_as_it_should_and_has_its_jacobian() -> None:
    """S + I -> 2 I: d<I>/dt = <S><I> = -d<S>/dt of independent numbers; R is left alone."""
    model = WellMixedSpecies(2, 40, ["S", "I", "R"])
    law = MassActionFunction(MassAction(model, [1, 1, 0], [-1, 1, 0]))
    nu = np.array([[-0.9, 0.1, 0.3, 0.05, 0.7, 0.02]])
    moved = -model.covariance(nu[0]) @ law.rates(nu)[0]
    mean = model.moments(nu[0])
    assert moved[[0, 2]] == pytest.approx(mean[0] * mean[2] * np.array([-1, 1]), rel=1e-6) and not moved[4:].any()
    for k in range(6):
        unit = 1e-6 * np.eye(6)[k]
        slope = (law.rates(nu + unit) - law.rates(nu - unit)) / 2e-6
        assert law.jacobian(nu)[0, :, k] == pytest.approx(slope[0], rel=1e-5, abs=1e-7)
