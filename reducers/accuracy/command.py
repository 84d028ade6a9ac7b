"""Errors and costs of engines for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class AccuracyTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has a table [accuracy]."""
        return "accuracy" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a learned accuracy."""
        from reducers.training.folder import ACCURACY_FORMAT

        return head["format"] == ACCURACY_FORMAT

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `AccuracyTraining`. Raises InputError if anything does not fit."""
        from reducers.accuracy.training import AccuracyTraining

        return AccuracyTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError: this training is done in one go."""
        raise InputError("accuracies are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """What each target reaches and costs, from the summary."""
        from reducers.accuracy.training import lines_of

        return lines_of(dict(summary), list(summary["engines"]))

    def report(self, path: Path) -> ModelReport:
        """Errors by numbers and gradients, and tests. Raises InputError for a file of another kind."""
        from reducers.accuracy.model import AccuracyModel
        from reducers.accuracy.report import figure
        from reducers.accuracy.training import report_lines

        model = AccuracyModel.read(path)
        return ModelReport(report_lines(model), lambda picture: [figure(model, picture)])
