"""Chains with triplets, states of given moments, moments of configurations, ensemble files."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.stats import norm

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.data.moments import Estimate, bonds, lattice_moments
from reducers.data.trajectories import Trajectories
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.triplets import TripletChain
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer, Link
from reducers.dbd.energy.mrf import MarkovRandomField
from reducers.dbd.report.moment_errors import sampled_chains
from reducers.dbd.sampling.static_fit import match_configurations, match_moments

RNG = np.random.default_rng(1)


def test_triplets_agree_with_a_ring_and_with_the_pair_chain() -> None:
    theta, n = np.array([-0.4, 0.6, -0.3]), 14
    terms = {
        "h": [{i: 1} for i in range(n)],
        "J": [{i: 1, (i + 1) % n: 1} for i in range(n)],
        "K": [{i: 1, (i + 1) % n: 1, (i + 2) % n: 1} for i in range(n)],
    }
    ring = MarkovRandomField([2] * n, terms)
    assert TripletChain().moments(theta) == pytest.approx(ring.moments(theta) / n, abs=1e-6)
    assert n * TripletChain().log_z(theta) == pytest.approx(ring.log_z(theta), abs=1e-5)
    theta[2] = 0.0
    assert TripletChain().moments(theta)[:2] == pytest.approx(Chain("A").moments(theta[:2]), abs=1e-12)


def test_states_of_given_moments() -> None:
    chain, theta = Chain("AB"), RNG.normal(0, 0.5, 5)
    assert match_moments(chain, chain.moments(theta)) == pytest.approx(theta, abs=1e-6)
    with pytest.raises(RunError, match="no parameters"):
        match_moments(Chain("A"), np.array([0.5, 0.6]), iterations=50)


def test_a_pair_that_was_never_seen_is_named() -> None:
    with pytest.raises(RunError, match="never seen needs more runs"):
        match_moments(Chain("A"), np.array([0.05, 0.0]), largest=15.0)


def test_a_machine_takes_on_densities_and_pairs_of_configurations() -> None:
    """z of two comparisons at 1 in 1000, with the sampling errors of both; the start must not pass."""
    row = Layer((60,), ("A",)), Layer((59,), ("X",))
    machine = DeepBoltzmann(row, [Link(((0,), (-1,)), (("A", "X"),), periodic=False)])

    def sample(theta: Floats, purpose: str) -> dict[str, Floats]:
        made = sampled_chains(machine, theta[None], chains=400, sweeps=40, purpose=purpose)
        return lattice_moments(made.states(0).T, ("A",), (60,), periodic=False)

    truth, start = np.array([-1.5, -2.0, 1.8]), np.array([-1.0, -1.0, 1.0])
    states = sampled_chains(machine, truth[None], chains=400, sweeps=40, purpose="data").states(0).T
    data = lattice_moments(states, ("A",), (60,), periodic=False)
    found = match_configurations(machine, states, start, periodic=False)

    def far(theta: Floats, purpose: str) -> float:
        model = sample(theta, purpose)
        gaps = [model[k].mean() - data[k].mean() for k in data]
        noise = [np.sqrt((model[k].var() + data[k].var()) / 400) for k in data]
        return float(np.max(np.abs(gaps) / noise))

    assert far(found, "found") < norm.isf(1e-3 / 4) < far(start, "start")


def test_bonds_of_a_periodic_square() -> None:
    assert len(bonds((40, 40))) == 3200 and len(bonds((40, 40), 2)) == 6400
    assert len(bonds((10,), periodic=False)) == 9
    states = np.zeros((2, 16), dtype=np.uint8)
    states[0, [0, 1, 4]] = 1, 2, 1
    found = lattice_moments(states, ("A", "B"), (4, 4), distances=(1, 2))
    assert [found[k].tolist() for k in ("A", "B", "AA nn", "AB nn", "BB nn")] == [
        [2, 0],
        [1, 0],
        [1, 0],
        [1, 0],
        [0, 0],
    ]
    assert found["AB m2"][0] == 1


def test_random_lattices_have_the_combinatorial_moments() -> None:
    states = np.zeros((400, 1600), dtype=np.uint8)
    for row in states:
        row[RNG.permutation(1600)[:200]] = np.repeat([1, 2], 100)
    found = lattice_moments(states, ("H", "P"), (40, 40), distances=(1, 2))
    pairs = 100 * 99 / (1600 * 1599)
    expected = {
        "HH nn": 3200 * pairs,
        "PP nn": 3200 * pairs,
        "HP nn": 3200 * 2e4 / (1600 * 1599),
        "HH m2": 6400 * pairs,
    }
    for name, value in expected.items():
        estimate = Estimate.of(found[name])
        assert abs(estimate.mean - value) < 3.9 * estimate.error  # z of 1e-4, two-sided


def runs(conditions: int = 1) -> Trajectories:
    states = RNG.integers(0, 3, (6, 5, 16)).astype(np.uint8)
    return Trajectories.of_snapshots(np.arange(5.0), ("A", "B"), states, (4, 4))


def test_ensemble_files_round_trip(tmp_path: Path) -> None:
    made = runs()
    made.write(tmp_path / "ensemble.h5")
    read = Trajectories.load(tmp_path / "ensemble.h5")
    assert read.digest() == made.digest() and read.shape == (4, 4)
    learn, test = read.split(2, 1)
    assert (learn.runs, test.runs) == (4, 2)
    joined = Trajectories.join([learn, test])
    assert joined.conditions.tolist() == [0, 0, 0, 0, 1, 1]


def test_ensembles_of_couple_sample_are_read(tmp_path: Path) -> None:
    made = runs()
    text = '{"chemistry": {"species": {"A": {}, "B": {}}}, "site": [{"name": "field", "lattice": {"shape": [4, 4]}}]}'
    with h5py.File(tmp_path / "ensemble.h5", "w") as file:
        file.attrs["experiment"] = text
        file["time"], file["seed"] = made.time, np.arange(6)
        file["lattice/counts"] = np.concatenate([made.counts, np.zeros((6, 5, 1))], axis=2)[:, :, None, :]
        file["lattice/counts"].attrs.update({"site": ["field"], "species": ["A", "B", "out"]})
        file["lattice/snapshot"] = made.snapshots[:, :, None, :] if made.snapshots is not None else []
    read = Trajectories.load(tmp_path / "ensemble.h5")
    assert np.array_equal(read.counts, made.counts) and read.snapshots is not None
    assert np.array_equal(read.snapshots, made.snapshots) and read.species == ("A", "B")
    with pytest.raises(InputError, match="field; name one of them"):
        Trajectories.load(tmp_path / "ensemble.h5", "filed")


def test_files_that_are_no_ensembles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such ensemble file"):
        Trajectories.load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(InputError, match=r"text\.h5.*not an ensemble file"):
        Trajectories.load(tmp_path / "text.h5")
    with pytest.raises(InputError, match="held out"):
        runs().split(6, 1)
