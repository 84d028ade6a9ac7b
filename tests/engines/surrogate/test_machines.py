"""A machine of molecules on a grid in the place of species of a site: ions, counts, saved states, noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm

from couple.base.errors import InputError
from couple.components.engine import Site
from couple.geometry.geometry import Geometry
from couple.rng.streams import stream
from reducers.machines.block import MachinesAtSites
from reducers.markov.file import read_block, write_block
from support.machine_cases import HEAD, SPECIES, UNITS, array_network, machine_block
from support.surrogate_cases import engine

NETWORK = array_network()
OWN = tuple(n for n in NETWORK.names if n != "Ca")
CA = NETWORK.index("Ca")
FREE = tuple(30 if n == "Ca" else int(n.startswith("R")) for n in NETWORK.names)
INFLUX = np.where(np.arange(200) % 100 < 30, 12.0, 0.0) - np.where(np.arange(200) % 100 >= 60, 0.2, 0.0)
OPTIONS = {"models": ["array.h5"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_block(machine_block(NETWORK), tmp_path / "array.h5")
    return tmp_path


def sites(n: int) -> list[Site]:
    return [Site(f"s{i}", HEAD, FREE) for i in range(n)]


def run(made, influx: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """(windows, n_sites, n_states) counts."""
    rows = []
    for ions in influx.tolist():
        made.write("influx", ions)
        made.advance(1)
        rows.append(made.read("counts").copy())
    return np.array(rows)


def at_sites(n: int) -> MachinesAtSites:
    made = machine_block(NETWORK).bind([HEAD] * n, np.tile([int(k.startswith("R")) for k in OWN], (n, 1)), [])
    assert isinstance(made, MachinesAtSites)
    return made


def test_ions_are_kept_and_columns_named(folder: Path) -> None:
    made = engine(NETWORK, sites(3), folder, options=OPTIONS)
    assert made.network.names == ("Ca", "array_Ca", "array_R_bound", "array_R_active")
    counts = run(made, INFLUX)
    held = counts @ made.network.contents("Ca")
    assert np.abs(held - (30 + np.cumsum(INFLUX))[:, None]).max() < 1e-9 * held.max()
    assert counts[:, :, 1].max() > 2 and np.ptp(counts[40, :, 1]) > 0.1, "sites are drawn apart"
    assert (counts[:, :, 2:] >= 0).all() and (counts[:, :, 2:].sum(axis=2) <= UNITS + 1e-9).all()


def test_means_alone_if_asked_for(folder: Path) -> None:
    made = engine(NETWORK, sites(2), folder, options={**OPTIONS, "law": "mean"})
    assert np.ptp(run(made, INFLUX[:60]), axis=1).max() == 0.0


def test_a_saved_state_goes_on_to_the_bit(folder: Path) -> None:
    made, twin = (engine(NETWORK, sites(2), folder, options=OPTIONS) for _ in range(2))
    run(made, INFLUX[:70])
    twin.restore({key: np.array(value) for key, value in made.save().items()})
    assert (run(made, INFLUX[70:]) == run(twin, INFLUX[70:])).all()
    assert any(not {*key.split(".")}.isdisjoint(made.drawn) for key in made.save() if key.startswith("array/"))


def test_bits_of_a_site_do_not_depend_on_the_others() -> None:
    drives = np.exp(np.random.default_rng(0).normal(0, 1, (100, 5)))
    words = np.array([stream(1, "test", str(i), "array") for i in range(5)])
    whole, some = at_sites(5), at_sites(2)
    whole.seed(words.copy())
    some.seed(words[[3, 1]].copy())
    for drive in drives:
        whole.advance(drive, 0.1)
        some.advance(np.ascontiguousarray(drive[[3, 1]]), 0.1)
    assert np.array_equal(whole.state[[3, 1]], some.state)


def test_counts_to_and_from_another_accuracy(folder: Path) -> None:
    made, twin = (engine(NETWORK, sites(2), folder, options=OPTIONS) for _ in range(2))
    assert made.read_counts().tolist() == [list(FREE)] * 2
    run(made, INFLUX[:50])
    counts = made.read_counts()
    block = machine_block(NETWORK)
    own = np.delete(counts, CA, axis=1)
    states = block.units.configuration(own)
    assert states.shape == (2, UNITS), "each molecule is in one state"
    ions = 30 + INFLUX[:50].sum()
    assert (np.abs(counts[:, CA] + (states > 0).sum(axis=1) - ions) <= 1).all(), "a fraction of an ion is left out"
    twin.write_counts(counts, np.random.default_rng(1))
    numbers = block.units.numbers(own)
    assert np.allclose(twin.read("counts")[:, 2:], numbers) and (twin.read_counts()[:, CA] == counts[:, CA]).all()


def test_draws_have_the_variance_and_the_memory_of_the_law() -> None:
    """At a constant drive: variance that of the law, correlations exp(hJ); held twice as long they fail."""
    n, drive = 4000, 2.0
    made = at_sites(n)
    made.seed(np.array([stream(2, "test", str(i), "array") for i in range(n)]))
    for _ in range(60):
        made.advance(np.full(n, drive), 1.0)
    first = made.latent.copy()
    bound = 4 * np.sqrt(2 / n)
    assert np.abs(first.var(axis=0) / np.diagonal(made.spread[0]) - 1).max() < bound
    for _ in range(5):
        made.advance(np.full(n, drive), 1.0)
    gain = np.linalg.solve(np.cov(first.T), np.cov(first.T, made.latent.T)[:2, 2:]).T

    turn = np.array([[-0.5, 0.02], [0.05, -0.1]])
    assert np.abs(gain - expm(5.0 * turn)).max() < 4 / np.sqrt(n) * 1.5
    assert np.abs(gain - expm(10.0 * turn)).max() > 0.1, "control"


def test_it_is_its_own_file(folder: Path) -> None:
    block, again = machine_block(NETWORK), read_block(folder / "array.h5")
    for key, value in block.arrays().items():
        assert np.array_equal(np.asarray(value), np.asarray(again.arrays()[key])), key


def test_outside_of_the_training_it_warns_and_counts(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = engine(NETWORK, sites(1), folder, options=OPTIONS)
    run(made, np.full(40, 300.0))
    assert made.outside[0] > 0 and "were trained for" in caplog.text


def test_what_does_not_fit_is_one_line(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r'"array" was learned from another chemistry of R0, CaR0, aR0, R1 and 23 more'
    ):
        engine(array_network(spread="1300 /uM/s"), sites(1), folder, options=OPTIONS)
    with pytest.raises(
        InputError, match=r'"array" was trained in 0.1 um\^3, .* a site has 0.2 um\^3: train it in that'
    ):
        engine(NETWORK, [Site("s", Geometry.cylinder(0.5, 1.018592), FREE)], folder, options=OPTIONS)
    with pytest.raises(InputError, match=r"R0 and the others on its grid are one molecule each, in one state"):
        engine(NETWORK, [Site("s", HEAD, tuple(2 * n for n in FREE))], folder, options=OPTIONS)
    assert set(SPECIES) == set(OWN)
