"""Runs that are learned from are kept, and made anew when what makes them has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from couple.ensemble.sampling import ensemble_key
from couple.experiment import Experiment
from reducers.data.settings import DataBlock
from reducers.data.sources import load_data
from support.paths import EXAMPLES


class Learner:
    """Somebody who changes an experiment between trainings."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.said = folder, folder / "site.toml", [""]
        self.text = (EXAMPLES / "reduce/decay_site.toml").read_text()
        self.file.write_text(self.text)

    def load(self, runs: int = 3, seed: int = 1) -> str:
        """Digest of the runs that a training gets."""
        self.said = []
        block = DataBlock(experiment="site.toml", runs=runs)
        found = load_data(block, self.folder, self.folder / "out", seed, self.said.append)
        assert found.runs == runs
        return found.digest()

    def made(self) -> dict[str, int]:
        """Ensembles that are there, with the time they were written at."""
        return {p.parent.name: p.stat().st_mtime_ns for p in (self.folder / "out/data").glob("*/ensemble.h5")}


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path)


def test_runs_are_kept_until_their_experiment_changes(learner: Learner) -> None:
    first = learner.load()
    made = learner.made()
    assert len(made) == 1 and "changed" not in "".join(learner.said)
    assert learner.load() == first and learner.made() == made

    learner.file.write_text(learner.text.replace("1.5 /s", "4.5 /s"))
    assert learner.load() != first and len(learner.made()) == 2
    assert any("decay has changed since runs of it were made: they are made anew" in line for line in learner.said)

    learner.file.write_text(learner.text.replace("# What", "# A comment. What"))
    assert learner.load() == first and len(learner.made()) == 2, (
        "a comment is no change, and what was made is still there"
    )
    assert learner.load(seed=2) != first and len(learner.made()) == 3


def test_other_numbers_of_runs_take_from_what_is_there_or_add_to_it(learner: Learner) -> None:
    three = learner.load(3)
    made = learner.made()
    two = learner.load(2)
    assert two != three and learner.made() == made, "fewer runs are the first of those that are there"
    five = learner.load(5)
    assert len(learner.made()) == 1 and learner.made() != made
    assert learner.load(3) == three and learner.load(2) == two and learner.load(5) == five


def test_a_change_of_a_file_that_the_experiment_names_is_a_change(tmp_path: Path) -> None:
    text = (EXAMPLES / "reduce/decay_site.toml").read_text()
    head, _, rest = text.partition("[chemistry]")
    chemistry, _, site = rest.partition("[[site]]")
    (tmp_path / "chemistry.toml").write_text(chemistry)
    (tmp_path / "site.toml").write_text(f'{head}[chemistry]\nfile = "chemistry.toml"\n[[site]]{site}')
    keys = [ensemble_key(Experiment.load(tmp_path / "site.toml"), 1)]
    (tmp_path / "chemistry.toml").write_text(chemistry.replace("0.5 /s", "0.6 /s"))
    keys.append(ensemble_key(Experiment.load(tmp_path / "site.toml"), 1))
    assert keys[0] != keys[1] == ensemble_key(Experiment.load(tmp_path / "site.toml"), 1)
