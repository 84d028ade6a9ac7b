"""Structures of molecules for `couple train` and `couple model`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell


class StructureTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it has a table [molecule]."""
        return "molecule" in content

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is the graph of a molecule's sites."""
        from reducers.training.folder import GRAPH_FORMAT

        return head["format"] == GRAPH_FORMAT

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `StructureTraining`. Raises InputError if anything does not fit."""
        from reducers.gccd.structure.training import StructureTraining

        return StructureTraining(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError: this training is done in one go."""
        raise InputError("structures are learned in one go: train them again", where=str(folder))

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Interactions by name, from the summary."""
        from reducers.gccd.structure.training import graph_lines

        return graph_lines(dict(summary))

    def report(self, path: Path) -> ModelReport:
        """Interactions and stability of a model file. Raises InputError for a file of another kind."""
        from couple.files.open_hdf5 import FileKind, read_hdf5
        from reducers.gccd.structure.report import figure
        from reducers.gccd.structure.training import graph_lines
        from reducers.training.folder import GRAPH_FORMAT
        from reducers.training.verdict import verdict_lines

        kind = FileKind((GRAPH_FORMAT,), "the graph of a molecule", "give the model.h5 of a training", "train it again")
        with read_hdf5(path, kind) as file:
            summary = json.loads(str(file.attrs["summary"]))
            sites = list(json.loads(str(file.attrs["training"]))["molecule"]["sites"])
            verdict = str(file.attrs["verdict"])
        lines = [("structure", f"of a molecule with the sites {', '.join(sites)}"), *verdict_lines(verdict)]
        lines += [("", line) for line in graph_lines(summary)]
        return ModelReport(lines, lambda picture: [figure(sites, summary, picture)])
