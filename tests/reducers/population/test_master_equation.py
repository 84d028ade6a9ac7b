"""Two-state neurons: simulation, master equation, moments and linear noise against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.population.master_equation.cme import solve
from reducers.population.master_equation.moments import linear_noise, mean_field, second_order
from reducers.population.master_equation.network import (
    Activation,
    NeuralNetwork,
    activations,
    dense_synapses,
    random_synapses,
)
from reducers.population.master_equation.ssa import simulate
from reducers.population.models.enumeration import all_patterns
from support.patterns import fits

DRIVE = np.array([0.0, 0.5, 0.5, -0.3])


def network(n: int, activation: Activation = "tanh", seed: int = 0, strength: float = 1.0) -> NeuralNetwork:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0.3, 0.5, (n, n)) * strength / np.sqrt(n)
    np.fill_diagonal(weights, 0.0)
    return NeuralNetwork(dense_synapses(weights), rng.uniform(0.0, 0.6, n), np.ones(n), 0.8, 0.3, activation)


def alike(n: int, weight: float, activation: Activation = "logistic") -> NeuralNetwork:
    """All on all, so that the number of active ones is a chain of n + 1 states."""
    weights = np.full((n, n), weight / n)
    np.fill_diagonal(weights, 0.0)
    return NeuralNetwork(dense_synapses(weights), np.full(n, -1.0), np.ones(n), 1.0, 0.5, activation)


def chain(net: NeuralNetwork, weight: float, time: float) -> Floats:
    """(n + 1,) p(k) of `alike` at a time."""
    n = net.n
    k = np.arange(n + 1)
    up = (n - k) * net.rate * activations(weight * k / n + net.input[0], net.activation)
    down = k * net.decay
    a = np.diag(-(up + down)) + np.diag(up[:-1], -1) + np.diag(down[1:], 1)
    return np.asarray(expm(a * time)[:, 0])


@pytest.mark.parametrize("activation", ["tanh", "logistic", "linear"])
def test_the_master_equation_against_its_matrix(activation: Activation) -> None:
    net = network(5, activation)
    x = all_patterns(5).astype(float)
    p = np.eye(32)[0]
    for h in DRIVE:
        rates = np.where(x > 0, net.decay, net.rate * activations(x @ net.matrix().T + net.input + h, activation))
        a = np.diag(-rates.sum(axis=1))
        for s in range(32):
            for i in range(5):
                a[s ^ (1 << i), s] += rates[s, i]
        p = expm(a * 0.7) @ p
    found = solve(net, DRIVE, 0.7)
    assert np.abs(found.p[-1] - p).max() < 1e-12
    assert np.abs(found.p.sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("sparse", [False, True])
def test_simulations_are_of_the_master_equation(sparse: bool) -> None:
    net = network(5)
    if sparse:
        synapses = random_synapses(5, 2, np.array([0.8, -0.5, 0.6, 1.2, -0.9]), np.random.default_rng(1))
        net = NeuralNetwork(synapses, net.input, net.gain, net.rate, net.decay, "logistic")
    states = np.array([simulate(net, DRIVE, 0.7, seed).states[-1] for seed in range(3000)])
    assert fits(states, solve(net, DRIVE, 0.7).p[-1])
    assert not fits(states, solve(net, DRIVE - 0.8, 0.7).p[-1]), "the drive counts"


def test_large_networks_against_the_chain_of_counts() -> None:
    """300 dense neurons: the number of active ones after 4 ms, of 400 runs."""
    net = alike(300, 3.0)
    p = chain(net, 3.0, 4.0)
    k = np.array([simulate(net, np.zeros(1), 4.0, seed, keep=False).active[-1] for seed in range(400)])
    mean = p @ np.arange(301)
    variance = p @ (np.arange(301) - mean) ** 2
    assert abs(k.mean() - mean) < 4 * np.sqrt(variance / 400)
    assert abs(k.var(ddof=1) / variance - 1) < 4 * np.sqrt(2 / 399)
    assert abs(k.mean() - chain(net, 2.5, 4.0) @ np.arange(301)) > 4 * np.sqrt(variance / 400)


def test_orders_of_the_moment_equations() -> None:
    """Errors of the mean fall as 1/n (mean field) and faster than n^-1.7 (second order): slopes over n = 8 … 64."""
    sizes, errors = np.array([8, 16, 32, 64]), []
    for n in sizes:
        net = alike(int(n), 2.0)
        mean = chain(net, 2.0, 3.0) @ np.arange(n + 1) / n
        found = [m(net, np.zeros(1), 3.0).means[-1].mean() for m in (mean_field, second_order)]
        errors.append([abs(one - mean) for one in found])
    slopes = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -1.3 < slopes[0] < -0.8 and slopes[1] < -1.7


def test_moments_against_the_master_equation() -> None:
    """Unequal neurons under a drive: covariances of second order, and of linear noise, within what they leave out."""
    net = network(9, "logistic", strength=1.5)
    exact = solve(net, DRIVE, 1.0)
    means, covariances = exact.means[-1], exact.covariances(-1)
    first, second, noise = (m(net, DRIVE, 1.0) for m in (mean_field, second_order, linear_noise))
    off = [np.abs(m.means[-1] - means).max() for m in (first, second)]
    assert off[1] < 0.1 * off[0]
    apart = np.triu_indices(9, 1)
    scale = np.abs(covariances[apart]).max()
    assert np.abs(second.covariances[-1] - covariances)[apart].max() < 0.1 * scale
    assert np.abs(noise.covariances[-1] - covariances)[apart].max() < 0.5 * scale
    assert np.abs(second.active[1][-1] / covariances.sum() - 1) < 0.03


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(InputError, match="the master equation of 21 neurons has 2"):
        solve(network(21), DRIVE, 1.0)
    with pytest.raises(InputError, match="rates of activation and decay have to be above 0"):
        NeuralNetwork(dense_synapses(np.zeros((2, 2))), np.zeros(2), np.ones(2), 1.0, 0.0, "tanh")
    with pytest.raises(InputError, match="5 synapses of each of 5 neurons: give 1 to 4"):
        random_synapses(5, 5, np.ones(5), np.random.default_rng(0))
    with pytest.raises(InputError, match="does not fit 5 neurons"):
        simulate(network(5), DRIVE, 1.0, 1, start=np.zeros(4, dtype=np.uint8))
