"""Distributions of numbers of molecules for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class PopulationTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has a table [population]."""
        return "population" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a driven model of numbers."""
        from reducers.markov.file import FORMAT

        return head["format"] == FORMAT and head["kind"] == "population"

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `PopulationTraining`. Raises InputError if anything does not fit."""
        from reducers.populations.training import PopulationTraining

        return PopulationTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError: this training is done in one go."""
        raise InputError("distributions of numbers are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Rates and errors, from the summary."""
        errors = summary["held_out"].items()
        return [
            *(f"rate of {line}" for line in summary["rates"]),
            *(f"error of the {name} on stimuli not learned from: {error:.2g}" for name, error in errors),
        ]

    def report(self, path: Path) -> ModelReport:
        """Rates and errors of a model file. Raises InputError for a file of another kind."""
        from reducers.markov.file import read_block
        from reducers.populations.block import PopulationBlock
        from reducers.populations.report import figure, report_lines

        block = read_block(path)
        if not isinstance(block, PopulationBlock):
            raise InputError("is not a distribution of numbers", where=str(path))
        return ModelReport(report_lines(block), lambda picture: [figure(block, picture)])
