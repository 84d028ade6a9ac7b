"""Block Gibbs sampling against listed states; mean field; annealed importance sampling."""

import numpy as np
import pytest
from scipy.stats import norm

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.data.trajectories import Snapshots
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer, Link, patch
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.report.likelihood import log_likelihood
from reducers.dbd.sampling.ais import annealed_log_z
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from support.jit_off import without_jit

OPEN = DeepBoltzmann([Layer((3,), ("A",)), Layer((2,), ("A",))], [Link(((0,), (-1,)), (("A", "A"),), periodic=False)])
DEEP = DeepBoltzmann(
    [Layer((2, 2), ("H", "P")), Layer((2, 2), ("H",)), Layer((2, 2), ("P",))],
    [
        Link(((0, 0), (0, 1)), (("H", "H"), ("P", "H"))),
        Link(((0, 0),), (("H", "P"),)),
    ],
)
THREE = DeepBoltzmann(
    [Layer((2,), ("A", "B", "C")), Layer((2,), ("X", "Y", "Z"))],
    [Link(((0,), (1,)), (("A", "X"), ("B", "Y"), ("C", "Z")))],
)
CHAINS, SWEEPS = 64, 2500


def point(machine: DeepBoltzmann, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.7, len(machine.parameters))


def sampled(machine: DeepBoltzmann, theta: Floats) -> tuple[Floats, Floats]:
    """Mean of X over chains and sweeps, and its standard error from independent chains."""
    chains = Chains(machine, CHAINS, 1, "test")
    tables, sets = Conditionals(machine, theta), np.zeros(CHAINS, dtype=np.int64)
    chains.sweep(tables, sets, 50)
    total = np.zeros((CHAINS, len(theta)))
    for _ in range(SWEEPS // 5):
        chains.sweep(tables, sets, 5)
        total += chains.moments()
    each = total / (SWEEPS // 5)
    return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(CHAINS)


@pytest.mark.parametrize("machine", [OPEN, DEEP, THREE], ids=["open chain", "deep", "three species"])
def test_moments_agree_with_listed_states(machine: DeepBoltzmann) -> None:
    theta = point(machine)
    exact = machine.field().moments(theta)
    mean, error = sampled(machine, theta)
    limit = norm.isf(0.5e-3 / len(theta))
    assert (np.abs(mean - exact) < limit * error).all()
    wrong = machine.field().moments(theta + 0.1)  # a control that must fail
    assert (np.abs(mean - wrong) > limit * error).any()


def test_clamped_hidden_units_agree_with_listed_states() -> None:
    theta, field = point(DEEP), DEEP.field()
    visible = np.array([1, 0, 2, 2])
    data = np.zeros(3**4)
    data[np.ravel_multi_index(tuple(visible), (3, 3, 3, 3))] = 1.0
    exact = field.clamped(theta, range(4), data) @ field.features
    chains = Chains(DEEP, CHAINS, 2, "test")
    chains.set(0, np.tile(visible[:, None], (1, CHAINS)))
    tables, sets = Conditionals(DEEP, theta), np.zeros(CHAINS, dtype=np.int64)
    each = np.zeros((CHAINS, len(theta)))
    for _ in range(500):
        chains.sweep(tables, sets, 2, clamped=True)
        each += chains.moments() / 500
    assert (chains.states(0) == visible[:, None]).all()
    error = each.std(axis=0, ddof=1) / np.sqrt(CHAINS)
    moving = error > 1e-12
    limit = norm.isf(0.5e-3 / len(theta))
    assert (np.abs(each.mean(axis=0) - exact)[moving] < limit * error[moving]).all()
    assert each.mean(axis=0)[~moving] == pytest.approx(exact[~moving])


def test_a_chain_does_not_depend_on_the_others() -> None:
    theta = np.stack([point(DEEP), point(DEEP, 4)])
    tables = Conditionals(DEEP, theta)
    both, alone = Chains(DEEP, 7, 1, "x"), Chains(DEEP, 1, 1, "x")
    both.sweep(tables, np.array([0, 1, 1, 0, 1, 0, 0]), 20)
    alone.sweep(tables, np.array([0]), 20)
    assert all(np.array_equal(b[:, :1], a) for b, a in zip(both.layers, alone.layers, strict=True))


def test_log_partition_function_by_annealing() -> None:
    theta = point(DEEP)
    found = annealed_log_z(DEEP, theta, chains=400, steps=400, seed=1)
    exact = DEEP.field().log_z(theta)
    assert abs(found.log_z - exact) < norm.isf(0.5e-3) * found.error
    assert found.error < 0.01
    assert abs(found.log_z - DEEP.field().log_z(theta + 0.1)) > norm.isf(0.5e-3) * found.error
    visible = np.array([[1, 0, 2, 2], [0, 0, 0, 1]]).T
    clamped = annealed_log_z(
        DEEP, theta, chains=400, steps=400, seed=1, visible=np.repeat(visible, 200, axis=1), groups=2
    )
    p = DEEP.field().marginal(DEEP.field().probabilities(theta), range(4)).reshape(3, 3, 3, 3)
    for k in range(2):
        log_p = clamped.log_weights[k] - exact
        assert abs(log_p - np.log(p[tuple(visible[:, k])])) < norm.isf(0.5e-3) * clamped.errors[k] + 1e-12


def test_machines_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="wraps onto another"):
        DeepBoltzmann([Layer((1,), ("A",))] * 2, [Link(((0,), (1,)), (("A", "A"),))])
    with pytest.raises(InputError, match=r"no species .Q. in layer 1"):
        DeepBoltzmann([Layer((4,), ("A",))] * 2, [Link(((0,),), (("A", "Q"),))])
    with pytest.raises(InputError, match="one dimension"):
        DeepBoltzmann([Layer((4,), ("A",)), Layer((2, 2), ("A",))], [Link(((0,),), (("A", "A"),))])
    with pytest.raises(InputError, match="too many to list"):
        DeepBoltzmann([Layer((40, 40), ("H", "P"))] * 2, [Link(patch(2), (("H", "H"),))]).field()


def outputs() -> str:
    """A few sweeps and values of a law, as hexadecimal bytes."""
    theta = point(DEEP)
    chains = Chains(DEEP, 3, 1, "jit")
    chains.sweep(Conditionals(DEEP, theta), np.zeros(3, dtype=np.int64), 4)
    law = Hermite(("x", "y"), ("x", "y"), 0.5, [0.0, 0.0])
    at = np.array([[0.2, -0.7], [3.1, 0.4]])
    law.reserve(at)
    law.coefficients.values[:] = np.linspace(-1, 1, law.coefficients.values.size).reshape(law.coefficients.values.shape)
    law.pull(at, at)
    moments, rates, back = chains.moments(), law.rates(at), law.vjp(at, at)
    return b"".join(x.tobytes() for x in (moments, rates.round(12), back.round(12))).hex()


def test_kernels_give_the_same_without_the_compiler() -> None:
    assert without_jit(outputs) == outputs()


def test_likelihoods_of_configurations_are_those_of_enumeration() -> None:
    """A machine of 9 + 9 units: ln p(v) by annealing against all its states, z of 1 in 1000."""
    layer = Layer((3, 3), ("A",))
    machine = DeepBoltzmann([layer, layer], [Link(patch(2), (("A", "A"),))])
    theta, rng = np.array([-0.4, -0.3, 0.5]), np.random.default_rng(2)
    states = rng.integers(0, 2, (6, 9)).astype(np.uint8)
    hidden = np.array(list(np.ndindex(*(2,) * 9)))
    up = machine.up[0]

    def weight(v: Snapshots) -> float:
        pairs = (v[:, None] * hidden[:, up]).sum(axis=(1, 2))
        return float(np.log(np.exp(theta[0] * v.sum() + theta[1] * hidden.sum(axis=1) + theta[2] * pairs).sum()))

    log_z = np.log(np.exp([weight(v) for v in hidden]).sum())
    exact = np.mean([weight(v) for v in states]) - log_z
    found, error = log_likelihood(machine, theta, states, chains=200, steps=200)
    free = annealed_log_z(machine, theta, chains=200, steps=200)
    held = annealed_log_z(
        machine, theta, chains=24, steps=200, visible=np.repeat(states, 4, axis=0).T.astype(np.int64), groups=6
    )
    bound = norm.isf(1e-3 / 2) * np.sqrt(free.error**2 + (held.errors**2).sum() / 36)
    assert abs(found - exact) < bound < error  # the error holds the differences between runs as well
    wrong, _ = log_likelihood(machine, theta + [0.5, 0.0, 0.0], states, chains=200, steps=200)
    assert abs(wrong - exact) > bound
