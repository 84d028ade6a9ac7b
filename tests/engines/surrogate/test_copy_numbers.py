"""A distribution of copy numbers in the place of species of a site: ions, counts, saved states, noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError, RunError
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import Site
from reducers.markov.file import write_block
from support.kinase_cases import HEAD, PER_UM, kinase_block, kinase_network
from support.surrogate_cases import engine

START = (30, 55, 5, 80, 0)
TOTALS = (60 / PER_UM, 80 / PER_UM)
INFLUX = np.where(np.arange(200) % 100 < 30, 12.0, 0.0) - np.where(np.arange(200) % 100 >= 60, 0.2, 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_block(kinase_block(kinase_network(), totals=TOTALS), tmp_path / "kinase.h5")
    return tmp_path


def sites(n: int) -> list[Site]:
    return [Site(f"s{i}", HEAD, START) for i in range(n)]


def run(made, influx: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """(windows, n_sites, n_states) counts."""
    rows = []
    for ions in influx.tolist():
        made.write("influx", ions)
        made.advance(1)
        rows.append(made.read("counts").copy())
    return np.array(rows)


def test_ions_are_kept_and_columns_named(folder: Path) -> None:
    made = engine(kinase_network(), sites(3), folder, options={"models": ["kinase.h5"]})
    assert made.network.names == ("Ca", "kinase_Ca", "kinase_active")
    counts = run(made, INFLUX)
    held = counts @ made.network.contents("Ca")
    assert np.abs(held - (35 + np.cumsum(INFLUX))[:, None]).max() < 1e-9 * held.max()
    assert counts[:, :, 1].max() > 40 and np.ptp(counts[40, :, 1]) > 0.5, "sites are drawn apart"
    assert (made.read("means")[:, 0] > 0).all()


def test_means_alone_if_asked_for(folder: Path) -> None:
    made = engine(kinase_network(), sites(2), folder, options={"models": ["kinase.h5"], "law": "mean"})
    counts = run(made, INFLUX[:60])
    assert np.ptp(counts, axis=1).max() == 0.0


def test_a_saved_state_goes_on_to_the_bit(folder: Path) -> None:
    network, options = kinase_network(), {"models": ["kinase.h5"]}
    made, twin = (engine(network, sites(2), folder, options=options) for _ in range(2))
    run(made, INFLUX[:70])
    twin.restore({key: np.array(value) for key, value in made.save().items()})
    assert (run(made, INFLUX[70:]) == run(twin, INFLUX[70:])).all()
    drawn = [key for key in made.save() if not {*key.split(".")}.isdisjoint(made.drawn)]
    assert "kinase/drawn.words" in drawn, "another seed draws other numbers"


def test_rates_that_nothing_follows_end_in_one_line(folder: Path) -> None:
    """Of a state that no run writes; without a limit its steps would never end."""
    made = engine(kinase_network(), sites(2), folder, options={"models": ["kinase.h5"]})
    run(made, INFLUX[:3])
    state = {key: np.array(value) for key, value in made.save().items()}
    state["kinase/speed"][1] = 1e300
    made.restore(state)
    with pytest.raises(RunError, match='the model "kinase" diverges at site 1'):
        made.advance(1)


def test_counts_to_and_from_another_accuracy(folder: Path) -> None:
    network, options = kinase_network(), {"models": ["kinase.h5"]}
    made, twin = (engine(network, sites(2), folder, options=options) for _ in range(2))
    assert made.read_counts().tolist() == [list(START)] * 2
    run(made, INFLUX[:50])
    counts = made.read_counts()
    assert (counts[:, 1] + counts[:, 2] == 60).all() and (counts[:, 3] + counts[:, 4] == 80).all()
    ions = 35 + INFLUX[:50].sum()
    assert (np.abs(counts[:, 0] + counts[:, 2] - ions) <= 1).all(), "a fraction of an ion is left out"
    twin.write_counts(counts, np.random.default_rng(1))
    assert (twin.read_counts() == counts).all()
    twin.write_sites(np.array([1]), made.read_counts()[:1], np.random.default_rng(1))
    assert (twin.read_counts()[1] == counts[0]).all()


def test_outside_of_the_training_it_warns_and_counts(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = engine(kinase_network(), sites(1), folder, options={"models": ["kinase.h5"]})
    run(made, np.full(40, 200.0))
    assert made.outside[0] > 0 and "were trained for" in caplog.text


def test_another_chemistry_or_other_totals_are_refused(folder: Path) -> None:
    def made(network: ReactionNetwork, start: tuple[int, ...] = START) -> None:
        engine(network, [Site("s", HEAD, start)], folder, options={"models": ["kinase.h5"]})

    with pytest.raises(InputError, match=r'"kinase" was learned from another chemistry of S, CaS, K, Kp'):
        made(kinase_network(speed=1.1))
    with pytest.raises(
        InputError, match=r'"kinase" was trained at 0.9963 .. 0.9963 uM of S in all; a site has 1.993 uM'
    ):
        made(kinase_network(), (30, 115, 5, 80, 0))
