"""Starts that data show as impossible have finite parameters, and nearly the moments of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from couple.base.arrays import Floats
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.sufficient_statistics import EnergyModel, exact_moments
from reducers.dbd.model.build import build_model, build_start
from reducers.dbd.model.settings import ModelBlock

RUNS, SITES = 40, 36


def runs(numbers: Sequence[int], shape: tuple[int, ...] = (SITES,), seed: int = 0) -> Trajectories:
    """Lattices with exact numbers of each species at the first time; later everything is there."""
    rng = np.random.default_rng(seed)
    first = np.repeat(np.arange(len(numbers) + 1), [SITES - sum(numbers), *numbers])
    later = np.arange(SITES) % (len(numbers) + 1)
    states = np.array([[rng.permutation(first), rng.permutation(later)] for _ in range(RUNS)], dtype=np.uint8)
    return Trajectories.of_snapshots(np.arange(2.0), "SIR"[: len(numbers)], states, shape)


def start(family: str, data: Trajectories, **more: int) -> tuple[EnergyModel, Floats]:
    """A model and θ at its start."""
    block = ModelBlock.model_validate({"family": family, **more})
    model = build_model(block, data.species, data.shape)
    return model, build_start(block, model, data, True)[0]


NUMBERS = [(20, 2, 0), (0, 0, 0), (36, 0, 0), (0, 36, 0), (20, 10, 6), (34, 2, 0)]


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_boltzmann_machine_starts_where_species_or_vacancies_are_absent(numbers: tuple[int, ...]) -> None:
    _, theta = start("rbm", runs(numbers, (6, 6)))
    assert np.isfinite(theta).all() and np.abs(theta).max() < 15
    weight = np.exp(theta[:3])
    found = SITES * weight / (1 + weight.sum())
    assert found == pytest.approx(np.maximum(numbers, 0.5), abs=1.6)  # room for half a molecule of each, and a vacancy


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_chain_starts_where_species_or_pairs_are_absent(numbers: tuple[int, ...]) -> None:
    data = runs(numbers)
    model, theta = start("chain", data)
    assert np.isfinite(theta).all() and np.abs(theta).max() < 15
    wanted = exact_moments(model, data, True)[:, 0].mean(axis=0)
    assert model.moments(theta) == pytest.approx(wanted, abs=0.05)  # type: ignore[union-attr]


@pytest.mark.parametrize("numbers", [(20, 2, 0), (0, 0, 0), (7,), (0,)])
@pytest.mark.parametrize("order", [1, 2])
def test_numbers_without_scatter_and_absent_ones_start(numbers: tuple[int, ...], order: int) -> None:
    model, theta = start("wellmixed", runs(numbers), order=order, largest=80)
    assert np.isfinite(theta).all()
    means = model.moments(theta)[::order]  # type: ignore[union-attr]
    assert means == pytest.approx(np.maximum(numbers, 0.5), rel=0.02)
