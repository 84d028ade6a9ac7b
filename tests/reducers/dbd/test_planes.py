"""Lattices with couplings between neighbours: against listed states and the exact Ising model; starts, errors, ln Z."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.data.trajectories import Snapshots, Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Bonds, Layer, Link, nearest_neighbours, patch
from reducers.dbd.fit.comparison import WakeSleep
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.report.mixing import Mixing
from reducers.dbd.sampling.ais import annealed_log_z
from reducers.dbd.sampling.autocorrelation import ChainMean
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from reducers.dbd.sampling.starts import bethe, mean_field, pseudo_likelihood
from reducers.dbd.sampling.tempering import Tempering
from reducers.dbd.training import DistributionTraining
from support import kaufman
from support.small_dbd_training import TRAINING, place_files

PLANE = nearest_neighbours(2)
ALL = (("A", "A"), ("A", "B"), ("B", "B"))


def visible(shape: tuple[int, ...], species: str = "A", periodic: bool = True) -> DeepBoltzmann:
    pairs = ALL if species == "AB" else (("A", "A"),)
    return DeepBoltzmann([Layer(shape, tuple(species), Bonds(nearest_neighbours(len(shape)), pairs, periodic))], [])


SMALL = {
    "open plane, two species": visible((3, 3), "AB", periodic=False),
    "odd ring": visible((7,)),
    "open box": visible((2, 3, 2), periodic=False),
    "hidden layer with bonds, too": DeepBoltzmann(
        [
            Layer((2, 3), ("A", "B"), Bonds(PLANE, (("A", "B"),), False)),
            Layer((2, 3), ("X",), Bonds(((0, 1), (1, 1)), (("X", "X"),), False)),
        ],
        [Link(((0, 0), (0, 1)), (("A", "X"), ("B", "X")))],
    ),
}


def draws(machine: DeepBoltzmann, theta: Floats, chains: int, rounds: int, start: str = "random") -> Floats:
    """(chains, rounds, n) X after each sweep."""
    made = Chains(machine, chains, 1, "test")
    made.begin([start], 1, "test")
    tables, sets = Conditionals(machine, theta), np.zeros(chains, dtype=np.int64)
    made.sweep(tables, sets, 50)
    out = np.empty((chains, rounds, len(theta)))
    for k in range(rounds):
        made.sweep(tables, sets, 1)
        out[:, k] = made.moments()
    return out


@pytest.mark.parametrize("name", SMALL)
def test_moments_agree_with_listed_states(name: str) -> None:
    machine = SMALL[name]
    theta = np.random.default_rng(3).normal(0, 0.7, len(machine.parameters))
    field = machine.field()
    assert field.parameters == machine.parameters
    exact = field.moments(theta)
    each = draws(machine, theta, 64, 1000).mean(axis=1)
    mean, error = each.mean(axis=0), each.std(axis=0, ddof=1) / 8
    limit = norm.isf(0.5e-3 / len(theta))
    assert (np.abs(mean - exact) < limit * error).all()
    assert (np.abs(mean - field.moments(theta + 0.1)) > limit * error).any()  # the control


def test_probabilities_of_units_are_their_conditionals() -> None:
    machine = SMALL["hidden layer with bonds, too"]
    theta, chains = np.random.default_rng(3).normal(0, 0.7, len(machine.parameters)), Chains(machine, 3, 1, "p")
    chains.randomise(1, "p")
    field, states = machine.field(), np.concatenate([chains.states(0), chains.states(1)])
    joint = field.probabilities(theta)
    for level, unit, at in ((0, 4, 4), (1, 2, 8)):
        rows = np.repeat(states[:, :1].T.astype(np.int64), field.levels[at], axis=0)
        rows[:, at] = np.arange(field.levels[at])
        p = joint[field.index(rows)]
        assert chains.probabilities(level, theta)[unit, 0] == pytest.approx((p / p.sum())[1:], abs=1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (5, 4), (3, 4, 5), (7,)])
def test_no_two_neighbours_have_a_colour(shape: tuple[int, ...]) -> None:
    machine = visible(shape)
    assert sorted(np.concatenate(machine.colours[0])) == list(range(machine.visible.size))
    assert len(machine.colours[0]) == 2 or any(n % 2 for n in shape)
    for units in machine.colours[0]:
        assert not np.isin(machine.beside[0][units], units).any()


def test_bonds_that_do_not_fit_are_told() -> None:
    for shape, offsets, pairs, said in (
        ((2, 4), PLANE, (("A", "A"),), "too small"),
        ((4, 4), ((1, 0), (-1, 0)), (("A", "A"),), "offset twice"),
        ((4, 4), ((1,),), (("A", "A"),), "offsets of 2 numbers"),
        ((4, 4), PLANE, (("A", "B"),), 'no species "B"'),
        ((4, 4), PLANE, (("A", "A"), ("A", "A")), "a pair twice"),
    ):
        with pytest.raises(InputError, match=said):
            DeepBoltzmann([Layer(shape, ("A",), Bonds(offsets, pairs))], [])


def ising(k: float) -> Floats:
    """h and J of occupation numbers for exp(K Σ σσ'), σ = 2s - 1, on a square lattice."""
    return np.array([-8.0 * k, 4.0 * k])


def products(x: Floats, size: int) -> Floats:
    """Σ σσ' per site of X (…, 2)."""
    return np.asarray((4 * x[..., 1] - 8 * x[..., 0]) / size + 2)


@pytest.mark.parametrize("k", [0.3, pytest.param(0.44, marks=pytest.mark.acceptance), 0.5])
def test_the_energy_is_that_of_the_exact_ising_model(k: float) -> None:
    """⟨σσ'⟩ per site on 32 x 32 sites beside Kaufman's sum: z of its error with autocorrelation, at 1 in 1000."""
    side, rounds = 32, 16000 if k == 0.44 else 400
    x = draws(visible((side, side)), ising(k), 32, rounds, "A" if k > 0.44 else "random")
    found = ChainMean.of(products(x[:, rounds // 8 :], side**2))
    exact, limit = kaufman.bonds(k, side, side), norm.isf(1e-3 / 2)
    print(f"K = {k}: {found.value:.5f} ± {found.error:.5f}, exact {exact:.5f}, tau {found.time:.1f} sweeps")
    assert found.settled
    assert abs(found.value - exact) < limit * found.error
    assert abs(found.value - kaufman.bonds(1.02 * k, side, side)) > limit * found.error  # the control
    if k == 0.5:
        m = ChainMean.of(np.abs(2 * x[:, rounds // 8 :, 0] / side**2 - 1))
        print(f"|m| {m.value:.5f} ± {m.error:.5f}, exact {kaufman.magnetisation(k):.5f}, tau {m.time:.1f}")
        assert abs(m.value - kaufman.magnetisation(k)) < limit * m.error


def test_autocorrelation_of_a_known_process() -> None:
    """An autoregressive series of coefficient a has τ = (1 + a) / (2 (1 - a)); errors without it would be wrong."""
    a, rng = 0.8, np.random.default_rng(5)
    values = np.zeros((40, 4000))
    noise = rng.normal(0, np.sqrt(1 - a * a), values.shape)
    values[:, 0] = rng.normal(0, 1, 40)
    for t in range(1, 4000):
        values[:, t] = a * values[:, t - 1] + noise[:, t]
    found = ChainMean.of(values)
    assert found.time == pytest.approx((1 + a) / (2 * (1 - a)), rel=0.1)
    assert abs(found.value) < norm.isf(0.5e-3) * found.error
    assert found.error == pytest.approx(values.mean(axis=1).std(ddof=1) / np.sqrt(40), rel=0.4)
    assert ChainMean.of(noise).time < 0.6
    assert not ChainMean.of(values[:, :100]).settled


def test_log_z_by_annealing_is_kaufmans() -> None:
    side, k = 8, 0.35
    theta = ising(k)
    found = annealed_log_z(visible((side, side)), theta, chains=200, steps=400, seed=2, biases=np.zeros(1))
    exact = kaufman.log_z(k, side, side) - 2 * k * side**2
    print(f"ln Z {found.log_z:.3f} ± {found.error:.3f}, exact {exact:.3f}")
    assert found.error < 0.1
    assert abs(found.log_z - exact) < norm.isf(0.5e-3) * found.error
    assert abs(found.log_z - exact - 0.02 * side**2) > norm.isf(0.5e-3) * found.error  # the control


def test_tempering_finds_both_phases_where_chains_stick() -> None:
    """At K = 0.6 a lattice of 8 x 8 stays in one phase; exchanges along K bring both, evenly, and ⟨σσ'⟩ is exact."""
    side, k = 8, 0.6
    machine = visible((side, side))
    stuck = 2 * draws(machine, ising(k), 16, 150, "A")[..., 0] / side**2 - 1
    assert (stuck.mean(axis=1) > 0.8).all()
    ladder = Tempering(machine, ising(k), ising(0.3), np.linspace(0, 1, 8), groups=16)
    ladder.run(100)
    x = ladder.run(1500)
    m = ChainMean.of(2 * x[..., 0] / side**2 - 1)
    assert (ladder.accepted > 0.2).all()
    assert m.settled
    assert abs(m.value) < norm.isf(0.5e-3) * m.error < 0.5
    bonds = ChainMean.of(products(x, side**2))
    assert abs(bonds.value - kaufman.bonds(k, side, side)) < norm.isf(0.5e-3) * bonds.error


def test_words_about_mixing() -> None:
    assert (
        Mixing(3.0, 2.5, 1.0, 0.7, 0.4).words
        == "autocorrelation over 2.5 sweeps, tempered chains 0.7 standard errors apart"
    )
    said = Mixing(3.0, 120.0, 0.0, 9.0, 0.01).words
    assert "stick for 120 sweeps or more" in said and "too rare to tell: 1.0%" in said


def lattices(machine: DeepBoltzmann, theta: Floats, chains: int = 200) -> Snapshots:
    made = Chains(machine, chains, 3, "data")
    made.randomise(3, "data")
    made.sweep(Conditionals(machine, theta), np.zeros(chains, dtype=np.int64), 200)
    return made.states(0).T


@pytest.mark.parametrize("species", ["A", "AB"])
def test_pseudo_likelihood_finds_what_made_the_lattices(species: str) -> None:
    machine = visible((16, 16), species)
    theta = np.array([-1.6, 0.9]) if species == "A" else np.array([-1.5, -1.0, 0.6, -0.5, 0.4])
    groups = lattices(machine, theta).reshape(8, 25, -1)
    each = np.stack([pseudo_likelihood(machine, states) for states in groups])
    mean, error = each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(8)
    assert (np.abs(mean - theta) < 5.4 * error).all()  # t of 7 degrees at 1 in 1000
    assert (np.abs(mean - 0.8 * theta) > 5.4 * error).any()
    near, far = (np.abs(start(machine, groups[0]) - theta).max() for start in (bethe, mean_field))
    assert near < 0.3
    assert near < far  # neighbours, beside the mean of neighbours


def test_bethe_is_exact_on_a_row() -> None:
    machine = visible((400,), periodic=False)
    theta = np.array([-0.5, 0.8])
    found = bethe(machine, lattices(machine, theta, 400))
    assert found == pytest.approx(theta, abs=0.06)


def test_starts_are_of_one_layer() -> None:
    machine = DeepBoltzmann([Layer((4,), ("A",)), Layer((4,), ("A",))], [Link(patch(1), (("A", "A"),))])
    with pytest.raises(InputError, match="one layer with bonds"):
        pseudo_likelihood(machine, np.zeros((1, 4), dtype=np.uint8))


@pytest.mark.parametrize("family", ["mrf", "rbm"])
def test_a_lattice_with_bonds_is_trained_read_again_and_resumed(tmp_path: Path, family: str) -> None:
    place = place_files(tmp_path)
    hidden = 'hidden = [{ species = ["H", "P"] }]\nlinks = [{ pairs = [["H", "H"], ["P", "P"]], width = 2 }]'
    text = TRAINING.replace('family = "dbm"', f'family = "{family}"').replace(hidden, "bonds = {}")
    text = text.replace('"W01_PP"]', '"J0_PP"]').replace("checkpoint = 5", "checkpoint = 6")
    (place / "train.toml").write_text(text + "likelihood = [4]\nmixing = [0, 8]\n")
    DistributionTraining.new(place / "train.toml", place / "out").run()
    model = ReducedModel.read(place / "out" / "model.h5")
    assert isinstance(model.model, DeepBoltzmann)
    assert model.model.parameters[-3:] == ("J0_HH", "J0_HP", "J0_PP")
    assert np.isfinite(model.likelihoods).all()
    assert model.mixing.shape == (2, 5)
    assert (model.mixing[:, 1] < 3).all() and (model.mixing[:, 2] == 1).all() and (model.mixing[:, 3] < 5).all()
    whole = DistributionTraining.resumed(place / "out").fit.trajectory()

    half = DistributionTraining.new(place / "train.toml", place / "half")
    for _ in range(6):
        half.fit.step()
    half.save()
    again = DistributionTraining.resumed(place / "half")
    again.run()
    assert np.array_equal(again.fit.trajectory(), whole)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ('family = "mrf"\nhidden = [{ species = ["H"] }]', "no hidden layers"),
        ('family = "mrf"\nbonds = { periodic = false }', "make them equal"),
        ('family = "mrf"\nbonds = { pairs = [["H", "Q"]] }', 'no species "Q"'),
    ],
)
def test_bonds_of_a_training_that_do_not_fit(tmp_path: Path, model: str, said: str) -> None:
    place = place_files(tmp_path)
    start, end = TRAINING.index('family = "dbm"'), TRAINING.index("[law]")
    (place / "train.toml").write_text(TRAINING[:start] + model + "\n" + TRAINING[end:])
    with pytest.raises(InputError, match=said):
        DistributionTraining.new(place / "train.toml", place / "out")


def test_the_centred_step_is_that_of_the_centred_machine() -> None:
    """On a ring θ̃·X̃, X̃ with centres taken off each unit, is θ·X up to a constant: the metric is B Bᵀ of θ = B θ̃."""
    machine = visible((7,), "AB")
    data = Trajectories.of_snapshots(np.arange(2.0), ("A", "B"), np.zeros((2, 2, 7), dtype=np.uint8), (7,))
    comparison = WakeSleep(machine, data, centre=0.5)
    comparison.centres = np.array([0.2, 0.3])
    field = machine.field()
    unit = [(field.states == s) - comparison.centres[s - 1] for s in (1, 2)]
    columns = [u.sum(axis=1) for u in unit]
    for a, b in ((0, 0), (0, 1), (1, 1)):
        pairs = unit[a] * np.roll(unit[b], -1, axis=1)
        columns.append((pairs if a == b else pairs + unit[b] * np.roll(unit[a], -1, axis=1)).sum(axis=1))
    plain = np.column_stack([field.features, np.ones(len(field.states))])
    found, residuals, *_ = np.linalg.lstsq(plain, np.stack(columns, axis=1), rcond=None)
    assert np.abs(residuals).max() < 1e-9
    assert comparison.metric() == pytest.approx(found[:-1] @ found[:-1].T, abs=1e-9)
