"""A training goes on only with the files that it began with: its own, and those of the experiments that it samples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from couple.base.errors import InputError
from couple.components.component import State
from reducers.data.settings import DataBlock
from reducers.training.files import LearningFile
from reducers.training.resumable import Progress, Resumable
from support import input_kinds

TRAINING = """
[train]
name = "counting"
[data]
experiment = "sites/sites.toml"
"""


class CountingFile(LearningFile):
    """Learns nothing."""

    data: DataBlock


class Counting(Resumable):
    """A training without data."""

    File = CountingFile
    done = 0

    def digest(self) -> str:
        return ""

    def states(self) -> dict[str, State]:
        return {}

    def restore(self, states: dict[str, State]) -> None:
        assert not states

    def _run(self, progress: Progress | None) -> dict[str, Any]:
        self.save()
        return {}


def test_a_changed_file_of_an_experiment_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    input_kinds.sites(tmp_path / "sites")
    (tmp_path / "train.toml").write_text(TRAINING)
    Counting.new(tmp_path / "train.toml", tmp_path / "out").run()
    named = [f"sites/{name}" for name in input_kinds.SITE_FILES if name != "limit.csv"]  # which the rule reads
    again = Counting.resumed(tmp_path / "out")
    assert {str(f.path.relative_to(tmp_path)) for f in again.inputs} == {"train.toml", *named}
    for name in ("train.toml", *named):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(before + b"\nx = 1\n")
        said = rf"{re.escape(Path(name).name)} changed since this training began.*train again"
        with pytest.raises(InputError, match=said):
            Counting.resumed(tmp_path / "out")
        (tmp_path / name).write_bytes(before)
    (tmp_path / "train.toml").write_text(TRAINING + "# a comment\n")
    Counting.resumed(tmp_path / "out")
