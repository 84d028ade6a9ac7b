"""Calmodulin and CaMKII at the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.gccd.block import MarkovFieldBlock
from reducers.gccd.report import ablation_lines, figure, protocol_lines, report_lines, validation_lines
from reducers.gccd.training import GccdTraining
from reducers.markov.file import read_block
from reducers.training.kinds import Report
from reducers.training.resumable import Tell


class MarkovFields:
    """See `reducers.training.kinds.Kind`."""

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> GccdTraining:
        return GccdTraining.new(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> GccdTraining:
        return GccdTraining.resumed(folder, tell=tell)

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        return [
            f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s of CPU time",
            f"on {', '.join(summary['on'])}, which it was not learned from:",
            *ablation_lines(summary),
            *protocol_lines(summary),
            *validation_lines(summary),
        ]

    def report(self, path: Path) -> Report:
        block = read_block(path)
        if not isinstance(block, MarkovFieldBlock):
            raise InputError("is not a Markov random field", where=str(path))
        return Report(report_lines(block), lambda picture: [figure(block, picture)])
