"""Calmodulin and CaMKII for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class CaMKIITrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has tables [[protocol]]."""
        return "protocol" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a driven model that is a Markov random field."""
        from reducers.markov.file import FORMAT

        if head["format"] != FORMAT:
            return False
        from reducers.gccd.block import MarkovFieldBlock

        return head["kind"] == MarkovFieldBlock.kind

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `GccdTraining`. Raises InputError if anything does not fit."""
        from reducers.gccd.training import GccdTraining

        return GccdTraining.new(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """The training whose checkpoint is in `folder`. Raises InputError if it is damaged or of other data."""
        from reducers.gccd.training import GccdTraining

        return GccdTraining.resumed(folder, tell=tell)

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Steps, ablation, protocols and validations, from the summary."""
        from reducers.gccd.report import ablation_lines, protocol_lines, validation_lines

        return [
            f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s of CPU time",
            f"on {', '.join(summary['on'])}, which it was not learned from:",
            *ablation_lines(summary),
            *protocol_lines(summary),
            *validation_lines(summary),
        ]

    def report(self, path: Path) -> ModelReport:
        """Law, ablation and validations of a model file. Raises InputError for a file of another kind."""
        from reducers.gccd.block import MarkovFieldBlock
        from reducers.gccd.report import figure, report_lines
        from reducers.markov.file import read_block

        block = read_block(path)
        if not isinstance(block, MarkovFieldBlock):
            raise InputError("is not a Markov random field", where=str(path))
        return ModelReport(report_lines(block), lambda picture: [figure(block, picture)])
