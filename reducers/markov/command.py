"""Independent molecules at the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.markov.file import read_block
from reducers.markov.markov import MarkovBlock
from reducers.markov.report import figure, report_lines
from reducers.markov.training import DrivenTraining
from reducers.training.kinds import Report
from reducers.training.resumable import Tell


class Molecules:
    """See `reducers.training.kinds.Kind`."""

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> DrivenTraining:
        return DrivenTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> DrivenTraining:
        raise InputError("independent molecules are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        errors = summary["held_out"].items()
        return [
            *summary["transitions"],
            *(f"NRMSE of {name} on stimuli not learned from: {error:.2g}" for name, error in errors),
        ]

    def report(self, path: Path) -> Report:
        block = read_block(path)
        if not isinstance(block, MarkovBlock):
            raise InputError("is not a model of independent molecules", where=str(path))
        return Report(report_lines(block), lambda picture: [figure(block, picture)])
