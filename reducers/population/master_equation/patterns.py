"""Patterns of a network of two-state neurons: who is active at equal steps of time."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.rng.streams import generator
from reducers.population.master_equation.network import NeuralNetwork, dense_synapses, random_synapses
from reducers.population.master_equation.settings import MasterEquationBlock
from reducers.population.master_equation.ssa import simulate
from reducers.population.patterns.patterns import Patterns

MOST_EVENTS = 1e12
"""At a few million a second, of neurons that fire as fast as they can."""


def build_network(block: MasterEquationBlock, seed: int) -> NeuralNetwork:
    """The network of the table; what is drawn of it is drawn from `seed`."""
    n, rng = block.neurons, generator(seed, "population", "network", "build")
    degree = block.degree or n - 1
    inhibits = np.arange(n) >= n - round(block.inhibitory * n)
    each = np.where(inhibits, -block.inhibition, block.weight) / degree
    if block.degree:
        synapses = random_synapses(n, degree, each, rng)
    else:
        check_memory(8.0 * n * n, f"weights of {n} neurons on all others", "give a degree", "master_equation.degree")
        weights = np.tile(each, (n, 1))
        np.fill_diagonal(weights, 0.0)
        synapses = dense_synapses(weights)
    inputs = block.input + block.spread * rng.normal(size=n)
    return NeuralNetwork(synapses, inputs, np.ones(n), block.rate, block.decay, block.activation)


def drive_of(block: MasterEquationBlock, seed: int, windows: int) -> Floats:
    """(windows,) of the common input."""
    steps = max(1, round(block.step / block.every))
    drawn = generator(seed, "population", "drive", "build").normal(size=-(-windows // steps))
    return np.repeat(block.drive * drawn, steps)[:windows]


def simulate_patterns(block: MasterEquationBlock, seed: int) -> Patterns:
    """States at the end of each step of `every` ms after `settle`. Raises InputError for runs of days."""
    events = 2 * block.neurons * (block.settle + block.duration) / (1 / block.rate + 1 / block.decay)
    if events > MOST_EVENTS:
        raise InputError(
            f"neurons that are always driven make {events:.2g} events, more than {MOST_EVENTS:.0e}, which take days: "
            "give a shorter duration, lower rates or fewer neurons",
            where="master_equation.duration",
        )
    check_memory(
        block.neurons * (block.settle + block.duration) / block.every,
        f"states of {block.neurons} neurons every {block.every:g} ms", "take longer steps", "master_equation.every",
    )  # fmt: skip
    rest, windows = round(block.settle / block.every), max(1, round(block.duration / block.every))
    network = build_network(block, seed)
    run = simulate(network, drive_of(block, seed, rest + windows), block.every, seed)
    states = np.ascontiguousarray(run.states[rest + 1 :])
    return Patterns(states, tuple(f"n{i}" for i in range(block.neurons)), block.every)
