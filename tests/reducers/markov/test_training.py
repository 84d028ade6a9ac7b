"""Learning a block of independent molecules: SK from channels under a course of calcium."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.surrogate.pools.network import pools_of
from couple.base.errors import InputError
from reducers.markov.command import MoleculeTrainingKind
from reducers.markov.file import read_block
from reducers.markov.markov import MarkovBlock
from reducers.markov.report import steady_shares
from reducers.markov.training import DrivenTraining
from support.networks import SK_STATES, spine
from support.paths import EXAMPLES

SK = tuple(SK_STATES)
EXAMPLE = EXAMPLES / "sk"
SHORT = [
    "sample.engine=ode",
    "sample.duration=30 ms",
    "sample.stimuli.0.duration=10 20 ms",
    "path.points=12",
    "path.folds=3",
    "refine.iterations=8",
]


def off(block: MarkovBlock) -> float:
    """Largest relative error of a rate; 1 for one that should be 0 or is missing."""
    pool = next(p for p in pools_of(spine(), "Ca") if set(p.states) == set(SK))
    order, worst = [pool.states.index(s) for s in SK], 0.0
    for found, exact in ((block.base, pool.base), (block.slope, pool.slope)):
        wanted = exact[np.ix_(order, order)]
        apart = ~np.eye(6, dtype=bool)
        assert ((found != 0) == (wanted != 0))[apart].all(), "another graph of transitions"
        there = apart & (wanted != 0)
        worst = max(worst, float(abs(found[there] / wanted[there] - 1).max()))
    return worst


def test_the_model_of_the_examples_is_the_scheme_to_1_percent() -> None:
    """Learned from a million simulated channels: the ten transitions and no other, each rate within 1 %."""
    block = read_block(EXAMPLE / "sk.h5")
    assert isinstance(block, MarkovBlock) and block.about.species == SK
    block.about.check(spine())
    assert off(block) < 0.01
    assert max(block.about.held_out.values()) < 0.01


def test_the_report_shows_the_steady_curve_of_the_scheme(tmp_path: Path) -> None:
    """Po(c) = (0.8 c² + 24 c³) / (1 + 2.5 c + 5.8 c² + 26 c³) within 1 %."""
    report, block = MoleculeTrainingKind().report(EXAMPLE / "sk.h5"), read_block(EXAMPLE / "sk.h5")
    assert isinstance(block, MarkovBlock)
    for c in (0.05, 0.1, 0.5, 1.0, 10.0):
        exact = (0.8 * c**2 + 24 * c**3) / (1 + 2.5 * c + 5.8 * c**2 + 26 * c**3)
        assert steady_shares(block, c) @ np.array(block.about.observables["SK_open"]) == pytest.approx(exact, rel=0.01)
    assert ("SK_C3 -> SK_O1", "0.159915 /ms") in report.lines
    (picture,) = report.draw(tmp_path / "sk.png")
    assert picture.stat().st_size > 10_000


def test_a_short_training_finds_the_scheme(tmp_path: Path) -> None:
    training = DrivenTraining(EXAMPLE / "train.toml", tmp_path, SHORT)
    summary = training.run()
    block = read_block(tmp_path / "model.h5")
    assert isinstance(block, MarkovBlock) and off(block) < 0.01
    assert len(summary["transitions"]) == 10 and max(summary["held_out"].values()) < 1e-3
    with pytest.raises(InputError, match="--force"):
        DrivenTraining(EXAMPLE / "train.toml", tmp_path, SHORT)


def test_bad_training_files_are_refused(tmp_path: Path) -> None:
    for change, message in (
        ('driven.species=["SC_*"]', r'no species "SC_\*"'),
        ('driven.species=["SK_C1", "SK_O2"]', r"couples it to SK_C2, not only to Ca"),
        ("sample.stimuli.1.kind=spikes", r'"spikes", which .* learned from or tested on'),
        ("sample.every=50 ms", r"duration must be ten times"),
        ("drive.x=1", r'unknown key "drive" here; it belongs to \[driven\]'),
    ):
        with pytest.raises(InputError, match=message):
            DrivenTraining(EXAMPLE / "train.toml", tmp_path, [change])
