"""Machines of molecules on a grid: parameters and laws that are known are found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from reducers.machines.build import build_machine, held_values
from reducers.machines.learning import free_run, learn_law
from reducers.machines.paths import Path, follow
from reducers.machines.polynomials import Monomials
from reducers.machines.sampling import UnitRuns
from reducers.machines.units import units_of
from support.machine_cases import HEAD, SETTINGS, SPECIES, UNITS, array_network, hand_made_law


def test_monomials_are_products() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    made = Monomials(3, 3)
    assert len(made) == 20
    for k, factors in enumerate(made.factors):
        assert np.allclose(made.values(x)[:, k], np.prod([x[:, f] for f in factors], axis=0))


def test_molecules_are_found_and_what_they_take_up() -> None:
    network = array_network()
    order = tuple(n for n in network.names if n != "Ca")
    units = units_of(network, order, "Ca")
    assert units.columns.shape == (UNITS, 3) and set(order) == set(SPECIES)
    states = np.random.default_rng(1).integers(0, 3, (4, UNITS))
    assert (units.configuration(units.counts(states)) == states).all()
    taken = units.uptake(HEAD)
    assert taken == pytest.approx(np.array([[0.0, -0.5, -0.03], [0.2, 0.0, 0.0]]), rel=1e-9)


def test_no_grid_is_one_line() -> None:
    species = [Species("Ca", contains={"Ca": 1}), *(Species(n) for n in "ABC")]
    pair = ReactionNetwork(species, [Reaction(("A", "B"), ("C",), 1.0)], (), {})
    with pytest.raises(InputError, match='"A \\+ B -> C" is not one molecule that changes its state'):
        units_of(pair, ("A", "B", "C"), "Ca")
    alone = ReactionNetwork(species, [Reaction(("A",), ("B",), 1.0)], (), {})
    with pytest.raises(InputError, match="no molecules of a grid, each with the same states"):
        units_of(alone, ("A", "B", "C"), "Ca")
    with pytest.raises(InputError, match='no parameter "W1"'):
        held_values(SETTINGS.model_copy(update={"held": {"W1": 0.0}}), build_machine(SETTINGS).parameters)


def test_parameters_of_a_machine_with_hidden_units_are_found_again() -> None:
    """From its own configurations, at two times; within four standard errors by the Fisher information."""
    settings = SETTINGS.model_copy(update={"shape": (4, 4)})
    machine = build_machine(settings)
    moving, fixed = held_values(settings, machine.parameters)
    names, runs = list(machine.parameters), 1500
    true = np.tile(fixed, (2, 1))
    true[:, names.index("a0_bound")], true[:, names.index("a0_active")] = (-1.0, 0.3), (-1.5, -1.0)
    true[:, names.index("J0_activeactive")] = 0.8, 0.5
    states = np.empty((1, 2, 16, runs), dtype=np.uint8)
    for k, theta in enumerate(true):
        chains = Chains(machine, runs, 3, f"true {k}")
        chains.randomise(3, f"true {k}")
        chains.sweep(Conditionals(machine, theta), np.zeros(runs, dtype=np.int64), 100)
        states[0, k] = chains.states(0)
    data = UnitRuns((), HEAD, 1.0, 1, np.zeros((1, 1)), np.zeros((1, runs, 2, 2)), states, np.zeros((1, runs, 48)))
    start = np.where(moving, 0.0, fixed)
    found = follow(machine, data, moving, start, 1e-4, 1)
    at = np.flatnonzero(moving)
    for k in range(2):
        error = np.sqrt(np.diagonal(np.linalg.inv(found.fisher[0, k][np.ix_(at, at)])) * (1 / runs + 1 / 5120))
        off = np.abs(found.theta[0, k, at] - true[k, at]) / error
        assert off.max() < 4, off
    assert (np.abs(true[0, at] - true[1, at]) > 0.2).all(), "control: the other time is told"


def test_a_law_is_learned_from_paths_that_it_made() -> None:
    """The free-running law meets a course that was not learned from; half as fast it does not."""
    law, rng = hand_made_law(), np.random.default_rng(4)
    drive = np.repeat(np.exp(rng.normal(0.0, 0.5, (7, 20))), 20, axis=1)
    drive[6] = drive[:6].mean(axis=0)
    numbers = np.zeros((7, 16, 401, 2), dtype=np.float32) + rng.normal(size=(7, 16, 401, 2))
    runs = UnitRuns(
        (), HEAD, 0.5, 4, drive, numbers, np.zeros((7, 101, UNITS, 16), dtype=np.uint8), np.zeros((7, 16, 27))
    )
    x = free_run(law, np.full((7, 3), -0.8), runs)
    truth = np.concatenate([0.3 + 0.1 * x[..., :2], x[..., 2:]], axis=-1)
    path = Path(x, np.tile(20 * np.eye(3), (7, 101, 1, 1)), UNITS * truth[..., :2], np.tile(np.eye(2), (7, 101, 1, 1)))
    some = replace(runs, drive=drive[:6], numbers=numbers[:6], states=runs.states[:6])
    first = Path(path.theta[:6], path.fisher[:6], path.means[:6], path.covariances[:6])
    found = learn_law(first, np.ones(3, dtype=bool), some, 1)
    other, start = replace(runs, drive=drive[6:]), ((truth[6:, 0] - found.centre) / found.width)[:1]
    made = found.centre + found.width * free_run(found.model, start, other)
    size = np.ptp(truth[6:], axis=(0, 1))
    assert (np.abs(made - truth[6:]).max(axis=(0, 1)) < 0.02 * size).all()
    slow = found.model._replace(law=0.5 * found.model.law)
    control = found.centre + found.width * free_run(slow, start, other)
    assert (np.abs(control - truth[6:]).max(axis=(0, 1)) > 0.1 * size).all()
