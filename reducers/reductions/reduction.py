"""A training that `couple.reduce` prepares, and the model that comes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.base.html.tables import html_table
from couple.files.open_hdf5 import read_hdf5
from couple.reduction.family import Tell
from reducers.markov.file import KIND, read_block
from reducers.training.folder import MODEL, SUMMARY
from reducers.training.kinds import PreparedTraining, TrainingKind, kind_of_model


@dataclass(frozen=True)
class TrainedModel:
    """See `couple.reduction.family.LearnedModel`."""

    path: Path
    name: str
    summary: dict[str, Any]

    @property
    def good(self) -> bool:
        """The verdict."""
        return bool(self.summary["verdict"]["good"])

    def _kind(self) -> TrainingKind:
        return kind_of_model(self.path)

    def report(self) -> str:
        """Lines of `couple model`. Raises InputError if the file is gone or damaged."""
        lines = self._kind().report(self.path).lines
        width = max(len(what) for what, _ in lines)
        return "\n".join(f"{what:<{width}}  {value}" for what, value in lines)

    def draw(self, path: str | Path) -> list[Path]:
        """Pictures of `couple model`. Raises InputError if the file is gone or damaged."""
        return self._kind().report(self.path).draw(Path(path))

    def _repr_html_(self) -> str:
        return html_table(("", ""), self._kind().report(self.path).lines, self.name)


@dataclass(frozen=True)
class DrivenReduction:
    """See `couple.reduction.family.Reduction`. begin: the training, that tells how far it is."""

    family: str
    name: str
    content: dict[str, Any]
    folder: Path
    begin: Callable[[Tell], PreparedTraining]

    def fit(self, *, force: bool = False, tell: Tell | None = None) -> TrainedModel:
        """See `Reduction`."""
        say = _say if tell is None else tell
        place = self.folder / MODEL
        if place.exists() and not force:
            if not self._made(place):
                raise InputError(
                    "holds a model of another training: give fit(force=True) to replace it, or reduce another folder",
                    where=str(self.folder),
                )
            say(f"{self.name} was learned before: {place}")
            return TrainedModel(place.absolute(), self.name, json.loads((self.folder / SUMMARY).read_text()))
        self.folder.mkdir(parents=True, exist_ok=True)
        summary = self.begin(say).run()
        say(str(summary["verdict"]["text"]))
        return TrainedModel(place.absolute(), self.name, summary)

    def _made(self, place: Path) -> bool:
        """Whether this training made a model, and its summary is there."""
        with read_hdf5(place, KIND):
            pass
        return json.loads(read_block(place).about.training) == self.content and (self.folder / SUMMARY).is_file()


def _say(line: str) -> None:
    """On standard error."""
    print(line, file=sys.stderr, flush=True)
