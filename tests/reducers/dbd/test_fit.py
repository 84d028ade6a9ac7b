"""The training loop: resuming to the bit, caching, what it learns on small problems, and what it refuses."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.storage import checkpoint
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer, Link, patch
from reducers.dbd.energy.wellmixed import WellMixedModel
from reducers.dbd.fit.adjoint import METHODS, Solver
from reducers.dbd.fit.comparison import ExactComparison, WakeSleep
from reducers.dbd.fit.fit import Fit, Recipe
from reducers.dbd.fit.optimisers import SGD, Adam, Optimiser
from reducers.dbd.fit.trust_region import TrustRegion
from reducers.dbd.laws.birth_death import BirthDeath
from reducers.dbd.laws.hermite import Hermite

RNG = np.random.default_rng(0)
LAYER = Layer((6, 6), ("H", "P"))
LINK = Link(patch(2), (("H", "H"), ("P", "P")))
MACHINE = DeepBoltzmann([LAYER, LAYER, LAYER], [LINK, LINK])
DOMAIN = ("a0_H", "a0_P", "W01_PP")


def runs(times: int = 16) -> Trajectories:
    """Lattices that fill up."""
    density = np.linspace(0.1, 0.3, times)[None, :, None]
    draws = RNG.uniform(size=(12, times, 36))
    states = np.where(draws < density, 1, np.where(draws < 2 * density, 2, 0)).astype(np.uint8)
    return Trajectories.of_snapshots(np.arange(float(times)), ("H", "P"), states, (6, 6))


DATA = runs()
ORDERS: tuple[Literal["sliding", "growing", "random"], ...] = ("sliding", "growing", "random")


def fit(optimiser: Optimiser | None = None, centre: float = 0.0, persistent: bool = True) -> Fit:
    start = MACHINE.independent([0.1, 0.1])
    law = Hermite(MACHINE.parameters, DOMAIN, 0.1, start[[MACHINE.parameters.index(n) for n in DOMAIN]] - 0.05)
    comparison = WakeSleep(MACHINE, DATA, chains=3, wake=2, sleep=2, centre=centre, persistent=persistent)
    recipe = Recipe(steps=40, window=4, slide=2, truncate=True)
    return Fit(law, comparison, Solver(1.0), start[None], optimiser or SGD(1e-3), recipe)


@pytest.mark.parametrize("optimiser", [SGD, Adam])
def test_a_killed_training_resumes_to_the_bit(optimiser: type[Optimiser], tmp_path: Path) -> None:
    whole, first, second = (fit(optimiser(1e-3), centre=0.5) for _ in range(3))
    whole.run()
    first.run(until=17)
    checkpoint.write(tmp_path / "checkpoint.h5", first.save())
    second.restore(checkpoint.read(tmp_path / "checkpoint.h5"))
    assert second.done == 17
    second.run()
    assert np.array_equal(whole.trajectory(), second.trajectory())
    assert np.array_equal(whole.law.tables[0].values, second.law.tables[0].values)
    assert whole.history == second.history
    assert np.abs(whole.law.tables[0].values).max() > 0


def test_solving_only_what_changed_changes_nothing() -> None:
    lazy, eager = fit(), fit()
    for _ in range(30):
        lazy.step()
        eager._solved[:] = 0
        eager.step()
    assert np.array_equal(lazy.path[:10], eager.path[:10])
    assert np.array_equal(lazy.law.tables[0].values, eager.law.tables[0].values)


def test_the_centred_update_is_another_one() -> None:
    plain, centred = fit(), fit(centre=0.5)
    plain.run(until=10)
    centred.run(until=10)
    assert not np.allclose(plain.trajectory(), centred.trajectory())
    metric = centred.comparison.metric()
    assert metric is not None
    assert metric == pytest.approx(metric.T) and (np.linalg.eigvalsh(metric) > 0).all()


def test_the_metric_is_that_of_centred_parameters() -> None:
    """θ = Bθ̃: the gradient of eq. 9 of arXiv:1905.12122 is B Bᵀ times the plain one."""
    comparison = fit(centre=0.5).comparison
    assert isinstance(comparison, WakeSleep)
    comparison.slopes(np.tile(MACHINE.independent([0.1, 0.1]), (5, 1, 1)), 0, np.array([0]), 0)
    mu = dict(zip(MACHINE.biases, comparison.centres, strict=True))
    plain = RNG.normal(0, 1, len(MACHINE.parameters))
    expected, start = plain.copy(), len(MACHINE.biases)
    for k, (level, a, b) in enumerate(MACHINE.weights, start=start):
        low, high = MACHINE.biases.index((level, a)), MACHINE.biases.index((level + 1, b))
        expected[k] -= 4 * (mu[level + 1, b] * plain[low] + mu[level, a] * plain[high])
    for k, (level, a, b) in enumerate(MACHINE.weights, start=start):
        expected[MACHINE.biases.index((level, a))] -= 4 * mu[level + 1, b] * expected[k]
        expected[MACHINE.biases.index((level + 1, b))] -= 4 * mu[level, a] * expected[k]
    metric = comparison.metric()
    assert metric is not None
    assert plain @ metric == pytest.approx(expected)


def test_a_law_learned_from_decay_is_the_true_one() -> None:
    """dν/dt = 1 - e^{-ν}: piecewise cubic F from 0, all grid values as initial conditions; within 10 % inside."""
    grid = np.linspace(0.1, 3.0, 30)
    times = np.linspace(0.0, 1.0, 21)
    mean = 1 / np.expm1(grid)
    data = (mean[:, None] * np.exp(-times))[:, :, None]
    family = WellMixedModel(1, 400)
    law = Hermite(("nu1",), ("nu1",), 0.1, [0.1])
    solver = Solver(0.05, METHODS["heun"])
    found = Fit(law, ExactComparison(family, data), solver, grid[:, None], Adam(0.05), Recipe(steps=150))
    found.run()
    inside = np.linspace(0.25, 2.9, 54)
    truth = BirthDeath(0.0, 1.0).rates(inside[:, None])[:, 0]
    error = np.abs(law.rates(inside[:, None])[:, 0] / truth - 1)
    assert error.max() < 0.1
    assert np.abs(np.zeros_like(truth) / truth - 1).max() > 0.1


def test_windows_slide_grow_or_lie_anywhere() -> None:
    """Points 0 … 20 and windows of 5: 15 is the last begin; half of the growing ones are at the front."""
    sliding, growing, random = (
        [Recipe(steps=400, window=5, slide=10, order=order).first(k, 21) for k in range(400)] for order in ORDERS
    )
    assert sliding == [min(k // 10, 15) for k in range(400)]
    assert all(g <= s for g, s in zip(growing, sliding, strict=True))
    assert growing[1:150:2] == sliding[1:150:2] and growing != sliding
    assert set(growing[150:]) == set(random) == set(range(16))
    early = [Recipe(steps=400, window=5, order="early").first(k, 21) for k in range(400)]
    expected = 400 * np.log(2) / np.log(17)  # of 0, the first of sixteen
    assert set(early) == set(range(16)) and abs(early.count(0) - expected) < 4 * np.sqrt(expected)
    assert abs(random.count(0) - expected) > 4 * np.sqrt(expected)


def test_a_step_that_leads_away_is_taken_back() -> None:
    """A law whose path diverges however small the step: nothing moves, and the training lives."""
    cut = fit(SGD(1e3))
    cut.reach._tried = lambda: None  # type: ignore[method-assign]
    before = [table.values.copy() for table in cut.law.tables]
    cut.step()
    assert cut.reach.rejected == 1
    for values, table in zip(before, cut.law.tables, strict=True):
        assert not table.values.any() and table.values.shape[1] == values.shape[1]


def test_a_radius_answers_to_steps_that_go_too_far() -> None:
    law = fit(SGD(1.0)).law
    reach = TrustRegion(law, Solver(1.0), MACHINE.independent([0.1, 0.1])[None], 4, 1.0)
    law.reserve(MACHINE.independent([0.1, 0.1])[None])
    rows = np.array([0])
    table = law.tables[0]
    reach._cut = [(rows, np.ones((1, table.values.shape[1])))]
    table.gradient[rows] = 1.0  # uphill along the last step
    reach.begin()
    assert reach.radius == 0.5
    table.gradient[rows] = -1.0
    reach.begin()
    assert reach.radius == 0.6


def test_bad_input_is_refused() -> None:
    start = MACHINE.independent([0.1, 0.1])
    law, compare = Hermite(MACHINE.parameters, DOMAIN, 0.1, [0.0] * 3), WakeSleep(MACHINE, DATA)
    with pytest.raises(InputError, match="window of 99 steps does not fit data of 15"):
        Fit(law, compare, Solver(1.0), start[None], SGD(1.0), Recipe(window=99))
    with pytest.raises(InputError, match="batch of 0 out of 1"):
        Fit(law, compare, Solver(1.0), start[None], SGD(1.0), Recipe(batch=0))
    with pytest.raises(InputError, match="chains, wake and sleep of 1 or more"):
        WakeSleep(MACHINE, DATA, chains=0)
    other = DeepBoltzmann([Layer((5, 5), ("H", "P"))] * 2, [LINK])
    with pytest.raises(InputError, match=r"lattice of \(6, 6\).*\(5, 5\).*make them equal"):
        WakeSleep(other, DATA)
    with pytest.raises(InputError, match="learning rates"):
        SGD(float("nan"))
    with pytest.raises(InputError, match="finite"):
        Fit(law, compare, Solver(1.0), np.full((1, len(start)), np.nan), SGD(1.0), Recipe(window=4))
    states = DATA.counts.copy()
    states[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not a number"):
        Trajectories(DATA.time, DATA.species, states)
