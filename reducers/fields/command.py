"""Fields for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class FieldTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has model.family = "field"."""
        return is_field(content)

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a reduced model of a field."""
        return head["family"] == "field"

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `FieldTraining`. Raises InputError if anything does not fit."""
        from reducers.fields.training import FieldTraining

        return FieldTraining.new(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """The training whose checkpoint is in `folder`. Raises InputError if it is damaged or of other data."""
        from reducers.fields.training import FieldTraining

        return FieldTraining.resumed(folder, tell=tell)

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Steps, and the report of the model file."""
        found = self.report(model).lines
        width = max(len(what) for what, _ in found)
        steps = f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s"
        return [steps, *(f"{what:<{width}}  {value}" for what, value in found)]

    def report(self, path: Path) -> ModelReport:
        """Law and errors of a model file. Raises InputError for a file of another kind."""
        from reducers.fields.model import FieldModel
        from reducers.fields.report import figure, report_lines

        model = FieldModel.read(path)
        return ModelReport(report_lines(model), lambda picture: [figure(model, picture)])


def is_field(content: Mapping[str, Any]) -> bool:
    """Whether nested tables are the training of a field."""
    model = content.get("model")
    return isinstance(model, dict) and model.get("family") == "field"
