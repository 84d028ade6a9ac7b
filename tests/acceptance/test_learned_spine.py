"""A spine of examples/plasticity with its learned models against the lattice and the SSA, in closed loop with NEURON.

Fixed beforehand: 20 seeds a side, five pairs of an event and a spike 10 ms later at 20 Hz, 400 ms; V, calcium, open SK
channels, phosphorylated CaMKII and the weight at the bounds of `couple compare`, all together at its level. Controls:
learned models at half their speed, and no feedback (SK channels that conduct nothing), must be called different.

COUPLE_LEARNED_SEEDS and COUPLE_LEARNED_OUT set how many seeds a side, and a folder in which runs are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from couple.analysis.compare.comparison import Comparison, compare
from couple.analysis.compare.report import row_lines, verdict
from couple.analysis.compare.sides import Request, Side, side_of
from reducers.gccd.block import MarkovFieldBlock
from reducers.markov.file import read_block, write_block
from reducers.markov.markov import MarkovBlock
from support.paths import EXAMPLES

pytestmark = pytest.mark.acceptance

SEEDS = int(os.environ.get("COUPLE_LEARNED_SEEDS", "20"))
FILE = EXAMPLES / "plasticity" / "plasticity.toml"
ONE_SPINE = (
    "spine.0.place.count=1",
    "spine.0.synapse.count=1",
    'protocol.0.rate="20 Hz"',
    "protocol.0.pairs=5",
    'protocol.0.start="20 ms"',
    'experiment.duration="400 ms"',
    'record.every="1 ms"',
)
JUDGED = ("V spine_0.head(0.5)", "spine_0 Ca", "spine_0 SK_open", "spine_0 K_phosphorylated", "spine_0 AMPA.gmax")


def half_speed(folder: Path) -> str:
    """The option that puts slowed copies of the shipped models into the spine."""
    folder.mkdir(exist_ok=True)
    sk, camkii = read_block(EXAMPLES / "sk" / "sk.h5"), read_block(EXAMPLES / "camkii" / "camkii.h5")
    assert isinstance(sk, MarkovBlock) and isinstance(camkii, MarkovFieldBlock)
    write_block(MarkovBlock(sk.about, 0.5 * sk.base, 0.5 * sk.slope), folder / "sk.h5")
    slow = MarkovFieldBlock(camkii.about, 0.5 * camkii.rates, camkii.graph, camkii.totals, camkii.more)
    write_block(slow, folder / "camkii.h5")
    return f'site.spine_0.surrogate.models=["{folder / "camkii.h5"}", "{folder / "sk.h5"}"]'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    given = os.environ.get("COUPLE_LEARNED_OUT")
    where = Path(given) if given else tmp_path_factory.mktemp("learned")
    where.mkdir(parents=True, exist_ok=True)
    yield where


def side(folder: Path, label: str, *changes: str, seed: int) -> Side:
    """Runs of the spine with these changes, without what is not judged."""
    request = Request(FILE, (*ONE_SPINE, *changes))
    found = side_of(label, request, runs=SEEDS, seed=seed, folder=folder, until=None, of=None, jobs=1)
    return replace(found, what=" ".join(changes) or "learned", series={k: found.series[k] for k in JUDGED})


@pytest.fixture(scope="module")
def learned(folder: Path) -> Side:
    return side(folder, "A", seed=1)


def shown(found: Comparison) -> str:
    return "\n".join([*row_lines(found, "B"), *verdict(found)])


def differing(found: Comparison) -> set[str]:
    return {row.quantity for row in found.rows if row.differs}


@pytest.mark.parametrize("engine", ["ssa", "lattice"])
def test_the_learned_spine_is_not_told_from_molecules(engine: str, learned: Side, folder: Path) -> None:
    fine = side(folder / engine, "B", f'site.spine_0.engine="{engine}"', seed=2)
    found = compare([learned, fine])
    print(f"\nA: learned, B: {engine}, {SEEDS} seeds each\n{shown(found)}")
    means = [row for row in found.rows if row.of in ("mean", "largest", "end", "course")]
    off = [f"{row.quantity}, {row.of}: {row.note}, p {row.adjusted:.2g}" for row in means if row.differs]
    assert not off, off


def test_controls_are_called_different(learned: Side, folder: Path) -> None:
    slow = side(folder / "half", "B", half_speed(folder / "slow"), seed=3)
    found = compare([learned, slow])
    print(f"\nA: learned, B: half speed\n{shown(found)}")
    assert {"spine_0 SK_open", "spine_0 K_phosphorylated"} <= differing(found)
    cut = side(folder / "cut", "B", 'link.2.conductance="1e-6 pS"', seed=4)
    found = compare([learned, cut])
    print(f"\nA: learned, B: no feedback\n{shown(found)}")
    assert "V spine_0.head(0.5)" in differing(found)
