"""Distributions of copy numbers for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class CopyNumberTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has a table [copy_numbers]."""
        return "copy_numbers" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a driven model of copy numbers."""
        from reducers.markov.file import FORMAT

        return head["format"] == FORMAT and head["kind"] == "copy_numbers"

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `CopyNumberTraining`. Raises InputError if anything does not fit."""
        from reducers.copy_numbers.training import CopyNumberTraining

        return CopyNumberTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError: this training is done in one go."""
        raise InputError("distributions of copy numbers are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Rates and errors, from the summary."""
        errors = summary["held_out"].items()
        return [
            *(f"rate of {line}" for line in summary["rates"]),
            *(f"error of the {name} on stimuli not learned from: {error:.2g}" for name, error in errors),
        ]

    def report(self, path: Path) -> ModelReport:
        """Rates and errors of a model file. Raises InputError for a file of another kind."""
        from reducers.copy_numbers.block import CopyNumberBlock
        from reducers.copy_numbers.report import figure, report_lines
        from reducers.markov.file import read_block

        block = read_block(path)
        if not isinstance(block, CopyNumberBlock):
            raise InputError("is not a distribution of copy numbers", where=str(path))
        return ModelReport(report_lines(block), lambda picture: [figure(block, picture)])
