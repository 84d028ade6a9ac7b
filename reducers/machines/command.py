"""Boltzmann machines of molecules on a grid for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class MachineTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has a table [machine]."""
        return "machine" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a driven model that is a machine."""
        from reducers.markov.file import FORMAT

        return head["format"] == FORMAT and head["kind"] == "machine"

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `MachineTraining`. Raises InputError if anything does not fit."""
        from reducers.machines.training import MachineTraining

        return MachineTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError: this training is done in one go."""
        raise InputError("machines are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Parameters that move, and errors, from the summary."""
        errors = summary["held_out"].items()
        return [
            f"parameters that move: {', '.join(summary['parameters'])}",
            *(f"error of the {name} on stimuli not learned from: {error:.2g}" for name, error in errors),
        ]

    def report(self, path: Path) -> ModelReport:
        """Parameters and errors of a model file. Raises InputError for a file of another kind."""
        from reducers.machines.block import MachineBlock
        from reducers.machines.report import figure, report_lines
        from reducers.markov.file import read_block

        block = read_block(path)
        if not isinstance(block, MachineBlock):
            raise InputError("is not a machine", where=str(path))
        return ModelReport(report_lines(block), lambda picture: [figure(block, picture)])
