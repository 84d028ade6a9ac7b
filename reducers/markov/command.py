"""Independent molecules for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base import registry
from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class MoleculeTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has a table [driven]."""
        return "driven" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a driven model of independent molecules, or of a kind that nobody registered."""
        from reducers.markov.file import BLOCKS, FORMAT
        from reducers.markov.markov import MarkovBlock

        kind = head["kind"]
        return head["format"] == FORMAT and (kind == MarkovBlock.kind or kind not in registry.names(BLOCKS))

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `DrivenTraining`. Raises InputError if anything does not fit."""
        from reducers.markov.training import DrivenTraining

        return DrivenTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError: this training is done in one go."""
        raise InputError("independent molecules are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Transitions and errors, from the summary."""
        errors = summary["held_out"].items()
        return [
            *summary["transitions"],
            *(f"NRMSE of {name} on stimuli not learned from: {error:.2g}" for name, error in errors),
        ]

    def report(self, path: Path) -> ModelReport:
        """Transitions and errors of a model file. Raises InputError for a file of another kind."""
        from reducers.markov.file import read_block
        from reducers.markov.markov import MarkovBlock
        from reducers.markov.report import figure, report_lines

        block = read_block(path)
        if not isinstance(block, MarkovBlock):
            raise InputError("is not a model of independent molecules", where=str(path))
        return ModelReport(report_lines(block), lambda picture: [figure(block, picture)])
