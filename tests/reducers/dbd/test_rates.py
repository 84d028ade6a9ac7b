"""Rates of reactions with standard errors: derivatives of paths, recovery from reduced data and from lattice runs."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import chi2, norm

from adapters.lattice.paper import ensemble
from adapters.lattice.paper.start import draw_chain
from couple import Experiment, Simulation
from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.data.trajectories import Trajectories
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.triplets import TripletChain
from reducers.dbd.energy.sufficient_statistics import exact_moments
from reducers.dbd.fit.adjoint import METHODS, Solver
from reducers.dbd.fit.rates import RateEstimates, estimate_rates, tangent
from reducers.dbd.laws.combination import Combination
from reducers.dbd.laws.reactions import ChainFunction, hops, rules_of
from reducers.dbd.sampling.static_fit import match_moments
from support.paths import EXAMPLES

CHAIN = Chain("A")
DEATH, PAIR, MERGE = Reaction(("A",), (), 1.0), Reaction(("A", "A"), (), 1.0), Reaction(("A", "A"), ("A",), 1.0)
UNITS = ReactionNetwork([Species("A")], [DEATH, PAIR, MERGE])


def law(
    reactions: Sequence[Reaction], rates: Sequence[float], hop: float | None = 0.3, shared: bool = True
) -> Combination:
    functions = [ChainFunction(CHAIN, rules_of(r, UNITS)) for r in reactions]
    made = Combination(functions + ([] if hop is None else [ChainFunction(CHAIN, hops(1))]), shared)
    made.coefficients.values[:] = np.array([*rates, *([] if hop is None else [hop])])[:, None]
    return made


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("method", ["euler", "rk4"])
def test_tangents_are_the_derivatives_of_paths(method: str, shared: bool) -> None:
    solver = Solver(0.2, METHODS[method], 2)
    start, made = np.array([[0.3, -0.2], [-1.0, 0.4]]), law([DEATH, PAIR], [0.7, 0.4], shared=shared)
    found, values = tangent(made, solver, start, 5), made.coefficients.values
    plain = solver.path(start, 5)
    solver.solve(made, plain)
    assert np.array_equal(found.theta, plain[::2])

    def path(theta0: Floats) -> Floats:
        out = solver.path(theta0, 5)
        solver.solve(made, out)
        return out[::2]

    step = 1e-5
    for r, place in enumerate(np.ndindex(values.shape)):
        values[place] += step
        above = path(start)
        values[place] -= 2 * step
        below = path(start)
        values[place] += step
        assert found.by_rate[..., r] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-9)
    for k in range(2):
        moved = step * np.eye(2)[k]
        slope = (path(start + moved) - path(start - moved)) / (2 * step)
        assert found.by_start[..., k] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_rates_of_the_reduced_model_come_back() -> None:
    truth, solver = law([DEATH, PAIR, MERGE], [0.3, 0.7, 0.2], 1.1), Solver(0.05, METHODS["rk4"])
    start = np.array([[0.3, -0.2], [-1.0, 0.4], [1.0, 0.0]])
    path = solver.path(start, 20)
    solver.solve(truth, path)
    exact = np.array([[CHAIN.moments(t) for t in column] for column in path.swapaxes(0, 1)])
    moments, conditions = np.repeat(exact, 2, axis=0), np.repeat(np.arange(3), 2)
    guess = law([DEATH, PAIR, MERGE], [0.5, 0.5, 0.5], 0.5)
    found = estimate_rates(guess, CHAIN, solver, start, moments, conditions, fitted_start=False)
    assert found.values == pytest.approx([0.3, 0.7, 0.2, 1.1], rel=1e-6)
    assert np.array_equal(guess.coefficients.values.ravel(), found.values)


def lattice(
    death: float, pair: float, runs: int, steps: int, every: int, fields: Sequence[float]
) -> tuple[Floats, Ints]:
    """(R, T, 2) moments of runs on a ring of 1000 sites that start as chains of the given fields, and conditions."""
    network = ReactionNetwork([Species("A")], [Reaction(("A",), (), death, per="step")])
    if pair:
        network = ReactionNetwork([Species("A")], [*network.reactions, Reaction(("A", "A"), (), pair, per="encounter")])
    rng, moments = np.random.default_rng(5), []
    for c, h in enumerate(fields):
        start = [draw_chain(h, 0.0, 0.0, rng.random(1000)) for _ in range(runs)]
        made = ensemble(
            network, (1000,), steps, runs, 1 + 1000 * c, initial=start, every=every, moments=False, snapshots=True
        )
        assert made.snapshots is not None
        data = Trajectories.of_snapshots(made.steps.astype(float), made.species, made.snapshots, (1000,))
        moments.append(exact_moments(CHAIN, data, True))
    return np.concatenate(moments), np.repeat(np.arange(len(fields)), runs)


def estimated(made: Combination, moments: Floats, conditions: Ints, every: int) -> RateEstimates:
    start = np.stack([match_moments(CHAIN, moments[conditions == c, 0].mean(axis=0)) for c in np.unique(conditions)])
    return estimate_rates(made, CHAIN, Solver(every, METHODS["rk4"], every), start, moments, conditions)


@pytest.mark.acceptance
def test_rates_come_back_from_lattice_runs_within_their_errors() -> None:
    """Bound: z of two comparisons at 1 in 1000, and p/2 of a step whose sweep loses those who reacted on the way."""
    death, pair = 0.01, 0.02
    moments, conditions = lattice(death, pair, 30, 60, 10, (-0.8, 0.0, 0.8))
    found = estimated(law([DEATH, PAIR], [0.005, 0.005]), moments, conditions, 10)
    bound = norm.isf(1e-3 / 4) * found.errors[:2] + np.array([0.0, pair / 2]) * pair
    off = np.abs(found.values[:2] - [death, pair])
    print("rates", found.values, "±", found.errors, "bound", bound)
    assert (off < bound).all()
    assert (np.abs(found.values[:2] - [1.2 * death, 1.2 * pair]) > bound).any()  # 20 % other rates would be seen
    wrong = estimated(law([DEATH], [0.01], None), moments, conditions, 10)  # and so would a missing reaction
    assert abs(wrong.values[0] - death) > norm.isf(1e-3 / 4) * wrong.errors[0]


def test_standard_errors_are_those_of_repetitions() -> None:
    """Eight groups of runs: the spread of their rates over their errors is chi-square of 7 degrees."""
    moments, _ = lattice(0.01, 0.0, 80, 60, 20, (0.0,))
    groups = [moments[k::8] for k in range(8)]
    found = [estimated(law([DEATH], [0.02], None), g, np.zeros(len(g), dtype=np.int64), 20) for g in groups]
    rates, errors = np.array([f.values[0] for f in found]), np.array([f.errors[0] for f in found])
    typical = np.sqrt(np.mean(errors**2))
    total = float((((rates - rates.mean()) / typical) ** 2).sum())
    assert chi2.ppf(5e-4, 7) < total < chi2.isf(5e-4, 7)
    assert not chi2.ppf(5e-4, 7) < 16 * total < chi2.isf(5e-4, 7)  # errors four times too small
    assert abs(rates.mean() - 0.01) < norm.isf(1e-3 / 2) * typical / np.sqrt(8)


def test_what_cannot_be_told_apart_is_said() -> None:
    moments, conditions = lattice(0.01, 0.0, 4, 20, 10, (0.0,))
    with pytest.raises(RunError, match="cannot tell these reactions apart"):
        estimated(law([DEATH, DEATH], [0.01, 0.01], None), moments, conditions, 10)
    with pytest.raises(InputError, match="two runs"):
        estimated(law([DEATH], [0.01], None), moments[:1], conditions[:1], 10)


def test_rows_are_drawn_from_their_couplings() -> None:
    """Means over 300 draws of a chain against its exact moments, z of three comparisons at 1 in 1000."""
    theta, rng = np.array([-0.5, 0.7, -0.9]), np.random.default_rng(0)
    s = np.array([draw_chain(*theta, rng.random(1000)) for _ in range(300)])[:, 20:-20].astype(float)
    triplets = s[:, 2:] * s[:, 1:-1] * s[:, :-2]
    found = np.stack([s.mean(axis=1), (s[:, 1:] * s[:, :-1]).mean(axis=1), triplets.mean(axis=1)])
    error = found.std(axis=1, ddof=1) / np.sqrt(300)
    z = norm.isf(1e-3 / 6)
    assert (np.abs(found.mean(axis=1) - TripletChain().moments(theta)) < z * error).all()
    assert (np.abs(found.mean(axis=1) - TripletChain().moments(theta + [0.0, 0.1, 0.0])) > z * error).any()


DRAWN = EXAMPLES / "lattice" / "annihilation_drawn.toml"


def test_couplings_start_the_lattice_of_an_experiment() -> None:
    """Numbers of two seeds differ and are within z of 1 in 1000 of half of 1000 sites, deviation sqrt(250)."""
    runs = [Simulation.in_memory(Experiment.load(DRAWN, overrides=[f"experiment.seed={k}"])) for k in (1, 2)]
    seen = [float(run.read("chain.A").sum()) for run in runs]
    assert [float(run.read("chain.a").sum()) for run in runs] == seen, "an observable starts as what it counts"
    assert seen[0] != seen[1] and max(abs(n - 500) for n in seen) < norm.isf(1e-3 / 4) * np.sqrt(250)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("chemistry.initial.A.count=5", "no initial molecules"),
        ("site.chain.lattice.shape=[10, 10]", "row of sites"),
        ("site.chain.lattice.couplings.H=1", "H"),
    ],
)
def test_couplings_that_do_not_fit_are_named(override: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Simulation.in_memory(Experiment.load(DRAWN, overrides=[override]))
