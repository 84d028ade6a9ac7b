"""What can be trained: kinds, found by the entry points `couple.trainings`, with their files, models and reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from couple.base import registry
from couple.base.errors import InputError
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.storage import checkpoint
from reducers.training.folder import CHECKPOINT, MODEL_FORMATS
from reducers.training.resumable import Progress, Tell

GROUP = "couple.trainings"
"""Entry points: name → class of a `TrainingKind`, made without arguments; it imports what it needs when it is used."""
MODELS = FileKind(MODEL_FORMATS, "a model", "give the model.h5 of a training")
FALLBACK = "dbd"
"""The kind that is given what no other takes; it says what is wrong."""


class PreparedTraining(Protocol):
    """A training that is ready to run. folder: of its results. done: steps so far."""

    folder: Path

    @property
    def done(self) -> int:
        """Steps so far."""

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """To the end; writes model and summary, and returns the summary, which has a `verdict` (`Verdict.as_dict`)."""


@dataclass(frozen=True)
class ModelReport:
    """What a model is: (what, value) lines, and what draws it at a path and returns all pictures made."""

    lines: list[tuple[str, str]]
    draw: Callable[[Path], list[Path]]


class TrainingKind(Protocol):
    """One kind of training, as `couple train` and `couple model` need it."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether the nested tables of a training file are of this kind."""

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether a model file is of this kind; head: its attributes "format", "kind" and "family", "" if not there."""

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """Raises InputError if anything does not fit."""

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """Raises InputError for a checkpoint that is damaged or of other data."""

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """What to say at the end of a training, from its summary or its model file; not the verdict."""

    def report(self, path: Path) -> ModelReport:
        """Raises InputError for a file that is damaged or of another kind."""


def kind_of_file(content: Mapping[str, Any]) -> TrainingKind:
    """Who trains what the nested tables of a training file describe."""
    return _first(lambda kind: kind.trains(content))


def kind_of_checkpoint(folder: Path) -> TrainingKind:
    """Who goes on in a folder. Raises InputError if it holds no checkpoint of a training."""
    place = folder / CHECKPOINT if folder.is_dir() else folder
    states = checkpoint.read(place)
    head = states.get("training", {})
    if "content" not in head:
        raise InputError("is not the checkpoint of a training", where=str(place))
    return kind_of_file(json.loads(str(head["content"])))


def kind_of_model(path: Path) -> TrainingKind:
    """Who made a model file."""
    try:
        with read_hdf5(path, MODELS) as file:
            head = {key: str(file.attrs.get(key, "")) for key in ("format", "kind", "family")}
    except InputError:
        return _load(FALLBACK)
    return _first(lambda kind: kind.wrote(head))


def _first(fits: Callable[[TrainingKind], bool]) -> TrainingKind:
    kinds = (_load(name) for name in registry.names(GROUP))
    return next((kind for kind in kinds if fits(kind)), None) or _load(FALLBACK)


def _load(name: str) -> TrainingKind:
    made: TrainingKind = registry.load(GROUP, name)()
    return made
