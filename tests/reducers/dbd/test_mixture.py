"""Classes of configurations: exact moments and closure on small machines, what data belong to them, wary following."""

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer, Link, patch
from reducers.dbd.energy.mixture import FORBIDDEN, Mixture, class_rates, components
from reducers.dbd.fit.moment_tracking import MomentTracker, TrackingRecipe
from reducers.dbd.report.covariances import closure_terms
from reducers.dbd.sampling.gibbs import Chains, Conditionals

SMALL = DeepBoltzmann(
    [Layer((3,), ("H", "P")), Layer((3,), ("H", "P"))], [Link(((0,), (1,)), (("H", "H"), ("P", "P")))]
)
MIXED = Mixture(SMALL, ["H"])
N = len(SMALL.parameters)


def point(seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    machines = MIXED.pinned(rng.normal(size=N))
    machines[1, 1:] += 0.3 * rng.normal(size=N - 1)
    return MIXED.joined(np.array([0.7, 0.3]), machines)


def test_parameters_are_taken_apart_and_put_together() -> None:
    theta = point()
    assert len(theta) == len(MIXED.parameters) == 2 * N + 1 and MIXED.parameters[N : N + 2] == ("noH", "noH_a0_H")
    weights, machines = MIXED.split(theta)
    assert np.allclose(weights, [0.7, 0.3]) and machines[1, 0] == FORBIDDEN
    assert np.allclose(MIXED.joined(weights, machines), theta)
    path = np.stack([theta, theta + 0.1])
    assert np.allclose(MIXED.joined(*MIXED.split(path)), path)
    alone = components(SMALL, path[:, :N])
    assert np.array_equal(alone[1], np.ones((2, 1))) and np.array_equal(alone[2][:, 0], path[:, :N])


def test_the_closure_holds_with_one_term_more_for_a_class() -> None:
    theta, rates = point(), np.random.default_rng(2).normal(size=2 * N + 1)
    rates[N + 1] = 0.0
    field = SMALL.field()
    prey = field.features[:, SMALL.parameters.index("a0_P")] ** 2

    def mean(at: Floats) -> float:
        weights, machines = MIXED.split(at)
        return float(sum(w * (field.probabilities(m) @ prey) for w, m in zip(weights, machines, strict=True)))

    weights, machines = MIXED.split(theta)
    of_class = (rates[:N], rates[N + 1 :])
    p = [field.probabilities(m) for m in machines]
    terms = [weights[k] * closure_terms(of_class[k], prey, field.features, p[k]).sum() for k in range(2)]
    switch = class_rates(weights, rates[N : N + 1])[1] * (p[1] @ prey - p[0] @ prey)
    step = 1e-5
    slope = (mean(theta + step * rates) - mean(theta - step * rates)) / (2 * step)
    assert sum(terms) + switch == pytest.approx(slope, rel=1e-8)
    assert abs(switch) > 1e-3 * abs(slope)  # without it the closure would be wrong


def test_a_class_never_has_the_species_it_lacks() -> None:
    machine = DeepBoltzmann([Layer((6, 6), ("H", "P"))] * 2, [Link(patch(2), (("H", "H"), ("P", "P")))])
    theta = Mixture(machine, ["H"]).pinned(np.full(len(machine.parameters), 0.5))[1]
    chains = Chains(machine, 50, 1, "test")
    chains.begin(["H"], 1, "test")
    assert (chains.states(0) == 1).all()
    chains.sweep(Conditionals(machine, theta), np.zeros(50, dtype=np.int64), 3)
    assert not (chains.states(0) == 1).any() and (chains.states(0) == 2).any()


def test_the_class_is_read_off_counts() -> None:
    both = Mixture(SMALL, ["P", "H"])
    assert both.labels(np.array([[1.0, 2.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])).tolist() == [0, 2, 1, 1]


@pytest.mark.parametrize("absent", [[], ["H", "H"], ["Q"]])
def test_classes_are_checked(absent: list[str]) -> None:
    with pytest.raises(InputError, match=r"absent|species"):
        Mixture(SMALL, absent)


def test_probabilities_are_those_that_chains_draw_from() -> None:
    machine = DeepBoltzmann([Layer((6, 6), ("H", "P"))] * 3, [Link(patch(2), (("H", "H"), ("P", "P")))] * 2)
    theta = np.random.default_rng(3).normal(size=len(machine.parameters))
    chains = Chains(machine, 400, 1, "test")
    chains.begin(["P", "empty", "random"], 1, "test")
    chains.sweep(Conditionals(machine, theta), np.zeros(400, dtype=np.int64), 2)
    for level in range(3):
        expected = chains.probabilities(level, theta)
        chains.update(level, Conditionals(machine, theta), np.zeros(400, dtype=np.int64))
        for s in (1, 2):
            hits, p = (chains.states(level) == s).sum(), expected[:, :, s - 1]
            assert abs(hits - p.sum()) < 4.5 * np.sqrt((p * (1 - p)).sum())


@pytest.mark.parametrize(("coupling", "agrees"), [(0.3, True), (2.5, False)])
def test_following_doubts_machines_that_remember_their_start(coupling: float, agrees: bool) -> None:
    """Couplings at which a full lattice stays full lower the share of the correlations that is followed."""
    machine = DeepBoltzmann([Layer((16, 16), ("A",))] * 2, [Link(patch(2), (("A", "A"),))])
    theta = np.array([-2 * coupling, -2 * coupling, coupling])
    names = ("A", "AA nn")
    moments, plain = np.tile([100.0, 60.0], (2, 1)), np.tile([100.0, 78.0], (2, 1))
    settings = TrackingRecipe(chains=192, starts=("random", "empty", "A"), relax=0.0, gain=1e-3)
    branch = MomentTracker(machine, names, moments, plain, theta, theta, np.zeros(3, dtype=bool), settings, True)
    for k in range(5):
        branch.step(0, False, 1, f"test {k}")
    assert (branch.share > 0.97) if agrees else (branch.share < 0.9)
