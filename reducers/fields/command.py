"""Fields at the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reducers.fields.model import FieldModel
from reducers.fields.report import figure, report_lines
from reducers.fields.training import FieldTraining
from reducers.training.kinds import Report
from reducers.training.resumable import Tell


class Fields:
    """See `reducers.training.kinds.Kind`."""

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> FieldTraining:
        return FieldTraining.new(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> FieldTraining:
        return FieldTraining.resumed(folder, tell=tell)

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        found = self.report(model).lines
        width = max(len(what) for what, _ in found)
        steps = f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s"
        return [steps, *(f"{what:<{width}}  {value}" for what, value in found)]

    def report(self, path: Path) -> Report:
        model = FieldModel.read(path)
        return Report(report_lines(model), lambda picture: [figure(model, picture)])
