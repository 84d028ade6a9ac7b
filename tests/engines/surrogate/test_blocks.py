"""Blocks that advance themselves beside the pools of a surrogate, and what is booked for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.arrays import Counts
from couple.base.errors import InputError, RunError
from couple.base.registry import register
from couple.chemistry.network import ReactionNetwork
from couple.components.component import State
from couple.geometry.geometry import Geometry
from reducers.markov.block import About, Bound, Stepped
from reducers.markov.file import BLOCKS, write_block
from support.networks import spine, spine_site
from support.surrogate_cases import INFLUX, course, engine


class Lobe(Stepped):
    """A buffer B <-> CaB as a block of its own: what the engine does with any block that is not a generator."""

    kind = "lobe"

    def __init__(self, about: About, on: float, off: float) -> None:
        self.about, self.on, self.off = about, on, off

    def arrays(self) -> dict[str, Any]:
        return {"rates": np.array([self.on, self.off])}

    @classmethod
    def build(cls, about: About, arrays: Any) -> Lobe:
        return cls(about, *arrays["rates"].tolist())

    def bind(self, sites: Sequence[Geometry], counts: Counts, observables: Sequence[Sequence[float]]) -> Bound:
        return BoundLobe(self, counts, np.array(observables))


class BoundLobe(Bound):
    """state: bound molecules; total: all."""

    longest = 0.2

    def __init__(self, block: Lobe, counts: Counts, observables: np.ndarray) -> None:
        self.block, self.observables = block, observables
        self.outside = np.zeros(len(counts), dtype=np.int64)
        self.state, self.total = np.zeros((len(counts), 1)), np.zeros(len(counts))
        self.write_counts(counts)

    def uptake(self, out: np.ndarray) -> None:
        out[:, 0] = -self.block.off * self.state[:, 0]
        out[:, 1] = self.block.on * (self.total - self.state[:, 0])

    def advance(self, drive: np.ndarray, span: float) -> None:
        rate = self.block.on * drive + self.block.off
        steady = self.block.on * drive / rate * self.total
        self.state[:, 0] = steady + (self.state[:, 0] - steady) * np.exp(-rate * span)

    def held(self, out: np.ndarray) -> None:
        out[:] = self.state[:, 0]

    def watch(self, out: np.ndarray) -> None:
        bound = self.state[:, 0]
        for k, (free, full) in enumerate(self.observables):
            out[:, k] = free * (self.total - bound) + full * bound

    def read_counts(self, held: Counts, rng: Sequence[np.random.Generator]) -> Counts:
        return np.stack([np.rint(self.total).astype(np.int64) - held, held], axis=1)

    def write_counts(self, counts: Counts) -> None:
        self.total[:], self.state[:, 0] = counts.sum(axis=1), counts[:, 1]

    def private(self) -> State:
        return {**super().private(), "total": self.total}


@pytest.fixture
def lobe(tmp_path: Path) -> tuple[ReactionNetwork, Path]:
    network = spine()
    observables = {**network.observables, "bound": {"CaCBP": 1.0, "CaPMCA": 1.0}}
    network = ReactionNetwork(network.species, network.reactions, network.reservoirs, observables)
    about = About.of(network, "CBP", ("CBP", "CaCBP"), "Ca", drive_box=(0.0, 1e3), box=np.array([[0.0], [1e6]]))
    register(BLOCKS, "lobe", Lobe)
    write_block(Lobe(about, 0.247, 0.524), tmp_path / "lobe.h5")
    return network, tmp_path


def test_a_block_of_its_own_does_what_the_pool_did(lobe: tuple[ReactionNetwork, Path]) -> None:
    network, folder = lobe
    site = spine_site(network)
    plain, made = engine(network, [site]), engine(network, [site], folder, options={"models": ["lobe.h5"]})
    assert "CaCBP" not in made.network.names and "CBP_Ca" in made.network.names
    contents = made.network.contents("Ca")
    before = float((made.read("counts") @ contents)[0])
    smooth = 20.0 * np.sin(np.arange(400) / 40) ** 2
    free, bound, other = [], [], []
    for ions in smooth.tolist():
        for e in (plain, made):
            e.write("influx", ions)
            e.advance(1)
        free.append((plain.read("counts")[0, 0], made.read("counts")[0, 0]))
        bound.append(
            (plain.read("counts")[0, network.index("CaCBP")], made.read("counts")[0, made.network.index("CBP_Ca")])
        )
        other.append((plain.read("means")[0, 2], made.read("means")[0, 2]))
        before += ions
        assert abs(float((made.read("counts") @ contents)[0]) - before) < 1e-9 * before
    for pairs, bound_ in ((free, 0.02), (bound, 0.01), (other, 0.01)):
        exact, found = np.array(pairs).T
        assert abs(found - exact).max() < bound_ * exact.max()
    assert plain.network.observables.keys() == made.network.observables.keys()


def test_counts_of_a_block_to_and_from_another_accuracy(lobe: tuple[ReactionNetwork, Path]) -> None:
    network, folder = lobe
    site = spine_site(network)
    made = engine(network, [site], folder, options={"models": ["lobe.h5"]})
    assert made.read_counts().tolist() == [list(site.initial)]
    course(made, INFLUX[:150])
    counts = made.read_counts()
    assert counts.shape == (1, len(network.species)) and counts[0, 1:3].sum() == sum(site.initial[1:3])
    twin = engine(network, [site], folder, options={"models": ["lobe.h5"]})
    twin.write_counts(counts, np.random.default_rng(1))
    assert (twin.read_counts() == counts).all()
    with pytest.raises(InputError, match="shape"):
        twin.write_counts(counts[:, :-1], np.random.default_rng(1))


def test_whole_totals_stay_whole(lobe: tuple[ReactionNetwork, Path]) -> None:
    """Ions in a block and free ones are rounded together; the mean over draws is what there was."""
    network, folder = lobe
    made = engine(network, [spine_site(network)], folder, options={"models": ["lobe.h5"]})
    counts = made.read("counts")
    ca, held = made.network.index("Ca"), made.network.index("CBP_Ca")
    counts[0, ca], counts[0, held] = 10.4, 39.6
    before = counts[0, : len(made.network.species)] @ made.network.contents("Ca")[: len(made.network.species)]
    assert before == pytest.approx(round(before), abs=1e-9)
    contents = network.contents("Ca")[: len(network.species)]
    drawn = np.array([made.read_site(0, np.random.default_rng(seed)) for seed in range(400)])
    assert (drawn @ contents == round(before)).all()
    free = drawn[:, network.index("Ca")]
    assert set(free) == {10, 11} and abs(free.mean() - 10.4) < 4 * np.sqrt(0.24 / 400)


def test_a_block_takes_no_longer_steps_than_it_can(lobe: tuple[ReactionNetwork, Path]) -> None:
    network, folder = lobe
    made = engine(network, [spine_site(network)], folder, options={"models": ["lobe.h5"]})
    with pytest.raises(RunError, match=r"takes steps of 0.2 ms at most"):
        made.advance(3)
